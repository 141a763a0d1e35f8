"""trainA, trainB, testA and testB, as CycleGAN packed its datasets; pairs where the entry says so, by equal names."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ganrepro.data.layouts.base import SPLITS, Item, Place, images, one, pair
from ganrepro.errors import SourceError


def items(place: Place) -> Iterator[Item]:
    """Pairs, or the images of both sides."""
    sides = {"a": place.entry["a"], "b": "B" if place.entry["a"] == "A" else "A"}
    readings = {domain: place.reading(domain) for domain in sides}
    for split in SPLITS:
        files = {domain: images(place.folder / f"{split}{side}") for domain, side in sides.items()}
        if place.entry["paired"]:
            _expect_equal_names(place.folder, split, files["a"], files["b"])
            for a, b in zip(files["a"], files["b"], strict=True):
                yield Item(split, a.stem, ("a", "b"), partial(pair, {"a": a, "b": b}, readings))
        else:
            for domain, paths in files.items():
                yield from (Item(split, path.stem, (domain,), partial(one, domain, path, readings[domain])) for path in paths)


def _expect_equal_names(root: Path, split: str, a: list[Path], b: list[Path]) -> None:
    if [p.stem for p in a] != [p.stem for p in b]:
        odd = sorted({p.stem for p in a} ^ {p.stem for p in b})
        raise SourceError(
            f"{root}: {split}A and {split}B are unequal ({len(a)} and {len(b)} images; '{odd[0]}' is in one only); "
            f"with a palette every label map needs the photo of the same name"
        )

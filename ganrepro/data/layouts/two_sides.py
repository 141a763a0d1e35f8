"""trainA, trainB, testA and testB, as CycleGAN packed its datasets; pairs where the entry says so, by equal names."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ganrepro.data.images import Values, read_rgb
from ganrepro.data.layouts.base import SPLITS, Item, Picture, Place, images, one
from ganrepro.errors import SourceError


def items(place: Place) -> Iterator[Item]:
    """Pairs, or the images of both sides."""
    sides = {"a": place.entry["a"], "b": "B" if place.entry["a"] == "A" else "A"}
    for split in SPLITS:
        files = {domain: images(place.folder / f"{split}{side}") for domain, side in sides.items()}
        if place.entry["paired"]:
            _expect_equal_names(place.folder, split, files["a"], files["b"])
            for a, b in zip(files["a"], files["b"], strict=True):
                yield Item(split, a.stem, ("a", "b"), partial(_pair, a, b, place.ranges.get("a"), place.ranges.get("b")))
        else:
            for domain, paths in files.items():
                values = place.ranges.get(domain)
                yield from (Item(split, path.stem, (domain,), partial(one, domain, path, values)) for path in paths)


def _expect_equal_names(root: Path, split: str, a: list[Path], b: list[Path]) -> None:
    if [p.stem for p in a] != [p.stem for p in b]:
        odd = sorted({p.stem for p in a} ^ {p.stem for p in b})
        raise SourceError(
            f"{root}: {split}A and {split}B are unequal ({len(a)} and {len(b)} images; '{odd[0]}' is in one only); "
            f"with a palette every label map needs the photo of the same name"
        )


def _pair(a: Path, b: Path, of_a: Values | None, of_b: Values | None) -> Picture:
    return Picture({"a": read_rgb(a, of_a), "b": read_rgb(b, of_b)})

"""A folder for each domain, of images that are not split yet; pairs where the entry says so, by equal names."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ganrepro.data.layouts.base import Item, Place, images, one, pair
from ganrepro.data.own import deal
from ganrepro.errors import SourceError
from ganrepro.store.files import sha256

SHOWN = 5  # names without a partner


def items(place: Place) -> Iterator[Item]:
    """Pairs, or the images of every domain, split by their content."""
    files, test = {name: images(folder) for name, folder in place.entry["folders"].items()}, place.limit("test")
    if place.entry["paired"]:
        yield from _pairs(place, files, test)
        return
    for domain, paths in files.items():
        splits = deal([[sha256(path)] for path in paths], test, str(paths[0].parent))
        for split, path in zip(splits, paths, strict=True):
            yield Item(split, path.stem, (domain,), partial(one, domain, path, place.reading(domain)))


def _pairs(place: Place, files: dict[str, list[Path]], test: int | None) -> Iterator[Item]:
    (a, of_a), (b, of_b) = files.items()
    alone = sorted({p.stem for p in of_a} ^ {p.stem for p in of_b})
    if alone:
        where = " and ".join(str(paths[0].parent) for paths in files.values())
        names = ", ".join(alone[:SHOWN]) + (", …" if len(alone) > SHOWN else "")
        raise SourceError(f"{where}: {len(alone)} images have no partner of their name ({names}); pairs have equal names")
    pairs = list(zip(of_a, of_b, strict=True))
    readings = {name: place.reading(name) for name in (a, b)}
    splits = deal([[*map(sha256, both)] for both in pairs], test, str(of_a[0].parent))
    for split, (first, second) in zip(splits, pairs, strict=True):
        yield Item(split, first.stem, (a, b), partial(pair, {a: first, b: second}, readings))

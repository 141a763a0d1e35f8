"""A folder for each domain, of whatever name and number: train/NAME and test/NAME."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ganrepro.data.layouts.base import SPLITS, Item, Place, images, one


def items(place: Place) -> Iterator[Item]:
    """The images of every domain."""
    for split in SPLITS:
        for domain in place.entry["domains"]:
            for path in images(place.folder / place.theirs(split) / domain):
                yield Item(split, path.stem, (domain,), partial(one, domain, path, place.reading(domain)))

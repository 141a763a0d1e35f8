"""Photos alone: a folder for each split, or all in one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ganrepro.data.layouts.base import SPLITS, Item, Place, one


def items(place: Place) -> Iterator[Item]:
    """Every photo, as domain b."""
    for split in SPLITS:
        for photo in place.images_of(split):
            yield Item(split, photo.stem, ("b",), partial(one, "b", photo, place.reading("b")))

"""Photos alone: a folder for each split, or all in one; then every tenth is for testing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ganrepro.data.layouts.base import SPLITS, Item, Place, images, one


def items(place: Place) -> Iterator[Item]:
    """Every photo, as domain b."""
    for split in SPLITS:
        if "splits" in place.entry:
            chosen = images(place.folder / place.theirs(split))
        else:
            chosen = [photo for i, photo in enumerate(images(place.folder)) if (i % 10 == 5) == (split == "test")]
        yield from (Item(split, photo.stem, ("b",), partial(one, "b", photo, place.ranges.get("b"))) for photo in chosen)

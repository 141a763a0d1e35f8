"""What datasets that are drawn share."""

from __future__ import annotations

from collections.abc import Iterator

from ganrepro.data.layouts.base import SPLITS, Place

TEST_FROM = 1_000_000  # numbers of test images: far from those of training, however many there are


def numbered(place: Place) -> Iterator[tuple[str, int, int]]:
    """Of as many images as the dataset asks for: the split, the number in it, and the number that the image is a function of."""
    for split in SPLITS:
        first = TEST_FROM if split == "test" else 0
        for number in range(place.limit(split) or 0):
            yield split, number, first + number

"""Both domains side by side in one image, as pix2pix packed its datasets; a folder for each split, or all in one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ganrepro.data.images import ImageError, Reading, cut, read_image, size_of
from ganrepro.data.layouts.base import SPLITS, Item, Picture, Place


def items(place: Place) -> Iterator[Item]:
    """Left and right half of every image, in the order of the numbers that they are called."""
    for split in SPLITS:
        for path in sorted(place.images_of(split), key=lambda p: (len(p.stem), p.stem)):
            yield Item(split, path.stem, ("a", "b"), partial(_halves, path, place.entry["a"], place.reading("b")))


def _halves(path: Path, a: str, reading: Reading) -> Picture:
    image = read_image(path, reading)
    width, height = size_of(image)
    if width % 2:
        raise ImageError(f"{path}: {width} x {height}; a side-by-side image needs an even width, two equal halves")
    left, right = cut(image, (0, 0, width // 2, height)), cut(image, (width // 2, 0, width, height))
    return Picture({"a": left, "b": right} if a == "left" else {"a": right, "b": left})

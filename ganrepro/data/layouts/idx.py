"""IDX files as MNIST has them: images and classes of each split as two files of bytes."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from ganrepro.data.layouts.base import SPLITS, Item, Picture, Place
from ganrepro.data.small_images import SIDE, margin_of, padded
from ganrepro.errors import SourceError
from ganrepro.seeding import numpy_stream

HELD_OUT = 2_000  # of the 10,000 test images, where there are no others


def items(place: Place) -> Iterator[Item]:
    """Images with their classes. Where a source has the 10,000 test images alone, they are dealt into two splits at random."""
    margin, splits, folder = margin_of(place.dataset.pixels), place.entry["splits"], place.folder
    many = len(place.entry["classes"])
    for split in SPLITS:
        part = splits.get(split, "t10k")
        images, classes = (_idx(folder / f"{part}-{kind}-ubyte", rank) for kind, rank in (("images-idx3", 3), ("labels-idx1", 1)))
        if images.shape[1:] != (SIDE, SIDE) or len(images) != len(classes) or classes.max() >= many:
            got = f"{images.shape} and {len(classes)} labels up to {classes.max()}"
            raise SourceError(f"{folder}: expected {SIDE} × {SIDE} images with classes 0 to {many - 1}, got {got}")
        order = np.arange(len(images))
        if "train" not in splits:
            order = numpy_stream(0, "digits/held-out").permutation(len(images))
            order = order[HELD_OUT:] if split == "train" else order[:HELD_OUT]
        for number, i in enumerate(order[: place.limit(split)]):
            yield Item(split, f"{split}-{number:05d}", ("b",), partial(_picture, images[i], margin, int(classes[i])))


def _picture(levels: np.ndarray, margin: int, image_class: int) -> Picture:
    return Picture({"b": padded(levels, margin)}, image_class=image_class)


def _idx(path: Path, rank: int) -> np.ndarray:
    """An IDX file of bytes with so many dimensions, as it is or with .gz behind its name."""
    try:
        packed = path.with_name(f"{path.name}.gz")
        content = gzip.decompress(packed.read_bytes()) if packed.exists() else path.read_bytes()
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file; fetch the source again") from None
    head = 4 + 4 * rank
    shape = tuple(int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank))
    if content[:4] != bytes([0, 0, 8, rank]) or len(content) != head + int(np.prod(shape)):
        raise SourceError(f"{path}: no IDX file of bytes in {rank} dimensions, or cut short; fetch the source again")
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)

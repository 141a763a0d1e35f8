"""CamVid as packed for SegNet: photos in one folder for each split, class maps of the same names in another."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ganrepro.data.images import read_rgb
from ganrepro.data.label_maps import read_index
from ganrepro.data.layouts.base import SPLITS, Item, Picture, Place, images


def items(place: Place) -> Iterator[Item]:
    """Photo and class map of every image."""
    entry = place.entry
    for split in SPLITS:
        theirs = place.theirs(split)
        for photo in images(place.folder / theirs):
            index = place.folder / f"{theirs}annot" / photo.name
            yield Item(split, photo.stem, ("a", "b"), partial(_read, photo, index, len(entry["palette"]), entry["void"]))


def _read(photo: Path, index: Path, classes: int, void: list[int]) -> Picture:
    return Picture({"b": read_rgb(photo)}, read_index(index, classes, void))

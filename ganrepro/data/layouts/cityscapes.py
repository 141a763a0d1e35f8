"""Cityscapes as it is downloaded, prepared as the PyTorch reference prepares it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ganrepro.data.images import read_rgb
from ganrepro.data.label_maps import read_ids
from ganrepro.data.layouts.base import SPLITS, Item, Picture, Place


def items(place: Place) -> Iterator[Item]:
    """Photo, label colours and class map of every image."""
    for split in SPLITS:
        theirs = place.theirs(split)
        for photo in sorted(place.folder.glob(f"**/leftImg8bit/{theirs}/*/*_leftImg8bit.png")):
            stem = photo.name.removesuffix("_leftImg8bit.png")
            labels = photo.parents[3] / "gtFine" / theirs / photo.parent.name / stem
            files = photo, Path(f"{labels}_gtFine_color.png"), Path(f"{labels}_gtFine_labelIds.png")
            yield Item(split, stem, ("a", "b"), partial(_read, *files, place.entry["label_ids"]))


def _read(photo: Path, colours: Path, index: Path, ids: dict[int, Any]) -> Picture:
    return Picture({"a": read_rgb(colours), "b": read_rgb(photo)}, read_ids(index, ids))

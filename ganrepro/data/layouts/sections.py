"""Numbered sections of one stack, image/N.png, and the label maps of all of them, label/N.png (ISBI 2012, EM segmentation).

The last ones are held out: the challenge's own test sections have no public labels. Neighbours of a stack are alike, so that the
first of those held out is nearer to the training than a section of another stack would be.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from ganrepro.data.images import read_image, read_labels
from ganrepro.data.layouts.base import SPLITS, Item, Picture, Place, images
from ganrepro.errors import SourceError


def items(place: Place) -> Iterator[Item]:
    """Sections and label maps, in their order in the stack."""
    held_out, values = place.entry["held_out"], place.entry["values"]
    sections = sorted(images(place.folder / "image"), key=lambda path: (len(path.stem), path.stem))
    if strange := next((path for path in sections if not path.stem.isdigit()), None):
        raise SourceError(f"{strange}: expected sections called by their numbers, as in 7.png")
    if len(sections) <= held_out:
        raise SourceError(f"{place.folder}: {len(sections)} sections; expected more than the {held_out} that are held out")
    parts = {"train": sections[:-held_out], "test": sections[-held_out:]}
    for split in SPLITS:
        for path in parts[split][: place.limit(split)]:
            label = place.folder / "label" / path.name
            yield Item(split, f"{int(path.stem):02d}", ("a", "b"), partial(_read, path, label, values, place))


def _read(path: Path, label: Path, values: list[int], place: Place) -> Picture:
    levels = read_labels(label)
    strange = sorted(set(np.unique(levels).tolist()) - set(values))
    if strange:
        raise SourceError(
            f"{label}: expected the values {', '.join(map(str, values))}, got also {', '.join(map(str, strange[:5]))}"
        )
    return Picture({"b": read_image(path, place.reading("b"))}, np.searchsorted(values, levels).astype(np.uint8))

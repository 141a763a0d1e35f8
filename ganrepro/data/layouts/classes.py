"""A folder for each class of image: train/NAME and test/NAME, or NAME alone. All of them are one domain."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ganrepro.data.images import Reading, read_image
from ganrepro.data.layouts.base import SPLITS, Item, Picture, Place


def items(place: Place) -> Iterator[Item]:
    """Every image, called CLASS-NAME: two classes may have images of one name."""
    (domain,) = place.entry["domains"]
    reading, classes = place.reading(domain), list(place.entry["classes"])
    for split in SPLITS:
        for path in place.images_of(split, classes):
            name = path.parent.name
            yield Item(split, f"{name}-{path.stem}", (domain,), partial(_read, domain, path, classes.index(name), reading))


def _read(domain: str, path: Path, image_class: int, reading: Reading) -> Picture:
    return Picture({domain: read_image(path, reading)}, image_class=image_class)

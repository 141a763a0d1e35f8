"""Digits in two inks, drawn by the pipeline: light on dark and dark on light, so that each class combines two attributes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from PIL import ImageOps

from ganrepro.data.drawn import numbered
from ganrepro.data.layouts.base import Item, Picture, Place
from ganrepro.data.layouts.digits import draw
from ganrepro.data.small_images import margin_of, padded

INKS = 2  # classes are '0+light', '0+dark', '1+light' and so on


def items(place: Place) -> Iterator[Item]:
    """As many digits as the dataset asks for, classes in turn."""
    margin = margin_of(place.dataset.pixels)
    for split, number, drawn in numbered(place):
        yield Item(split, f"{split}-{number:05d}", ("b",), partial(_read, drawn, margin))


def _read(number: int, margin: int) -> Picture:
    digit, ink = number % 10, number // 10 % INKS
    image = padded(draw(number), margin)
    return Picture({"b": ImageOps.invert(image) if ink else image}, image_class=INKS * digit + ink)

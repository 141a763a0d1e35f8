"""Drawn digits whose classes combine two attributes: which digit it is, light on dark or dark on light, with a frame or plain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from PIL import ImageDraw, ImageOps

from ganrepro.data.drawn import numbered
from ganrepro.data.layouts.base import Item, Picture, Place
from ganrepro.data.layouts.digits import draw
from ganrepro.data.small_images import margin_of, padded

VALUES = {"digit": 10, "ink": 2, "frame": 2}  # 0: light on dark; plain
FRAME, LEVEL = 2, 200  # how wide a frame is, in pixels, and how light


def items(place: Place) -> Iterator[Item]:
    """As many digits as the dataset asks for, classes in turn.  `attributes` of the registry: which the classes combine."""
    margin, attributes = margin_of(place.dataset.pixels), place.entry["attributes"]
    for split, number, drawn in numbered(place):
        yield Item(split, f"{split}-{number:05d}", ("b",), partial(_read, drawn, margin, attributes))


def _read(number: int, margin: int, attributes: Sequence[str]) -> Picture:
    of = {"digit": number % 10, "frame": number // 10 % 2, "ink": number // 20 % 2 if "ink" in attributes else 0}
    image = padded(draw(number), margin)
    if of["frame"]:
        ImageDraw.Draw(image).rectangle((0, 0, *(side - 1 for side in image.size)), outline=LEVEL, width=FRAME)
    first, second = attributes
    inked = ImageOps.invert(image) if of["ink"] else image
    return Picture({"b": inked}, image_class=of[first] * VALUES[second] + of[second])

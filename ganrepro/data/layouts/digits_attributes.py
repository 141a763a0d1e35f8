"""Drawn digits whose classes combine two attributes: which digit it is, light on dark or dark on light, plain or with a frame."""

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
    first, second = attributes
    number, image_class = divmod(number, VALUES[first] * VALUES[second])
    of = dict(zip(attributes, divmod(image_class, VALUES[second]), strict=True))
    if "digit" not in of:  # each digit in turn
        number, of["digit"] = divmod(number, VALUES["digit"])
    image = padded(draw(10 * number + of["digit"]), margin)  # whose digit is the last figure of its number
    if of.get("frame"):
        ImageDraw.Draw(image).rectangle((0, 0, *(side - 1 for side in image.size)), outline=LEVEL, width=FRAME)
    return Picture({"b": ImageOps.invert(image) if of.get("ink") else image}, image_class=image_class)

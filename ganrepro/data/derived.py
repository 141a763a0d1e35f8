"""Inputs that follow from a photo by themselves: it without its colours, with a hole, or small. Edges are in `data.edges`.

Sizes and places of holes are choices of ours; context encoders (arXiv:1604.07379) have regions of a quarter of the image.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageDraw

from ganrepro.data.images import resize
from ganrepro.seeding import numpy_stream

HOLE = (0.25, 0.5)  # least and largest side, in parts of the photo's
GREY = 127  # of a hole


@dataclass(frozen=True)
class Derived:
    """An RGB photo to the input that a dataset's `derived` names, `pixels` square.

    how: 'grey', its luminance (ITU-R 601, one channel); 'holes', a grey square, drawn by the photo's name; 'shrink-N', shrunk N
    times and enlarged again, both bicubic.
    """

    how: str
    pixels: int

    def __call__(self, photo: Image.Image, name: str) -> Image.Image:
        square = resize(photo, self.pixels)
        if self.how == "grey":
            return square.convert("L")
        if self.how == "holes":
            return with_hole(square, name)
        small = max(1, self.pixels // int(self.how.removeprefix("shrink-")))
        return resize(resize(square, small), self.pixels)


def with_hole(image: Image.Image, name: str) -> Image.Image:
    """A square image with a grey square in it, whose side and place follow from the name."""
    random = numpy_stream(0, f"hole/{name}")
    side = max(1, round(image.width * float(random.uniform(*HOLE))))
    left, top = (int(random.integers(0, image.width - side + 1)) for _ in range(2))
    holed = image.copy()
    ImageDraw.Draw(holed).rectangle((left, top, left + side - 1, top + side - 1), fill=(GREY,) * 3)
    return holed

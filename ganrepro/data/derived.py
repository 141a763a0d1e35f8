"""Inputs that follow from a photo by themselves: it without its colours, with a hole, or small. Edges are in `data.edges`.

Sizes and places of holes are choices of ours; context encoders (arXiv:1604.07379) have regions of a quarter of the image.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageDraw

from ganrepro.data.images import resize
from ganrepro.data.spec import Size
from ganrepro.seeding import numpy_stream

HOLE = (0.25, 0.5)  # least and largest side, in parts of the photo's shorter one
GREY = 127  # of a hole


@dataclass(frozen=True)
class Derived:
    """An RGB photo to the input that a dataset's `derived` names, of a size.

    how: 'grey', its luminance (ITU-R 601, one channel); 'holes', a grey square, drawn by the photo's name; 'shrink-N', shrunk N
    times and enlarged again, both bicubic.
    """

    how: str
    size: Size

    def __call__(self, photo: Image.Image, name: str) -> Image.Image:
        whole = resize(photo, self.size)
        if self.how == "grey":
            return whole.convert("L")
        if self.how == "holes":
            return with_hole(whole, name)
        times = int(self.how.removeprefix("shrink-"))
        return resize(resize(whole, (max(1, whole.width // times), max(1, whole.height // times))), whole.size)


def with_hole(image: Image.Image, name: str) -> Image.Image:
    """An image with a grey square in it, whose side and place follow from the name."""
    random = numpy_stream(0, f"hole/{name}")
    side = max(1, round(min(image.size) * float(random.uniform(*HOLE))))
    left, top = (int(random.integers(0, length - side + 1)) for length in image.size)
    holed = image.copy()
    ImageDraw.Draw(holed).rectangle((left, top, left + side - 1, top + side - 1), fill=(GREY,) * 3)
    return holed

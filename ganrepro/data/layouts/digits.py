"""Digits with their classes, drawn by the pipeline: white on black, grey, 28 × 28.

They take a font of those that matplotlib ships, turn, shear, scale and move it, and add a little noise; each is a function of its
number, and of the versions of matplotlib and Pillow (the registry has a digest of the first ones).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ganrepro.data.drawn import numbered
from ganrepro.data.layouts.base import Item, Picture, Place
from ganrepro.data.small_images import SIDE, margin_of, padded
from ganrepro.seeding import numpy_stream

FINE = 4  # samples per pixel while drawing
FAMILIES = ("DejaVuSans", "DejaVuSansMono", "DejaVuSerif", "STIXGeneral")


def items(place: Place) -> Iterator[Item]:
    """As many digits as the dataset asks for, classes in turn."""
    margin = margin_of(place.dataset.pixels)
    for split, number, drawn in numbered(place):
        yield Item(split, f"{split}-{number:05d}", ("b",), partial(_read, drawn, margin))


def _read(number: int, margin: int) -> Picture:
    return Picture({"b": padded(draw(number), margin)}, image_class=number % 10)


def draw(number: int) -> np.ndarray:
    """One digit, uint8 (28, 28); its class is the last figure of its number."""
    random, label, side = numpy_stream(0, f"digit/{number}"), number % 10, SIDE * FINE
    font = fonts()[random.integers(len(fonts()))].font_variant(size=int(side * random.uniform(0.72, 0.92)))
    canvas = Image.new("L", (side, side))
    ImageDraw.Draw(canvas).text((side / 2, side / 2), str(label), 255, font, "mm", stroke_width=int(random.integers(0, 4)))
    turn, shear = np.deg2rad(random.uniform(-14, 14)), random.uniform(-0.2, 0.2)
    scale, move = random.uniform(0.85, 1.15, 2), random.uniform(-2.0, 2.0, 2) * FINE
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = np.linalg.inv(rotation @ np.array([[1.0, shear], [0.0, 1.0]]) @ np.diag(scale))
    centre = np.full(2, side / 2)
    offset = centre - matrix @ (centre + move)
    affine = [*matrix[0], offset[0], *matrix[1], offset[1]]
    moved = canvas.transform((side, side), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR)
    levels = np.asarray(moved.resize((SIDE, SIDE), Image.Resampling.BOX), np.float64)
    noisy = levels * random.uniform(0.8, 1.0) + random.normal(0, 6.0, levels.shape) * (levels > 0)
    return np.asarray(noisy.round().clip(0, 255), np.uint8)


@functools.cache
def fonts() -> tuple[ImageFont.FreeTypeFont, ...]:
    """The upright and slanted fonts of matplotlib's that draw figures."""
    place = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    files = sorted(path for path in place.glob("*.ttf") if path.stem.startswith(FAMILIES) and not path.stem.endswith("Display"))
    # Pillow lays text out otherwise where the system has FriBiDi, by some pixels; the basic layout is always there
    return tuple(ImageFont.truetype(str(path), SIDE, layout_engine=ImageFont.Layout.BASIC) for path in files)

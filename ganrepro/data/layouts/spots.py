"""Points near the places of a ring or a grid, drawn as spots (ganrepro/data/spots.py); the place is the class.

The smallest data on which a generator collapses visibly: eight Gaussians on a ring (Metz et al., arXiv:1611.02163),
twenty-five on a grid (Lin et al., arXiv:1712.04086). Theirs are narrower than what a picture of 16 pixels shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from PIL import Image

from ganrepro.data.drawn import numbered
from ganrepro.data.layouts.base import Item, Picture, Place
from ganrepro.data.spots import draw
from ganrepro.seeding import numpy_stream

SPREAD = 0.05  # standard deviation of the points about their place; a ring has the radius 1, a grid the sides -1 to 1


def centres(arrangement: str, count: int) -> np.ndarray:
    """Where the places lie: (count, 2)."""
    if arrangement == "ring":
        angles = np.arange(count) * 2 * np.pi / count
        return np.stack([np.cos(angles), np.sin(angles)], 1)
    line = np.linspace(-1, 1, round(count**0.5))
    return np.stack([along.ravel() for along in np.meshgrid(line, line)], 1)


def items(place: Place) -> Iterator[Item]:
    """As many points as the dataset asks for, places in turn."""
    at = centres(place.entry["arrangement"], len(place.entry["classes"]))
    for split, number, drawn in numbered(place):
        yield Item(split, f"{split}-{number:05d}", ("b",), partial(_read, drawn, at, place.dataset.pixels))


def _read(number: int, at: np.ndarray, pixels: int) -> Picture:
    near = number % len(at)
    point = at[near] + SPREAD * numpy_stream(0, f"spot/{number}").standard_normal(2)
    return Picture({"b": Image.fromarray(draw(point, pixels))}, image_class=near)

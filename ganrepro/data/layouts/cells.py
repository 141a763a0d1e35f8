"""Touching cells as a light microscope shows them, drawn with exact labels: no download.

Where two cells touch, a line of background, one or two pixels wide, keeps them apart in the label map, so that its connected
pieces are the cells (U-Net, arXiv:1505.04597, section 3: the separation border). In the image it is faint, or not to be seen;
what shows is the bright halo of phase contrast around a group, the cells' grain and a darker nucleus.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from PIL import Image
from scipy import ndimage

from ganrepro.data.drawn import numbered
from ganrepro.data.images import VOID
from ganrepro.data.layouts.base import Item, Picture, Place
from ganrepro.seeding import numpy_stream

SEED = 0
WAVES = 4  # of an outline
LEAST = 40  # pixels of a piece of a cell that is scored


def items(place: Place) -> Iterator[Item]:
    """As many as the dataset asks for; label maps as classes."""
    for split, number, drawn in numbered(place):
        yield Item(split, f"{number:04d}", ("a", "b"), partial(_read, drawn, place.dataset.pixels))


def _read(number: int, pixels: int) -> Picture:
    levels, cells = draw(number, pixels)
    return Picture({"b": Image.fromarray(levels)}, label_map(cells))


def draw(number: int, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Image `number`: levels uint8 (pixels, pixels), and the number of the cell at each pixel, 0 where there is none."""
    random = numpy_stream(SEED, f"cells/{number}")
    y, x = np.mgrid[:pixels, :pixels].astype(np.float32) + 0.5
    cells, nearness = np.zeros((pixels, pixels), np.int32), np.ones((pixels, pixels), np.float32)
    tone = np.zeros((pixels, pixels), np.float32)
    groups = random.integers(3, 6)
    count = 0
    for _ in range(groups):
        centre = random.uniform(0.05, 0.95, 2) * pixels
        for _ in range(random.integers(2, 8)):
            count += 1
            radius = random.uniform(8, 14)
            centre = centre + radius * 1.35 * _direction(random)
            middle = np.clip(centre, -0.3 * radius, pixels + 0.3 * radius)
            dx, dy = x - middle[0], y - middle[1]
            far = np.hypot(dx, dy) / (radius * _outline(random, np.arctan2(dy, dx)))
            inside = far < nearness  # of two that overlap, a pixel belongs to the one whose outline is farther away from it
            cells[inside], nearness[inside] = count, far[inside]
            nucleus = np.exp(-((dx - random.normal(0, 2)) ** 2 + (dy - random.normal(0, 2)) ** 2) / (0.18 * radius**2))
            tone[inside] = (random.normal(0, 0.04) - 0.22 * nucleus)[inside]
    body = cells > 0
    outside = ndimage.distance_transform_edt(~body).astype(np.float32)
    within = ndimage.distance_transform_edt(body).astype(np.float32)
    grain = ndimage.gaussian_filter(random.normal(0, 1, (pixels, pixels)), 1.2).astype(np.float32)
    uneven = ndimage.gaussian_filter(random.normal(0, 1, (pixels, pixels)), pixels / 6).astype(np.float32)
    image = 0.5 + 0.5 * uneven / (np.abs(uneven).max() + 1e-6) * 0.12
    image = image + np.where(body, tone + 0.16 * grain, 0.05 * grain)
    image = image + 0.30 * np.exp(-outside / 2.0) * ~body - 0.14 * np.exp(-within / 2.5) * body
    line = _contacts(cells) * random.uniform(0.3, 1.0)
    image = image - 0.10 * ndimage.gaussian_filter(line.astype(np.float32), 0.8)
    image = ndimage.gaussian_filter(image, 0.6) + random.normal(0, 0.02, image.shape)
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8), cells


def apart(cells: np.ndarray) -> np.ndarray:
    """Where the cells are, without the line along which they touch: bool (h, w). Each connected piece is of one cell."""
    return np.asarray((cells > 0) & ~_contacts(cells))


def label_map(cells: np.ndarray) -> np.ndarray:
    """Classes: 1 where `apart` says, 0 elsewhere, and 255, not scored, for slivers of fewer than LEAST pixels."""
    pieces, _ = ndimage.label(apart(cells))
    small = np.bincount(pieces.ravel()) < LEAST
    return np.where(small[pieces] & (pieces > 0), VOID, pieces > 0).astype(np.uint8)


def _contacts(cells: np.ndarray) -> np.ndarray:
    """Pixels of a cell with a pixel of a cell of a lower number beside them."""
    touching = np.zeros(cells.shape, bool)
    for axis in (0, 1):
        for step in (1, -1):
            beside = np.roll(cells, step, axis)
            edge = [slice(None)] * 2
            edge[axis] = slice(0, 1) if step == 1 else slice(-1, None)
            beside[tuple(edge)] = 0
            touching |= (beside > 0) & (cells > beside)
    return touching


def _direction(random: np.random.Generator) -> np.ndarray:
    angle = random.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])


def _outline(random: np.random.Generator, angle: np.ndarray) -> np.ndarray:
    """How far it reaches in each direction, about 1."""
    reach = np.ones_like(angle)
    for wave in range(2, 2 + WAVES):
        reach += np.float32(random.normal(0, 0.22 / wave)) * np.cos(wave * angle + np.float32(random.uniform(0, 2 * np.pi)))
    return np.maximum(reach, 0.4)

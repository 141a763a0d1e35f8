"""Procedurally drawn street scenes with exact labels: the embedded dataset, no download.

A scene is a description in unit coordinates (x right, y down, both 0..1), so it can be drawn at
any size; every pixel's class is decided at its centre, and the photo is averaged over finer
samples, as a camera would.

What is drawn leaves room for methods to differ. Walls and foliage have the same colours and outlines, and so have asphalt and
slabs: they differ in texture alone, which an average of all images that a label map could have loses.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
from PIL import Image

from ganrepro.data.drawn import numbered
from ganrepro.data.layouts.base import Item, Picture, Place
from ganrepro.seeding import numpy_stream

SCENE_SEED = 0
SKY, BUILDING, ROAD, PAVEMENT, VEGETATION, CAR, PERSON, POLE = range(8)  # in the order of the registry's palette
OVERSAMPLING = 2  # photo samples per pixel and axis
GRAIN = 1 / 64  # of textures, in units of the image
FACADES = np.array([[0.62, 0.42, 0.33], [0.66, 0.54, 0.36], [0.42, 0.44, 0.30], [0.56, 0.50, 0.46]])  # of walls and autumn leaves
GREYS = (0.34, 0.62)  # of asphalt and slabs


def items(place: Place) -> Iterator[Item]:
    """As many scenes as the dataset asks for; label maps as classes, which preparation gives their colours."""
    for split, number, drawn in numbered(place):
        yield Item(split, f"{number:04d}", ("a", "b"), partial(_read, drawn, place.dataset.pixels))


def _read(number: int, pixels: int) -> Picture:
    photo, labels = draw_scene(SCENE_SEED, number, pixels)
    return Picture({"b": Image.fromarray(photo)}, labels)


class _Canvas:
    """Sample positions, colours (h, w, 3) in 0..1 and classes, painted back to front."""

    def __init__(self, x: np.ndarray, y: np.ndarray, colour: np.ndarray, label: np.ndarray):
        self.x, self.y, self.colour, self.label = x, y, colour, label

    @classmethod
    def blank(cls, samples: int) -> _Canvas:
        centre = (np.arange(samples, dtype=np.float32) + 0.5) / samples
        x, y = np.meshgrid(centre, centre)
        return cls(x, y, np.zeros((samples, samples, 3), np.float32), np.zeros((samples, samples), np.uint8))

    def window(self, left: float, right: float, top: float, bottom: float) -> _Canvas:
        """The part of the canvas around a small thing, sharing its memory: drawing there is cheap."""
        size = len(self.x)
        rows = slice(max(0, int(top * size)), max(0, int(bottom * size) + 1))
        columns = slice(max(0, int(left * size)), max(0, int(right * size) + 1))
        return _Canvas(*(array[rows, columns] for array in (self.x, self.y, self.colour, self.label)))

    def paint(self, mask: np.ndarray, colour: np.ndarray, label: int) -> None:
        """colour: (3,), (h, w, 3), or (n, 3) of the n samples in the mask alone."""
        self.colour[mask] = colour[mask] if colour.ndim == 3 else colour
        self.label[mask] = label


class _Spot(NamedTuple):
    """Where a thing stands.

    near: 0 at the horizon, 1 at the lower edge.  ground: its y.  centre: x of the road's middle there.  side: -1 left, 1 right.
    road, walk: half widths of the inner strip and of the outer ones, at the lower edge.  under: class of the inner strip.
    """

    near: float
    ground: float
    centre: float
    side: int
    road: float
    walk: float
    under: int


def _noise(rng: np.random.Generator, u: np.ndarray, v: np.ndarray, frequency: float, waves: int = 6) -> np.ndarray:
    """A smooth random texture of about -1..1: a sum of plane waves up to `frequency` per unit."""
    total = np.zeros_like(u)
    for _ in range(waves):
        angle, scale, phase = rng.uniform(0, np.pi), rng.uniform(0.3, 1.0), rng.uniform(0, 2 * np.pi)
        wave = 2 * np.pi * frequency * scale
        total += np.cos(np.float32(wave * np.cos(angle)) * u + np.float32(wave * np.sin(angle)) * v + np.float32(phase))
    return total / np.float32(waves**0.5 * 1.4)


def _shade(base: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """`base` colour, lightened or darkened by `amount` (h, w) or (n,)."""
    return base + amount[..., None]


def _stripes(rng: np.random.Generator, v: np.ndarray, period: float) -> np.ndarray:
    """-1 and 1 in turn along v, `period` grains each pair, beginning anywhere."""
    return np.where(np.floor(v / (GRAIN * period / 2) + 2 * rng.uniform()) % 2 == 0, np.float32(-1), np.float32(1))


def _specks(rng: np.random.Generator, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """-1 and 1 by chance, in squares of a grain and a half."""
    table = rng.integers(0, 2, (64, 64)).astype(np.float32) * 2 - 1
    rows, columns = (np.floor(at / (1.5 * GRAIN)).astype(np.int64) % 64 for at in (v, u))
    return np.asarray(table[rows, columns])


def draw_scene(seed: int, number: int, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Scene `number`: photo uint8 (pixels, pixels, 3) and class map uint8 (pixels, pixels)."""
    photo = _Canvas.blank(pixels * OVERSAMPLING)
    _paint_scene(photo, numpy_stream(seed, f"scene/{number}"))
    exact = _Canvas.blank(pixels)
    _paint_scene(exact, numpy_stream(seed, f"scene/{number}"))
    blocks = photo.colour.reshape(pixels, OVERSAMPLING, pixels, OVERSAMPLING, 3).mean((1, 3))
    grain = numpy_stream(seed, f"grain/{number}").normal(0, 0.012, blocks.shape)
    return (np.clip(blocks + grain, 0, 1) * 255 + 0.5).astype(np.uint8), exact.label


def _paint_scene(c: _Canvas, rng: np.random.Generator) -> None:
    """The whole scene; draws from `rng` never depend on the canvas, so every size shows the same."""
    x, y = c.x, c.y
    horizon, vanishing = rng.uniform(0.42, 0.52), rng.uniform(0.36, 0.64)
    middle, half_road, half_walk = rng.uniform(0.4, 0.6), rng.uniform(0.34, 0.48), rng.uniform(0.14, 0.24)
    light, warmth = rng.uniform(0.82, 1.08), rng.uniform(-0.03, 0.04)

    overcast = rng.uniform(0, 1)
    zenith = (1 - overcast) * np.array([0.36, 0.56, 0.86]) + overcast * np.array([0.62, 0.70, 0.80])
    haze = np.array([0.80, 0.86, 0.92])
    up = np.clip(y / horizon, 0, 1)[..., None]
    clouds = np.clip(_noise(rng, x, y * 2.5, 4.0), 0, 1)[..., None] * 0.5
    sky = (zenith * (1 - up) + haze * up) * (1 - clouds) + np.array([0.95, 0.95, 0.96]) * clouds
    c.paint(np.ones_like(x, bool), sky.astype(np.float32), SKY)

    # t: nearness, 0 at the horizon and 1 at the lower edge; road borders are straight lines in it.
    t = (y - horizon) / (1 - horizon)
    below = t > 0
    near = np.maximum(t, 1e-3)
    axis = vanishing + (middle - vanishing) * t
    across = (x - axis) / near
    depth = np.minimum(1 / near, 40)

    grass = _shade(np.array([0.30, 0.42, 0.18]), 0.05 * _noise(rng, across * 6, depth * 2, 3))
    c.paint(below, grass, VEGETATION)
    # a road between pavements, or a promenade between lanes: only the texture says which
    greys = [np.full(3, rng.uniform(*GREYS)) + np.array([0.01, 0, -0.01]) for _ in range(2)]
    textures = {PAVEMENT: _stripes(rng, x, 4) * _stripes(rng, y, 4), ROAD: _specks(rng, x, y)}
    inner, outer = (ROAD, PAVEMENT) if rng.uniform() < 0.5 else (PAVEMENT, ROAD)
    wide, narrow = below & (np.abs(across) < half_road + half_walk), below & (np.abs(across) < half_road)
    for strip, grey, label in ((wide, greys[0], outer), (narrow, greys[1], inner)):
        c.paint(strip, _shade(grey, 0.08 * textures[label]), label)

    for side in (-1, 1):
        _paint_row(c, rng, side, horizon, vanishing, middle, half_road + half_walk)

    things = []
    for _ in range(rng.integers(2, 6)):
        things.append((float(rng.uniform(0.10, 0.75)), _paint_car, int(rng.choice([-1, 1]))))
    for _ in range(rng.integers(1, 5)):
        things.append((float(rng.uniform(0.12, 0.6)), _paint_tree, int(rng.choice([-1, 1]))))
    for _ in range(rng.integers(1, 5)):
        things.append((float(rng.uniform(0.2, 0.8)), _paint_person, int(rng.choice([-1, 1]))))
    for _ in range(rng.integers(1, 4)):
        things.append((float(rng.uniform(0.2, 0.8)), _paint_pole, int(rng.choice([-1, 1]))))
    for nearness, paint, side in sorted(things, key=lambda thing: thing[0]):
        ground = horizon + nearness * (1 - horizon)
        centre = vanishing + (middle - vanishing) * nearness
        reach = centre + side * half_road * nearness
        part = c.window(reach - 0.6 * nearness, reach + 0.6 * nearness, ground - 1.1 * nearness, ground + 0.05)
        paint(part, rng, _Spot(nearness, ground, centre, side, half_road, half_walk, inner))

    c.colour *= np.float32(light)
    c.colour += np.array([warmth, 0, -warmth], np.float32)


def _paint_row(
    c: _Canvas, rng: np.random.Generator, side: int, horizon: float, vanishing: float, middle: float, edge: float
) -> None:
    """Buildings and trimmed trees along one side, far to near, with gaps."""
    slope = middle - vanishing + side * edge  # dx/dt of the building line
    t = (c.x - vanishing) / slope if abs(slope) > 1e-3 else np.full_like(c.x, -1.0)
    base = horizon + t * (1 - horizon)
    textures = {BUILDING: np.maximum(_stripes(rng, c.y, 4), _stripes(rng, c.x, 6)) - 0.5, VEGETATION: _specks(rng, c.x, c.y)}
    start = 0.03
    while start < 2.2:
        stop = start * rng.uniform(1.35, 2.1)
        height = rng.uniform(0.5, 1.15)
        colour = FACADES[rng.integers(4)] + rng.normal(0, 0.02, 3) - (0.05 if side > 0 else 0.0)
        label = BUILDING if rng.uniform() < 0.5 else VEGETATION
        inside = (t > start) & (t < stop) & (c.y < base) & (c.y > horizon - height * t)
        c.paint(inside, _shade(colour, 0.12 * textures[label][inside]), label)
        start = stop * rng.uniform(1.0, 1.08)


def _paint_car(c: _Canvas, rng: np.random.Generator, spot: _Spot) -> None:
    near, ground, centre, side, road, _, under = spot
    paints = np.array(
        [[0.72, 0.10, 0.10], [0.12, 0.20, 0.50], [0.86, 0.86, 0.88], [0.10, 0.10, 0.12], [0.58, 0.60, 0.63], [0.80, 0.62, 0.10]]
    )
    body = paints[rng.integers(len(paints))] + rng.normal(0, 0.02, 3)
    x0 = centre + side * road * near * rng.uniform(0.38, 0.66)
    width, height = 0.17 * near * rng.uniform(0.9, 1.15), 0.15 * near * rng.uniform(0.9, 1.15)
    u, v = (c.x - x0) / width, (ground - c.y) / height
    c.paint((np.abs(u) < 1.08) & (v > -0.14) & (v < 0.1), np.array([0.12, 0.12, 0.13]), under)  # its shadow
    tyres = (np.abs(np.abs(u) - 0.72) < 0.2) & (v > -0.02) & (v < 0.3)
    c.paint(tyres, np.array([0.06, 0.06, 0.06]), CAR)
    lower = (np.abs(u) < 1) & (v > 0.12) & (v < 0.95)
    c.paint(lower, _shade(body, 0.10 * (v - 0.5)), CAR)
    cabin = (np.abs(u) < 0.86 - 0.22 * (v - 0.9)) & (v >= 0.9) & (v < 1.55)
    c.paint(cabin, body * 0.9, CAR)
    c.paint((np.abs(u) < 0.72 - 0.22 * (v - 0.9)) & (v >= 0.98) & (v < 1.45), np.array([0.16, 0.20, 0.25]), CAR)
    lamps = np.array([0.85, 0.12, 0.08]) if side > 0 else np.array([0.98, 0.95, 0.80])
    c.paint((np.abs(np.abs(u) - 0.82) < 0.12) & (np.abs(v - 0.65) < 0.12), lamps, CAR)


def _paint_tree(c: _Canvas, rng: np.random.Generator, spot: _Spot) -> None:
    near, ground, centre, side, road, walk, _ = spot
    x0 = centre + side * (road + walk * rng.uniform(0.55, 0.9)) * near
    tall, radius = near * rng.uniform(0.45, 0.75), near * rng.uniform(0.16, 0.26)
    leaf = FACADES[rng.integers(4)] + rng.normal(0, 0.03, 3)
    trunk = (np.abs(c.x - x0) < 0.02 * near) & (c.y < ground) & (c.y > ground - tall)
    c.paint(trunk, np.array([0.30, 0.22, 0.15]), VEGETATION)
    dx, dy = (c.x - x0) / radius, (c.y - (ground - tall)) / radius
    ragged = 1 + 0.22 * _noise(rng, dx, dy, 1.6)
    crown = dx**2 + dy**2 < ragged
    c.paint(crown, _shade(leaf, 0.12 * _specks(rng, c.x, c.y) - 0.04 * dy), VEGETATION)


def _paint_person(c: _Canvas, rng: np.random.Generator, spot: _Spot) -> None:
    near, ground, centre, side, road, walk, _ = spot
    x0 = centre + side * (road + walk * rng.uniform(0.15, 0.6)) * near
    tall = 0.30 * near * rng.uniform(0.9, 1.1)
    coat, legs = rng.uniform(0.1, 0.8, 3), rng.uniform(0.05, 0.3, 3)
    u, v = (c.x - x0) / tall, (ground - c.y) / tall
    c.paint((np.abs(u) < 0.12) & (v > 0) & (v < 0.45), legs, PERSON)
    c.paint((np.abs(u) < 0.17 - 0.06 * (v - 0.6)) & (v >= 0.42) & (v < 0.82), coat, PERSON)
    c.paint(u**2 + (v - 0.91) ** 2 < 0.09**2, np.array([0.80, 0.60, 0.48]), PERSON)


def _paint_pole(c: _Canvas, rng: np.random.Generator, spot: _Spot) -> None:
    near, ground, centre, side, road, walk, _ = spot
    x0 = centre + side * (road + walk * 0.12) * near
    tall, thick = near * rng.uniform(0.7, 0.95), 0.014 * near + 0.002
    steel = np.array([0.20, 0.22, 0.22]) + rng.uniform(0, 0.12)
    c.paint((np.abs(c.x - x0) < thick) & (c.y < ground) & (c.y > ground - tall), steel, POLE)
    reach = (c.x - x0) * -side / (0.16 * near)
    c.paint((reach > 0) & (reach < 1) & (np.abs(c.y - (ground - tall)) < thick * 1.3), steel, POLE)
    c.paint((np.abs(reach - 1) < 0.3) & (np.abs(c.y - (ground - tall) - thick) < thick * 2), steel + 0.1, POLE)

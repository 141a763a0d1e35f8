"""The embedded street scenes by day, at dusk and at night: three domains, and the true translation of every picture.

Which light it is cannot be mended by colours alone: the sky, the brightest part of the day, is the darkest of the night, windows
that were dark are lit, and lamps throw light around them. Where a dataset wants it, scenes are green or under snow besides.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from PIL import Image
from scipy import ndimage

from ganrepro.data.drawn import numbered
from ganrepro.data.layouts.base import Item, Picture, Place
from ganrepro.data.layouts.streets import BUILDING, CAR, PERSON, POLE, ROAD, SCENE_SEED, SKY, VEGETATION, draw_scene
from ganrepro.seeding import numpy_stream

PANE = 1 / 20  # distance of windows, in units of the image
LAMP = np.array([1.0, 0.82, 0.5])  # colour of lamps and of lit windows
# by light: what a colour is multiplied with, sky at the horizon and above, how bright lamps and windows are
LIGHTS: dict[str, tuple[list[float], list[float], list[float], float, float]] = {
    "dusk": ([0.62, 0.46, 0.42], [0.96, 0.55, 0.30], [0.35, 0.30, 0.50], 0.35, 0.45),
    "night": ([0.20, 0.22, 0.34], [0.07, 0.08, 0.15], [0.02, 0.02, 0.06], 0.95, 0.9),
}


def items(place: Place) -> Iterator[Item]:
    """As many scenes as the dataset asks for, each in the look of every domain."""
    looks = {domain: (of["attributes"].get("light", "day"), of["attributes"].get("season", "green"))
             for domain, of in place.entry["domains"].items()}  # fmt: skip
    for split, number, drawn in numbered(place):
        yield Item(split, f"{number:04d}", tuple(looks), partial(_read, drawn, place.dataset.pixels, looks))


def _read(number: int, pixels: int, looks: dict[str, tuple[str, str]]) -> Picture:
    photo, classes = draw_scene(SCENE_SEED, number, pixels)
    drawn = {domain: draw(photo, classes, number, light, season) for domain, (light, season) in looks.items()}
    return Picture({domain: Image.fromarray(image) for domain, image in drawn.items()})


def draw(photo: np.ndarray, classes: np.ndarray, number: int, light: str, season: str = "green") -> np.ndarray:
    """A scene in another light or season, uint8 (pixels, pixels, 3).  photo, classes: of `draw_scene`."""
    colour, pixels = photo.astype(np.float64) / 255, len(photo)
    down = np.linspace(0, 1, pixels)[:, None, None]
    panes = _panes(classes, number)
    colour[panes] *= 0.45  # windows are dark from outside
    if season == "snow":
        colour = _under_snow(colour, classes)
    if light != "day":
        shade, low, high, lamps, windows = LIGHTS[light]
        sky = classes == SKY
        bright = colour.mean(-1, keepdims=True)
        colour = colour * np.array(shade)
        up = np.clip(down / 0.45, 0, 1)
        whole = np.array(high) * (1 - up) + np.array(low) * up
        colour[sky] = (np.broadcast_to(whole, colour.shape) * (0.75 + 0.3 * bright))[sky]
        colour += lamps * _glow(classes)[..., None] * LAMP * (0.25 + bright)
        colour[panes] = colour[panes] * (1 - windows) + windows * LAMP
    grain = numpy_stream(SCENE_SEED, f"grain/{light}/{number}").normal(0, 0.008, colour.shape)
    return np.asarray((np.clip(colour + grain, 0, 1) * 255 + 0.5).astype(np.uint8))


def _panes(classes: np.ndarray, number: int) -> np.ndarray:
    """Pixels of windows: a grid over all walls, as it is seen in every light."""
    pixels = len(classes)
    at = (np.arange(pixels) + 0.5) / pixels / PANE + numpy_stream(SCENE_SEED, f"panes/{number}").uniform()
    inside = np.abs(at % 1 - 0.5) < 0.28
    return np.asarray((classes == BUILDING) & inside[:, None] & inside[None, :])


def _glow(classes: np.ndarray) -> np.ndarray:
    """How much light the lamps throw on each pixel: around the top of every pole, and before the cars."""
    pixels = len(classes)
    y, x = np.mgrid[:pixels, :pixels]
    light = np.zeros(classes.shape)
    for which, reach in ((POLE, 0.6), (CAR, 0.9)):
        found, count = ndimage.label(classes == which)
        for part in ndimage.find_objects(found, count):
            high, wide = (place.stop - place.start for place in part)
            if high * wide < 4:
                continue
            top = part[0].start + (0 if which == POLE else high // 2)
            radius = reach * (high if which == POLE else wide)
            middle = (part[1].start + part[1].stop) / 2
            light += np.exp(-((x - middle) ** 2 + (y - top) ** 2) / (0.5 * radius**2 + 1))
    return np.asarray(np.where(classes == SKY, 0.25, 1) * np.minimum(light, 1.2))


def _under_snow(colour: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """White grass, trees and pavements, a grey road with white borders; walls, cars and people as they were."""
    snow = np.array([0.93, 0.94, 0.97])
    share = np.select([classes == VEGETATION, classes == ROAD, classes == CAR, classes == PERSON], [0.8, 0.45, 0.1, 0.0], 0.0)
    share = np.where((classes != SKY) & (classes != BUILDING) & (classes != POLE) & (share == 0) & (classes < CAR), 0.75, share)
    return np.asarray(colour * (1 - share[..., None]) + snow * share[..., None])

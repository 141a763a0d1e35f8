"""Tiles of the whole Earth in looks that lie upon one another pixel by pixel: relief map, satellite picture, shaded relief.

Sectors of longitude are for testing; between them and the others lies a gap of one tile, so that no test tile shares a border
with a training tile.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from ganrepro.data.layouts.base import SPLITS, Item, Picture, Place
from ganrepro.errors import SourceError
from ganrepro.seeding import numpy_stream

WIDTH, HEIGHT = 5400, 2700  # of the whole Earth, as tiles are cut
NORTH, SOUTH = 75.0, -60.0  # degrees: beyond there is ice
LAND = 0.1  # the least share of a tile
SECTOR = 30  # degrees of longitude; of the twelve two are for testing:
TESTED = (4, 10)  # 60 to 30 degrees west (Brazil, Greenland), 120 to 150 degrees east (Japan, Australia)


def items(place: Place) -> Iterator[Item]:
    """Tiles of `pixels` pixels of the map, each domain's at the same place; in a seeded order."""
    tile = place.dataset.pixels
    if not 16 <= tile <= 512:
        raise SourceError(
            f"{place.dataset.source}: tiles are cut from a map of {WIDTH} × {HEIGHT}; expected pixels from 16 to 512, got {tile}"
        )
    if not any(split_of(left, tile) == "test" for left in range(0, WIDTH - tile + 1, tile)):
        raise SourceError(f"{place.dataset.source}: no tile of {tile} pixels fits into a sector for testing; take 64 or 128")
    files = {domain: place.folder / of["file"] for domain, of in place.entry["domains"].items()}
    land = _is_land(_opened(place.folder / place.entry["land_from"]))
    found: dict[str, list[tuple[int, int]]] = {split: [] for split in SPLITS}
    for top in range(0, HEIGHT - tile + 1, tile):
        north, south = (90 - 180 * row / HEIGHT for row in (top, top + tile))
        for left in range(0, WIDTH - tile + 1, tile):
            split = split_of(left, tile)
            if split and north <= NORTH and south >= SOUTH and land[top : top + tile, left : left + tile].mean() > LAND:
                found[split].append((left, top))
    for split, corners in found.items():
        for number in numpy_stream(0, f"earth/{split}").permutation(len(corners)):
            left, top = corners[number]
            yield Item(split, f"{left:04d}-{top:04d}", tuple(files), partial(_read, files, left, top, tile))


def split_of(left: int, tile: int) -> str:
    """Of the tile whose left border is at this column; '' of tiles in a gap."""
    sector = WIDTH * SECTOR // 360
    inside = [number * sector <= left and left + tile <= (number + 1) * sector for number in TESTED]
    near = [number * sector - tile < left + tile and left < (number + 1) * sector + tile for number in TESTED]
    return "test" if any(inside) else "" if any(near) else "train"


def _read(files: dict[str, Path], left: int, top: int, tile: int) -> Picture:
    box = left, top, left + tile, top + tile
    return Picture({domain: Image.fromarray(_opened(file)[box[1] : box[3], box[0] : box[2]]) for domain, file in files.items()})


@functools.cache
def _opened(file: Path) -> np.ndarray:
    """A picture of the Earth, uint8 (HEIGHT, WIDTH, 3); once for each process."""
    with Image.open(file) as image:
        shrunk = image.convert("RGB")
        if shrunk.size != (WIDTH, HEIGHT):
            shrunk = shrunk.resize((WIDTH, HEIGHT), Image.Resampling.BOX)
        return np.asarray(shrunk)


def _is_land(relief: np.ndarray) -> np.ndarray:
    """Of the relief map, whose sea is blue: (HEIGHT, WIDTH)."""
    red, _, blue = (relief[..., channel].astype(np.int16) for channel in range(3))
    return np.asarray(blue <= red)

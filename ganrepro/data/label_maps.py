"""Label maps: classes of pixels as numbers, and as colours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from ganrepro.data.images import VOID, ImageError, nearest_colour, read_labels


def read_ids(path: Path, ids: Mapping[int, int]) -> np.ndarray:
    """A map of raw ids as classes, uint8 (h, w).  ids: raw id -> class; everything else is not scored (Cityscapes)."""
    table = np.full(256, VOID, np.uint8)
    for theirs, ours in ids.items():
        table[int(theirs)] = ours
    return table[read_labels(path)]


def read_index(path: Path, classes: int, void: Iterable[int]) -> np.ndarray:
    """A class map, uint8 (h, w), whose `void` values become 255, not scored. ImageError names an unknown value."""
    raw, table = read_labels(path), np.full(256, VOID, np.uint8)
    unknown = sorted(set(np.unique(raw).tolist()) - set(range(classes)) - set(void))
    if unknown:
        raise ImageError(f"{path}: label {unknown[0]} is unknown; expected 0 to {classes - 1} or void {list(void)}")
    table[:classes] = np.arange(classes)
    return table[raw]


def colours_to_index(
    image: Image.Image, palette: Mapping[str, list[int]], void: Iterable[list[int]], where: str, nearest: bool
) -> np.ndarray:
    """Label colours -> class indices, 255 for `void` colours. Exact, unless `nearest`; ImageError names a foreign colour."""
    index, distance = nearest_colour(image, np.array([*palette.values(), *void]))
    if not nearest and distance.any():
        y, x = np.argwhere(distance > 0)[0]
        pixels = np.asarray(image)
        raise ImageError(
            f"{where}: colour {tuple(pixels[y, x].tolist())} at ({x}, {y}) is not in the palette "
            f"({', '.join(palette)}); add it to palette or void, or store label maps as PNG"
        )
    return np.where(index < len(palette), index, VOID).astype(np.uint8)


def index_to_colours(labels: np.ndarray, palette: Mapping[str, Iterable[int]]) -> np.ndarray:
    """Class indices -> label colours uint8 (h, w, 3); 255 (not scored) becomes black."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = np.array(list(palette.values()), np.uint8)
    return table[labels]

"""Digits on disk as tensors and as lines of numbers, and which are near to which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganrepro.data.images import ImageError, read_rgb


def load_digits(folder: Path, names: list[str]) -> Tensor:
    """Grey images of one size, uint8 (n, 1, side, side). ImageError names one that is missing or of another size."""
    found = [np.asarray(read_rgb(folder / name).convert("L")) for name in names]
    for name, image in zip(names, found, strict=True):
        if image.shape != found[0].shape or image.shape[0] != image.shape[1]:
            size = f"{image.shape[1]} × {image.shape[0]} pixels"
            raise ImageError(f"{folder / name}: {size}; expected squares of one size, as {names[0]}")
    return torch.from_numpy(np.stack(found))[:, None]


def asked_class(name: str, classes: int) -> int:
    """The class that a sample of this name was asked for."""
    return int(Path(name).stem) % classes


def nearest(codes: np.ndarray, others: np.ndarray, chunk: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """For each row of codes (n, d) the place of the nearest of others (m, d), and its distance: (n,) each."""
    places, distances = [], []
    squares = np.square(others, dtype=np.float64).sum(1)
    for first in range(0, len(codes), chunk):
        part = codes[first : first + chunk].astype(np.float64)
        between = np.square(part).sum(1)[:, None] + squares - 2 * part @ others.T.astype(np.float64)
        places.append(between.argmin(1))
        distances.append(np.sqrt(np.maximum(between.min(1), 0)))
    return np.concatenate(places), np.concatenate(distances)


def pixels(folder: Path, names: Sequence[str]) -> np.ndarray:
    """Digits as lines of numbers from 0 to 1, (n, side²)."""
    levels: np.ndarray = load_digits(folder, list(names)).flatten(1).numpy().astype(np.float32) / 255
    return levels

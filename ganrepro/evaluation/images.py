"""Small images on disk as tensors and as lines of numbers, and which are near to which."""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganrepro.data.images import ImageError, Reading, load_image
from ganrepro.data.spec import Size
from ganrepro.errors import UserError
from ganrepro.store.arrays import read_arrays


def read_codes(file: Path, wanted: Mapping[str, int], single: str = "") -> dict[str, np.ndarray]:
    """What an encoder said of images, (images, ...) by 'split.name'.

    wanted: of how many images.  single: what has to be there, one number for each image.  UserError where the file is damaged, or
    holds something else.
    """
    codes, again = read_arrays(file), f"remove {file.parent} and run snakemake again"
    if single and (single not in codes or codes[single].ndim != 1):
        raise UserError(f"{file}: damaged ({single}: expected a number for each image); {again}")
    for name, count in wanted.items():
        array = codes.get(name)
        if array is None:
            continue
        numbers = array.dtype.kind in "iuf" and array.ndim > 0 and len(array) == count and np.isfinite(array).all()
        shapes = {codes[other].shape[1:] for other in wanted if other in codes}
        if not numbers or len(shapes) > 1:
            raise UserError(f"{file}: damaged ({name}: expected numbers of {count} images); {again}")
    return codes


def load_levels(folder: Path, names: Sequence[str], channels: int, pixels: Size | None = None, depth: int = 8) -> Tensor:
    """Images of one size, uint8 (or, of 16 bits, int32) (n, channels, h, w); or all brought to `pixels`.

    ImageError names one that is missing, or of another size than the first. Within `read_once` it is not to be written into.
    """
    read = _levels.get() if len(names) > 1 else _load_levels  # who reads one at a time has a reason: memory
    return read(folder, tuple(names), channels, pixels, depth)


@contextlib.contextmanager
def read_once() -> Iterator[None]:
    """Within it images that were read are given again, the last four sets of them: the measures of one job ask for the same."""
    before = _levels.set(functools.lru_cache(maxsize=4)(_load_levels))
    try:
        yield
    finally:
        _levels.reset(before)


def _load_levels(folder: Path, names: tuple[str, ...], channels: int, pixels: Size | None, depth: int) -> Tensor:
    images = [load_image(folder / name, Reading(channels, depth), pixels) for name in names]
    for name, image in zip(names, images, strict=True):
        if image.shape != images[0].shape:
            raise ImageError(
                f"{folder / name}: {image.shape[1]} × {image.shape[0]} pixels; expected images of one size, as {names[0]}"
            )
    # a copy: of one channel `contiguous` would leave the order of axes open, which kernels are chosen by
    return torch.stack(images).permute(0, 3, 1, 2).clone(memory_format=torch.contiguous_format)


_levels = contextvars.ContextVar("levels", default=_load_levels)


def asked_class(name: str, classes: int) -> int:
    """The class (or value of a code, of so many) that a sample of this name was asked for."""
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


def lines(folder: Path, names: Sequence[str], channels: int, pixels: Size | None = None) -> np.ndarray:
    """Images as lines of numbers from 0 to 1, (n, channels × h × w); see `load_levels`."""
    levels: np.ndarray = load_levels(folder, names, channels, pixels).flatten(1).numpy().astype(np.float32) / 255
    return levels

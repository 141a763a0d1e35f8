"""Photos of any kind in, lossless images out."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from ganrepro.data.images import ImageError, read_levels, size_in
from ganrepro.data.pictures import is_picture, left_out, left_out_of, notes_on
from ganrepro.data.spec import IMAGE_SUFFIXES, MOST_NAMED
from ganrepro.store.files import replacing

MOST_PIXELS = 100_000_000  # of one photo


def read(path: Path, opacity: bool = False) -> np.ndarray:
    """An image as `data.images.read_levels` reads it. ImageError for one too large to be meant, and for bands, too."""
    width, height = size_in(path)
    if width * height > MOST_PIXELS:
        raise ImageError(f"{path}: {width} × {height} is more than {MOST_PIXELS // 10**6} megapixels; make it smaller first")
    with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
        levels = read_levels(path, opacity)
    if levels.shape[-1] == 2 or (levels.shape[-1] == 4 and not opacity):  # opacity was put on white
        raise ImageError(
            f"{path}: {levels.shape[-1]} channels, which are neither grey, colours nor opacity; save those that count"
        )
    return levels


def write(path: Path, levels: np.ndarray) -> Path:
    """A PNG of the same bits (a TIFF of more than four channels), under a temporary name first; returns its place.

    ImageError where it cannot be written.
    """
    if levels.shape[-1] > MOST_NAMED:
        import tifffile

        path = path.with_suffix(".tif")
        with replacing(path) as temporary:
            tifffile.imwrite(temporary, levels, photometric="minisblack", planarconfig="contig")
        return path
    channels = levels[..., [2, 1, 0, 3][: levels.shape[-1]]] if levels.shape[-1] > 1 else levels  # OpenCV has BGR
    done, content = cv2.imencode(".png", np.ascontiguousarray(channels))
    if not done:
        raise ImageError(f"{path}: cannot be written as PNG")
    with replacing(path) as temporary:
        temporary.write_bytes(content.tobytes())
    return path


def find(places: list[Path]) -> Iterator[tuple[Path, Path]]:
    """Every photo of some files and folders, and the name of its translation, with the suffix .png; of a.png beside a.jpg the
    second one's is a.png.png.

    A folder's photos are those that preparation would use: not what lies in folders inside it.  ImageError for a place that is
    not there, a folder without images, a name that is not UTF-8, and two photos of one name.
    """
    taken: dict[Path, Path] = {}
    for place in places:
        if not place.exists():
            raise ImageError(f"{place}: no such file or folder")
        inside = sorted(path for path in place.iterdir() if is_picture(path)) if place.is_dir() else [place]
        if not inside:
            there = left_out([place], ()) or "nothing"
            raise ImageError(f"{place}: expected images ({', '.join(IMAGE_SUFFIXES)}), found {there}")
        for photo in inside:
            name = Path(photo.name).with_suffix(".png")
            if name in taken and taken[name].parent == photo.parent:  # a.jpg beside a.png
                name = Path(f"{photo.name}.png")
            try:
                photo.name.encode()
            except UnicodeEncodeError:
                raise ImageError(f"{photo.parent}: the name {photo.name!r} is not UTF-8; rename the file") from None
            if name in taken:
                raise ImageError(f"{photo}: its translation would get the name of {taken[name]}'s, {name}; rename one")
            taken[name] = photo
            yield photo, name


def notes(places: Iterable[Path], photos: Sequence[Path], channels: int, ranged: bool) -> list[str]:
    """What one should know of photos that `find` found: what else lies there, what of them is not seen.

    channels: that the model takes.  ranged: whether it is known what is black and what is white.
    """
    folders = [place for place in places if place.is_dir()]
    names = " and ".join(folder.name or str(folder) for folder in folders)
    remedy = "`--values 0 4095` reads 12 bits"
    return left_out_of(names, folders, photos) + notes_on(photos, channels, None if ranged else remedy)

"""Photos of any kind in, lossless images out."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from ganrepro.data.images import ImageError, read_levels
from ganrepro.data.spec import IMAGE_SUFFIXES, MOST_NAMED
from ganrepro.store.files import plain, replacing

MOST_PIXELS = 100_000_000  # of one photo


def read(path: Path, opacity: bool = False) -> np.ndarray:
    """An image as `data.images.read_levels` reads it. ImageError for one too large to be meant, too."""
    try:
        with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning), Image.open(plain(path)) as file:
            width, height = file.size
    except UnidentifiedImageError as error:
        if path.suffix.lower() not in (".tif", ".tiff"):
            raise ImageError(f"{path}: not a readable image ({error}); replace or remove it") from None
        height, width, _ = read_levels(path).shape  # colour in floating point, or many channels, which Pillow does not know
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageError(f"{path}: not a readable image ({error}); replace or remove it") from None
    if width * height > MOST_PIXELS:
        raise ImageError(f"{path}: {width} × {height} is more than {MOST_PIXELS // 10**6} megapixels; make it smaller first")
    with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
        return read_levels(path, opacity)


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


def _is_photo(name: Path, path: Path) -> bool:
    """As preparation has it: of a known kind, not hidden, nor in a hidden folder, as `.sheet` of former translations is."""
    hidden = any(part.startswith(".") for part in name.parts)
    return name.suffix.lower() in IMAGE_SUFFIXES and not hidden and path.is_file()


def find(places: list[Path]) -> Iterator[tuple[Path, Path]]:
    """Every photo of some files and folders, and its name below its folder, with the suffix .png.

    ImageError for a place that is not there, a folder without images, a name that is not UTF-8, and two photos of one name.
    """
    taken: dict[Path, Path] = {}
    for place in places:
        if not place.exists():
            raise ImageError(f"{place}: no such file or folder")
        inside = (
            sorted(path for path in place.rglob("*") if _is_photo(path.relative_to(place), path)) if place.is_dir() else [place]
        )
        if not inside:
            raise ImageError(f"{place}: holds no image ({', '.join(IMAGE_SUFFIXES)})")
        for photo in inside:
            name = (photo.relative_to(place) if place.is_dir() else Path(photo.name)).with_suffix(".png")
            try:
                photo.name.encode()
            except UnicodeEncodeError:
                raise ImageError(f"{photo.parent}: the name {photo.name!r} is not UTF-8; rename the file") from None
            if name in taken:
                raise ImageError(f"{photo}: its translation would get the name of {taken[name]}'s, {name}; rename one")
            taken[name] = photo
            yield photo, name

"""Photos of any kind in, lossless images out: 8 and 16 bits, grey and colour, upright."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from ganrepro.data.images import ImageError, read_rgb
from ganrepro.data.spec import IMAGE_SUFFIXES
from ganrepro.store.files import replacing

MOST_PIXELS = 100_000_000  # of one photo


def read(path: Path) -> np.ndarray:
    """uint8 or uint16 (h, w, 1) or (h, w, 3), RGB, upright. ImageError for what is no image, empty, or too large to be meant."""
    try:
        with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning), Image.open(path) as file:
            width, height = file.size
            deep = _bits(path, file) == 16
            grey = file.mode in ("L", "1", "I", "I;16", "I;16B", "I;16L", "I;16N")
            turned = file.getexif().get(0x0112, 1)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageError(f"{path}: not a readable image ({error}); replace or remove it") from None
    if width * height > MOST_PIXELS:
        raise ImageError(f"{path}: {width} × {height} is more than {MOST_PIXELS // 10**6} megapixels; make it smaller first")
    if not deep:
        image = read_rgb(path)
        return np.asarray(image.convert("L") if grey else image).reshape(image.height, image.width, -1)
    levels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if levels is None or levels.dtype != np.uint16:
        raise ImageError(f"{path}: not readable with its 16 bits; save it as PNG or TIFF")
    levels = levels[..., None] if levels.ndim == 2 else levels
    if levels.shape[-1] in (2, 4):  # transparency goes onto white, as with 8 bits
        share = levels[..., -1:].astype(np.float64) / 65535
        levels = (levels[..., :-1] * share + 65535 * (1 - share)).round().astype(np.uint16)
    levels = levels[..., ::-1] if levels.shape[-1] == 3 else levels
    return np.ascontiguousarray(_upright(levels, turned))


def _bits(path: Path, file: Image.Image) -> int:
    """Bits of a channel; Pillow reads colour of 16 bits as 8."""
    if file.format == "PNG":
        with path.open("rb") as stream:
            return stream.read(25)[24]
    if file.format == "TIFF":
        return int(np.max(file.tag_v2.get(258, 8)))  # type: ignore[attr-defined]
    return 16 if file.mode.startswith("I;16") else 8


def _upright(levels: np.ndarray, turned: int) -> np.ndarray:
    """As an EXIF orientation says: turned and mirrored by Pillow, channel by channel."""
    sides = []
    for channel in np.moveaxis(levels, -1, 0):
        image = Image.fromarray(np.ascontiguousarray(channel))
        image.getexif()[0x0112] = turned
        sides.append(np.asarray(ImageOps.exif_transpose(image)))
    return np.stack(sides, -1).astype(levels.dtype)


def write(path: Path, levels: np.ndarray) -> None:
    """A PNG of the same bits, under a temporary name first. ImageError where it cannot be written."""
    channels = levels[..., ::-1] if levels.shape[-1] == 3 else levels
    done, content = cv2.imencode(".png", np.ascontiguousarray(channels))
    if not done:
        raise ImageError(f"{path}: cannot be written as PNG")
    with replacing(path) as temporary:
        temporary.write_bytes(content.tobytes())


def find(places: list[Path]) -> Iterator[tuple[Path, Path]]:
    """Every photo of some files and folders, and its name below its folder, with the suffix .png.

    ImageError for a place that is not there, a folder without images, and two photos that would get one name.
    """
    taken: dict[Path, Path] = {}
    for place in places:
        if not place.exists():
            raise ImageError(f"{place}: no such file or folder")
        inside = sorted(p for p in place.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES) if place.is_dir() else [place]
        if not inside:
            raise ImageError(f"{place}: holds no image ({', '.join(IMAGE_SUFFIXES)})")
        for photo in inside:
            name = (photo.relative_to(place) if place.is_dir() else Path(photo.name)).with_suffix(".png")
            if name in taken:
                raise ImageError(f"{photo}: its translation would get the name of {taken[name]}'s, {name}; rename one")
            taken[name] = photo
            yield photo, name

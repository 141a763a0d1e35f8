"""The only crossing between uint8 images on disk and float tensors in memory.

On disk: uint8 RGB (or grey) PNG. In memory: uint8, or float32 NCHW in [-1, 1].

DEVIATION(bicubic-resize): images are resized by Pillow's bicubic filter, as in the PyTorch reference. `resize: lua` is the
Lua code's image.scale: linear with corners aligned where it enlarges, the mean over areas where it shrinks; its
result is rounded to 8 bits here. Datasets are prepared bicubically in both.
DEVIATION(rounding): levels are rounded to nearest; the PyTorch reference cuts them off.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ganrepro.data.spec import Size
from ganrepro.errors import UserError
from ganrepro.lazy import torch
from ganrepro.store.files import plain, replacing

# Value of a label-map pixel that is not scored.
VOID = 255
ORIENTATION = 0x0112  # EXIF
Values = tuple[float, float]  # of an image's numbers: black, white


class ImageError(UserError):
    """An image file cannot be used; the message names it and says why."""


def to_float(levels: torch.Tensor) -> torch.Tensor:
    """uint8 levels 0..255 -> float32 in [-1, 1]."""
    return levels.float().div(127.5).sub(1)


def to_uint8(values: torch.Tensor) -> torch.Tensor:
    """float in [-1, 1] (clipped) -> uint8, rounded to nearest; exact inverse of `to_float`."""
    return values.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)


def read_rgb(path: str | Path, values: Values | None = None) -> Image.Image:
    """Any image as 8-bit RGB, upright: see `read_levels`.

    values: of its channels, what becomes black and what becomes white; None: 0 and the most that 8 or 16 bits hold. ImageError
    names an unreadable file, and one whose numbers have no range of their own where none is given.
    """
    opened = _opened(Path(path))
    if isinstance(opened, Image.Image) and values is None:
        return opened.convert("RGB")
    levels = _levels(opened)
    levels = scaled(levels, values or range_of(levels, path))
    return Image.fromarray(levels.squeeze(-1) if levels.shape[-1] == 1 else levels).convert("RGB")


def read_levels(path: str | Path) -> np.ndarray:
    """An image as its file has it, upright: (h, w, 1) or RGB (h, w, 3); uint8, uint16, or int32 and float32 of any range.

    Palettes are expanded, transparency is put on white, CMYK is converted, an EXIF rotation is applied; of several pages or
    frames the first is read. ImageError names an unreadable file.
    """
    return _levels(_opened(Path(path)))


def _opened(path: Path) -> Image.Image | np.ndarray:
    """An image of 8 bits, grey or RGB; or the levels of one of more bits."""
    turned, single = 1, None
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning), Image.open(plain(path)) as file:
            if not _is_deep(path, file):
                file.load()
                return _of_8_bits(ImageOps.exif_transpose(file))
            turned = file.getexif().get(ORIENTATION, 1)
            if file.format == "TIFF":
                if turned > 4 and file.mode not in ("I", "F"):  # Pillow 12.3 mixes up their pixels, OpenCV 5 reads none
                    raise ImageError(f"{path}: 16 bits, turned by its EXIF orientation ({turned}); save it upright")
                turned = 1  # both libraries turn a TIFF themselves
            single = np.asarray(file) if file.mode in ("I", "F") and file.format != "PNG" else None
    except FileNotFoundError:
        raise ImageError(f"{path}: no such image") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        # Pillow does not know colour in floating point
        if not isinstance(error, UnidentifiedImageError) or path.suffix.lower() not in (".tif", ".tiff"):
            raise ImageError(f"{path}: not a readable image ({error}); replace or remove it") from None
    return _deep_levels(path, single, turned)


def _deep_levels(path: Path, single: np.ndarray | None, turned: int) -> np.ndarray:
    """Levels of more than 8 bits.  single: of one channel, where Pillow has read it.  turned: the EXIF orientation."""
    import cv2  # here alone, and slow to load

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # what is wrong is said below, in one line
    if single is None and not cv2.haveImageReader(str(path)):
        raise ImageError(f"{path}: not a readable image; replace or remove it")
    levels = single if single is not None else cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if levels is None or levels.dtype not in (np.uint16, np.int16, np.int32, np.float32, np.float64):
        raise ImageError(f"{path}: not readable with all its bits; save it as PNG or TIFF, upright")
    levels = levels[..., None] if levels.ndim == 2 else levels
    if single is None and levels.shape[-1] in (3, 4):
        levels = levels[..., [2, 1, 0, 3][: levels.shape[-1]]]  # OpenCV has BGR
    if levels.shape[-1] in (2, 4):  # transparency goes onto white, as with 8 bits
        most = 65535 if levels.dtype == np.uint16 else 1
        share = levels[..., -1:].astype(np.float64) / most
        levels = levels[..., :-1] * share + most * (1 - share)
        levels = levels.round().astype(np.uint16) if most == 65535 else levels
    if not np.isfinite(levels).all():
        raise ImageError(f"{path}: holds numbers that are not finite; replace or remove it")
    kind = np.uint16 if levels.dtype == np.uint16 else np.float32 if levels.dtype.kind == "f" else np.int32
    return np.ascontiguousarray(_upright(levels, turned).astype(kind))


def _levels(opened: Image.Image | np.ndarray) -> np.ndarray:
    return opened if isinstance(opened, np.ndarray) else np.array(opened).reshape(opened.height, opened.width, -1)


def levels_of(image: Image.Image) -> np.ndarray:
    """The same of an image in memory, whatever its mode."""
    if not image.mode.startswith(("I", "F")):
        return _levels(_of_8_bits(ImageOps.exif_transpose(image)))
    whole = np.uint16 if image.mode.startswith("I;16") or image.format == "PNG" else np.int32
    levels = np.asarray(image).astype(np.float32 if image.mode == "F" else whole)
    return np.ascontiguousarray(_upright(levels[..., None], image.getexif().get(ORIENTATION, 1)))


def _is_deep(path: Path, file: Image.Image) -> bool:
    """Whether its channels have more than 8 bits; Pillow reads colour of 16 bits as 8."""
    if file.format == "PNG":
        with path.open("rb") as stream:
            return stream.read(25)[24] == 16
    if file.format == "TIFF":
        return int(np.max(file.tag_v2.get(258, 8))) > 8  # type: ignore[attr-defined]
    return file.mode.startswith(("I", "F"))


def _of_8_bits(image: Image.Image) -> Image.Image:
    """Grey, or RGB."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _upright(levels: np.ndarray, turned: int) -> np.ndarray:
    """As an EXIF orientation says: mirrored if even, then turned."""
    levels = np.flip(levels, 1) if turned in (2, 4, 5, 7) else levels
    return np.rot90(levels, {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}.get(turned, 0))


def range_of(levels: np.ndarray, path: str | Path) -> Values:
    """What is black and what is white of 8 and 16 bits. ImageError for other numbers, whose range nobody knows."""
    if levels.dtype in (np.uint8, np.uint16):
        return 0, 255 if levels.dtype == np.uint8 else 65535
    kind = "fractions" if levels.dtype == np.float32 else "whole numbers"
    raise ImageError(
        f"{path}: its pixels are {kind} from {levels.min():g} to {levels.max():g}, and nothing says which is black and which "
        "is white; set `values: [LOW, HIGH]` or `values: auto` of the dataset (a trained model knows the range of its own)"
    )


def scaled(levels: np.ndarray, values: Values) -> np.ndarray:
    """Levels as uint8, the lower value as 0 and the upper as 255, what lies beyond cut off, rounded to nearest."""
    low, high = values
    return ((levels.astype(np.float64) - low) * (255 / (high - low))).round().clip(0, 255).astype(np.uint8)


def read_labels(path: str | Path) -> np.ndarray:
    """A class-index map as uint8 (h, w). ImageError unless it is a one-channel 8-bit image."""
    try:
        with Image.open(plain(Path(path))) as image:
            image.load()
            if image.mode not in ("L", "P"):
                raise ImageError(f"{path}: expected a one-channel 8-bit label map, got mode {image.mode}")
            return np.array(image)
    except ImageError:
        raise
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageError(f"{path}: not a readable label map ({error})") from None


def height_and_width(size: Size) -> tuple[int, int]:
    """Of images of a size, as tensors have them."""
    return size[::-1] if isinstance(size, tuple) else (size, size)


def resize(image: Image.Image, size: Size, how: str = "bicubic") -> Image.Image:
    """Squeezes to a square of so many pixels, as both papers do with Cityscapes, or to (width, height).

    how: 'bicubic' (Pillow) or 'lua'.
    """
    width, height = size if isinstance(size, tuple) else (size, size)
    if image.size == (width, height):
        return image
    if how == "bicubic":
        return image.resize((width, height), Image.Resampling.BICUBIC)
    levels = np.asarray(image, np.float64)
    levels = levels if levels.ndim == 3 else levels[..., None]
    rows, columns = linear_weights(levels.shape[0], height), linear_weights(levels.shape[1], width)
    resized = np.einsum("ih,hwc,jw->ijc", rows, levels, columns, optimize=True).round().clip(0, 255).astype(np.uint8)
    return Image.fromarray(resized.squeeze(-1) if resized.shape[-1] == 1 else resized)


def linear_weights(source: int, target: int) -> np.ndarray:
    """How much each of `source` pixels gives to each of `target` ones along one axis, (target, source); rows sum to 1.

    Source: torch/image, generic/image.c (scaleLinear_rowcol): corners aligned where it enlarges, areas where it shrinks.
    """
    places = np.arange(source)
    if target > source:
        at = np.arange(target)[:, None] * (source - 1) / (target - 1)
        return np.maximum(0.0, 1 - np.abs(at - places))
    low = np.arange(target)[:, None] * source / target
    covered = np.minimum(places + 1, low + source / target) - np.maximum(places, low)
    return np.maximum(0.0, covered) * target / source


def write_png(path: Path, pixels: np.ndarray | Image.Image) -> None:
    """A PNG under a temporary name, then renamed, so that no half-written image is ever seen."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=4)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def as_tensor(image: Image.Image) -> torch.Tensor:
    """RGB or grey image -> uint8 (channels, h, w)."""
    levels = torch.from_numpy(np.array(image))
    return levels[None] if levels.ndim == 2 else levels.permute(2, 0, 1).contiguous()


def as_array(levels: torch.Tensor) -> np.ndarray:
    """uint8 (channels, h, w) -> (h, w, 3) or (h, w), as `write_png` takes it."""
    return levels.permute(1, 2, 0).squeeze(-1).contiguous().cpu().numpy()


def nearest_colour(image: Image.Image, colours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index (h, w) of the colour nearest to each pixel, and its squared distance in RGB.  colours: (k, 3)."""
    pixels = np.asarray(image).astype(np.int32)
    distance = ((pixels[:, :, None, :] - colours.astype(np.int32)) ** 2).sum(-1)
    return distance.argmin(-1).astype(np.uint8), distance.min(-1)


def load_folder(folder: Path, names: list[str], size: Size, channels: int = 3, how: str = "bicubic") -> torch.Tensor:
    """The named images in one size (see `resize`), uint8 (n, h, w, channels)."""
    mode = "RGB" if channels == 3 else "L"
    images = np.stack([np.asarray(resize(read_rgb(folder / name).convert(mode), size, how)) for name in names])
    return torch.from_numpy(images.reshape(*images.shape[:3], channels))

"""The only crossing between uint8 images on disk and float tensors in memory.

On disk: uint8 RGB (or grey) PNG. In memory: uint8, or float32 NCHW in [-1, 1].

DEVIATION(bicubic-resize): images are resized by Pillow's bicubic filter, as in the PyTorch reference. `resize: lua` is the
Lua code's image.scale: linear with corners aligned where it enlarges, the mean over areas where it shrinks; its
result is rounded to 8 bits here. Datasets are prepared bicubically in both.
DEVIATION(rounding): levels are rounded to nearest; the PyTorch reference cuts them off.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ganrepro.errors import UserError
from ganrepro.lazy import torch

# Value of a label-map pixel that is not scored.
VOID = 255


class ImageError(UserError):
    """An image file cannot be used; the message names it and says why."""


def to_float(levels: torch.Tensor) -> torch.Tensor:
    """uint8 levels 0..255 -> float32 in [-1, 1]."""
    return levels.float().div(127.5).sub(1)


def to_uint8(values: torch.Tensor) -> torch.Tensor:
    """float in [-1, 1] (clipped) -> uint8, rounded to nearest; exact inverse of `to_float`."""
    return values.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)


def read_rgb(path: str | Path) -> Image.Image:
    """Any ordinary photo as 8-bit RGB, upright.

    Grey and palette images are expanded, transparency is put on white, CMYK is converted, 16-bit
    grey is scaled to 8 bits, an EXIF rotation is applied. ImageError names an unreadable file.
    """
    try:
        with Image.open(path) as file:
            file.load()
            image: Image.Image = ImageOps.exif_transpose(file)
    except FileNotFoundError:
        raise ImageError(f"{path}: no such image") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageError(f"{path}: not a readable image ({error}); replace or remove it") from None
    if image.mode in ("I;16", "I;16B", "I;16L", "I;16N", "I"):
        return Image.fromarray((np.asarray(image).astype(np.int64) // 257).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def read_labels(path: str | Path) -> np.ndarray:
    """A class-index map as uint8 (h, w). ImageError unless it is a one-channel 8-bit image."""
    try:
        with Image.open(path) as image:
            image.load()
            if image.mode not in ("L", "P"):
                raise ImageError(f"{path}: expected a one-channel 8-bit label map, got mode {image.mode}")
            return np.array(image)
    except ImageError:
        raise
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageError(f"{path}: not a readable label map ({error})") from None


def resize(image: Image.Image, pixels: int, how: str = "bicubic") -> Image.Image:
    """Squeezes to a square, aspect ratio not kept, as both papers do with Cityscapes.  how: 'bicubic' (Pillow) or 'lua'."""
    if image.size == (pixels, pixels):
        return image
    if how == "bicubic":
        return image.resize((pixels, pixels), Image.Resampling.BICUBIC)
    levels = np.asarray(image, np.float64)
    levels = levels if levels.ndim == 3 else levels[..., None]
    rows, columns = (linear_weights(size, pixels) for size in levels.shape[:2])
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
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(buffer.getvalue())
    os.replace(temporary, path)


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


def load_folder(folder: Path, names: list[str], pixels: int, channels: int = 3, how: str = "bicubic") -> torch.Tensor:
    """The named images at `pixels` square (see `resize`), uint8 (n, h, w, channels)."""
    mode = "RGB" if channels == 3 else "L"
    images = [np.asarray(resize(read_rgb(folder / name).convert(mode), pixels, how)) for name in names]
    return torch.from_numpy(np.stack(images).reshape(len(names), pixels, pixels, channels))

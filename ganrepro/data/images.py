"""The only crossing between uint8 images on disk and float tensors in memory.

On disk: uint8 RGB (or grey) PNG; of more than four channels a grey one, a channel below the other, whose text says how many.
In memory: uint8, or float32 NCHW in [-1, 1].

DEVIATION(bicubic-resize): images are resized by Pillow's bicubic filter, as in the PyTorch reference. `resize: lua` is the
Lua code's image.scale: linear with corners aligned where it enlarges, the mean over areas where it shrinks; its
result is rounded to 8 bits here. Datasets are prepared bicubically in both.
DEVIATION(rounding): levels are rounded to nearest; the PyTorch reference cuts them off.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from ganrepro.data import tiff
from ganrepro.data.spec import MOST_NAMED, DataSpec, Size
from ganrepro.errors import UserError
from ganrepro.lazy import torch
from ganrepro.store.files import plain, replacing

# Value of a label-map pixel that is not scored.
VOID = 255
MOST_INT32 = 2**31 - 1
BANDS = "ganrepro-bands"  # the text of a PNG that says how many images lie below one another in it, each a channel
Values = tuple[float, float]  # of an image's numbers: black, white
AnyImage = Image.Image | np.ndarray  # grey or colour of 8 bits; or levels (h, w, channels) of 16, or of four and more channels


class Reading(NamedTuple):
    """How images are read.  channels: 1, 3, 4 or more.  depth: bits, 8 or 16.  values: as in `read_rgb`."""

    channels: int = 3
    depth: int = 8
    values: Values | None = None


class ImageError(UserError):
    """An image file cannot be used; the message names it and says why."""


def reading_of(data: DataSpec, domain: str) -> Reading:
    """How the prepared images of a domain are read."""
    return Reading(data.channels(domain), data.depth)


def to_float(levels: torch.Tensor) -> torch.Tensor:
    """uint8 levels 0..255 -> float32 in [-1, 1]."""
    return levels.float().div(127.5).sub(1)


def levels_to_float(levels: torch.Tensor, depth: int) -> torch.Tensor:
    """Levels of 8 bits (uint8) or 16 (int32) -> float32 in [-1, 1]."""
    return to_float(levels) if depth == 8 else levels.float().div(65535 / 2).sub(1)


def to_levels(values: torch.Tensor, depth: int) -> torch.Tensor:
    """float in [-1, 1] (clipped) -> levels of 8 bits (uint8) or 16 (int32), rounded to nearest."""
    return to_uint8(values) if depth == 8 else values.double().add(1).mul(65535 / 2).round().clamp(0, 65535).to(torch.int32)


def to_uint8(values: torch.Tensor) -> torch.Tensor:
    """float in [-1, 1] (clipped) -> uint8, rounded to nearest; exact inverse of `to_float`."""
    return values.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)


def read_rgb(path: str | Path, values: Values | None = None) -> Image.Image:
    """Any image as 8-bit RGB, upright: see `read_levels`.

    values: of its channels, what becomes black and what becomes white; None: 0 and the most that 8 or 16 bits hold. Of more than
    four channels the first three are taken. ImageError names an unreadable file, and one whose numbers have no range of their own
    where none is given.
    """
    return _as_rgb(_opened(Path(path)), path, values)


def _as_rgb(opened: AnyImage, path: str | Path, values: Values | None) -> Image.Image:
    if isinstance(opened, Image.Image) and values is None:
        return opened.convert("RGB")
    levels = _levels(opened)
    levels = levels if levels.shape[-1] in (1, 3) else levels[..., :3]
    levels = scaled(levels, values or range_of(levels, path))
    return Image.fromarray(levels.squeeze(-1) if levels.shape[-1] == 1 else levels).convert("RGB")


def read_image(path: str | Path, reading: Reading) -> AnyImage:
    """An image with as many channels and bits as are wanted, upright: what it has is converted as in `with_channels`.

    ImageError where that cannot be done: one of channels that are neither grey, colours nor opacity has to have as many as are
    wanted.
    """
    channels, depth, values = reading
    opened = _opened(Path(path), channels == 4)
    have = opened.shape[-1] if isinstance(opened, np.ndarray) else len(opened.getbands())
    bands = isinstance(opened, np.ndarray) and have in (2, MOST_NAMED) and channels != MOST_NAMED  # opacity was put on white
    if have != channels and (bands or have == 2 or max(have, channels) > MOST_NAMED):
        raise ImageError(
            f"{path}: expected {channels} channels, got {have}; set `channels: {have}` of the dataset, or save it anew"
        )
    if depth == 8 and channels in (1, 3):
        return _as_rgb(opened, path, values).convert("L" if channels == 1 else "RGB")
    levels = _levels(opened)
    return with_channels(scaled(levels, values or range_of(levels, path), depth), channels)


def with_channels(levels: np.ndarray, channels: int) -> np.ndarray:
    """Levels (h, w, c) with 1, 3 or 4 channels: grey is repeated, colour becomes its luminance (ITU-R 601), opacity is full.

    More than four stay as they are.
    """
    have, most = levels.shape[-1], np.iinfo(levels.dtype).max
    if channels > MOST_NAMED:
        return levels
    opaque = levels[..., 3:] if have == 4 else np.full_like(levels[..., :1], most)
    colours = levels[..., :3]
    if channels == 1 and have > 1:
        colours = (colours.astype(np.float64) @ [0.299, 0.587, 0.114]).round()[..., None].astype(levels.dtype)
    elif channels > 1 and have == 1:
        colours = colours.repeat(3, -1)
    return np.concatenate([colours, opaque], -1) if channels == 4 else colours


@contextlib.contextmanager
def _by_pillow(path: Path) -> Iterator[Image.Image | None]:
    """A file as Pillow opens it; None for a TIFF that it does not know, as colour in floating point and bands are.

    What is wrong with the file, here or where it is read, becomes an ImageError that names it.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(warnings.catch_warnings(action="ignore", category=UserWarning))
            try:
                file = stack.enter_context(Image.open(plain(path)))
            except UnidentifiedImageError:
                if path.suffix.lower() not in tiff.SUFFIXES:
                    raise
                file = None
            yield file
        except FileNotFoundError:
            raise ImageError(f"{path}: no such image") from None
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise _unreadable(path, error) from None


def size_in(path: Path) -> tuple[int, int]:
    """Width and height of a picture, without reading it. ImageError where it is none."""
    with warnings.catch_warnings(action="ignore"), _by_pillow(path) as file:
        return tiff.size_of(path) if file is None else file.size


def read_levels(path: str | Path, opacity: bool = False) -> np.ndarray:
    """An image as its file has it, upright: (h, w, 1), RGB (h, w, 3) or more; uint8, uint16, or int32 (int64 where
    they need it) and float32 of any range.

    Palettes are expanded, transparency is put on white (or kept as a fourth channel where there is any, if opacity is wanted),
    CMYK is converted, an EXIF rotation is applied; of several pages or frames the first is read. ImageError names an unreadable
    file.
    """
    return _levels(_opened(Path(path), opacity))


def _opened(path: Path, opacity: bool = False) -> Image.Image | np.ndarray:
    """An image of 8 bits, grey or RGB (or RGBA); or the levels of one of more bits, or of more than four channels."""
    with _by_pillow(path) as file:
        if file is None or (file.format == "TIFF" and not tiff.is_plain(file)):
            return _plain_numbers(path, tiff.read(path, opacity))
        if file.format == "PNG" and BANDS in file.info:
            return _unstacked(path, file)
        if is_deep(path, file):
            return _plain_numbers(path, _deep_levels(path, file, opacity))
        file.load()
        return _of_8_bits(ImageOps.exif_transpose(file), opacity)


def _unreadable(path: Path, why: object) -> ImageError:
    return ImageError(f"{path}: not a readable image ({why}); replace or remove it")


def _deep_levels(path: Path, file: Image.Image, opacity: bool) -> np.ndarray:
    """Levels of more than 8 bits of any format but TIFF: PNG of 16 bits, and what Pillow has of one channel."""
    turned = file.getexif().get(tiff.ORIENTATION, 1)
    if file.format != "PNG":
        return tiff.turned(np.asarray(file)[..., None], turned)
    import cv2  # here alone, and slow to load: Pillow reads colour of 16 bits as 8

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # what is wrong is said below, in one line
    levels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if levels is None or levels.dtype != np.uint16:
        raise _unreadable(path, "damaged")
    levels = levels[..., None] if levels.ndim == 2 else levels
    if levels.shape[-1] in (3, 4):
        levels = levels[..., [2, 1, 0, 3][: levels.shape[-1]]]  # OpenCV has BGR
    clear = file.info.get("transparency")  # the one value, or colour, of which the file says that it is not there
    if clear is not None and levels.shape[-1] in (1, 3):
        there = (levels != np.array(clear, np.uint16)).any(-1, keepdims=True)
        levels = np.concatenate([levels, there.astype(np.uint16) * 65535], -1)
    if levels.shape[-1] in (2, 4) and not (opacity and levels.shape[-1] == 4):  # transparency goes onto white, as with 8 bits
        share = levels[..., -1:].astype(np.float64) / 65535
        levels = (levels[..., :-1] * share + 65535 * (1 - share)).round().astype(np.uint16)
    return tiff.turned(levels, turned)


def _plain_numbers(path: Path, levels: np.ndarray) -> np.ndarray:
    """As uint8, uint16, int32 (int64 where they need it) or float32. ImageError where some are not finite."""
    if not np.isfinite(levels).all():
        raise ImageError(f"{path}: holds numbers that are not finite; replace or remove it")
    levels = levels.astype(levels.dtype.newbyteorder("="), copy=False)
    as_they_are = levels.dtype in (np.uint8, np.uint16)
    if as_they_are or levels.dtype.kind == "f":
        return np.ascontiguousarray(levels if as_they_are else levels.astype(np.float32))
    small = np.can_cast(levels.dtype, np.int32) or (levels.max() <= MOST_INT32 and levels.min() >= -MOST_INT32)
    return np.ascontiguousarray(levels.astype(np.int32 if small else np.int64))


def _unstacked(path: Path, file: Image.Image) -> np.ndarray:
    """A PNG whose channels lie below one another, (h, w, channels)."""
    told = file.info[BANDS]
    file.load()
    levels = np.asarray(file)
    if not told.isdecimal() or not MOST_NAMED < int(told) <= len(levels) or len(levels) % int(told) or levels.ndim != 2:
        raise ImageError(
            f"{path}: says that {told[:20]!r} channels lie below one another in it, which cannot be; replace or remove it"
        )
    return np.ascontiguousarray(np.moveaxis(levels.reshape(int(told), -1, levels.shape[1]), 0, -1))


def _levels(opened: Image.Image | np.ndarray) -> np.ndarray:
    return opened if isinstance(opened, np.ndarray) else np.array(opened).reshape(opened.height, opened.width, -1)


def levels_of(image: Image.Image, opacity: bool = False) -> np.ndarray:
    """The same of an image in memory, whatever its mode. ImageError for one that cannot be read, is empty, or is not finite."""
    try:
        image.load()
        turned = image.getexif().get(tiff.ORIENTATION, 1)
        deep = image.mode.startswith(("I", "F"))
        upright = None if deep else ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError, AttributeError) as error:  # of a closed image: of the last kind
        raise ImageError(f"the image: not readable ({error}); give a whole and open one") from None
    if 0 in image.size:
        raise ImageError(f"the image: {image.width} × {image.height}; expected pixels")
    if upright is not None:
        return _levels(_of_8_bits(upright, opacity))
    as_tiff = getattr(image, "tag_v2", {}).get(tiff.ORIENTATION, 1)
    if as_tiff > 4 and image.mode.startswith("I;16"):
        raise ImageError(
            f"the image: TIFF of 16 bits, turned by its EXIF orientation ({as_tiff}), which Pillow mixes up; give its path"
        )
    whole = np.uint16 if image.mode.startswith("I;16") or image.format == "PNG" else np.int32
    levels = np.asarray(image).astype(np.float32 if image.mode == "F" else whole)
    return _plain_numbers(Path("the image"), tiff.turned(levels[..., None], turned))


def is_deep(path: Path, file: Image.Image) -> bool:
    """Whether its channels have more than 8 bits; Pillow reads colour of 16 bits as 8."""
    if file.format == "PNG":
        with path.open("rb") as stream:
            return stream.read(25)[24] == 16
    if file.format == "TIFF":
        return int(np.max(file.tag_v2.get(258, 8))) > 8  # type: ignore[attr-defined]
    return file.mode.startswith(("I", "F"))


def _of_8_bits(image: Image.Image, opacity: bool = False) -> Image.Image:
    """Grey, or RGB; RGBA where that is wanted and there is opacity."""
    if image.mode == "RGBX" and opacity:  # of a TIFF whose fourth channel is something else than opacity
        return Image.frombytes("RGBA", image.size, image.tobytes())
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        image = image.convert({"RGBa": "RGBA", "La": "LA"}.get(image.mode, image.mode))
        if opacity:
            return image.convert("RGBA")
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


OF_DATASET = "set `values: [LOW, HIGH]` or `values: auto` of the dataset (a trained model knows the range of its own)"


def range_of(levels: np.ndarray, path: str | Path, remedy: str = OF_DATASET) -> Values:
    """What is black and what is white of 8 and 16 bits. ImageError for other numbers, whose range nobody knows.

    remedy: how whoever reads the image can say it.
    """
    if levels.dtype in (np.uint8, np.uint16):
        return 0, 255 if levels.dtype == np.uint8 else 65535
    kind = "fractions" if levels.dtype == np.float32 else "whole numbers"
    raise ImageError(
        f"{path}: its pixels are {kind} from {levels.min():g} to {levels.max():g}, and nothing says which is black and which "
        f"is white; {remedy}"
    )


def scaled(levels: np.ndarray, values: Values, depth: int = 8) -> np.ndarray:
    """Levels as uint8 or uint16, the lower value as 0 and the upper as the most, what lies beyond cut off, rounded to nearest."""
    (low, high), most, kind = values, 2**depth - 1, np.uint8 if depth == 8 else np.uint16
    return ((levels.astype(np.float64) - low) * (most / (high - low))).round().clip(0, most).astype(kind)


def size_of(image: AnyImage) -> tuple[int, int]:
    """Width and height."""
    return (image.shape[1], image.shape[0]) if isinstance(image, np.ndarray) else image.size


def cut(image: AnyImage, box: tuple[int, int, int, int]) -> AnyImage:
    """The part from left and top to right and bottom."""
    left, top, right, bottom = box
    return image[top:bottom, left:right] if isinstance(image, np.ndarray) else image.crop(box)


def resize_levels(levels: np.ndarray, size: Size, how: str = "bicubic") -> np.ndarray:
    """The same as `resize` of levels (h, w, channels), channel by channel, rounded to nearest, of the same kind."""
    limits, parts = np.iinfo(levels.dtype), []
    for channel in np.moveaxis(levels, -1, 0):
        whole = np.asarray(resize(Image.fromarray(channel.astype(np.float32)), size, how if how == "bicubic" else "exact"))
        parts.append(whole.round().clip(limits.min, limits.max).astype(levels.dtype))
    return np.stack(parts, -1)


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

    how: 'bicubic' (Pillow), 'lua', or 'exact', which is 'lua' without its rounding to 8 bits, of one channel.
    """
    width, height = size if isinstance(size, tuple) else (size, size)
    if image.size == (width, height):
        return image
    if how == "bicubic":
        return image.resize((width, height), Image.Resampling.BICUBIC)
    levels = np.asarray(image, np.float64)
    levels = levels if levels.ndim == 3 else levels[..., None]
    rows, columns = linear_weights(levels.shape[0], height), linear_weights(levels.shape[1], width)
    resized = np.einsum("ih,hwc,jw->ijc", rows, levels, columns, optimize=True)
    if how == "exact":
        return Image.fromarray(resized[..., 0].astype(np.float32))
    resized = resized.round().clip(0, 255).astype(np.uint8)
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
    """A PNG under a temporary name, then renamed, so that no half-written image is ever seen.

    pixels: an image; or levels, uint8 (h, w) or (h, w, 3 or 4), or uint16 (h, w, 1, 3 or 4); or either of more channels.
    """
    text = PngImagePlugin.PngInfo()
    if isinstance(pixels, np.ndarray) and pixels.ndim == 3 and pixels.shape[-1] > MOST_NAMED:
        text.add_text(BANDS, str(pixels.shape[-1]))
        pixels = np.ascontiguousarray(np.moveaxis(pixels, -1, 0).reshape(-1, pixels.shape[1]))
    elif isinstance(pixels, np.ndarray) and pixels.dtype == np.uint16:
        _write_deep(path, pixels)
        return
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=4, pnginfo=text)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def _write_deep(path: Path, levels: np.ndarray) -> None:
    import cv2  # Pillow writes no colour of 16 bits

    channels = levels[..., [2, 1, 0, 3][: levels.shape[-1]]] if levels.shape[-1] > 1 else levels  # OpenCV has BGR
    with replacing(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", np.ascontiguousarray(channels))[1].tobytes())


def as_tensor(image: Image.Image) -> torch.Tensor:
    """RGB or grey image -> uint8 (channels, h, w)."""
    levels = torch.from_numpy(np.array(image))
    return levels[None] if levels.ndim == 2 else levels.permute(2, 0, 1).contiguous()


def as_array(levels: torch.Tensor) -> np.ndarray:
    """Levels (channels, h, w) -> uint8 (h, w, 3 or more) or (h, w), or uint16 (h, w, channels), as `write_png` takes it."""
    array: np.ndarray = levels.permute(1, 2, 0).contiguous().cpu().numpy()
    return array.astype(np.uint16) if array.dtype == np.int32 else array.squeeze(-1) if array.shape[-1] == 1 else array


def nearest_colour(image: Image.Image, colours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index (h, w) of the colour nearest to each pixel, and its squared distance in RGB.  colours: (k, 3)."""
    pixels = np.asarray(image).astype(np.int32)
    distance = ((pixels[:, :, None, :] - colours.astype(np.int32)) ** 2).sum(-1)
    return distance.argmin(-1).astype(np.uint8), distance.min(-1)


def load_image(path: Path, reading: Reading, size: Size | None = None, how: str = "bicubic") -> torch.Tensor:
    """An image, of its own size or another (see `resize`), as levels (h, w, channels): uint8 of 8 bits, int32 of 16."""
    image = read_image(path, reading)
    if isinstance(image, Image.Image):
        levels = np.array(image if size is None else resize(image, size, how))
        return torch.from_numpy(levels.reshape(*levels.shape[:2], reading.channels))
    image = image if size is None or size_of(image) == size else resize_levels(image, size, how)
    return torch.from_numpy(image.astype(np.int32) if image.dtype == np.uint16 else image)


def load_folder(folder: Path, names: list[str], size: Size, reading: Reading, how: str = "bicubic") -> torch.Tensor:
    """The named images in one size, levels (n, h, w, channels)."""
    return torch.stack([load_image(folder / name, reading, size, how) for name in names])

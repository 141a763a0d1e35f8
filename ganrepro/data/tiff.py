"""TIFF of more than 8 bits, of signed numbers or of bands, as its tags describe it.

A TIFF says by tags what its numbers are: signed or not, which value is white, whether a last channel is opacity, whether channels
lie in planes. Pillow and OpenCV take no notice of some of them. tifffile decodes; where a compression needs another library
(LZW above all), OpenCV and Pillow decode those layouts that they read rightly. Errors are ValueErrors; the caller names the file.
"""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SUFFIXES = (".tif", ".tiff")
MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)  # of an image; Pillow refuses more too
MIN_IS_WHITE, MIN_IS_BLACK, RGB = 0, 1, 2  # PhotometricInterpretation
UNSPECIFIED, PREMULTIPLIED = 0, 1  # ExtraSamples; 2 is opacity that colours are not multiplied by
CONTIGUOUS = 1  # PlanarConfiguration
ORIENTATION, UPRIGHT = 274, 1
logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what it finds odd is not for the terminal


def is_plain(file: Image.Image) -> bool:
    """Whether Pillow reads a TIFF that it has opened rightly: unsigned numbers of at most 8 bits, colours and opacity alone."""
    tags: Any = file.tag_v2  # type: ignore[attr-defined]
    bits, kinds = tags.get(258, 1), tags.get(339, 1)
    unsigned = np.isin(kinds, (1, 4)).all()  # 4: undefined
    extra = tags.get(338, ())
    return bool(np.max(bits) <= 8 and unsigned and tags.get(277, 1) <= 4 and UNSPECIFIED not in np.atleast_1d(extra))


def size_of(path: Path) -> tuple[int, int]:
    """Width and height, without decoding."""
    with _opened(path) as file:
        page = file.pages.first
        return page.imagewidth, page.imagelength


def has_more_than_colours(path: Path) -> bool:
    """Whether a fourth channel lies beside RGB that is no opacity, as of infrared; false where it cannot be read."""
    with contextlib.suppress(ValueError, OSError), _opened(path) as file:
        page = file.pages.first
        return bool(page.photometric == RGB and UNSPECIFIED in page.extrasamples and page.samplesperpixel == 4)
    return False


def read(path: Path, opacity: bool) -> np.ndarray:
    """The first page, upright: (h, w, channels) of the file's numbers, white being the largest of unsigned ones.

    opacity: keep a fourth channel of colour; else opacity is put on white, and what is none left out. Bands that are no colours
    stay in any case.  ValueError for what is damaged, too large or not
    an image of channels.
    """
    with _opened(path) as file:
        page = file.pages.first
        width, height = page.imagewidth, page.imagelength
        if width * height > MOST_PIXELS:
            raise ValueError(f"{width} × {height} pixels, more than are read")
        if page.photometric not in (MIN_IS_WHITE, MIN_IS_BLACK, RGB):
            kind = getattr(page.photometric, "name", page.photometric)
            raise ValueError(f"colours of the kind {kind} with more than 8 bits or more than four channels; save it as RGB")
        try:
            levels, axes = page.asarray(), page.axes
        except MemoryError:
            raise ValueError("larger than the memory") from None
        except Exception as error:  # whatever is wrong with a file; or a compression that needs another library
            if "imagecodecs" not in str(error):
                raise ValueError(error) from None
            levels, axes = _by_others(path, page), "YXS"
        else:
            levels = np.moveaxis(levels, 0, -1) if axes == "SYX" else levels
            levels, axes = (levels[..., None], "YXS") if axes == "YX" else (levels, axes.replace("SYX", "YXS"))
            levels = turned(levels, _tag(page, ORIENTATION, UPRIGHT))
    if axes != "YXS" or levels.dtype.kind not in "uif":
        raise ValueError(f"expected an image of channels, got {levels.dtype} of the axes {axes}; save it as a plain TIFF")
    if page.photometric == MIN_IS_WHITE:
        if levels.dtype.kind != "u":
            raise ValueError(
                "says that its least number is white, and its numbers have no largest; save it with black as the least"
            )
        levels = np.iinfo(levels.dtype).max - levels
    return _colours(levels, page, opacity)


def _opened(path: Path) -> Any:
    import tifffile  # here alone, and slow to load

    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(tifffile.TiffFile(path))
            assert file.pages.first is not None  # its tags are read now
        except Exception as error:  # of a damaged file: of any kind
            raise ValueError(error) from None
        stack.pop_all()
    return file


def _tag(page: Any, number: int, default: int) -> int:
    found = page.tags.get(number)
    return default if found is None or not isinstance(found.value, int) else int(found.value)


def _by_others(path: Path, page: Any) -> np.ndarray:
    """What tifffile cannot decompress, upright (h, w, channels)."""
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # what is wrong is said in one line
    turn, bits = _tag(page, ORIENTATION, UPRIGHT), page.bitspersample
    compression = getattr(page.compression, "name", page.compression)
    single = page.samplesperpixel == 1
    if turn > 4 and not (single and bits == 32):  # Pillow 12.3 mixes up their pixels, OpenCV 5 reads none
        raise ValueError(f"{bits} bits, turned by its EXIF orientation ({turn}) and compressed by {compression}; save it upright")
    if single:
        with Image.open(path) as file:
            levels = np.asarray(file)  # turned as it says
        if page.dtype is not None and levels.dtype.itemsize == page.dtype.itemsize and levels.dtype.kind != "f":
            levels = levels.view(page.dtype.newbyteorder("="))  # Pillow takes signed 8 for unsigned, unsigned 32 for signed
        return levels[..., None]
    colour = page.photometric == RGB and page.planarconfig == CONTIGUOUS and page.samplesperpixel in (3, 4)
    if not colour or page.dtype not in (np.uint16, np.float32, np.float64):
        raise ValueError(f"compressed by {compression}, which is read of grey and of RGB alone; save it by Deflate, or without")
    read = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if read is None or read.ndim != 3:
        raise ValueError("damaged, or compressed in an unknown way")
    levels = np.asarray(read)
    return levels[..., [2, 1, 0, 3][: levels.shape[-1]]]  # OpenCV has BGR


def _colours(levels: np.ndarray, page: Any, opacity: bool) -> np.ndarray:
    """Levels with what the file calls opacity put on white, or kept as the fourth channel. Bands that are neither stay."""
    have, extra = levels.shape[-1], [int(kind) for kind in page.extrasamples]
    colours = 3 if page.photometric == RGB else 1
    if not extra and page.photometric == RGB and have == 4:
        extra = [2]  # as Pillow takes a fourth channel that nothing is said of
    if extra == [UNSPECIFIED] and (have, opacity) == (4, False):
        return levels[..., :colours]  # a channel beside the colours, which nobody asked for
    if have != colours + 1 or extra in ([], [UNSPECIFIED]):
        return levels
    share = levels[..., -1:]
    if levels.dtype.kind != "u":  # nobody knows their white, nor the whole of opacity
        if share.min() != share.max():
            raise ValueError("has opacity, and numbers of which none is known to be white; save it without opacity")
        return levels[..., :-1]
    most = np.iinfo(levels.dtype).max
    whole = share.astype(np.float64) / most
    if extra == [PREMULTIPLIED]:
        whole_or_one = np.where(whole > 0, whole, 1)
        levels = np.concatenate([np.minimum(levels[..., :-1] / whole_or_one, most).round().astype(levels.dtype), share], -1)
    if opacity and colours == 3:
        return levels
    return (levels[..., :-1] * whole + most * (1 - whole)).round().astype(levels.dtype)


def turned(levels: np.ndarray, orientation: int) -> np.ndarray:
    """As an EXIF orientation says: mirrored if even, then turned."""
    levels = np.flip(levels, 1) if orientation in (2, 4, 5, 7) else levels
    return np.rot90(levels, {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}.get(orientation, 0))

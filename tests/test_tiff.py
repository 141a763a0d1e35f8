"""TIFF as its tags describe it, against the numbers that were written and those that follow by hand."""

import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from ganrepro.data import tiff
from ganrepro.data.images import ImageError, Reading, read_image, read_levels, read_rgb

RANDOM = np.random.default_rng(0)
COLOUR = RANDOM.integers(0, 65536, (6, 9, 3)).astype(np.uint16)


def kept(tmp_path, levels, **how):
    tifffile.imwrite(tmp_path / "x.tif", levels, **how)
    return read_levels(tmp_path / "x.tif")


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_planes_of_colour_are_put_together(tmp_path, kind, byteorder):
    levels = (RANDOM.random((6, 9, 3)) * 250).astype(kind)
    stored = kind if kind in (np.uint8, np.uint16) else np.float32
    for planes in (False, True):
        how = {"photometric": "rgb", "planarconfig": "separate" if planes else "contig", "byteorder": byteorder}
        assert np.array_equal(kept(tmp_path, np.moveaxis(levels, -1, 0) if planes else levels, **how), levels.astype(stored))


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32, np.uint32, np.uint16])
def test_signed_and_large_numbers_are_kept(tmp_path, kind):
    """The least and the most of each kind, compressed or not, of either order of bytes."""
    limits = np.iinfo(kind)
    levels = np.linspace(limits.min, limits.max, 54).astype(kind).reshape(6, 9)
    for how in ({}, {"compression": "zlib"}, {"byteorder": ">"}):
        read = kept(tmp_path, levels, photometric="minisblack", **how)
        assert np.array_equal(read[..., 0].astype(np.int64), levels.astype(np.int64)), how
    if kind in (np.int8, np.uint32):  # asked for a range, as all numbers are that have no white of their own
        with pytest.raises(ImageError, match=r"whole numbers from .*set `values"):
            read_rgb(tmp_path / "x.tif")


def test_white_may_be_the_least(tmp_path):
    for kind in (np.uint8, np.uint16):
        levels = RANDOM.integers(0, np.iinfo(kind).max, (6, 9)).astype(kind)
        assert np.array_equal(kept(tmp_path, levels, photometric="miniswhite")[..., 0], np.iinfo(kind).max - levels)
    with pytest.raises(ImageError, match="least number is white"):
        kept(tmp_path, np.ones((6, 9), np.float32), photometric="miniswhite")


def test_a_fourth_channel_is_opacity_where_the_file_says_so(tmp_path):
    """Unassociated: colour x share + white x rest. Associated: colour is multiplied already. Unspecified: a channel by itself."""
    share = RANDOM.integers(1, 65536, (6, 9, 1)).astype(np.uint16)
    part = share / 65535
    on_white = COLOUR * part + 65535 * (1 - part)
    both = np.concatenate([COLOUR, share], -1)
    assert np.abs(kept(tmp_path, both, photometric="rgb", extrasamples=["unassalpha"]) - on_white).max() <= 0.5
    assert np.array_equal(read_levels(tmp_path / "x.tif", opacity=True), both)
    multiplied = np.concatenate([(COLOUR * part).round().astype(np.uint16), share], -1)
    assert np.abs(kept(tmp_path, multiplied, photometric="rgb", extrasamples=["assocalpha"]) - on_white).max() <= 1
    for kind in (np.uint8, np.uint16, np.float32):
        near = (both / 65535 * 250).astype(kind)
        assert np.array_equal(kept(tmp_path, near, photometric="rgb", extrasamples=["unspecified"])[..., :3], near[..., :3])
        assert np.array_equal(read_image(tmp_path / "x.tif", Reading(4, 8, (0, 255))), near.round().astype(np.uint8))
    cv2.imwrite(str(tmp_path / "y.tif"), both[..., [2, 1, 0, 3]])  # LZW, and of the fourth nothing is said
    assert np.abs(read_levels(tmp_path / "y.tif") - on_white).max() <= 0.5
    fraction = np.concatenate([COLOUR / 65535, part], -1).astype(np.float32)
    with pytest.raises(ImageError, match="opacity, and numbers of which none is known to be white"):
        kept(tmp_path, fraction, photometric="rgb", extrasamples=["unassalpha"])
    fraction[..., 3] = 1
    assert np.array_equal(kept(tmp_path, fraction, photometric="rgb", extrasamples=["unassalpha"]), fraction[..., :3])


def test_bands_that_are_no_colours_stay_apart(tmp_path):
    for channels in (3, 4, 5):
        levels = RANDOM.integers(0, 65536, (6, 9, channels)).astype(np.uint16)
        assert np.array_equal(kept(tmp_path, levels, photometric="minisblack", planarconfig="contig"), levels)
        assert np.array_equal(read_image(tmp_path / "x.tif", Reading(channels, 16)), levels)
    for kind in (np.uint8, np.uint16):
        levels = RANDOM.integers(0, 200, (6, 9, 4)).astype(kind)
        kept(tmp_path, levels, photometric="minisblack", planarconfig="contig")
        assert np.array_equal(read_image(tmp_path / "x.tif", Reading(4, np.iinfo(kind).bits)), levels)
        with pytest.raises(ImageError, match="expected 3 channels, got 4"):
            read_image(tmp_path / "x.tif", Reading(3, 8))


def test_what_is_no_picture_of_such_numbers_says_one_line(tmp_path, capfd):
    tifffile.imwrite(tmp_path / "x.tif", RANDOM.integers(0, 65536, (6, 9, 4)).astype(np.uint16), photometric="separated")
    with pytest.raises(ImageError, match="colours of the kind SEPARATED"):
        read_levels(tmp_path / "x.tif")
    tifffile.imwrite(tmp_path / "x.tif", COLOUR.astype(np.float32), photometric="rgb")
    content = bytearray((tmp_path / "x.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "x.tif") as file:
        tags = file.pages.first.tags
        for name in ("ImageWidth", "ImageLength"):
            tag = tags[name]
            content[tag.valueoffset : tag.valueoffset + 4] = struct.pack("<I", 60000) if tag.dtype == 4 else b"\x60\xea\0\0"
    (tmp_path / "x.tif").write_bytes(content)
    with pytest.raises(ImageError, match="60000 × 60000 pixels, more than are read"):
        read_levels(tmp_path / "x.tif")
    assert tiff.size_of(tmp_path / "x.tif") == (60000, 60000)
    (tmp_path / "x.tif").write_bytes(b"II*\0" + bytes(20))
    with pytest.raises(ImageError, match=r"x\.tif: not a readable image"):
        read_levels(tmp_path / "x.tif")
    assert capfd.readouterr().err == ""


def test_the_transparent_colour_of_a_png_of_16_bits_is_white(tmp_path):
    """As in one of 8 bits. The chunk is written by hand, since no library here writes it."""
    levels = RANDOM.integers(0, 65536, (4, 4)).astype(np.uint16)
    levels[1, 2] = 4660
    Image.fromarray(levels).save(tmp_path / "x.png")
    content = (tmp_path / "x.png").read_bytes()
    at = content.index(b"IDAT") - 4
    chunk = b"tRNS" + struct.pack(">H", 4660)
    whole = struct.pack(">I", 2) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "x.png").write_bytes(content[:at] + whole + content[at:])
    wanted = np.where(levels == 4660, 65535, levels)
    assert np.array_equal(read_levels(tmp_path / "x.png")[..., 0], wanted)

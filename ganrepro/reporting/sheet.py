"""Images in a grid, under titles. The paper is transparent, so that a grid lies on a white and on a dark page alike."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from ganrepro.data.images import read_rgb

INK = "#7d8590"  # readable on a white and on a dark page
SHADES = 16  # of ink, from transparent to solid, where colours are reduced


def sheet(titles: list[str], lines: Sequence[Sequence[Path | Image.Image]], side: int, colours: int | None = 256) -> Image.Image:
    """Images in lines of equal squares, under the titles of their columns.

    colours: to which they are reduced, so that a grid of photos takes less than 200 KB; None: as they are.
    """
    names = [textwrap.wrap(words, max(8, side // 6)) for words in titles]
    gap, header = 4, 8 + 14 * max(map(len, names))
    canvas = paper(len(titles) * (side + gap) - gap, header + len(lines) * (side + gap) - gap)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(12)
    for x, name in enumerate(names):
        draw.multiline_text((x * (side + gap) + side / 2, header / 2), "\n".join(name), INK, font, "mm", 2, "center")
        for y, line in enumerate(lines):
            canvas.paste(square(line[x], side), (x * (side + gap), header + y * (side + gap)))
    return canvas if colours is None else _reduced(canvas, colours)


def paper(width: int, height: int) -> Image.Image:
    """A transparent canvas. It has the colour of ink, so that what is written on it in ink has clean edges on any page."""
    return Image.new("RGBA", (width, height), (*ImageColor.getrgb(INK), 0))


def _reduced(canvas: Image.Image, colours: int) -> Image.Image:
    """So many colours: SHADES of ink, the rest for the images, whose flat label colours stay exact to the eye.

    The palette reaches for the outermost colours first and then for the many: one by the many alone (median cut) turns a small
    sun grey, and lies up to four times as far off.
    """
    rest = colours - SHADES
    images = canvas.convert("RGB").quantize(rest, method=Image.Quantize.MAXCOVERAGE, kmeans=1)
    opacity = np.asarray(canvas.getchannel("A"))
    index = np.where(opacity == 255, np.asarray(images), rest + opacity // (256 // SHADES)).astype(np.uint8)
    reduced = Image.fromarray(index, "P")
    own = (images.getpalette() or [])[: 3 * rest]
    reduced.putpalette(own + [0] * (3 * rest - len(own)) + [*ImageColor.getrgb(INK)] * SHADES)
    reduced.info["transparency"] = bytes([255] * rest + [255 * shade // (SHADES - 1) for shade in range(SHADES)])
    return reduced


def worded(words: str, side: int) -> Image.Image:
    """A name in a square of its own, at its right."""
    canvas = paper(side, side)
    text = "\n".join(textwrap.wrap(words, max(8, side // 7)))
    ImageDraw.Draw(canvas).multiline_text((side - 6, side / 2), text, INK, ImageFont.load_default(12), "rm", 2, "right")
    return canvas


def square(image: Path | Image.Image, side: int) -> Image.Image:
    """An image, or that of a file, with opacity, enlarged or shrunk to the middle of a square."""
    image = read_rgb(image) if isinstance(image, Path) else image
    longest = max(image.size)
    width, height = (max(1, round(side * length / longest)) for length in image.size)
    whole = image.convert("RGBA").resize((width, height), Image.Resampling.BICUBIC)
    if width == height:
        return whole
    canvas = paper(side, side)
    canvas.paste(whole, ((side - width) // 2, (side - height) // 2))
    return canvas

"""Images in a grid, under titles."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ganrepro.data.images import read_rgb

INK = "#7d8590"  # readable on a white and on a dark page


def sheet(titles: list[str], lines: Sequence[Sequence[Path | Image.Image]], side: int, colours: int | None = 256) -> Image.Image:
    """Images in lines of equal squares, under the titles of their columns.

    colours: to which they are reduced, so that a grid of photos takes less than 200 KB; None: as they are.
    """
    names = [textwrap.wrap(words, max(8, side // 6)) for words in titles]
    gap, header = 4, 8 + 14 * max(map(len, names))
    canvas = Image.new("RGB", (len(titles) * (side + gap) - gap, header + len(lines) * (side + gap) - gap), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(12)
    for x, name in enumerate(names):
        draw.multiline_text((x * (side + gap) + side / 2, header / 2), "\n".join(name), INK, font, "mm", 2, "center")
        for y, line in enumerate(lines):
            canvas.paste(square(line[x], side), (x * (side + gap), header + y * (side + gap)))
    # flat label colours stay exact to the eye
    return canvas if colours is None else canvas.quantize(colours, method=Image.Quantize.MEDIANCUT)


def worded(words: str, side: int) -> Image.Image:
    """A name in a square of its own, at its right."""
    canvas = Image.new("RGB", (side, side), "white")
    text = "\n".join(textwrap.wrap(words, max(8, side // 7)))
    ImageDraw.Draw(canvas).multiline_text((side - 6, side / 2), text, INK, ImageFont.load_default(12), "rm", 2, "right")
    return canvas


def square(image: Path | Image.Image, side: int) -> Image.Image:
    """An image, or that of a file, in colour, enlarged or shrunk to the middle of a white square."""
    image = read_rgb(image) if isinstance(image, Path) else image
    longest = max(image.size)
    width, height = (max(1, round(side * length / longest)) for length in image.size)
    whole = image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
    if width == height:
        return whole
    canvas = Image.new("RGB", (side, side), "white")
    canvas.paste(whole, ((side - width) // 2, (side - height) // 2))
    return canvas

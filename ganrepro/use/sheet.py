"""A contact sheet: every input beside its translations, as one HTML page that opens without a server."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ganrepro.reporting.templates import render

THUMBNAIL = 256  # pixels of the longer side


def write(folder: Path, heads: Sequence[str], lines: Sequence[tuple[str, Sequence[Path | np.ndarray]]]) -> Path:
    """folder/index.html, with thumbnails in folder/sheet/.

    heads: title of each column.  lines: name of a photo, and its pictures: files below `folder`, which are linked to, or levels.
    """
    place = folder / "sheet"
    place.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, (name, pictures) in enumerate(lines):
        cells = []
        for column, picture in enumerate(pictures):
            small = place / f"{number:05d}-{column}.png"
            _thumbnail(picture).save(small)
            link = picture.relative_to(folder).as_posix() if isinstance(picture, Path) else None
            cells.append({"small": small.relative_to(folder).as_posix(), "link": link and html.escape(link, quote=True)})
        rows.append({"name": html.escape(name), "cells": cells})
    page = folder / "index.html"
    page.write_text(render("sheet.html.j2", heads=[html.escape(head) for head in heads], rows=rows), encoding="utf-8")
    return page


def _thumbnail(picture: Path | np.ndarray) -> Image.Image:
    if isinstance(picture, Path):
        from ganrepro.use.files import read

        picture = read(picture)
    levels = (picture // 257).astype(np.uint8) if picture.dtype == np.uint16 else picture
    image = Image.fromarray(levels.squeeze(-1) if levels.shape[-1] == 1 else levels)
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    return image

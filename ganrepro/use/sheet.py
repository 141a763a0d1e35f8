"""A contact sheet: every input beside its translations, as one HTML page that opens without a server."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np
from PIL import Image

from ganrepro.data.images import scaled
from ganrepro.data.spec import MOST_NAMED
from ganrepro.errors import one_line
from ganrepro.reporting.templates import render

THUMBNAIL = 256  # pixels of the longer side
PLACE = ".sheet"  # folder of the thumbnails: no translation lies there


class Sheet:
    """FOLDER/index.html, written by `close`; thumbnails are made as lines are added, so that no photo is kept.

    heads: title of each column.
    """

    def __init__(self, folder: Path, heads: Sequence[str]):
        self.folder, self.heads = folder, heads
        self.rows: list[dict[str, object]] = []

    def add(self, name: str, pictures: Sequence[tuple[np.ndarray, Path | None]]) -> None:
        """One line: the name of a photo; levels of each picture, and its file below the folder, which it links to."""
        (self.folder / PLACE).mkdir(parents=True, exist_ok=True)
        cells = []
        for column, (levels, file) in enumerate(pictures):
            small = f"{PLACE}/{len(self.rows):05d}-{column}.png"
            _thumbnail(levels).save(self.folder / small)
            cells.append({"small": small, "link": file and quote(file.relative_to(self.folder).as_posix())})
        self.rows.append({"name": html.escape(one_line(name)), "cells": cells})

    def close(self, notes: Sequence[str] = ()) -> Path:
        """Writes the page and returns its place.  notes: sentences above the pictures."""
        page = self.folder / "index.html"
        heads = [html.escape(one_line(head)) for head in self.heads]
        page.write_text(
            render("sheet.html.j2", heads=heads, rows=self.rows, notes=[html.escape(one_line(note)) for note in notes]),
            encoding="utf-8",
        )
        return page


def _thumbnail(levels: np.ndarray) -> Image.Image:
    """Of every so many pixels first: enough for its size. Of more than four channels the first three."""
    step = max(1, max(levels.shape[:2]) // (4 * THUMBNAIL))
    few = levels[::step, ::step]
    few = few[..., :3] if few.shape[-1] > MOST_NAMED else few
    if few.dtype != np.uint8:  # of 16 bits as of 8; other numbers from the least to the most
        low, high = (0.0, 65535.0) if few.dtype == np.uint16 else (float(few.min()), float(few.max()))
        few = scaled(few, (low, max(high, low + 1e-6)))
    image = Image.fromarray(np.ascontiguousarray(few.squeeze(-1) if few.shape[-1] == 1 else few))
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    return image

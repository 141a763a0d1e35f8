"""Which files of a folder are pictures, and what one should know of the others: one rule for preparation and for translation."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from ganrepro.data.spec import IMAGE_SUFFIXES

LOOKED_AT = 50  # images of 16 bits, to see how many they use


def is_picture(path: Path) -> bool:
    """A file of a known kind that is not hidden; a folder inside another is none, nor is what lies in it."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()


def left_out(places: Iterable[Path], used: Collection[Path]) -> str:
    """What of some folders is not used, as in '2 × .gif, 1 × subfolder'; '' for nothing."""
    used, folders = {*used}, [*places]
    left = [path for place in sorted(folders) for path in place.iterdir() if path not in used and path not in folders]
    return ", ".join(f"{count} × {kind}" for kind, count in sorted(Counter(map(_kind, left)).items()))


def left_out_of(name: str, places: Iterable[Path], used: Collection[Path]) -> list[str]:
    """The same as a sentence, where there is one."""
    kinds = left_out(places, used)
    return [f"left out of {name}, being no {', '.join(IMAGE_SUFFIXES)}: {kinds}"] if kinds else []


def _kind(path: Path) -> str:
    plain = path.suffix.lower() or "no suffix" if path.is_file() else "no plain file"
    return "subfolder" if path.is_dir() else "hidden file" if path.name.startswith(".") else plain


def notes_on(files: Sequence[Path], channels: int, remedy: str | None) -> list[str]:
    """What one should know of some pictures: pages, channels and levels that are not seen.

    channels: that are read.  remedy: for pictures of 16 bits that use 12 or fewer; None: their range is known.
    """
    from PIL import Image

    from ganrepro.data import tiff
    from ganrepro.data.images import ImageError, is_deep, read_levels

    several, beside, deep = 0, 0, []
    for path in files:
        with contextlib.suppress(OSError, SyntaxError, ValueError, Image.DecompressionBombError), Image.open(path) as image:
            several += getattr(image, "n_frames", 1) > 1
            if is_deep(path, image):
                deep.append(path)
        beside += channels < 4 and path.suffix.lower() in tiff.SUFFIXES and tiff.has_more_than_colours(path)
    notes = []
    if several:
        notes.append(f"{several} images have several pages or frames, of which the first is used")
    if beside:
        notes.append(f"{beside} images have a channel beside their colours that is no opacity: not used; `channels: 4` would")
    if deep and remedy is not None:
        seen, dark = deep[:: -(-len(deep) // LOOKED_AT)], 0
        for path in seen:
            with contextlib.suppress(ImageError):
                levels = read_levels(path)
                dark += bool(levels.dtype.name == "uint16" and levels.max() < 4096)
        if 2 * dark > len(seen):
            notes.append(f"{dark} of {len(seen)} images of 16 bits use 12 or fewer, which is nearly black at 8: {remedy}")
    return notes

"""Digits with their classes, for methods that start from noise: drawn by the pipeline, or MNIST.

    <folder>/<split>/b/NAME.png  grey, white on black, 28 × 28 (32 × 32: the same with a margin of two)
    <folder>/manifest.json       as of every dataset, and `labels`: name -> class, 0 to 9

Drawn ones take a font of those that matplotlib ships, turn, shear, scale and move it, and add a little noise; each is a
function of its number, and of the versions of matplotlib and Pillow (reports print the digest of the images).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ganrepro.data.images import write_png
from ganrepro.data.registry import entry
from ganrepro.errors import SourceError
from ganrepro.seeding import numpy_stream
from ganrepro.settings.models import DatasetSettings

SIDE, MARGIN, FINE = 28, 2, 4  # pixels of a digit; more on each side at 32; samples per pixel while drawing
FAMILIES = ("DejaVuSans", "DejaVuSansMono", "DejaVuSerif", "STIXGeneral")
TEST_FROM = 1_000_000  # numbers of test digits: far from those of training, however many there are
HELD_OUT = 2_000  # of MNIST's 10,000 test digits, where there are no others


class Digit(NamedTuple):
    """levels: uint8 (28, 28).  label: 0 to 9."""

    levels: np.ndarray
    label: int


def prepare_digits(dataset: DatasetSettings, download: Path | None, folder: Path) -> dict[str, Any]:
    """Fills the (empty) `folder` and returns the manifest.

    download: the extracted source; None where digits are drawn.  SourceError with one line for anything unusable.
    """
    margin = {SIDE: 0, SIDE + 2 * MARGIN: MARGIN}.get(dataset.pixels)
    if margin is None:
        raise SourceError(f"digits are {SIDE} × {SIDE}, or with a margin {SIDE + 2 * MARGIN}; got pixels: {dataset.pixels}")
    spec = entry(dataset.source)
    labels: dict[str, int] = {}
    files: dict[str, str] = {}
    names: dict[str, dict[str, list[str]]] = {}
    for split, limit in (("train", dataset.train_images), ("test", dataset.test_images)):
        (folder / split / "b").mkdir(parents=True)
        found = drawn(split, limit or 0) if download is None else read_idx(download, spec, split, limit)
        names[split] = {"a": [], "b": []}
        for number, digit in enumerate(found):
            name = f"{split}-{number:05d}.png"
            image = Image.fromarray(np.pad(digit.levels, margin))
            write_png(folder / split / "b" / name, image)
            files[f"{split}/b/{name}"] = hashlib.sha256(f"L {image.size} ".encode() + image.tobytes()).hexdigest()
            labels[name] = digit.label
            names[split]["b"].append(name)
        if len(names[split]["b"]) < 2:
            raise SourceError(f"{split}: {len(names[split]['b'])} digits; expected at least 2. Look at {split}_images")
    return {
        "schema": "dataset/1",
        "source": dataset.source,
        "title": spec["title"],
        "classes": [],
        "labels": labels,
        "paired": False,
        "pixels": dataset.pixels,
        "channels": 1,
        "counts": {split: {domain: len(of) for domain, of in domains.items()} for split, domains in names.items()},
        "names": names,
        "unpaired": names["train"],
        "files": files,
        "digest": hashlib.sha256("".join(f"{d}  {f}\n" for f, d in sorted(files.items())).encode()).hexdigest(),
    }


def drawn(split: str, count: int) -> Iterator[Digit]:
    """The first `count` drawn digits of a split, classes in turn."""
    first = 0 if split == "train" else TEST_FROM
    return (draw(number) for number in range(first, first + count))


def draw(number: int) -> Digit:
    """One digit; its class is the last figure of its number."""
    random, label, side = numpy_stream(0, f"digit/{number}"), number % 10, SIDE * FINE
    font = fonts()[random.integers(len(fonts()))].font_variant(size=int(side * random.uniform(0.72, 0.92)))
    canvas = Image.new("L", (side, side))
    ImageDraw.Draw(canvas).text((side / 2, side / 2), str(label), 255, font, "mm", stroke_width=int(random.integers(0, 4)))
    turn, shear = np.deg2rad(random.uniform(-14, 14)), random.uniform(-0.2, 0.2)
    scale, move = random.uniform(0.85, 1.15, 2), random.uniform(-2.0, 2.0, 2) * FINE
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = np.linalg.inv(rotation @ np.array([[1.0, shear], [0.0, 1.0]]) @ np.diag(scale))
    centre = np.full(2, side / 2)
    offset = centre - matrix @ (centre + move)
    affine = [*matrix[0], offset[0], *matrix[1], offset[1]]
    moved = canvas.transform((side, side), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR)
    levels = np.asarray(moved.resize((SIDE, SIDE), Image.Resampling.BOX), np.float64)
    noisy = levels * random.uniform(0.8, 1.0) + random.normal(0, 6.0, levels.shape) * (levels > 0)
    return Digit(noisy.round().clip(0, 255).astype(np.uint8), label)


@functools.cache
def fonts() -> tuple[ImageFont.FreeTypeFont, ...]:
    """The upright and slanted fonts of matplotlib's that draw figures."""
    place = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    found = sorted(path for path in place.glob("*.ttf") if path.stem.startswith(FAMILIES) and not path.stem.endswith("Display"))
    return tuple(ImageFont.truetype(str(path), SIDE) for path in found)


def read_idx(download: Path, spec: dict[str, Any], split: str, limit: int | None) -> Iterator[Digit]:
    """Digits of IDX files. Where a source has the 10,000 test digits alone, they are dealt into two splits at random."""
    parts = spec["splits"].get(split, "t10k")
    images, classes = (_idx(download / f"{parts}-{kind}-ubyte", rank) for kind, rank in (("images-idx3", 3), ("labels-idx1", 1)))
    if images.shape[1:] != (SIDE, SIDE) or len(images) != len(classes) or classes.max() > 9:
        got = f"{images.shape} and {len(classes)} labels up to {classes.max()}"
        raise SourceError(f"{download}: expected {SIDE} × {SIDE} digits with classes 0 to 9, got {got}")
    order = np.arange(len(images))
    if "train" not in spec["splits"]:
        order = numpy_stream(0, "digits/held-out").permutation(len(images))
        order = order[HELD_OUT:] if split == "train" else order[:HELD_OUT]
    return (Digit(images[i], int(classes[i])) for i in order[:limit])


def _idx(path: Path, rank: int) -> np.ndarray:
    """An IDX file of bytes with so many dimensions."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file; fetch the source again") from None
    head = 4 + 4 * rank
    shape = tuple(int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank))
    if content[:4] != bytes([0, 0, 8, rank]) or len(content) != head + int(np.prod(shape)):
        raise SourceError(f"{path}: no IDX file of bytes in {rank} dimensions, or cut short; fetch the source again")
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)

"""What a layout has to say: which images there are, split by split, and how each is read.

A layout is one file of this folder with a function

    def items(place: Place) -> Iterator[Item]

Nothing is read before `Item.read` is called, in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ganrepro.data.images import AnyImage, Reading, Values, read_image
from ganrepro.data.own import deal
from ganrepro.data.pictures import is_picture, left_out
from ganrepro.data.spec import IMAGE_SUFFIXES
from ganrepro.errors import SourceError
from ganrepro.schema.datasets import DatasetSettings
from ganrepro.store.files import sha256

SPLITS = ("train", "test")


class Picture(NamedTuple):
    """What is known of one item.

    images: by domain; label maps that are known by class alone are drawn from these.   labels: class of each pixel, uint8 (h,
    w), 255 where not scored.   image_class: of the whole image.
    """

    images: Mapping[str, AnyImage]
    labels: np.ndarray | None = None
    image_class: int | None = None


@dataclass(frozen=True)
class Item:
    """One name of a split, the domains that it has an image in, and how it is read (in another process: no local function)."""

    split: str
    name: str
    domains: tuple[str, ...]
    read: Callable[[], Picture]


@dataclass(frozen=True)
class Place:
    """Where a layout looks.

    root: the data folder of the source; None where images are drawn.  entry: of the registry.  ranges: black and white of the
    images of a domain, where these say none themselves.
    """

    root: Path | None
    dataset: DatasetSettings
    entry: Mapping[str, Any]
    ranges: Mapping[str, Values] = field(default_factory=dict)

    def reading(self, domain: str) -> Reading:
        """How the images of a domain are read."""
        given = self.entry["domains"].get(domain, {})
        channels = given.get("channels", 3) if isinstance(given, dict) else 3
        return Reading(channels, self.dataset.depth, self.ranges.get(domain))

    def limit(self, split: str) -> int | None:
        """How many images of a split are wanted; None: all."""
        return {"train": self.dataset.train_images, "test": self.dataset.test_images}[split]

    def theirs(self, split: str) -> str:
        """What the source calls a split."""
        return str(self.entry["splits"][split])

    def images_of(self, split: str, folders: Sequence[str] = (".",)) -> list[Path]:
        """Image files of a split, in some folders inside it; where nothing is split yet, those of all that are dealt to it."""
        if "splits" in self.entry:
            return [path for inside in folders for path in images(self.folder / self.theirs(split) / inside)]
        files = [path for inside in folders for path in images(self.folder / inside)]
        splits = deal([[sha256(path)] for path in files], self.limit("test"), str(self.folder))
        return [path for path, of in zip(files, splits, strict=True) if of == split]

    @property
    def folder(self) -> Path:
        """`root` of a source that is not drawn."""
        assert self.root is not None
        return self.root


def one(domain: str, path: Path, reading: Reading) -> Picture:
    """The image of a file, in one domain."""
    return Picture({domain: read_image(path, reading)})


def pair(paths: Mapping[str, Path], readings: Mapping[str, Reading]) -> Picture:
    """The images of several files, one for each domain."""
    return Picture({domain: read_image(path, readings[domain]) for domain, path in paths.items()})


def images(folder: Path) -> list[Path]:
    """Image files of a folder by name. SourceError where there are none, or two that differ in their suffix alone."""
    if not folder.is_dir():
        raise SourceError(f"{folder}: no such folder")
    files = sorted(path for path in folder.iterdir() if is_picture(path))
    for path in files:
        try:
            path.name.encode()
        except UnicodeEncodeError:
            raise SourceError(f"{folder}: the name {path.name!r} is not UTF-8; rename the file") from None
    if not files:
        there = left_out([folder], ()) or "nothing"
        raise SourceError(f"{folder}: expected images ({', '.join(IMAGE_SUFFIXES[:4])}, …), found {there}")
    stems = [p.stem for p in files]
    if len(set(stems)) < len(stems):
        twice = next(s for s in stems if stems.count(s) > 1)
        raise SourceError(f"{folder}: two images are called '{twice}' and differ in their suffix only; rename one")
    return files


def find_root(folder: Path, root: str | Sequence[str] | None) -> Path:
    """The data folder called `root` (or one of these) inside an extraction, at whatever depth (None: the top)."""
    if root is None:
        return folder
    names = [root] if isinstance(root, str) else [*root]
    folders = sorted((p for name in names for p in folder.rglob(name) if p.is_dir()), key=lambda p: len(p.parts))
    if not folders:
        raise SourceError(f"{folder}: no folder '{' or '.join(names)}' in the archives; is this the right archive?")
    return folders[0]

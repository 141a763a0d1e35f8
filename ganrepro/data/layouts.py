"""How the files of a source lie: which output image is made from which files, split by split."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganrepro.errors import SourceError
from ganrepro.settings.models import DatasetSettings

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Item:
    """One output name and how to make it: files by role, read by `prepare`."""

    split: str
    name: str
    files: Mapping[str, Any]


def items(dataset: DatasetSettings, spec: Mapping[str, Any], download: Path | None) -> Iterable[Item]:
    """What to make, by the layout of the source."""
    limits = {"train": dataset.train_images, "test": dataset.test_images}
    if spec["layout"] == "streets":
        for split, count in limits.items():
            first = 0 if split == "train" else 1_000_000  # far apart: more training scenes never reach the test set
            yield from (Item(split, f"{i:04d}", {"scene": first + i}) for i in range(count or 0))
        return
    if spec["layout"] == "files":
        raise SourceError(f"source '{dataset.source}' is not a pair of domains; it serves other stages than translation")
    assert download is not None
    layouts = {
        "camvid": _camvid,
        "cityscapes": _cityscapes,
        "side-by-side": _side_by_side,
        "folders": _folders,
        "photos": _photos,
    }
    root = find_root(download, spec.get("root"))
    for split, limit in limits.items():
        taken: Counter[str] = Counter()
        for item in layouts[spec["layout"]](root, split, spec):
            roles = " ".join(item.files)  # unpaired items are of two kinds, each limited on its own
            taken[roles] += 1
            if limit is None or taken[roles] <= limit:
                yield item


def _camvid(root: Path, split: str, spec: Mapping[str, Any]) -> Iterable[Item]:
    for photo in _images(root / spec["splits"][split]):
        yield Item(split, photo.stem, {"photo": photo, "index": root / f"{spec['splits'][split]}annot" / photo.name})


def _cityscapes(root: Path, split: str, spec: Mapping[str, Any]) -> Iterable[Item]:
    theirs = spec["splits"][split]
    for photo in sorted(root.glob(f"**/leftImg8bit/{theirs}/*/*_leftImg8bit.png")):
        stem = photo.name.removesuffix("_leftImg8bit.png")
        labels = photo.parents[3] / "gtFine" / theirs / photo.parent.name / stem
        yield Item(
            split, stem, {"photo": photo, "a": Path(f"{labels}_gtFine_color.png"), "index": Path(f"{labels}_gtFine_labelIds.png")}
        )


def _side_by_side(root: Path, split: str, spec: Mapping[str, Any]) -> Iterable[Item]:
    folder = root / spec["splits"][split]
    for image in sorted(_images(folder), key=lambda p: (len(p.stem), p.stem)):
        yield Item(split, image.stem, {"halves": image})


def _photos(root: Path, split: str, spec: Mapping[str, Any]) -> Iterable[Item]:
    """Photos in one folder for each split, or all in one: then every tenth is for testing."""
    if "splits" in spec:
        chosen = _images(root / spec["splits"][split])
    else:
        chosen = [photo for i, photo in enumerate(_images(root)) if (i % 10 == 5) == (split == "test")]
    yield from (Item(split, photo.stem, {"photo": photo}) for photo in chosen)


def _folders(root: Path, split: str, spec: Mapping[str, Any]) -> Iterable[Item]:
    other = "B" if spec["a"] == "A" else "A"
    a, b = _images(root / f"{split}{spec['a']}"), _images(root / f"{split}{other}")
    if spec["paired"]:
        if [p.stem for p in a] != [p.stem for p in b]:
            odd = sorted({p.stem for p in a} ^ {p.stem for p in b})
            raise SourceError(
                f"{root}: {split}A and {split}B are unequal ({len(a)} and {len(b)} images; '{odd[0]}' is in one only); "
                f"with a palette every label map needs the photo of the same name"
            )
        yield from (Item(split, pa.stem, {"a": pa, "photo": pb}) for pa, pb in zip(a, b, strict=True))
    else:
        yield from (Item(split, p.stem, {"a": p}) for p in a)
        yield from (Item(split, p.stem, {"photo": p}) for p in b)


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise SourceError(f"{folder}: no such folder")
    inside = [p for p in folder.iterdir() if not p.name.startswith(".")]
    found = sorted(p for p in inside if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
    if left := len(inside) - len(found):
        print(
            f"{folder}: {left} of {len(inside)} entries are left out (folders, GIFs and whatever else is no photo)",
            file=sys.stderr,
        )
    for path in found:
        try:
            path.name.encode()
        except UnicodeEncodeError:
            raise SourceError(f"{folder}: the name {path.name!r} is not UTF-8; rename the file") from None
    if not found:
        raise SourceError(f"{folder}: empty; expected images ({', '.join(IMAGE_SUFFIXES[:4])}, …)")
    stems = [p.stem for p in found]
    if len(set(stems)) < len(stems):
        twice = next(s for s in stems if stems.count(s) > 1)
        raise SourceError(f"{folder}: two images are called '{twice}' and differ in their suffix only; rename one")
    return found


def folder_spec(dataset: DatasetSettings) -> dict[str, Any]:
    """A registry entry for a bring-your-own folder."""
    path = Path(dataset.path or "").expanduser()
    if not path.is_dir():
        raise SourceError(f"{path}: no such folder; correct `path` in params.yaml")
    first, second = ("A", "left") if dataset.direction == "AtoB" else ("B", "right")
    common = {"title": f"own images in {path.name}", "root": None, "palette": dataset.palette, "void_colours": dataset.void or []}
    if dataset.edges is not None and not (path / "trainA").is_dir():
        test = "test" if (path / "test").is_dir() else "val"
        splits = {"splits": {"train": "train", "test": test}} if (path / "train").is_dir() else {}
        return common | splits | {"layout": "photos", "paired": True}
    if (path / "trainA").is_dir():
        return common | {"layout": "folders", "a": first, "paired": dataset.palette is not None}
    if (path / "train").is_dir():
        test = "test" if (path / "test").is_dir() else "val"
        return common | {"layout": "side-by-side", "a": second, "paired": True, "splits": {"train": "train", "test": test}}
    raise SourceError(f"{path}: expected trainA, trainB, testA, testB, or train and test with side-by-side images")


def find_root(folder: Path, root: str | None) -> Path:
    """The data folder called `root` inside an extraction, at whatever depth (None: the top)."""
    if root is None:
        return folder
    found = sorted((p for p in folder.rglob(root) if p.is_dir()), key=lambda p: len(p.parts))
    if not found:
        raise SourceError(f"{folder}: no folder '{root}' in the archives; is this the right archive?")
    return found[0]

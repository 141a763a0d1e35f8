"""A folder of one's own as an entry of the registry: how it is laid out, and what it has. No torch."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganrepro.data.spec import IMAGE_SUFFIXES, DataSpec, spec_of
from ganrepro.errors import SourceError
from ganrepro.schema.datasets import DatasetSettings
from ganrepro.schema.fields import checked_name
from ganrepro.schema.registry import FOLDER, entry


def entry_of(dataset: DatasetSettings) -> dict[str, Any]:
    """The registry's entry of a dataset, or one that is made for a folder.

    SourceError where the folder is not as it should be.
    """
    return _own(dataset) if dataset.source == FOLDER else entry(dataset.source)


@functools.cache
def _spec(settings: str) -> DataSpec:
    dataset = DatasetSettings.model_validate_json(settings)
    try:
        return spec_of(entry_of(dataset), dataset.edges is not None)
    except SourceError:
        sides: dict[str, Any] = {"a": "label maps", "b": "photos"} if dataset.palette else {"a": {}, "b": {}}
        return replace(spec_of({"domains": sides, "palette": dataset.palette}, dataset.edges is not None), known=False)


def data_spec(dataset: DatasetSettings) -> DataSpec:
    """What a dataset has.

    Where its folder is not here, or not as it should be, what one would expect: its preparation complains.
    """
    return _spec(dataset.model_dump_json())


def _own(dataset: DatasetSettings) -> dict[str, Any]:
    path = Path(dataset.path or "").expanduser()
    if not path.is_dir():
        raise SourceError(f"{path}: no such folder; correct `path` in params.yaml")
    layout = dataset.layout or _layout_of(path, dataset)
    test = "test" if (path / "test").is_dir() or not (path / "val").is_dir() else "val"
    common: dict[str, Any] = {
        "title": f"own images in {path.name}", "root": None, "layout": layout, "upright": dataset.upright,
        "palette": dataset.palette, "void_colours": dataset.void or [], "splits": {"train": "train", "test": test},
    }  # fmt: skip
    plain = {"channels": dataset.channels}
    if layout == "photos":
        common |= {"domains": {"b": "photos"}}
        return common if (path / "train").is_dir() else {k: v for k, v in common.items() if k != "splits"}
    if layout == "domains":
        return common | {"domains": {name: {"title": name} | plain for name in _folders(path / "train")}, "paired": False}
    if layout == "classes":
        return common | {"domains": {"images": {"title": "images"} | plain}, "classes": _folders(path / "train")}
    forward = dataset.direction == "AtoB"
    sides: dict[str, Any] = {"a": "label maps", "b": "photos"} if dataset.palette else {"a": plain, "b": plain}
    if layout == "two-sides":
        return common | {"domains": sides, "a": "A" if forward else "B", "paired": dataset.palette is not None}
    return common | {"domains": sides, "a": "left" if forward else "right", "paired": True}


def _layout_of(path: Path, dataset: DatasetSettings) -> str:
    if (path / "trainA").is_dir():
        return "two-sides"
    if dataset.edges is not None:
        return "photos"
    if (path / "train").is_dir():
        inside = [p for p in (path / "train").iterdir() if not p.name.startswith(".")]
        if inside and all(p.is_dir() for p in inside):
            remedy = "say `layout: domains` (a folder for each domain) or `layout: classes` (a folder for each class of image)"
            raise SourceError(f"{path / 'train'}: holds folders; {remedy}")
        return "side-by-side"
    raise SourceError(f"{path}: expected trainA, trainB, testA, testB, or train and test with side-by-side images")


def _folders(path: Path) -> list[str]:
    """Names of the folders inside a folder. SourceError where there are none, or one whose name is none."""
    if not path.is_dir():
        raise SourceError(f"{path}: no such folder")
    names = sorted(p.name for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    for name in names:
        try:
            checked_name(name)
        except ValueError as error:
            raise SourceError(f"{path / name}: {error}") from None
    if not names:
        raise SourceError(f"{path}: expected a folder for each domain or class, found none")
    return names


def files_of(dataset: DatasetSettings) -> list[tuple[str, Path]]:
    """The images of a folder that its preparation uses, by their names below it; [] where the folder is not as it should be."""
    try:
        own = _own(dataset)
    except SourceError:
        return []
    root, splits = Path(dataset.path or "").expanduser(), own.get("splits", {}).values()
    inside = {
        "two-sides": [f"{split}{side}" for split in ("train", "test") for side in "AB"],
        "side-by-side": [*splits],
        "photos": [*splits] or ["."],
        "domains": [f"{split}/{name}" for split in splits for name in own["domains"]],
        "classes": [f"{split}/{name}" for split in splits for name in own.get("classes", ())],
    }[own["layout"]]
    paths = [path for place in inside if (root / place).is_dir() for path in (root / place).iterdir()]
    return sorted(
        (path.relative_to(root).as_posix(), path)
        for path in paths
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()
    )

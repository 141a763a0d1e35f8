"""A folder of one's own as an entry of the registry: how it is laid out, and what it has. No torch."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganrepro.data.pictures import is_picture, left_out_of, notes_on
from ganrepro.data.spec import DataSpec, spec_of
from ganrepro.errors import SourceError
from ganrepro.schema.datasets import DatasetSettings
from ganrepro.schema.fields import checked_name
from ganrepro.schema.registry import FOLDER, entry
from ganrepro.store.digests import key_of

if TYPE_CHECKING:
    from ganrepro.data.images import Values


def entry_of(dataset: DatasetSettings) -> dict[str, Any]:
    """The registry's entry of a dataset, or one that is made for a folder.

    SourceError where the folder is not as it should be.
    """
    return _own(dataset) if dataset.source == FOLDER else entry(dataset.source)


def derived_of(dataset: DatasetSettings) -> str | None:
    """What is made of its photos, as a word of `data.spec.DERIVED`."""
    return "edges" if dataset.edges is not None else dataset.derived


@functools.cache
def _spec(settings: str) -> DataSpec:
    dataset = DatasetSettings.model_validate_json(settings)
    width, height = dataset.shape or (1, 1)
    return replace(_plain_spec(dataset), shape=(width, height), depth=dataset.depth)


def _plain_spec(dataset: DatasetSettings) -> DataSpec:
    try:
        return spec_of(entry_of(dataset), derived_of(dataset))
    except SourceError:
        sides: dict[str, Any] = {"a": "label maps", "b": "photos"} if dataset.palette else {"a": {}, "b": {}}
        return replace(spec_of({"domains": sides, "palette": dataset.palette}, derived_of(dataset)), known=False)


def data_spec(dataset: DatasetSettings) -> DataSpec:
    """What a dataset has.

    Where its folder is not here, or not as it should be, what one would expect: its preparation complains.
    """
    return _spec(dataset.model_dump_json())


def _folder(path: str) -> Path:
    """SourceError unless it is there."""
    try:
        folder = Path(path).expanduser()
        there = folder.is_dir()
    except (OSError, RuntimeError) as error:  # of a name that no file can have, or of somebody who is not here
        reason = error.strerror if isinstance(error, OSError) else error
        raise SourceError(f"{path[:60]}: {reason}; correct `path` in params.yaml") from None
    if not there:
        raise SourceError(f"{folder}: no such folder; correct `path` in params.yaml")
    return folder


def _own(dataset: DatasetSettings) -> dict[str, Any]:
    if dataset.folders is not None:
        return _of_folders(dataset, {name: _folder(path) for name, path in dataset.folders.items()})
    path = _folder(dataset.path or "")
    layout = dataset.layout or _layout_of(path, dataset)
    test = "test" if (path / "test").is_dir() or not (path / "val").is_dir() else "val"
    split = (path / "train").is_dir() or layout == "domains"  # the others may lie in one folder, and are split here
    common: dict[str, Any] = {
        "title": f"own images in {path.name}", "root": None, "layout": layout, "upright": dataset.upright,
        "palette": dataset.palette, "void_colours": dataset.void or [],
    } | ({"splits": {"train": "train", "test": test}} if split else {})  # fmt: skip
    if layout == "photos":
        return common | {"domains": {"b": "photos"}}
    if layout == "domains":
        names = _folders(path / "train")
        return common | {"domains": {name: {"title": name} | _channels(dataset, name) for name in names}, "paired": False}
    if layout == "classes":
        return common | {
            "domains": {"images": {"title": "images"} | _channels(dataset, "images")},
            "classes": _folders(path / "train" if split else path),
        }
    forward = dataset.direction == "AtoB"
    sides: dict[str, Any] = (
        {"a": "label maps", "b": "photos"} if dataset.palette else {name: _channels(dataset, name) for name in "ab"}
    )
    if layout == "two-sides":
        return common | {"domains": sides, "a": "A" if forward else "B", "paired": dataset.palette is not None}
    return common | {"domains": sides, "a": "left" if forward else "right", "paired": True}


def _channels(dataset: DatasetSettings, domain: str) -> dict[str, int]:
    """SourceError for a domain that has none."""
    channels = dataset.channels
    if isinstance(channels, dict) and domain not in channels:
        raise SourceError(f"channels: say those of domain {domain} too; there are: {', '.join(channels)}")
    return {"channels": channels[domain] if isinstance(channels, dict) else channels}


def _of_folders(dataset: DatasetSettings, folders: Mapping[str, Path]) -> dict[str, Any]:
    """SourceError for folders that lie inside one another."""
    places = {name: folder.resolve() for name, folder in folders.items()}
    for one, other in itertools.permutations(places, 2):
        if places[one] == places[other] or places[one] in places[other].parents:
            raise SourceError(f"{folders[other]}: is {folders[one]}, or lies in it; give each domain a folder of its own")
    titles = {name: name if len(name) > 1 else folder.name for name, folder in folders.items()}  # a and b are no names
    usable = len({*titles.values()}) == len(titles) and all(re.fullmatch(r"[\w .-]{1,40}", title) for title in titles.values())
    domains: dict[str, Any] = {n: _channels(dataset, n) | ({"title": titles[n]} if usable else {}) for n in folders}
    if derived_of(dataset) or dataset.palette:
        domains = {"b": "photos"} if derived_of(dataset) else {"a": "label maps", "b": "photos"}
    return {
        "title": f"own images in {' and '.join(folder.name for folder in folders.values())}", "root": None, "layout": "folders",
        "upright": dataset.upright, "palette": dataset.palette, "void_colours": dataset.void or [], "domains": domains,
        "paired": dataset.paired, "folders": dict(zip(domains, folders.values(), strict=True)),
    }  # fmt: skip


FEWEST = 2  # images of each split


def deal(contents: Sequence[Sequence[str]], test: int | None, where: str) -> list[str]:
    """'train' or 'test' for each of some images, or pairs of them, that are not split yet.

    contents: digests of the files of each.  test: how many are for testing, at most half; None: a tenth. What shares a file's
    content stays on one side. Sides go by the digests, so that more images move few others.  SourceError where there are too few.
    """
    if len(contents) < 2 * FEWEST:
        raise SourceError(f"{where}: {len(contents)} images; expected at least {2 * FEWEST}, {FEWEST} of them for testing")
    wanted = max(FEWEST, len(contents) // 10 if test is None else min(test, len(contents) // 2))
    parent = list(range(len(contents)))  # of images that share a content: the way to one of them

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[str, int] = {}
    for i, digests in enumerate(contents):
        for digest in digests:
            parent[root(i)] = root(first.setdefault(digest, i))
    members: dict[int, list[int]] = {}
    for i in range(len(contents)):
        members.setdefault(root(i), []).append(i)
    if len(members) == 1:
        raise SourceError(f"{where}: all {len(contents)} images are equal; there is nothing to learn from them")
    chance = {of: min(key_of("split", digest) for i in inside for digest in contents[i]) for of, inside in members.items()}
    chosen: list[int] = []
    for of in sorted(members, key=lambda of: chance[of]):
        if len(chosen) < wanted and len(chosen) + len(members[of]) <= len(contents) - FEWEST:
            chosen += members[of]
    if len(chosen) < FEWEST:
        raise SourceError(f"{where}: too many images are equal for {FEWEST} to test with; remove copies")
    test_images = {*chosen}
    return ["test" if i in test_images else "train" for i in range(len(contents))]


def _layout_of(path: Path, dataset: DatasetSettings) -> str:
    if (path / "trainA").is_dir():
        return "two-sides"
    if derived_of(dataset) is not None:
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


def ranges_of(dataset: DatasetSettings) -> dict[str, Values]:
    """Black and white of the images of each domain, where params.yaml says them or wants them found; label maps have none.

    SourceError for a domain that is not there, or whose training images are all of one value.
    """
    if dataset.values is None:
        return {}
    own = _own(dataset)
    domains = [name for name, domain in spec_of(own).domains.items() if not domain.palette]
    if isinstance(dataset.values, dict):
        if odd := next((name for name in dataset.values if name not in domains), None):
            raise SourceError(f"values.{odd}: no domain of images; there are: {', '.join(domains)}")
        return {name: (low, high) for name, (low, high) in dataset.values.items()}
    if dataset.values != "auto":
        low, high = dataset.values
        return dict.fromkeys(domains, (low, high))
    return {name: _found_range(name, dataset, own) for name in domains}


def _found_range(domain: str, dataset: DatasetSettings, own: Mapping[str, Any]) -> Values:
    """The least and the most of its training images."""
    root, train = Path(dataset.path or "").expanduser(), own.get("splits", {}).get("train", ".")
    train = domain if own["layout"] == "folders" else train
    side = {"a": own.get("a"), "b": "B" if own.get("a") == "A" else "A"}.get(domain)
    below = {"two-sides": f"train{side}", "domains": f"{train}/{domain}"}.get(own["layout"], train)
    files = [path for name, path in files_of(dataset) if below == "." or name.startswith(f"{below}/")]
    if not files:
        raise SourceError(f"{root / below}: holds no image of domain {domain}; `values: auto` finds no range")
    from ganrepro.data.images import read_levels

    extremes = [(float(levels.min()), float(levels.max())) for path in files for levels in [read_levels(path)]]
    low, high = min(low for low, _ in extremes), max(high for _, high in extremes)
    if low == high:
        raise SourceError(f"{root / below}: every pixel of all images is {low:g}; `values: auto` finds no range")
    return low, high


def notes_of(dataset: DatasetSettings) -> list[str]:
    """What one should know of a folder: what is left out of it, and what of its images."""
    files = [path for _, path in files_of(dataset)]
    name = " and ".join(Path(p).name for p in ([dataset.path] if dataset.path else (dataset.folders or {}).values()))
    channels = max(dataset.channels.values()) if isinstance(dataset.channels, dict) else dataset.channels
    remedy = "`values: auto` of the dataset takes their own range, `values: [0, 4095]` that of 12 bits"
    remedies = remedy if dataset.values is None else None
    return left_out_of(name, {path.parent for path in files}, files) + notes_on(files, channels, remedies)


def files_of(dataset: DatasetSettings) -> list[tuple[str, Path]]:
    """The images of a folder that its preparation uses, by their names below it; [] where the folder is not as it should be."""
    try:
        own = _own(dataset)
    except SourceError:
        return []
    root, splits = Path(dataset.path or "").expanduser(), [*own.get("splits", {}).values()] or ["."]
    inside = {
        "two-sides": [f"{split}{side}" for split in ("train", "test") for side in "AB"],
        "side-by-side": splits,
        "photos": splits,
        "domains": [f"{split}/{name}" for split in splits for name in own["domains"]],
        "classes": [f"{split}/{name}" for split in splits for name in own.get("classes", ())],
        "folders": [*own.get("folders", ())],
    }[own["layout"]]
    folders = own.get("folders", {place: root / place for place in inside})
    paths = [
        (Path(place, path.name).as_posix(), path)
        for place in inside
        if folders[place].is_dir()
        for path in folders[place].iterdir()
    ]
    return sorted((name, path) for name, path in paths if is_picture(path))

"""From a source to a prepared dataset: aligned pairs, unpaired splits, label maps, manifest.

    <folder>/<split>/a/NAME.png       domain a (label colours, or the A side), square
    <folder>/<split>/b/NAME.png       domain b (photos), square
    <folder>/<split>/labels/NAME.png  class indices at native size, 255 where not scored
    <folder>/manifest.json            classes, names by split and domain, sha256 of every file

`labels` exists only where the source has classes. In a paired source a/NAME and b/NAME belong
together; `unpaired` in the manifest lists what each domain's training may see.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from ganrepro.config import Dataset
from ganrepro.data import streets
from ganrepro.data.images import VOID, ImageError, nearest_colour, read_labels, read_rgb, resize, write_png
from ganrepro.data.sources import IMAGE_SUFFIXES, SourceError, entry, find_root
from ganrepro.seeding import numpy_stream

SCENE_SEED = 0
# domain -> the roles of files it can be made from
DOMAIN_ROLES = {"a": {"scene", "halves", "a", "index"}, "b": {"scene", "halves", "photo"}}


@dataclass(frozen=True)
class Item:
    """One output name and how to make it: files by role, read by `_make`."""

    split: str
    name: str
    files: Mapping[str, Any]


def prepare(
    dataset: Dataset,
    download: Path | None,
    folder: Path,
    workers: int = 1,
    find_edges: Callable[[Image.Image], Image.Image] | None = None,
) -> dict[str, Any]:
    """Fills the (empty) `folder` and returns the manifest.

    download: extracted source, or None for 'streets' and 'folder'.  find_edges: photo -> the square image that
    takes the place of domain a; classes are then dropped, and each photo belongs to its edges.
    SourceError or ImageError with one line for anything unusable.
    """
    if dataset.source == "folder":
        spec, download = _folder_spec(dataset), Path(dataset.path or "").expanduser()
    else:
        spec = entry(dataset.source)
        spec |= {"paired": spec["layout"] != "folders"}
        if spec["layout"] == "streets":
            spec |= {"palette": {name: list(colour) for name, colour in streets.PALETTE.items()}}
    items = list(_items(dataset, spec, download))
    domain_roles = DOMAIN_ROLES
    if find_edges is not None:
        spec |= {"palette": None, "paired": True, "title": f"{spec['title']}: edges and photos"}
        domain_roles = {"a": DOMAIN_ROLES["b"], "b": DOMAIN_ROLES["b"]}
        kept = [replace(item, files={k: v for k, v in item.files.items() if k in DOMAIN_ROLES["b"]}) for item in items]
        items = [item for item in kept if item.files]
    for split in ("train", "test"):
        for domain, roles in domain_roles.items():
            count = sum(item.split == split and bool(roles & set(item.files)) for item in items)
            if count < 2:
                place = dataset.path or download or "train_images and test_images"
                raise SourceError(f"{split}, domain {domain}: {count} images; expected at least 2. Look at {place}")
    for sub in ("a", "b", *(["labels"] if spec.get("palette") else [])):
        for split in ("train", "test"):
            (folder / split / sub).mkdir(parents=True)
    make = partial(_make, dataset=dataset, spec=spec, folder=folder, find_edges=find_edges)
    if workers > 1:
        with ProcessPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            done = list(tqdm(pool.map(make, items, chunksize=8), total=len(items), unit="image", desc="prepare", mininterval=5))
    else:
        done = [make(item) for item in items]
    return _manifest(dataset, spec, items, [pair for pairs in done for pair in pairs])


def _manifest(dataset: Dataset, spec: Mapping[str, Any], items: list[Item], digests: list[tuple[str, str]]) -> dict[str, Any]:
    files = dict(sorted(digests))
    names = {
        split: {d: sorted(Path(f).name for f in files if f.startswith(f"{split}/{d}/")) for d in ("a", "b")}
        for split in ("train", "test")
    }
    unpaired = names["train"]
    if spec["paired"] and dataset.unpaired == "disjoint":
        order = numpy_stream(0, "unpaired-halves").permutation(len(unpaired["a"]))
        half = len(order) // 2
        unpaired = {
            "a": sorted(unpaired["a"][i] for i in order[:half]),
            "b": sorted(unpaired["b"][i] for i in order[half:]),
        }
    return {
        "schema": "dataset/1",
        "source": dataset.source,
        "title": spec["title"],
        "classes": [[name, list(colour)] for name, colour in (spec.get("palette") or {}).items()],  # in class order
        "paired": spec["paired"],
        "pixels": dataset.pixels,
        "counts": {split: {d: len(n) for d, n in domains.items()} for split, domains in names.items()},
        "names": names,
        "unpaired": unpaired,
        "files": files,
        "digest": hashlib.sha256("".join(f"{d}  {f}\n" for f, d in files.items()).encode()).hexdigest(),
    }


def _items(dataset: Dataset, spec: Mapping[str, Any], download: Path | None) -> Iterable[Item]:
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
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith("."))
    if not found:
        raise SourceError(f"{folder}: empty; expected images ({', '.join(IMAGE_SUFFIXES[:4])}, …)")
    stems = [p.stem for p in found]
    if len(set(stems)) < len(stems):
        twice = next(s for s in stems if stems.count(s) > 1)
        raise SourceError(f"{folder}: two images are called '{twice}' and differ in their suffix only; rename one")
    return found


def _folder_spec(dataset: Dataset) -> dict[str, Any]:
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


def _make(
    item: Item,
    dataset: Dataset,
    spec: Mapping[str, Any],
    folder: Path,
    find_edges: Callable[[Image.Image], Image.Image] | None,
) -> list[tuple[str, str]]:
    """Writes one item's images; returns (path below the folder, sha256) of each."""
    made: dict[str, Image.Image] = {}
    palette: dict[str, list[int]] = spec.get("palette") or {}
    files = item.files
    labels: np.ndarray | None = None
    if "scene" in files:
        photo, labels = streets.draw_scene(SCENE_SEED, files["scene"], dataset.pixels)
        made["b"] = Image.fromarray(photo)
    elif "halves" in files:
        left, right = _halve(files["halves"])
        made["a"], made["b"] = (left, right) if spec["a"] == "left" else (right, left)
    if "photo" in files:
        made["b"] = read_rgb(files["photo"])
    if "a" in files:
        made["a"] = read_rgb(files["a"])
    if "index" in files:
        labels = read_index(files["index"], len(palette), spec.get("void", []), spec.get("label_ids"))
        if labels.shape[::-1] != made["b"].size:
            raise ImageError(f"{files['index']}: label map is {labels.shape[::-1]}, its photo {made['b'].size}")
    elif palette and labels is None:
        where = str(files.get("halves", files.get("a")))
        if made["a"].size != made["b"].size:
            raise ImageError(f"{where}: label map is {made['a'].size}, its photo {made['b'].size}")
        labels = colours_to_index(
            made["a"], palette, spec.get("void_colours", []), where, nearest=spec.get("labels") == "nearest"
        )
    if find_edges is not None:
        made["a"], labels = find_edges(made["b"]), None
    elif "a" not in made and labels is not None:
        made["a"] = Image.fromarray(index_to_colours(labels, palette))
    written = []
    for domain, image in made.items():
        square = resize(image, dataset.pixels)
        written.append(
            _write(folder, f"{item.split}/{domain}/{item.name}.png", _through_jpeg(square) if spec.get("jpeg") else square)
        )
    if labels is not None:
        written.append(_write(folder, f"{item.split}/labels/{item.name}.png", Image.fromarray(labels)))
    return written


def _write(folder: Path, name: str, image: Image.Image) -> tuple[str, str]:
    write_png(folder / name, image)
    # of the pixels, not of the file: another zlib may compress the same image to other bytes
    return name, hashlib.sha256(f"{image.mode} {image.size} ".encode() + image.tobytes()).hexdigest()


def _halve(path: Path) -> tuple[Image.Image, Image.Image]:
    image = read_rgb(path)
    width, height = image.size
    if width % 2:
        raise ImageError(f"{path}: {width} x {height}; a side-by-side image needs an even width, two equal halves")
    return image.crop((0, 0, width // 2, height)), image.crop((width // 2, 0, width, height))


def _through_jpeg(image: Image.Image) -> Image.Image:
    """What the official preparation makes of an image: JPEG, quality 100, no subsampling."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=100, subsampling=0)
    return Image.open(buffer).convert("RGB")


def read_index(path: Path, classes: int, void: list[int], ids: Mapping[int, int] | None) -> np.ndarray:
    """A class-index map as 0..classes-1, or 255 where not scored.

    ids: raw id -> class, everything else unscored (Cityscapes); without it the file holds classes
    and the `void` values. ImageError names an unknown value.
    """
    raw = read_labels(path)
    table = np.full(256, VOID, np.uint8)
    if ids is not None:
        for theirs, ours in ids.items():
            table[int(theirs)] = ours
        return table[raw]
    unknown = sorted(set(np.unique(raw).tolist()) - set(range(classes)) - set(void))
    if unknown:
        raise ImageError(f"{path}: label {unknown[0]} is unknown; expected 0 to {classes - 1} or void {void}")
    table[:classes] = np.arange(classes)
    return table[raw]


def colours_to_index(
    image: Image.Image, palette: Mapping[str, list[int]], void: list[list[int]], where: str, nearest: bool
) -> np.ndarray:
    """Label colours -> class indices, 255 for `void` colours. Exact, unless `nearest`; ImageError names a foreign colour."""
    index, distance = nearest_colour(image, np.array([*palette.values(), *void]))
    if not nearest and distance.any():
        y, x = np.argwhere(distance > 0)[0]
        pixels = np.asarray(image)
        raise ImageError(
            f"{where}: colour {tuple(pixels[y, x].tolist())} at ({x}, {y}) is not in the palette "
            f"({', '.join(palette)}); add it to palette or void, or store label maps as PNG"
        )
    return np.where(index < len(palette), index, VOID).astype(np.uint8)


def index_to_colours(labels: np.ndarray, palette: Mapping[str, Iterable[int]]) -> np.ndarray:
    """Class indices -> label colours uint8 (h, w, 3); 255 (not scored) becomes black."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = np.array(list(palette.values()), np.uint8)
    return table[labels]

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
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from ganrepro.data import streets
from ganrepro.data.images import VOID, ImageError, nearest_colour, read_labels, read_rgb, resize, write_png
from ganrepro.data.layouts import Item, folder_spec, items
from ganrepro.data.registry import entry
from ganrepro.errors import SourceError
from ganrepro.seeding import numpy_stream
from ganrepro.settings.models import DatasetSettings

SCENE_SEED = 0
# domain -> the roles of files it can be made from
DOMAIN_ROLES = {"a": {"scene", "halves", "a", "index"}, "b": {"scene", "halves", "photo"}}


def prepare(
    dataset: DatasetSettings,
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
        spec, download = folder_spec(dataset), Path(dataset.path or "").expanduser()
    else:
        spec = entry(dataset.source)
        spec |= {"paired": spec["layout"] != "folders"}
        if spec["layout"] == "streets":
            spec |= {"palette": {name: list(colour) for name, colour in streets.PALETTE.items()}}
    wanted = list(items(dataset, spec, download))
    domain_roles = DOMAIN_ROLES
    if find_edges is not None:
        spec |= {"palette": None, "paired": True, "title": f"{spec['title']}: edges and photos"}
        domain_roles = {"a": DOMAIN_ROLES["b"], "b": DOMAIN_ROLES["b"]}
        kept = [replace(item, files={k: v for k, v in item.files.items() if k in DOMAIN_ROLES["b"]}) for item in wanted]
        wanted = [item for item in kept if item.files]
    for split in ("train", "test"):
        for domain, roles in domain_roles.items():
            count = sum(item.split == split and bool(roles & set(item.files)) for item in wanted)
            if count < 2:
                place = dataset.path or download or "train_images and test_images"
                raise SourceError(f"{split}, domain {domain}: {count} images; expected at least 2. Look at {place}")
    for sub in ("a", "b", *(["labels"] if spec.get("palette") else [])):
        for split in ("train", "test"):
            (folder / split / sub).mkdir(parents=True)
    make = partial(_make, dataset=dataset, spec=spec, folder=folder, find_edges=find_edges)
    if workers > 1:
        with ProcessPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            done = list(tqdm(pool.map(make, wanted, chunksize=8), total=len(wanted), unit="image", desc="prepare", mininterval=5))
    else:
        done = [make(item) for item in wanted]
    return _manifest(dataset, spec, [pair for pairs in done for pair in pairs])


def _manifest(dataset: DatasetSettings, spec: Mapping[str, Any], digests: list[tuple[str, str]]) -> dict[str, Any]:
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
        "channels": 3,
        "counts": {split: {d: len(n) for d, n in domains.items()} for split, domains in names.items()},
        "names": names,
        "unpaired": unpaired,
        "files": files,
        "digest": hashlib.sha256("".join(f"{d}  {f}\n" for f, d in files.items()).encode()).hexdigest(),
    }


def _make(
    item: Item,
    dataset: DatasetSettings,
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

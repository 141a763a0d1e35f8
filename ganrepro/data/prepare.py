"""From a source to a prepared dataset: images of every domain, label maps, unpaired splits, manifest.

    <folder>/<split>/<domain>/NAME.png  of one size
    <folder>/<split>/labels/NAME.png    classes of pixels at native size, 255 where not scored
    <folder>/manifest.json              what the dataset has (`data.spec`), names by split and domain, sha256 of every image

`labels` exists only where a domain holds label maps. Where a dataset is paired, images of one name belong together; `unpaired` in
the manifest lists what each domain's training may see.
"""

from __future__ import annotations

import hashlib
import io
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from ganrepro.data import layouts
from ganrepro.data.images import AnyImage, ImageError, cut, resize, resize_levels, size_of, write_png
from ganrepro.data.label_maps import colours_to_index, index_to_colours
from ganrepro.data.layouts.base import SPLITS, Item, Picture, Place, find_root
from ganrepro.data.own import data_spec, derived_of, entry_of, notes_of, ranges_of
from ganrepro.data.spec import DataSpec, Size, photos_of, spec_of
from ganrepro.errors import SourceError
from ganrepro.lazy import torch
from ganrepro.schema.datasets import DatasetSettings
from ganrepro.schema.records import Manifest, check
from ganrepro.schema.registry import FOLDER
from ganrepro.seeding import numpy_stream
from ganrepro.store.files import read_json

SCHEMA = "dataset/2"
Derive = Callable[[Image.Image, str], Image.Image]  # photo and its name -> the square image that is made of it


FLAT = 2  # levels between the darkest and the brightest pixel of an image that shows nothing


class Written(NamedTuple):
    """Of one item: path below the folder -> sha256 of the pixels, the class of the image, and which of the files are blank."""

    files: dict[str, str]
    classes: dict[str, int]
    flat: tuple[str, ...]


def prepare(
    dataset: DatasetSettings, download: Path | None, folder: Path, workers: int = 1, derive: Derive | None = None
) -> dict[str, Any]:
    """Fills the (empty) `folder` and returns the manifest.

    download: extracted source; None for what is drawn, and for a folder of one's own.   derive: makes domain a of the
    photos, whose other side and classes are then dropped. SourceError or ImageError with one line for anything unusable.
    """
    entry = entry_of(dataset)
    if dataset.source == FOLDER:
        download = Path(dataset.path or ".").expanduser()
    if "drawn" in entry:
        check_drawing(dataset, entry)
    spec = replace(spec_of(entry, derived_of(dataset)), shape=data_spec(dataset).shape, depth=dataset.depth)
    if (derive is not None) is not (derived_of(dataset) is not None):
        raise SourceError("derive: is needed where a dataset asks for edges or the like, and only there")
    root = None if download is None else find_root(download, entry.get("root"))
    source = photos_of(entry["domains"]) if derive else None
    ranges = ranges_of(dataset) if dataset.source == FOLDER else {}
    place = Place(root, dataset, entry, ranges)
    wanted = within_limits(dataset, [item for item in items_of(place) if source is None or source in item.domains])
    for split in SPLITS:
        for domain in spec.domains:
            count = sum(item.split == split and (source or domain) in item.domains for item in wanted)
            if count < 2:
                where = dataset.path or ", ".join((dataset.folders or {}).values()) or download or "train_images and test_images"
                raise SourceError(f"{split}, domain {domain}: {count} images; expected at least 2. Look at {where}")
    for sub in (*spec.domains, *(["labels"] if spec.label_maps else [])):
        for split in SPLITS:
            (folder / split / sub).mkdir(parents=True)
    make = partial(make_item, dataset=dataset, entry=entry, spec=spec, folder=folder, derive=derive)
    if workers > 1:
        with ProcessPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            done = list(tqdm(pool.map(make, wanted, chunksize=8), total=len(wanted), unit="image", desc="prepare", mininterval=5))
    else:
        done = [make(item) for item in wanted]
    derived = derive and f"{spec.domains['a'].title} and {spec.domains['b'].title}"
    title = f"{entry['title']}{': ' + derived if derived else ''}"
    notes = [*(notes_of(dataset) if dataset.source == FOLDER else []), *_flat(done)]
    more: dict[str, Any] = {"values": {name: [*pair] for name, pair in ranges.items()}} if ranges else {}
    return _manifest(dataset, title, spec, done) | more | ({"notes": notes} if notes else {})


def _flat(done: list[Written]) -> list[str]:
    """A sentence on images that show nothing; none where all show something."""
    flat = [name for item in done for name in item.flat]
    if not flat:
        return []
    few = ", ".join(flat[:3]) + (", …" if len(flat) > 3 else "")
    return [f"{len(flat)} images are blank or nearly so, of at most {FLAT + 1} neighbouring levels ({few})"]


def check_drawing(dataset: DatasetSettings, entry: Mapping[str, Any]) -> None:
    """SourceError where the first images of a drawn dataset are not the registered ones: this machine draws otherwise."""
    known = entry["drawn"]
    few = dataset.model_copy(update={"pixels": known["pixels"], "train_images": known["images"], "test_images": known["images"]})
    drawn = drawing_digest(few, entry)
    if known["content"] is None:
        print(
            f"{dataset.source}: not checked against a registered drawing; `content` of its first images: {drawn}", file=sys.stderr
        )
    elif drawn != known["content"]:
        raise SourceError(
            f"{dataset.source}: this machine draws other images than the registered ones (digest {drawn[:12]}, expected "
            f"{known['content'][:12]}), so that no score could be compared; install the versions of constraints.txt"
        )


def drawing_digest(dataset: DatasetSettings, entry: Mapping[str, Any]) -> str:
    """sha256 of the pixels of all images of a drawn dataset."""
    spec = spec_of(entry)
    with tempfile.TemporaryDirectory() as scratch:
        done = [make_item(item, dataset, entry, spec, Path(scratch), None) for item in items_of(Place(None, dataset, entry))]
    return _content({name: digest for written in done for name, digest in written.files.items()})


def _content(files: Mapping[str, str]) -> str:
    return hashlib.sha256("".join(f"{d}  {f}\n" for f, d in sorted(files.items())).encode()).hexdigest()


def items_of(place: Place) -> list[Item]:
    """All items of a source, by its layout. SourceError where it has none."""
    layout = place.entry["layout"]
    if layout not in layouts.names():
        raise SourceError(f"source '{place.dataset.source}' is no dataset (its layout is '{layout}'); it serves other stages")
    return list(layouts.find(layout).items(place))


def within_limits(dataset: DatasetSettings, items: list[Item]) -> list[Item]:
    """The first train_images and test_images; where domains are unpaired, of each."""
    limits, taken, kept = {"train": dataset.train_images, "test": dataset.test_images}, dict[tuple[str, ...], int](), []
    for item in items:
        kind = (item.split, *item.domains)
        taken[kind] = taken.get(kind, 0) + 1
        limit = limits[item.split]
        if limit is None or taken[kind] <= limit:
            kept.append(item)
    return kept


def make_item(
    item: Item, dataset: DatasetSettings, entry: Mapping[str, Any], spec: DataSpec, folder: Path, derive: Derive | None
) -> Written:
    """Writes one item's images."""
    picture, size = item.read(), spec.size(dataset.pixels)
    images: dict[str, AnyImage] = {}
    if spec.shape != (1, 1):
        picture = _cut(picture, spec.shape)
    labels, name = picture.labels, f"{item.name}.png"
    if derive is not None:
        photo = _plain(picture.images[photos_of(entry["domains"])])
        images = {"a": derive(photo, item.name), "b": photo}
        labels = None
    else:
        images = dict(picture.images)
        labelled = spec.label_maps
        if labelled is not None:
            labels, plain = _label_maps(item, labels, {d: _plain(image) for d, image in images.items()}, entry, spec, labelled)
            images = dict(plain)
    written: dict[str, str] = {}
    flat = []
    for domain, image in images.items():
        whole = _resized(image, spec.domains[domain].channels, size)
        through = _through_jpeg(whole) if entry.get("jpeg") and isinstance(whole, Image.Image) else whole
        written |= _write(folder, f"{item.split}/{domain}/{name}", through)
        if domain != spec.label_maps and max(high - low for low, high in _extremes(whole)) <= FLAT:
            flat.append(f"{item.split}/{domain}/{name}")
    if labels is not None:
        written |= _write(folder, f"{item.split}/labels/{name}", Image.fromarray(labels))
    return Written(written, {} if picture.image_class is None else {name: picture.image_class}, tuple(flat))


def _cut(picture: Picture, shape: tuple[int, int]) -> Picture:
    """The middle of its images and labels, as large as it can be with that width to height."""

    def box(width: int, height: int) -> tuple[int, int, int, int]:
        wide = min(width, max(1, round(height * shape[0] / shape[1])))
        high = min(height, max(1, round(width * shape[1] / shape[0])))
        left, top = (width - wide) // 2, (height - high) // 2
        return left, top, left + wide, top + high

    images = {domain: cut(image, box(*size_of(image))) for domain, image in picture.images.items()}
    if picture.labels is None:
        return picture._replace(images=images)
    left, top, right, bottom = box(*picture.labels.shape[::-1])
    return picture._replace(images=images, labels=picture.labels[top:bottom, left:right])


def _plain(image: AnyImage) -> Image.Image:
    """Of 8 bits, as label maps and what other images are made of have to be (`DatasetSettings` sees to it)."""
    assert isinstance(image, Image.Image)
    return image


def _resized(image: AnyImage, channels: int, size: Size) -> AnyImage:
    if isinstance(image, Image.Image):
        return resize(image.convert("L" if channels == 1 else "RGB"), size)
    return resize_levels(image, size)


def _extremes(image: AnyImage) -> list[tuple[int, int]]:
    """The least and the most of each channel; of 16 bits as of 8."""
    if isinstance(image, np.ndarray):
        unit = 257 if image.dtype == np.uint16 else 1
        return [(int(c.min()) // unit, int(c.max()) // unit) for c in np.moveaxis(image, -1, 0)]
    extremes = image.getextrema()
    return [extremes] if isinstance(extremes[0], int) else list(extremes)  # type: ignore[arg-type]


def _label_maps(
    item: Item, labels: np.ndarray | None, images: dict[str, Image.Image], entry: Mapping[str, Any], spec: DataSpec, domain: str
) -> tuple[np.ndarray, dict[str, Image.Image]]:
    """Classes from the colours of a label map, or colours from its classes, whichever is lacking; of the photo's size."""
    size = next((image.size for name, image in images.items() if name != domain), None)
    where = f"{entry['title']}, {item.split}/{item.name}"
    if labels is None:
        if size not in (None, images[domain].size):
            raise ImageError(f"{where}: its label map is {images[domain].size}, its photo {size}")
        void, nearest = entry.get("void_colours", []), entry.get("labels") == "nearest"
        labels = colours_to_index(images[domain], spec.palette, void, where, nearest=nearest)
    elif size is not None and labels.shape[::-1] != size:
        raise ImageError(f"{where}: its label map is {labels.shape[::-1]}, its photo {size}")
    if domain not in images:
        images = {domain: Image.fromarray(index_to_colours(labels, spec.palette))} | images
    return labels, images


def _write(folder: Path, name: str, image: AnyImage) -> dict[str, str]:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    write_png(folder / name, image)
    kind = f"{image.dtype} {image.shape} " if isinstance(image, np.ndarray) else f"{image.mode} {image.size} "
    # of the pixels, not of the file: another zlib may compress the same image to other bytes
    return {name: hashlib.sha256(kind.encode() + image.tobytes()).hexdigest()}


def _through_jpeg(image: Image.Image) -> Image.Image:
    """What the official preparation of Cityscapes makes of an image: JPEG, quality 100, no subsampling."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=100, subsampling=0)
    return Image.open(buffer).convert("RGB")


def _manifest(dataset: DatasetSettings, title: str, spec: DataSpec, done: list[Written]) -> dict[str, Any]:
    files = dict(sorted((name, digest) for item in done for name, digest in item.files.items()))
    names = {
        split: {d: sorted(Path(f).name for f in files if f.startswith(f"{split}/{d}/")) for d in spec.domains} for split in SPLITS
    }
    unpaired = names["train"]
    if spec.paired and len(spec.domains) > 1 and dataset.unpaired == "disjoint":
        first = next(iter(unpaired))
        order = numpy_stream(0, "unpaired-halves").permutation(len(unpaired[first]))
        cuts = np.linspace(0, len(order), len(spec.domains) + 1).astype(int)
        parts = zip(unpaired.items(), cuts[:-1], cuts[1:], strict=True)
        unpaired = {domain: sorted(of[i] for i in order[low:high]) for (domain, of), low, high in parts}
    return {
        "schema": SCHEMA,
        "source": dataset.source,
        "title": title,
        "data": spec.as_values(),
        "pixels": dataset.pixels,
        "counts": {split: {d: len(n) for d, n in domains.items()} for split, domains in names.items()},
        "names": names,
        "unpaired": unpaired,
        "classes": {name: number for item in done for name, number in item.classes.items()},
        "files": files,
        "digest": _content(files),
    }


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a prepared dataset. UserError with one line where it is missing, damaged, or says less than it should."""
    file = folder / "manifest.json"
    again = f"remove {folder} and run snakemake again"
    if not file.exists():
        raise SourceError(f"{file}: not made yet; snakemake --cores all {file}")
    manifest = read_json(file)
    if manifest.get("schema") != SCHEMA:
        raise SourceError(f"{file}: expected a manifest of this version ({SCHEMA}); {again}")
    check(file, Manifest, manifest)
    try:
        spec = DataSpec.of_values(manifest["data"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise SourceError(f"{file}: damaged (data: {str(error)[:60]}); {again}") from None
    for split in SPLITS:
        if lacking := next((name for name in spec.domains if name not in manifest["names"][split]), None):
            raise SourceError(f"{file}: says too little of the dataset (no names.{split}.{lacking}); {again}")
    if lacking := next((name for name in spec.domains if name not in manifest["unpaired"]), None):
        raise SourceError(f"{file}: says too little of the dataset (no unpaired.{lacking}); {again}")
    read = spec.readable
    if spec.classes and read and not {n for s in SPLITS for n in manifest["names"][s][read]} <= {*manifest["classes"]}:
        raise SourceError(f"{file}: says too little of the dataset (no classes of all images); {again}")
    if spec.classes and not all(number < len(spec.classes) for number in manifest["classes"].values()):
        raise SourceError(f"{file}: damaged (classes: {len(spec.classes)} are named, and there are others); {again}")
    return manifest

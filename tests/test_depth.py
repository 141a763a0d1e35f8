"""Images of 16 bits, and of one to many channels on either side: kept whole from the files to a translation."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, PngImagePlugin
from test_going_on import RAW, SMALL, write

from ganrepro.data.images import (
    ImageError,
    Reading,
    as_array,
    levels_to_float,
    load_image,
    read_image,
    read_levels,
    read_rgb,
    resize,
    resize_levels,
    to_levels,
    with_channels,
    write_png,
)
from ganrepro.data.prepare import prepare
from ganrepro.errors import UserError
from ganrepro.evaluation.measures import MEASURES
from ganrepro.plan import datasets, paths
from ganrepro.reporting.sheet import square
from ganrepro.schema.datasets import DatasetSettings
from ganrepro.use import cli
from ganrepro.use import files as files_of_use
from ganrepro.use.model import load
from ganrepro.use.score import score
from pipeline import evaluate, generate, tiny, train
from pipeline import prepare as preparing


def test_levels_of_16_bits_are_exact_in_memory():
    levels = torch.arange(65536, dtype=torch.int32)
    assert torch.equal(to_levels(levels_to_float(levels, 16), 16), levels)
    assert levels_to_float(levels, 16)[[0, -1]].tolist() == [-1, 1]
    eight = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_levels(levels_to_float(eight, 8), 8), eight)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_written_levels_are_read_as_they_were(tmp_path, channels, kind):
    """And OpenCV reads the same, in its order of channels."""
    depth, random = np.iinfo(kind).bits, np.random.default_rng(0)
    levels = random.integers(0, np.iinfo(kind).max, (5, 7, channels), kind)
    write_png(tmp_path / "x.png", levels.squeeze(-1) if kind == np.uint8 and channels == 1 else levels)
    reading = Reading(channels, depth)
    image = load_image(tmp_path / "x.png", reading)
    assert (image.numpy() == levels).all() and (as_array(image.permute(2, 0, 1)).reshape(levels.shape) == levels).all()
    theirs = cv2.imread(str(tmp_path / "x.png"), cv2.IMREAD_UNCHANGED).reshape(levels.shape)
    assert (theirs[..., [0] if channels == 1 else [2, 1, 0, 3][:channels]] == levels).all()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_more_than_four_channels_are_read_as_tifffile_wrote_them(tmp_path, kind, planes):
    """Exactly, whichever way they lie in the file; and from the PNG that preparation makes of them, one below the other."""
    levels = np.random.default_rng(0).uniform(0, 250, (5, 7, 6)).astype(kind)
    file = tmp_path / "x.tif"
    tifffile.imwrite(
        file, levels if planes == "contig" else np.moveaxis(levels, -1, 0), photometric="minisblack", planarconfig=planes
    )
    assert np.array_equal(read_levels(file), levels)
    if kind == np.float32:
        wanted = (levels.astype(np.float64) / 250 * 255).round().astype(np.uint8)
        assert np.array_equal(read_image(file, Reading(6, 8, (0, 250))), wanted)
        return
    reading = Reading(6, np.iinfo(kind).bits)
    write_png(tmp_path / "x.png", levels)
    assert np.array_equal(read_levels(tmp_path / "x.png"), levels)
    assert np.array_equal(as_array(load_image(tmp_path / "x.png", reading).permute(2, 0, 1)), levels)
    with Image.open(tmp_path / "x.png") as stack:
        assert np.array_equal(np.asarray(stack), np.concatenate([*np.moveaxis(levels, -1, 0)]))
    first = np.asarray(read_rgb(file)).astype(float)
    assert np.abs(first - levels[..., :3] * (255 / np.iinfo(kind).max)).max() <= 0.5  # as pages show it
    for wrong in (Reading(3), Reading(1, 16), Reading(5)):
        with pytest.raises(ImageError, match=r"x\.tif: expected \d channels, got 6; set `channels: 6`"):
            read_image(file, wrong)


def test_colour_and_what_lies_beside_it_in_a_tiff_is_not_dropped(tmp_path):
    """Pillow opens such a file as RGB without a word."""
    levels = np.random.default_rng(0).integers(0, 255, (5, 7, 5), np.uint8)
    tifffile.imwrite(tmp_path / "x.tif", levels, photometric="rgb", extrasamples=(0, 0), planarconfig="contig")
    assert np.array_equal(read_levels(tmp_path / "x.tif"), levels)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda file: write_stack(file.with_suffix(".png"), "7"), "says that '7' channels lie below one another"),
        (lambda file: write_stack(file.with_suffix(".png"), "2"), "says that '2' channels lie below one another"),
        (lambda file: write_stack(file.with_suffix(".png"), "x" * 99), "says that 'xxxxxxxxxxxxxxxxxxxx' channels"),
        (lambda file: file.write_bytes(file.read_bytes()[:300]), "not a readable image"),
        (lambda file: tifffile.imwrite(file, np.full((4, 4, 6), np.nan, np.float32), photometric="minisblack"), "not finite"),
        (lambda file: tifffile.imwrite(file, np.ones((4, 4, 6), np.complex64), photometric="minisblack"), "got complex64"),
    ],
)
def test_a_damaged_image_of_many_channels_is_one_line(tmp_path, damage, told):
    file = tmp_path / "x.tif"
    tifffile.imwrite(file, np.zeros((8, 8, 6), np.uint8), photometric="minisblack", planarconfig="contig")
    damage(file)
    with pytest.raises(ImageError, match=told) as caught:
        read_levels(next(tmp_path.glob("*.png"), file))
    assert "\n" not in str(caught.value)


def write_stack(file, told):
    text = PngImagePlugin.PngInfo()
    text.add_text("ganrepro-bands", told)
    Image.fromarray(np.zeros((20, 8), np.uint8)).save(file, pnginfo=text)


def test_levels_are_resized_as_pillow_resizes_and_as_the_lua_code():
    random = np.random.default_rng(0)
    for kind in (np.uint8, np.uint16):
        levels = random.integers(0, np.iinfo(kind).max, (20, 30, 4), kind)
        small = resize_levels(levels, (15, 12))
        for channel in range(4):
            plane = Image.fromarray(levels[..., channel].astype(np.float32))
            wanted = np.asarray(plane.resize((15, 12), Image.Resampling.BICUBIC)).clip(0, np.iinfo(kind).max)
            assert np.abs(small[..., channel] - wanted).max() <= 0.5 and small.dtype == kind
    colour = random.integers(0, 255, (20, 30, 3), np.uint8)
    lua = np.asarray(resize(Image.fromarray(colour), (9, 33), "lua")).astype(int)
    assert np.abs(resize_levels(colour, (9, 33), "lua") - lua).max() <= 1


def test_channels_are_converted_by_what_they_mean(tmp_path):
    colour = np.array([[[100, 200, 50, 128]]], np.uint8)
    assert with_channels(colour, 3).tolist() == [[[100, 200, 50]]]
    assert with_channels(colour, 1).tolist() == [[[153]]]  # 0.299, 0.587, 0.114
    assert with_channels(np.array([[[9]]], np.uint16), 4).tolist() == [[[9, 9, 9, 65535]]]
    Image.fromarray(colour).save(tmp_path / "x.png")
    assert read_levels(tmp_path / "x.png", opacity=True).tolist() == colour.tolist()
    on_white = np.asarray(read_image(tmp_path / "x.png", Reading()))[0, 0]
    assert np.abs(on_white - (colour[0, 0, :3].astype(float) * 128 / 255 + 127)).max() <= 1.5


def files(folder, a, b, count=8, side=24):
    """Smooth pictures of two kinds: (channels, dtype, low, high) each."""
    random = np.random.default_rng(0)
    for name, (channels, kind, low, high) in (("a", a), ("b", b)):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            small = random.uniform(low, high, (4, 4, channels)).astype(np.float32)
            levels = cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR).reshape(side, side, channels).astype(kind)
            if channels > 4:
                tifffile.imwrite(folder / name / f"{number}.tif", levels, photometric="minisblack", planarconfig="contig")
            elif kind == np.int32 or kind == np.float32:
                Image.fromarray(levels[..., 0]).save(folder / name / f"{number}.tif")
            else:
                write_png(folder / name / f"{number}.png", levels if kind == np.uint16 else levels.squeeze())
    return {name: str(folder / name) for name in "ab"}


def test_twelve_bits_keep_all_their_levels(tmp_path):
    """Of 0 to 4095 in 16 bits, prepared without resampling: as many levels as the files have; each within half a level."""
    folders = files(tmp_path, (1, np.uint16, 0, 4095), (1, np.float32, -1024, 3071))
    (tmp_path / "out").mkdir()
    own = {"source": "folder", "folders": folders, "paired": True, "pixels": 24, "channels": 1, "depth": 16}
    dataset = DatasetSettings(**own, values={"a": [0, 4095], "b": [-1024, 3071]})
    manifest = prepare(dataset, None, tmp_path / "out")
    assert manifest["data"]["depth"] == 16
    for split in ("train", "test"):
        for name in manifest["names"][split]["a"]:
            made = read_levels(tmp_path / "out" / split / "a" / name)
            given = read_levels(tmp_path / "a" / name)
            assert made.dtype == np.uint16 and np.abs(made / 65535 * 4095 - given).max() < 0.04
            assert len(np.unique(made)) == len(np.unique(given)) > 256
            deep = read_levels(tmp_path / "out" / split / "b" / name) / 65535 * 4095 - 1024
            assert np.abs(deep - read_levels((tmp_path / "b" / name).with_suffix(".tif"))).max() < 0.04


VALUES = {"a": [0, 4095], "b": [-1024, 3071]}
MANY = {"a": [0, 1], "b": [0, 65535]}
CASES = {
    "16 bits": ((1, np.uint16, 1000, 3000), (1, np.float32, -1024, 3071), {"channels": 1, "depth": 16, "values": VALUES}),
    "floats": ((1, np.float32, -1024, 3071), (1, np.uint8, 0, 255), {"channels": 1, "values": {"a": [-1024, 3071]}}),
    "RGBA to RGB": ((4, np.uint8, 0, 255), (3, np.uint8, 0, 255), {"channels": {"a": 4, "b": 3}}),
    "4 to 1": ((4, np.uint8, 0, 255), (1, np.uint8, 0, 255), {"channels": {"a": 4, "b": 1}}),
    "six to one": ((6, np.uint8, 0, 255), (1, np.uint8, 0, 255), {"channels": {"a": 6, "b": 1}}),
    "five to six": ((5, np.float32, 0, 1), (6, np.uint16, 0, 65535), {"channels": {"a": 5, "b": 6}, "depth": 16, "values": MANY}),
    "RGBA of 16 bits": ((4, np.uint16, 0, 65535), (4, np.uint16, 0, 65535), {"channels": 4, "depth": 16}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_any_depth_and_channels_train_score_translate_and_export(tmp_path, monkeypatch, case):
    a, b, more = CASES[case]
    monkeypatch.chdir(tmp_path)
    own = {"source": "folder", "folders": files(tmp_path, a, b), "paired": True, "pixels": 18, **more}
    study = SMALL | {"title": "t", "dataset": "own", "experiment": "pairs", "rows": ["l1"], "method": "pix2pix", "seeds": [0]}
    studies = {"s": study | {"epochs_constant": 1, "epochs_decay": 0}}
    params = write(RAW | {"datasets": {"own": own}, "studies": studies, "reports": {"page": "s"}})
    tiny._stage(preparing.main, "--dataset", "own", out=datasets.dataset_dir(params, "own"))
    run, words = paths.find_run(params, "s", "l1", 0), ("--study", "s", "--row", "l1", "--seed", "0")
    tiny._stage(train.main, *words, out=run.folder)
    tiny._stage(generate.main, *words, out=run.images)
    tiny._stage(evaluate.main, *words, out=run.scores)
    made = sorted((run.images / "a2b").glob("*.png"))
    kind = np.uint16 if more.get("depth") == 16 else np.uint8
    levels = read_levels(made[0], opacity=True)
    assert levels.shape == (16, 16, b[0]) and levels.dtype == kind
    scores = json.loads((run.scores / "metrics.json").read_text())["values"]["a2b"]["likeness"]
    truth = datasets.dataset_dir(params, "own") / "test" / "b"
    errors = []
    for file in made:
        ours = load_image(file, Reading(b[0], np.iinfo(kind).bits)).double()
        real = load_image(truth / file.name, Reading(b[0], np.iinfo(kind).bits), 16).double()
        errors.append(float((ours - real).abs().mean()) / np.iinfo(kind).max)
    assert abs(np.mean(errors) - scores["scores"]["mean_error"]) < 1e-6
    if more.get("values") == VALUES:
        assert scores["more"] == {"unit": 4095} and "0.01 is 40.95" in MEASURES["likeness"].note(scores["more"])
    if b[0] > 4:  # TIFFs, as translate writes them
        for file in made:
            files_of_use.write(tmp_path / "tiffs" / file.name, read_levels(file))
        found = score(tmp_path / "tiffs", "s")["scores"]
        assert found["mean_error"] == pytest.approx(scores["scores"]["mean_error"], abs=1e-9) and found["images"] == len(made)
        next((tmp_path / "tiffs").glob("*.tif")).unlink()
        with pytest.raises(ImageError, match=f"lacks 1 of {len(made)} images"):
            score(tmp_path / "tiffs", "s")
    cli.main(["translate", "s/l1", own["folders"]["a"], "--out", "out"])
    translated = read_levels(next((tmp_path / "out").glob("*.tif" if b[0] > 4 else "*.png")), opacity=True)
    assert translated.shape == (24, 24, b[0]) and translated.dtype == (np.uint8 if kind == a[1] == np.uint8 else np.uint16)
    if kind == np.uint16:  # finer than what it is given
        assert load("s/l1").translates().levels(np.zeros((16, 16, a[0]), np.uint8)).dtype == np.uint16
    shown = np.asarray(square(made[0], 16).convert("RGB")).astype(float)
    wanted = levels.astype(float) / np.iinfo(kind).max * 255
    assert b[0] == 4 or np.abs(shown - wanted[..., :3]).max() < 2  # as pages show it
    measured = json.loads((run.scores / "metrics.json").read_text())["values"]["a2b"]
    assert {"likeness", "variety"} <= {*measured} and (b[0] <= 4 or not {"distance", "perceptual"} & {*measured})
    cli.main(["export", "s/l1", "--out", "exported"])
    assert json.loads(Path("exported/config.json").read_text())["depth"] == np.iinfo(kind).bits
    x = torch.rand(1, a[0], 16, 16)
    assert torch.equal(load("exported")(x, seed=1), load("s/l1")(x, seed=1))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"channels": {"a": 4}}, "channels: expected those of a, b, got those of a"),
        ({"channels": 2}, "expected 1 .grey., 3 .colour., 4 .colour and opacity. or more, got 2"),
        ({"channels": 65}, "channels"),
        ({"channels": 6}, "expected 6 channels, got 1"),
        ({"depth": 16, "palette": {"x": [0, 0, 0], "y": [99, 99, 99]}}, "of 8 bits; leave palette out"),
        ({"depth": 16, "edges": "canny"}, "three channels and 8 bits"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path, given, told):
    own = {
        "source": "folder",
        "folders": files(tmp_path, (1, np.uint8, 0, 255), (1, np.uint8, 0, 255)),
        "paired": True,
        "pixels": 18,
    }
    with pytest.raises((ValueError, UserError), match=told):
        (tmp_path / "out").mkdir()
        prepare(DatasetSettings(**(own | given)), None, tmp_path / "out")

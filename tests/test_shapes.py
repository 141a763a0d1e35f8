"""Images that are no squares: prepared, trained on, made, measured, translated in their own shape."""

import json

import numpy as np
import pytest
import torch
from conftest import LABELS_AND_PHOTOS, PALETTE
from PIL import Image
from test_going_on import RAW, SMALL, UNPAIRED, write

from ganrepro.data.derived import Derived
from ganrepro.data.images import as_tensor, read_rgb, resize, to_float
from ganrepro.data.prepare import prepare
from ganrepro.data.spec import DataSpec
from ganrepro.errors import ConfigError
from ganrepro.plan import datasets, paths
from ganrepro.schema.datasets import DatasetSettings
from ganrepro.use import cli, new
from ganrepro.use.model import load
from pipeline import evaluate, generate, reader, tiny, train
from pipeline import prepare as preparing


@pytest.mark.parametrize(
    ("shape", "pixels", "multiple", "size"),
    [
        ((1, 1), 64, 4, 64),
        ((3, 2), 64, 4, (96, 64)),
        ((2, 3), 64, 4, (64, 96)),
        ((4, 3), 128, 4, (172, 128)),
        ((4, 3), 143, 1, (191, 143)),
    ],
)
def test_sizes_follow_from_the_shorter_side(shape, pixels, multiple, size):
    assert DataSpec({}, shape=shape).size(pixels, multiple) == size


def write_pairs(folder, count=8, size=(48, 30), seed=0):
    """Label maps and photos whose left third is one colour, so that one can see what was cut. Returns the folders."""
    random = np.random.default_rng(seed)
    colours = np.array(list(PALETTE.values()), np.uint8)
    for side in "ab":
        (folder / side).mkdir(parents=True)
    for number in range(count):
        classes = random.integers(0, len(colours), (5, 8)).repeat(6, 0).repeat(6, 1)[: size[1], : size[0]]
        Image.fromarray(colours[classes]).save(folder / f"a/{number}.png")
        photo = np.clip(colours[classes].astype(int) + random.integers(0, 40, (*classes.shape, 3)), 0, 255)
        Image.fromarray(photo.astype(np.uint8)).save(folder / f"b/{number}.png")
    return {side: str(folder / side) for side in "ab"}


def test_images_are_cut_and_not_squeezed_and_labels_alike(tmp_path):
    """48 x 30 to 3 : 2, which are the middle 45 columns; at that size nothing is resampled, to the level."""
    folders = write_pairs(tmp_path)
    (tmp_path / "out").mkdir()
    dataset = DatasetSettings(source="folder", folders=folders, paired=True, pixels=30, shape=[3, 2], palette=PALETTE)
    manifest = prepare(dataset, None, tmp_path / "out")
    assert manifest["data"]["shape"] == [3, 2]
    for split in ("train", "test"):
        for name in manifest["names"][split]["a"]:
            for side in "ab":
                made = np.asarray(Image.open(tmp_path / "out" / split / side / name))
                given = np.asarray(Image.open(tmp_path / side / name))[:, 1:46]
                assert made.shape == (30, 45, 3) and (made == given).all()
            labels = np.asarray(Image.open(tmp_path / "out" / split / "labels" / name))
            colours = np.array(list(PALETTE.values()), np.uint8)
            assert (colours[labels] == np.asarray(Image.open(tmp_path / "a" / name))[:, 1:46]).all()


def test_a_hole_is_in_the_image_and_of_its_shorter_side():
    photo = Image.new("RGB", (60, 40), "white")
    hole = np.asarray(Derived("holes", (60, 40))(photo, "x"))[..., 0] == 127
    rows, columns = (np.flatnonzero(hole.any(axis)) for axis in (1, 0))
    assert (
        len(rows) == len(columns) and 10 <= len(rows) <= 20 and hole[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    )


def project(tmp_path, monkeypatch, shape, **changes):
    monkeypatch.chdir(tmp_path)
    own = {"source": "folder", "folders": write_pairs(tmp_path), "paired": True, "pixels": 18, "shape": shape, "palette": PALETTE}
    studies = {
        "unpaired": UNPAIRED | {"dataset": "own", "experiment": "one", "rows": ["row"], "epochs_constant": 1, "reader": "tiny"},
        "pairs": SMALL
        | {"title": "t", "dataset": "own", "experiment": "pairs", "rows": ["l1"], "method": "pix2pix", "seeds": [0]}
        | {"epochs_constant": 1, "load_pixels": 36, "crop_pixels": 32},
    }
    studies = {name: {"epochs_decay": 0} | study | changes for name, study in studies.items()}
    readers = {"tiny": {"filters": 4, "epochs": 1, "batch_images": 3, "learning_rate": 0.01}}
    return write(
        RAW
        | {"datasets": {"own": own}, "studies": studies, "reports": {"page": "unpaired", "other": "pairs"}, "readers": readers}
    )


@pytest.mark.parametrize("shape", [[3, 2], [1, 2]])
@pytest.mark.parametrize("study", ["unpaired", "pairs"])
def test_rectangles_go_from_files_to_scores_and_to_a_translated_photo(tmp_path, monkeypatch, shape, study):
    params = project(tmp_path, monkeypatch, shape)
    width, height = (24, 16) if shape == [3, 2] else (16, 32)
    tiny._stage(preparing.main, "--dataset", "own", out=datasets.dataset_dir(params, "own"))
    row = {"unpaired": "row", "pairs": "l1"}[study]
    words = ("--study", study, "--row", row, "--seed", "0")
    run = paths.find_run(params, study, row, 0)
    times = {"unpaired": 1, "pairs": 2}[study]
    width, height = times * width, times * height
    assert run.study.size == (width, height)
    tiny._stage(train.main, *words, out=run.folder)
    tiny._stage(generate.main, *words, out=run.images)
    made = sorted((run.images / "labels2photo").iterdir())
    assert made and all(read_rgb(file).size == (width, height) for file in made)
    if study == "unpaired":
        tiny._stage(reader.main, "--study", study, out=paths.reader_dir(params, run.study))
    tiny._stage(evaluate.main, *words, out=run.scores)
    scores = (run.scores / "metrics.json").read_text()
    assert "psnr" in scores and ("class_iou" in scores) is (study == "unpaired")
    model = load(f"{study}/{row}").translates()
    assert model.shape == tuple(shape) and model.size == (width, height)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (height * 3, width * 3, 3), np.uint8))
    assert model(picture).size == picture.size
    x = torch.rand(1, 3, height, width)
    exported = tmp_path / "exported"
    cli.main(["export", f"{study}/{row}", "--out", str(exported)])
    again = load(exported).translates()
    assert again.size == (width, height) and torch.equal(again(x, seed=1), load(f"{study}/{row}")(x, seed=1))


def test_a_shape_that_a_unet_cannot_halve_is_refused_with_those_that_it_can(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"multiple of 16 pixels, got 44; set its shape to \[1, 1\] or \[3, 2\], or turned"):
        project(tmp_path, monkeypatch, [4, 3])


def test_what_makes_squares_alone_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in ("train/cat", "train/dog", "test/cat", "test/dog"):
        (tmp_path / place).mkdir(parents=True)
    own = {"source": "folder", "path": str(tmp_path), "layout": "classes", "pixels": 16, "shape": [3, 2]}
    rows = {"one": {"rows": {"row": {"title": "t"}}}}
    study = {"dataset": "own", "title": "t", "experiment": "one", "seeds": [0], "method": "vae"}
    with pytest.raises(ConfigError, match="makes squares alone, and the dataset has a shape of its own"):
        write(RAW | {"datasets": {"own": own}, "experiments": rows, "studies": {"s": study}, "reports": {"page": "s"}})
    with pytest.raises(ValueError, match="'streets' is drawn in squares"):
        DatasetSettings(source="streets", pixels=32, train_images=6, test_images=3, shape=[2, 1])
    assert LABELS_AND_PHOTOS.shape == (1, 1) and "shape" not in LABELS_AND_PHOTOS.as_values()


@pytest.mark.parametrize(
    ("ratios", "shape", "quarters"),
    [
        ([1.0] * 5, None, None), ([1.5] * 5, [3, 2], [3, 2]), ([4 / 3] * 9 + [0.75], [4, 3], [5, 4]), ([0.5] * 5, [1, 2], [1, 2]),
        ([1.5, 0.6, 1.5, 0.7], None, None), ([16 / 9] * 3, [16, 9], [7, 4]),
    ],
)  # fmt: skip
def test_a_new_study_keeps_the_shape_of_most_pictures(ratios, shape, quarters):
    assert (new.shape_of(ratios, True), new.shape_of(ratios, False)) == (shape, quarters)


def test_unpaired_pictures_have_a_cycle_error(tmp_path, monkeypatch):
    """Against the same translations, made by the exported interface one image at a time, to 1e-6."""
    monkeypatch.chdir(tmp_path)
    own = {"source": "folder", "folders": write_pairs(tmp_path), "pixels": 18, "shape": [3, 2]}
    study = UNPAIRED | {"dataset": "own", "experiment": "one", "rows": ["row"], "epochs_constant": 1, "epochs_decay": 0}
    params = write(RAW | {"datasets": {"own": own}, "studies": {"s": study}, "reports": {"page": "s"}})
    tiny._stage(preparing.main, "--dataset", "own", out=datasets.dataset_dir(params, "own"))
    words, run = ("--study", "s", "--row", "row", "--seed", "0"), paths.find_run(params, "s", "row", 0)
    tiny._stage(train.main, *words, out=run.folder)
    tiny._stage(generate.main, *words, out=run.images)
    tiny._stage(evaluate.main, *words, out=run.scores)
    values = json.loads((run.scores / "metrics.json").read_text())["values"]
    there, back = (load(f"s/row:{output}").translates() for output in ("a2b", "b2a"))
    folder, errors = datasets.dataset_dir(params, "own") / "test" / "a", []
    for file in sorted(folder.iterdir()):
        x = to_float(as_tensor(resize(read_rgb(file), (24, 16))))
        errors.append(float((back(there(x)) - x).abs().mean()) / 2)
    assert abs(values["a2b"]["cycle"]["scores"]["cycle_error"] - np.mean(errors)) < 1e-6
    assert params.studies["s"].tables["a2b"].scores == ["cycle_error"]  # of the page's table: there is nothing else to print

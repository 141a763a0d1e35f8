"""`ganrepro new`: from folders of pictures to a report, and what it says of folders that will not do."""

import difflib
import hashlib
import os
import re
import shutil
import subprocess
import time

import numpy as np
import pytest
import tifffile
from conftest import RAW, ROOT, parsed
from PIL import Image
from ruamel.yaml import YAML
from test_pipeline import project, shell

from ganrepro import arithmetic, settings
from ganrepro.data.derived import Derived
from ganrepro.data.edges import detector
from ganrepro.data.faults import first_faults
from ganrepro.data.images import write_png
from ganrepro.data.own import deal
from ganrepro.data.prepare import prepare
from ganrepro.errors import SourceError, UserError
from ganrepro.evaluation.measures import measures_of
from ganrepro.plan import paths
from ganrepro.schema.datasets import DatasetSettings
from ganrepro.use import cli, doctor, new

TINY = {
    "load_pixels": 18, "crop_pixels": 16, "generator_filters": 2, "discriminator_filters": 2, "discriminator_receptive_field": 16,
}  # fmt: skip


def draw(folder, count=8, size=(24, 20), same=False, mode="RGB", prefix="", seed=0):
    """Pictures of noise; `same`: each the same."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        random = np.random.default_rng([seed, 0 if same else i])
        picture = Image.fromarray(random.integers(0, 256, (*size[::-1], 3), np.uint8)).convert(mode)
        picture.save(folder / f"{prefix}{i}.png")
    return folder


def digests(*words):
    return [[hashlib.sha256(one.encode()).hexdigest() for one in word.split()] for word in words]


def test_equal_pictures_stay_on_one_side_and_more_pictures_move_few():
    names = [f"picture-{i}" for i in range(200)]
    sides = deal(digests(*names), None, "here")
    assert sides.count("test") == 20 and sides == deal(digests(*names), 20, "here")
    copies = deal(digests(*names, *names), 40, "here")
    assert copies[:200] == copies[200:] and 40 <= copies.count("test") <= 41
    chained = deal(digests("a b", "b c", "c d", "e f", "g h", "i j"), 2, "here")  # pairs that share one file or the other
    assert len({*chained[:3]}) == 1 and chained.count("test") >= 2
    more = deal(digests(*names, "another"), 20, "here")
    assert sum(before != after for before, after in zip(sides, more, strict=False)) <= 1
    for few, said in (
        (digests("a", "b", "c"), "3 images; expected at least 4, 2 of them for testing"),
        (digests("a", "a", "a", "a"), "all 4 images are equal"),
        (digests("a", "a", "a", "b"), "too many images are equal"),
    ):
        with pytest.raises(SourceError, match=said):
            deal(few, None, "here")


def manifest_of(tmp_path, **dataset):
    place = tmp_path / "made"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    find = detector("canny", None, 16) if "edges" in dataset else None
    find = Derived(dataset["derived"], 16) if "derived" in dataset else find
    return prepare(DatasetSettings(source="folder", pixels=16, **dataset), None, place, derive=find)


@pytest.mark.parametrize("how", ["grey", "holes", "shrink-4"])
def test_inputs_are_derived_from_photos(tmp_path, how):
    """Against the definition of each, to the level; of a hole: its size, its value, nothing outside it, the same by name."""
    photos = draw(tmp_path / "photos", 10, (32, 32), seed=4)
    made = manifest_of(tmp_path, folders={"b": str(photos)}, derived=how)
    again = manifest_of(tmp_path, folders={"b": str(photos)}, derived=how)
    assert made["digest"] == again["digest"] and made["data"]["paired"]
    domain = made["data"]["domains"]["a"]
    assert domain["channels"] == (1 if how == "grey" else 3) and domain["slug"] == {"shrink-4": "small4"}.get(how, how)
    sides = set()
    for name in made["names"]["train"]["a"]:
        a, b = (np.asarray(Image.open(tmp_path / "made" / "train" / side / name)).astype(float) for side in "ab")
        if how == "grey":
            assert a.ndim == 2 and np.abs(a - b @ [0.299, 0.587, 0.114]).max() <= 1
        elif how == "holes":
            hole = (a != b).any(-1)
            rows, columns = (np.flatnonzero(hole.any(axis)) for axis in (1, 0))
            cut = a[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            assert 3 <= max(cut.shape[:2]) <= 8 and (cut == 127).all()
            sides.add(cut.shape)
        else:
            small = Image.fromarray(b.astype(np.uint8)).resize((4, 4), Image.Resampling.BICUBIC)
            assert (a == np.asarray(small.resize((16, 16), Image.Resampling.BICUBIC))).all()
    assert how != "holes" or len(sides) > 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"edges": "canny"}, "derived: grey and edges both make the other side"),
        ({"channels": 1}, "derived: the other side is made of photos of three channels"),
        ({"layout": "classes"}, "layout is classes"),
        ({"palette": {"x": [0, 0, 0], "y": [99, 99, 99]}}, "derived: takes the place of the label maps"),
        ({"path": None, "folders": {"a": "a", "b": "b"}}, "made of one folder of photos, got 2"),
    ],
)
def test_what_derived_does_not_go_with_is_refused(given, told):
    with pytest.raises(ValueError, match=told):
        DatasetSettings(**({"source": "folder", "pixels": 16, "path": "x", "derived": "grey"} | given))


def test_folders_become_datasets_of_every_kind(tmp_path):
    a, b = draw(tmp_path / "a", 10, seed=1), draw(tmp_path / "b", 8, prefix="x", seed=2)
    made = manifest_of(tmp_path, folders={"a": str(a), "b": str(b)})
    assert made["counts"] == {"train": {"a": 8, "b": 6}, "test": {"a": 2, "b": 2}} and not made["data"]["paired"]
    assert not {*made["names"]["train"]["a"]} & {*made["names"]["test"]["a"]}
    same = draw(tmp_path / "same", 10, seed=3)
    pairs = manifest_of(tmp_path, folders={"a": str(a), "b": str(same)}, paired=True, test_images=3)
    assert pairs["counts"]["test"] == {"a": 3, "b": 3} and pairs["names"]["test"]["a"] == pairs["names"]["test"]["b"]
    assert pairs["data"]["paired"]
    edges = manifest_of(tmp_path, folders={"b": str(draw(tmp_path / "photos", 10, (32, 32), seed=4))}, edges="canny")
    assert edges["counts"]["test"] == {"a": 2, "b": 2} and edges["data"]["domains"]["a"]["kind"] == "edges"
    for name in ("cat", "dog"):
        draw(tmp_path / "classes" / name, 10, seed=len(name) + ord(name[0]))
    classes = manifest_of(tmp_path, path=str(tmp_path / "classes"), layout="classes")
    assert classes["counts"]["test"] == {"images": 2} and classes["data"]["classes"] == ["cat", "dog"]
    flat = manifest_of(tmp_path, path=str(draw(tmp_path / "flat", 10, (40, 20), seed=5)), layout="side-by-side")
    assert flat["counts"]["test"] == {"a": 2, "b": 2} and flat["data"]["paired"]
    with pytest.raises(SourceError, match=r"18 images have no partner of their name \(0, 1, 2, 3, 4, …\)"):
        manifest_of(tmp_path, folders={"a": str(a), "b": str(b)}, paired=True)
    with pytest.raises(SourceError, match="lies in it; give each domain a folder of its own"):
        manifest_of(tmp_path, folders={"a": str(a), "b": str(draw(a / "inside"))})


def test_what_is_written_keeps_everything_else(raw):
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    study = new.study_of("mine", "unpaired", "small", 30)
    longer = new.written(
        text, "mine", {"source": "folder", "folders": {"a": "x y", "b": "z: #1"}, "pixels": 72}, study, "mine_report"
    )
    changes = [line for line in difflib.ndiff(text.splitlines(), longer.splitlines()) if line[0] in "-+"]
    assert all(line.startswith("+ ") for line in changes) and len(changes) == 3 + len(study)  # comments stay too
    read = YAML(typ="safe", pure=True).load(longer)
    assert read["datasets"]["mine"]["folders"] == {"a": "x y", "b": "z: #1"} and read["reports"]["mine_report"] == "mine"
    assert read["studies"]["mine"] == study
    for section in ("reports", "datasets", "studies"):
        assert {k: v for k, v in read[section].items() if not k.startswith("mine")} == RAW[section]


@pytest.mark.parametrize("value", ["x: #1", {"ns": {"rate": 0.0002}}, [{"a": 1}], {"a": {"b": [1, {"c": "}"}]}}, "0", None, "}"])
def test_a_value_is_written_in_one_line_that_reads_back(value):
    assert YAML(typ="safe", pure=True).load(f"k: {new._flow(value)}\n") == {"k": value} and "\n" not in new._flow(value)


@pytest.mark.parametrize("kind", new.PRESETS)
@pytest.mark.parametrize("size", ["small", "medium", "paper"])
def test_every_preset_is_a_study(raw, kind, size):
    raw["datasets"]["mine"] = {
        "unpaired": {"source": "folder", "folders": {"a": "x", "b": "y"}},
        "paired": {"source": "folder", "folders": {"a": "x", "b": "y"}, "paired": True},
        "domains": {"source": "folder", "folders": {"a": "x", "b": "y", "c": "z"}},
        "classes": {"source": "folder", "path": "x", "layout": "classes"},
        "masks": {"source": "folder", "folders": {"a": "x", "b": "y"}, "paired": True, "palette": {"n": [0] * 3, "y": [90] * 3}},
    }[kind] | {"pixels": 64}
    raw["studies"]["mine"] = new.study_of("mine", kind, size, 100)
    params = parsed(raw)
    study = params.studies["mine"]
    assert list(study.rows) == [new.ROW[kind]] and study.seeds == [0]
    needs = paths.needs_of(params, study)
    measured = {measure.name for output in study.outputs for measure in measures_of(output, needs)}
    assert ("distance" in measured) is (kind != "masks")  # without label maps; of few classes no classifier's
    # and what it offers
    raw["studies"]["mine"] |= YAML(typ="safe", pure=True).load(new.MORE[kind].split("#")[0])
    more = parsed(raw).studies["mine"]
    assert len(more.rows) * len(more.seeds) == (3 if kind == "domains" else 2)


@pytest.mark.parametrize("images", [8, 60, 700, 5000])
def test_a_study_of_classes_has_the_steps_of_its_size(raw, images):
    """Whatever an epoch is by default; and a classifier where there are pictures to learn to read from."""
    study = new.study_of("mine", "classes", "small", images)
    steps = study["epochs_constant"] * (study["epoch_images"] // study["batch_images"])
    assert abs(steps - 3000) <= 160 and study["reader"] == ("classes" if images >= new.FEW else None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["mine"],
            "expected one of --a and --b, --side-by-side, --edges, --grey, --holes, --shrink, --classes, --domains, "
            "--images and --masks; got none",
        ),
        (["mine", "--a", "a"], "--a and --b: belong together"),
        (["mine", "--edges", "a", "--a", "a"], "--a and --b: belong together"),
        (["mine", "--a", "broken", "--b", "b"], "7.png: not a readable image"),
        (["mine", "--side-by-side", "odd"], "odd/0.png: 25 × 20; an image with both sides in it needs an even width; "),
        (["mine", "--a", "a", "--b", "b", "--edges", "a"], "got --a and --b and --edges"),
        (["mine", "--edges", "a", "--pairs"], "--pairs: says that --a and --b"),
        (["mine", "--a", "a", "--b", "nowhere"], "nowhere: no such folder"),
        (["mine", "--a", "a", "--b", "a"], "give each domain a folder of its own"),
        (
            ["mine", "--a", "a", "--b", "few"],
            "expected at least 4 pictures of each kind, 2 of them for testing; found 8 in a, 3 in b",
        ),
        (["streets", "--a", "a", "--b", "b"], "streets: there is one already under datasets"),
        (["Mine!", "--a", "a", "--b", "b"], "'Mine!'"),
        (["mine", "--domains", "a", "other/a"], "expected folders of different names"),
        (["mine", "--images", "a"], "--images and --masks: belong together"),
        (
            ["mine", "--images", "a", "--masks", "b"],
            "b/0.png: expected at most 16 colours in all label maps, one for each class, got ",
        ),
    ],
)
def test_words_that_will_not_do_get_one_line_and_nothing_is_written(tmp_path, monkeypatch, words, said):
    draw(tmp_path / "a"), draw(tmp_path / "b", seed=1), draw(tmp_path / "few", 3), draw(tmp_path / "other/a", seed=2)
    draw(tmp_path / "odd", size=(25, 20)), draw(tmp_path / "broken", seed=3)
    for name in ("3.png", "7.png"):  # both are named
        (tmp_path / "broken" / name).write_bytes(b"no picture")
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    shutil.copytree(ROOT / "papers", tmp_path / "papers")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        cli.main(["new", *words])
    assert said in str(stopped.value) and "\n" not in str(stopped.value)
    assert (tmp_path / "params.yaml").read_bytes() == (ROOT / "params.yaml").read_bytes()


WAYS = {
    "unpaired": ["--a", "a", "--b", "b"], "pairs": ["--a", "a", "--b", "b", "--pairs"], "beside": ["--side-by-side", "beside"],
    "edges": ["--edges", "a"], "grey": ["--grey", "a"], "holes": ["--holes", "a"], "shrink": ["--shrink", "a"],
    "classes": ["--classes", "of"], "domains": ["--domains", "a", "b", "of/c"], "masks": ["--images", "a", "--masks", "masks"],
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_what_new_writes_of_every_kind_of_pictures_is_read_again(tmp_path, monkeypatch, way):
    """In every size, by what every command reads it with."""
    for side in ("a", "b", "of/c", "of/d"):
        draw(tmp_path / side)
    draw(tmp_path / "beside", size=(48, 24)), (tmp_path / "masks").mkdir()
    for i in range(8):
        Image.fromarray(np.repeat(np.arange(20, dtype=np.uint8)[:, None] // (i + 2) % 2 * 255, 24, 1)).save(
            tmp_path / f"masks/{i}.png"
        )
    shutil.copytree(ROOT / "papers", tmp_path / "papers")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(new, "minutes", lambda *about: 1.0)
    for size in ("small", "medium", "paper"):
        (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
        cli.main(["new", "mine", *WAYS[way], "--size", size])
        params = settings.load("params.yaml")
        (row,) = params.studies["mine"].rows
        assert params.reports["mine_report"] == "mine" and row in new.ROW.values()


def test_images_and_masks_become_a_study_of_unet(tmp_path, monkeypatch, capsys):
    draw(tmp_path / "cells", mode="L", size=(40, 30))
    (tmp_path / "masks").mkdir()
    for i in range(8):
        mask = np.zeros((30, 40), np.uint8)
        mask[5 + i : 20, 3:30] = 200
        Image.fromarray(mask).save(tmp_path / f"masks/{i}.png")
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    shutil.copytree(ROOT / "papers", tmp_path / "papers")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(new, "minutes", lambda *about: 1.0)
    cli.main(["new", "mine", "--images", "cells", "--masks", "masks"])
    assert "classes: background, object; rename them" in capsys.readouterr().out
    written = YAML(typ="safe", pure=True).load((tmp_path / "params.yaml").read_text(encoding="utf-8"))
    assert written["datasets"]["mine"]["palette"] == {"background": [0, 0, 0], "object": [200, 200, 200]}
    study = parsed(written).studies["mine"]
    assert [row.method.name for row in study.rows.values()] == ["unet"] and not study.reader
    assert study.title == f"mine, {written['studies']['mine']['crop_pixels']} pixels on the shorter side"  # of 4 : 3
    (tmp_path / "masks/0.png").unlink()
    with pytest.raises(SystemExit, match="images have no partner of their name"):
        cli.main(["new", "other", "--images", "cells", "--masks", "masks"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda mask, i: mask // 200,
            "masks: colours [0, 0, 0] and [1, 1, 1] are less than 16 levels apart; store label maps as PNG of 8 bits",
        ),
        (lambda mask, i: (mask // 200).astype(np.uint16), "masks: label maps of 16 bits with values to 1 are as good as black"),
        (
            lambda mask, i: mask[: 30 - 5 * (i > 0)],
            "pictures' sizes; 1: label map 40 × 25, picture 40 × 30; 2: .*; 3: .*; 4: .*; 5: .*; and 2 more",
        ),
        (lambda mask, i: np.maximum(mask, np.arange(1200, dtype=np.uint8).reshape(30, 40)), "store them as PNG"),
    ],
)
def test_masks_that_cannot_be_used_are_told_before_anything_is_written(change, said, tmp_path, monkeypatch):
    draw(tmp_path / "cells", mode="L", size=(40, 30))
    (tmp_path / "masks").mkdir()
    for i in range(8):
        mask = np.zeros((30, 40), np.uint8)
        mask[5 + i : 20, 3:30] = 200
        Image.fromarray(change(mask, i)).save(tmp_path / f"masks/{i}.png")
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    shutil.copytree(ROOT / "papers", tmp_path / "papers")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=said if ".*" in said else re.escape(said)):
        cli.main(["new", "mine", "--images", "cells", "--masks", "masks"])
    assert (tmp_path / "params.yaml").read_bytes() == (ROOT / "params.yaml").read_bytes()


def test_a_colour_of_few_pixels_is_told(tmp_path, capsys):
    for i in range(2):
        mask = np.zeros((100, 100), np.uint8)
        mask[20:60] = 255
        mask[0, 0] = 128 if i else 0
        Image.fromarray(mask).save(tmp_path / f"{i}.png")
    assert [*new.palette_of(tmp_path)] == ["class-0", "class-1", "class-2"]
    assert capsys.readouterr().out.startswith("note: class-1, colour [128, 128, 128], has 5e-05 of the pixels")


@pytest.mark.parametrize(
    ("share", "portable", "gpus", "folders"),
    [
        (0.6, False, 0, ["--a", "a", "--b", "b"]),
        (0.6, True, 0, ["--a", "a", "--b", "b"]),
        (1.4, False, 0, ["--a", "a", "--b", "b"]),
        (None, False, 0, ["--a", "a", "--b", "b"]),
        (0.6, False, 1, ["--a", "a", "--b", "b"]),
        (0.6, False, 0, ["--classes", "of"]),
    ],
)
def test_bfloat16_is_written_where_it_pays_and_may_be_used(tmp_path, monkeypatch, capsys, share, portable, gpus, folders):
    """Share of the time that it takes on this CPU, as timed; None: the CPU has no instructions for it."""
    for side in ("a", "b", "of/a", "of/b"):
        draw(tmp_path / side)
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    text = text if portable else text.replace("arithmetic: portable", "arithmetic: usual")
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "papers", tmp_path / "papers")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(new, "minutes", lambda raw, *about: share if "precision" in raw["studies"]["mine"] else 1.0)
    monkeypatch.setattr(new.paths, "gpu_slots", lambda device: gpus)
    for holder in (new, arithmetic):
        monkeypatch.setattr(holder, "instructions", lambda: {"avx2", *(["avx512_bf16"] if share else [])})
    if share:
        monkeypatch.setattr(doctor, "_bfloat16", lambda: share)
    cli.main(["new", "mine", *folders])
    said, pays = capsys.readouterr().out, bool(share) and share < 0.75 and not gpus
    told = pays and "--classes" not in folders
    assert ("By bfloat16 it takes 60% of the time on this CPU" in said) is told
    assert ("To use it say `arithmetic: usual`" in said) is (told and portable)
    (row,) = settings.load("params.yaml").studies["mine"].rows.values()
    assert row.settings.precision == ("bfloat16" if told and not portable else "float32")
    cli.main(["doctor"])
    said = capsys.readouterr().out
    assert ("a convolution takes 60% of its time by `precision: bfloat16`" in said) is pays
    assert ("with `arithmetic: usual` a convolution" in said) is (pays and portable)


@pytest.mark.slow
def test_two_folders_become_a_report_and_a_translated_photo(tmp_path, monkeypatch, capsys):
    """As a new user would, at toy size: three commands and no edit."""
    project(tmp_path)
    (tmp_path / "params.yaml").write_bytes(
        (ROOT / "params.yaml").read_bytes().replace(b"arithmetic: portable", b"arithmetic: usual")
    )
    draw(tmp_path / "pictures/warm", 10, seed=1), draw(tmp_path / "pictures/cold", 10, seed=2)
    (tmp_path / "pictures/warm/notes.txt").write_text("x")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(new, "PRESETS", {"unpaired": {"small": (TINY | {"generator_blocks": 1}, 8), "medium": (TINY, 10**6)}})
    monkeypatch.setattr(new, "DISTANCES", {})  # without a network
    cli.main(["new", "mine", "--domains", "pictures/warm", "pictures/cold"])
    said = capsys.readouterr().out
    assert "10 pictures in warm" in said and "1 × .txt" in said and "size small: about" in said
    monkeypatch.setenv("PATH", f"{new.Path(new.sys.executable).parent}:{new.os.environ['PATH']}")
    shell(tmp_path, "snakemake", "--cores", "2", "reports/mine_report.md", GANREPRO_MLFLOW="off")
    page = (tmp_path / "reports/mine_report.md").read_text(encoding="utf-8")
    assert "own images in warm and cold" in page and "Variety" in page
    cli.main(["translate", "mine/cyclegan", "pictures/warm/0.png", "--out", "translated"])
    with Image.open("translated/0.png") as picture:
        assert picture.size == (24, 20)


def test_opacity_and_depth_are_seen_and_kept(tmp_path):
    """RGBA beside grey of 16 bits: their channels, by folder, and all bits."""
    random = np.random.default_rng(0)
    for side, shape, kind in (("a", (9, 12, 4), np.uint8), ("b", (9, 12, 1), np.uint16)):
        for number in range(6):
            (tmp_path / side).mkdir(exist_ok=True)
            write_png(tmp_path / side / f"{number}.png", random.integers(0, np.iinfo(kind).max, shape, kind))
    for number in range(6):
        (tmp_path / "c").mkdir(exist_ok=True)
        levels = random.integers(0, 255, (9, 12, 7), np.uint8)
        tifffile.imwrite(tmp_path / f"c/{number}.tif", levels, photometric="minisblack", planarconfig="contig")
    folders = {side: str(tmp_path / side) for side in "abc"}
    first = {side: folders[side] for side in "ab"}
    looked = new.look(DatasetSettings(source="folder", folders=first, paired=True, pixels=16))
    assert (looked.channels, looked.depth, looked.shape, looked.values) == ({"a": 4, "b": 1}, 16, [5, 4], None)
    seven = new.look(DatasetSettings(source="folder", folders={"a": folders["c"], "b": folders["b"]}, paired=True, pixels=16))
    assert (seven.channels, seven.values, seven.sizes) == ({"a": 7, "b": 1}, None, "12 × 9 (12)")


def test_the_first_five_label_maps_with_foreign_colours_are_named(tmp_path):
    draw(tmp_path / "cells", mode="L", size=(40, 30))
    (tmp_path / "masks").mkdir()
    for i in range(8):
        mask = np.zeros((30, 40), np.uint8)
        mask[5:20] = 255
        mask[7, i] = 255 if i in (2, 5) else 70
        Image.fromarray(mask).save(tmp_path / f"masks/{i}.png")
    folders = {"a": str(tmp_path / "masks"), "b": str(tmp_path / "cells")}
    palette = {"no": [0, 0, 0], "yes": [255, 255, 255]}
    dataset = DatasetSettings(source="folder", folders=folders, paired=True, palette=palette, pixels=32)
    *named, more = first_faults(dataset)
    assert [line.split(": ")[0].split("/")[-1] for line in named] == ["0", "1", "3", "4", "6"] and more == "and 1 more"
    assert "colour (70, 70, 70) at (0, 7) is not in the palette (no, yes); add it to palette or void" in named[0]


def test_a_training_that_fails_says_why(tmp_path, monkeypatch):
    """What the jobs of this call wrote last, not those of before."""
    (tmp_path / "logs/prepare").mkdir(parents=True)
    (tmp_path / "logs/prepare/before.log").write_text("error: long ago")
    os.utime(tmp_path / "logs/prepare/before.log", (time.time() - 600,) * 2)

    def fails(words, cwd):
        (cwd / "logs/prepare/mine.log").write_text("so far\nerror: mine: no even width; crop it\n")
        return subprocess.CompletedProcess(words, 1)

    monkeypatch.setattr(new.subprocess, "run", fails)
    with pytest.raises(UserError, match=r"not made \(prepare mine: mine: no even width; crop it\); call again"):
        new.train("mine_report", tmp_path)

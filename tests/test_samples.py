"""Generators that start from noise, in people's hands: exported, read back, asked for images."""

import json
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from conftest import ROOT, method_of, tiny

import ganrepro
from ganrepro import methods
from ganrepro.errors import UserError
from ganrepro.evaluation.generation import load_networks
from ganrepro.methods.noise import NoiseSettings
from ganrepro.training.players import Players
from ganrepro.use import cli, demo, samples
from ganrepro.use.model import load
from ganrepro.use.rows import ModelError

NOISE = [name for name in methods.names() if issubclass(methods.settings_of(name), NoiseSettings)]
ABOUT = {
    "study": "toys", "row": "x", "seed": 3, "study_title": "Toys", "method": "A toy (arXiv:0)", "dataset": "toys",
    "licence": "MIT", "scores": {"classifier_frechet": 12.5}, "settings": {}, "key": "0123", "drawn": True,
    "dataset_folder": "data/x", "commit": "abc", "versions": {}, "trained_on": "a CPU",
}  # fmt: skip


def a_sampler(name, **changes):
    """As a step left it: its frozen networks drawn anew, its weights of no meaning."""
    method = tiny(method_of(name), **changes)
    players = Players(method, 3, torch.device("cpu"))
    networks = load_networks(method, players.state()["networks"], 3, torch.device("cpu"))
    return samples.Sampler("toy", method, networks, "Toy", dict(ABOUT))


@pytest.fixture
def folder(tmp_path):
    samples.to_folder(a_sampler("conditional_gan"), tmp_path / "toy")
    return tmp_path / "toy"


@pytest.mark.parametrize(
    ("name", "changes"),
    [*((name, {}) for name in NOISE), ("dcgan", {"generator_norm": "virtual", "minibatch_discrimination": True})],
)
def test_every_method_that_makes_samples_can_be_exported_and_read_back(tmp_path, name, changes):
    """To the bit, images of another seed too; what a method needs beside its weights is in the folder."""
    made = a_sampler(name, **changes)
    assert samples.to_folder(made, tmp_path / "x") == 0
    back = load(tmp_path / "x").samples()
    assert back.takes_class == made.takes_class and samples.off_by(back) == 0
    for label in (None, 4) if made.takes_class else (None,):
        one, two = ([np.asarray(image) for image in sampler(5, seed=7, label=label)] for sampler in (made, back))
        assert len(one) == 5 and all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_images_follow_their_seed_and_their_class(folder):
    """What the folder recorded are its first images of seed 0, each class in turn."""
    first = ganrepro.sample(folder, 12)
    recorded = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in sorted((folder / "sampled").glob("*.png"))]
    assert len(recorded) == samples.KEPT and all(np.array_equal(a, b) for a, b in zip(first, recorded, strict=False))
    assert all(np.array_equal(a, b) for a, b in zip(first, ganrepro.sample(folder, 3), strict=False))
    assert not np.array_equal(first[0], ganrepro.sample(folder, 1, seed=1)[0])
    assert np.array_equal(first[11], ganrepro.sample(folder, 12, label=1)[11])
    twos = ganrepro.sample(folder, 12, label=2)
    assert not np.array_equal(twos[5], ganrepro.sample(folder, 12, label=5)[5])  # the same code, another class
    many = ganrepro.sample(folder, samples.AT_ONCE + 2, label=2)  # more than a batch
    assert len(many) == samples.AT_ONCE + 2 and np.array_equal(many[11], twos[11]) and not np.array_equal(many[-2], many[0])
    assert first[0].size == (16, 16) and first[0].mode == "L"


def test_a_class_is_asked_for_by_its_name_or_its_number():
    numbered = a_sampler("conditional_gan")
    names = ("ant", "bee", "cat", "dog", "eel", "fly", "gnu", "hen", "ibis", "2")
    method = type(numbered.method)(numbered.method.settings, replace(numbered.method.data, classes=names))
    sampler = replace(numbered, method=method)
    bees, second, last = ([np.asarray(image) for image in sampler(3, label=label)] for label in ("bee", 1, "2"))
    assert np.array_equal(bees, second) and sampler.classes == names
    assert np.array_equal(last, [np.asarray(image) for image in sampler(3, label=9)])  # a name, where it is one
    for label, told in (("bees", "did you mean 'bee'?; there are: ant, bee"), (10, "there is no class 10"), (-1, "no class -1")):
        with pytest.raises(ModelError, match=re.escape(told)):
            sampler(1, label=label)


def test_a_folder_says_what_it_is(folder):
    config, card = json.loads((folder / "config.json").read_text()), (folder / "README.md").read_text()
    assert (
        config["method"] == "conditional_gan" and len(config["data"]["classes"]) == 10 and "dataset_folder" not in config["about"]
    )
    assert card.startswith("---\nlibrary_name: ganrepro") and "## Intended use" in card and "12.5" in card
    assert 'label="9")' in card and "which of 10 classes to make, by name." in card


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"method": "absent"}, "damaged"),
        ({"settings": {"code_size": "x"}}, "damaged"),
        ({"settings": {"unknown": 1}}, "damaged"),
        ({"method": "cyclegan"}, "damaged"),
        ({"data": {}}, "damaged"),
        *(
            ({"data": {"channels": {"b": 1}, "pixels": 16, "classes": 10} | wrong}, "damaged")
            for wrong in (
                {"pixels": 16.5},
                {"pixels": "16"},
                {"pixels": -16},
                {"channels": {}},
                {"channels": {"b": 2}},
                {"classes": None},
                {"classes": 10**9},
            )
        ),
        ({"about": ABOUT | {"seed": float("inf")}}, "damaged"),
        ({"about": ABOUT | {"scores": {"classifier_frechet": "low"}}}, "damaged"),
        ({"about": {}}, "damaged"),
        ({"settings": {}}, "no weights of that network"),  # those of the paper's width
    ],
)
def test_a_damaged_folder_gets_one_line(folder, damage, message):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | damage))
    with pytest.raises(ModelError, match=message) as found:
        load(str(folder))
    assert "\n" not in str(found.value)


def test_damaged_weights_get_one_line(folder):
    """A flipped bit by the file's digest; of folders of before, which have none, what cannot be weights."""
    weights, config = (folder / "model.safetensors").read_bytes(), json.loads((folder / "config.json").read_text())
    flipped = bytearray(weights)
    flipped[-1] ^= 1
    (folder / "model.safetensors").write_bytes(flipped)
    with pytest.raises(ModelError, match="not as it was exported"):
        load(str(folder))
    (folder / "config.json").write_text(json.dumps(config | {"weights": None}))
    for damaged in (weights[:100], weights[:-8], b""):
        (folder / "model.safetensors").write_bytes(damaged)
        with pytest.raises(ModelError, match="no weights of that network"):
            load(str(folder))
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelError, match=r"config\.json: damaged"):
        load(str(folder))


def test_an_export_that_differs_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(samples, "off_by", lambda sampler: 3)
    with pytest.raises(ModelError, match="differ from the original's by 3 levels"):
        samples.to_folder(a_sampler("dcgan"), tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["sample", "{toy}", "--label", "10", "--out", "{tmp}/new"],
            "there is no class '10'; did you mean",
        ),
        (["sample", "{dcgan}", "--label", "3", "--out", "{tmp}/new"], "takes no class"),
        (["sample", "zoo/streets-cyclegan", "--out", "{tmp}/new"], "makes images of images; ganrepro translate"),
        (["sample", "digits-losses/nss", "--out", "{tmp}/new"], "did you mean 'ns'"),
        (["translate", "{toy}", "{toy}", "--out", "{tmp}/new"], "starts from noise"),
        (["export", "{toy}", "--to", "onnx", "--out", "{tmp}/new"], "starts from noise, and can only be exported as a folder"),
        (["export", "{toy}", "--out", "{toy}"], "is there already"),
        (["demo", "{toy}", "zoo/streets-cyclegan"], "have a page of their own"),
    ],
)
def test_bad_words_get_one_line(tmp_path, folder, words, message, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    samples.to_folder(a_sampler("dcgan"), tmp_path / "dcgan")
    with pytest.raises(SystemExit) as ended:
        cli.main([word.format(tmp=tmp_path, toy=folder, dcgan=tmp_path / "dcgan") for word in words])
    text = str(ended.value.code) if isinstance(ended.value.code, str) else capsys.readouterr().err.strip().splitlines()[-1]
    assert message in text and "\n" not in text and not (tmp_path / "new").exists()


def test_an_exported_folder_is_exported_again_byte_for_byte(tmp_path, folder, capsys):
    cli.main(["export", str(folder), "--out", str(tmp_path / "again")])
    assert "differs from the original by 0 on 20 images" in capsys.readouterr().out
    for path in folder.rglob("*"):
        assert path.is_dir() or path.read_bytes() == (tmp_path / "again" / path.relative_to(folder)).read_bytes()


def test_the_page_shows_the_images_of_a_seed(folder):
    sampler = load(folder).samples()
    page = np.asarray(demo.sheet_of(sampler, 4, "2"))
    enlarged = page.shape[1] // (demo.ACROSS * 17 - 1)
    tile = page[::enlarged, ::enlarged][17 : 17 + 16, 34 : 34 + 16]  # second row, third column
    assert np.array_equal(tile[..., 0], ganrepro.sample(folder, 40, seed=4, label=2)[demo.ACROSS + 2])


def test_a_count_below_one_is_refused(folder):
    with pytest.raises(UserError, match="expected a count from 1, got 0"):
        ganrepro.sample(folder, 0)
    with pytest.raises(ModelError, match="ganrepro sample"):
        load(folder).translates()

"""Trained models in people's hands: loaded, imported, exported, applied to photos of any kind."""

import contextlib
import io
import itertools
import json
import os
import platform
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import cv2
import httpx
import numpy as np
import pytest
import tifffile
import torch
from conftest import ROOT, parsed, published_generator
from PIL import Image
from torch.nn import functional as F

import ganrepro
from ganrepro import settings
from ganrepro.data.images import ImageError, write_png
from ganrepro.data.sources import extract
from ganrepro.errors import EXTRAS, UserError, WeightsError, in_one_line
from ganrepro.nets.architecture import Architecture
from ganrepro.nets.published import read_published
from ganrepro.nets.unet import mirrored
from ganrepro.plan import paths
from ganrepro.reporting.results import history
from ganrepro.store import checkpoints
from ganrepro.store.arrays import read_arrays
from ganrepro.store.files import read_json
from ganrepro.use import cli, demo, export, files, samples, tiles, watch
from ganrepro.use.model import Caution, load, of_row
from ganrepro.use.rows import ModelError
from ganrepro.use.translator import NATIVE, Translator, resized
from ganrepro.version import __version__
from pipeline.bundle import take

torch.set_num_threads(1)


def a_model(architecture=None, pixels=32, **about):
    """A small generator with weights that make themselves felt."""
    architecture = architecture or Architecture("resnet", 4, blocks=1)
    torch.manual_seed(0)
    network = architecture.build().train().requires_grad_(False)
    for parameter in network.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    palette = {"sky": [0, 0, 255], "road": [9, 9, 9]}
    about = {"licence": "MIT"} | about
    return Translator("toy", architecture, network, "a", "b", "labels2photo", "Toy", pixels, palette, about, "a")


UNET = Architecture("unet", 4, pixels=32)


@pytest.fixture
def folder(tmp_path):
    export.to_folder(a_model(), tmp_path / "toy")
    return tmp_path / "toy"


def photo(path, size=(41, 30), seed=0, **options):
    levels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(levels).save(path, **options)
    return levels


# --- published weights ---------------------------------------------------------------------------

# What pytorch-CycleGAN-and-pix2pix names its layers: name -> (outputs, inputs, kernel); transposed ones the other way round.


def resnet_layers(blocks, width, block=("1", "5")):
    found = {"model.1": (width, 3, 7), "model.4": (2 * width, width, 3), "model.7": (4 * width, 2 * width, 3)}
    for i in range(blocks):
        found |= {f"model.{10 + i}.conv_block.{j}": (4 * width, 4 * width, 3) for j in block}
    up = 10 + blocks
    found |= {f"model.{up}": (4 * width, 2 * width, 3), f"model.{up + 3}": (2 * width, width, 3)}
    return found | {f"model.{up + 7}": (3, width, 7)}


def resnet_norms(blocks, width, block=("2", "6")):
    found = {"model.2": width, "model.5": 2 * width, "model.8": 4 * width}
    found |= {f"model.{10 + i}.conv_block.{j}": 4 * width for i in range(blocks) for j in block}
    return found | {f"model.{11 + blocks}": 2 * width, f"model.{14 + blocks}": width}


def unet_layers(levels, width):
    widths = [width * min(2**i, 8) for i in range(levels)]
    found = {"model.model.0": (width, 3, 4), "model.model.3": (2 * width, 3, 4)}
    norms, place = {}, "model.model.1.model"
    for i in range(1, levels):
        last = i == levels - 1
        found[f"{place}.1"] = (widths[i], widths[i - 1], 4)
        found[f"{place}.{3 if last else 5}"] = (widths[i] * (1 if last else 2), widths[i - 1], 4)
        norms |= {f"{place}.{4 if last else 6}": widths[i - 1]} | ({} if last else {f"{place}.2": widths[i]})
        place += ".3.model"
    return found, norms


def published(layers, norms, norm):
    """A state dict with random weights, as its training saves it with that norm."""
    random = torch.Generator().manual_seed(0)
    state, last = {}, list(layers)[-1] if "model.model.3" not in layers else "model.model.3"
    for name, (one, two, kernel) in layers.items():
        number = int(name.rsplit(".", 1)[1])
        up = number in (3, 5) if kernel == 4 else kernel == 3 and number > 10
        state[f"{name}.weight"] = 0.1 * torch.randn(one, two, kernel, kernel, generator=random)
        if norm == "instance" or name == last:
            state[f"{name}.bias"] = 0.1 * torch.randn(two if up else one, generator=random)
    for name, width in norms.items() if norm == "batch" else ():
        state[f"{name}.weight"] = torch.rand(width, generator=random) + 0.5
        state[f"{name}.bias"] = torch.rand(width, generator=random)
        state |= {f"{name}.running_mean": torch.zeros(width), f"{name}.running_var": torch.ones(width)}
        state[f"{name}.num_batches_tracked"] = torch.tensor(3)
    return state


def normed(state, name, x, norm):
    if norm == "none":
        return x
    if norm == "instance":
        return F.instance_norm(x)
    return F.batch_norm(x, None, None, state[f"{name}.weight"], state[f"{name}.bias"], training=True)


def run_resnet(state, x, blocks, norm, block=("1", "2", "5", "6"), padding="reflect"):
    def conv(name, x, up=False, **options):
        one = F.conv_transpose2d if up else F.conv2d
        return one(x, state[f"{name}.weight"], state.get(f"{name}.bias"), **options)

    def mirror(x, by):
        return F.pad(x, (by,) * 4, "reflect")

    def padded(x):
        return F.pad(x, (1,) * 4, padding)

    x = F.relu(normed(state, "model.2", conv("model.1", mirror(x, 3)), norm))
    for i in (4, 7):
        x = F.relu(normed(state, f"model.{i + 1}", conv(f"model.{i}", x, stride=2, padding=1), norm))
    for i in range(blocks):
        at, (c1, n1, c2, n2) = f"model.{10 + i}.conv_block", block
        y = F.relu(normed(state, f"{at}.{n1}", conv(f"{at}.{c1}", padded(x)), norm))
        x = x + normed(state, f"{at}.{n2}", conv(f"{at}.{c2}", padded(y)), norm)
    for i in (10 + blocks, 13 + blocks):
        x = F.relu(normed(state, f"model.{i + 1}", conv(f"model.{i}", x, True, stride=2, padding=1, output_padding=1), norm))
    return torch.tanh(conv(f"model.{17 + blocks}", mirror(x, 3)))


def run_unet(state, x, norm):
    def conv(name, x, up=False):
        one = F.conv_transpose2d if up else F.conv2d
        return one(x, state[f"{name}.weight"], state.get(f"{name}.bias"), stride=2, padding=1)

    def inside(place, x):
        last = f"{place}.3.weight" in state
        down = conv(f"{place}.1", F.leaky_relu(x, 0.2))
        middle = down if last else inside(f"{place}.3.model", normed(state, f"{place}.2", down, norm))
        up, after = ("3", "4") if last else ("5", "6")
        return torch.cat([x, normed(state, f"{place}.{after}", conv(f"{place}.{up}", F.relu(middle), True), norm)], 1)

    return torch.tanh(conv("model.model.3", F.relu(inside("model.model.1.model", conv("model.model.0", x))), True))


def without_dropout(network):
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return network


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
@pytest.mark.parametrize("blocks", [6, 9])
def test_published_resnets_are_read_from_their_weights(tmp_path, blocks, norm):
    """Forward as written out from the names above; 1e-5."""
    state = published(resnet_layers(blocks, 4), resnet_norms(blocks, 4), norm)
    torch.save(state, tmp_path / "latest_net_G.pth")
    architecture, network = read_published(tmp_path / "latest_net_G.pth")
    assert (architecture.blocks, architecture.filters, architecture.norm) == (blocks, 4, norm)
    x = torch.rand(1, 3, 24, 36) * 2 - 1
    assert torch.allclose(network(x), run_resnet(state, x, blocks, norm), atol=1e-5)


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
@pytest.mark.parametrize("pixels", [128, 256])
def test_published_unets_are_read_from_their_weights(tmp_path, pixels, norm):
    state = published(*unet_layers(pixels.bit_length() - 1, 2), norm)
    torch.save(state, tmp_path / "x.pth")
    architecture, network = read_published(tmp_path / "x.pth")
    assert (architecture.generator, architecture.pixels, architecture.norm) == ("unet", pixels, norm)
    dropouts = [i for i, up in enumerate(network.decoder) if any(isinstance(m, torch.nn.Dropout) for m in up)]
    assert dropouts == list(range(1, pixels.bit_length() - 5))  # as many as halvings beyond five
    x = torch.rand(1, 3, pixels, pixels) * 2 - 1
    assert torch.allclose(without_dropout(network)(x), run_unet(state, x, norm), atol=1e-5)


def test_what_weights_cannot_tell_is_said(tmp_path, capsys, monkeypatch):
    """A U-Net that was trained without dropout, and ResNet blocks that repeat the edge; 1e-5 of the forwards written out."""
    monkeypatch.chdir(tmp_path)
    state = published(*unet_layers(7, 2), "batch")
    torch.save(state, tmp_path / "unet_net_G.pth")
    x = torch.rand(1, 3, 128, 128) * 2 - 1
    assert torch.allclose(
        read_published(tmp_path / "unet_net_G.pth", dropout=False)[1](x), run_unet(state, x, "batch"), atol=1e-5
    )
    cli.main(["import", "unet_net_G.pth", "--out", "noisy"])
    assert "weights cannot tell whether it was trained so" in capsys.readouterr().err and load("noisy").translator.noisy
    cli.main(["import", "unet_net_G.pth", "--out", "calm", "--no-dropout"])
    assert capsys.readouterr().err == ""
    assert torch.allclose(load("calm").translator(x), run_unet(state, x, "batch"), atol=1e-5)
    photo(tmp_path / "a.png")
    cli.main(["translate", "unet_net_G.pth", "a.png", "--out", "out"])
    assert "ganrepro import unet_net_G.pth --no-dropout" in capsys.readouterr().err
    state = published(resnet_layers(6, 4), resnet_norms(6, 4), "instance")
    torch.save(state, tmp_path / "resnet_net_G.pth")
    cli.main(["import", "resnet_net_G.pth", "--out", "edges", "--padding", "replicate"])
    x = torch.rand(1, 3, 24, 36) * 2 - 1
    wanted = run_resnet(state, x, 6, "instance", padding="replicate")
    assert torch.allclose(load("edges").translator(x), wanted, atol=1e-5)
    assert float((wanted - run_resnet(state, x, 6, "instance")).abs().max()) > 0.1
    with pytest.raises(SystemExit, match="padding replicate: a U-Net for 128 × 128 pads nothing; leave it out"):
        cli.main(["import", "unet_net_G.pth", "--out", "x", "--padding", "replicate"])
    assert not (tmp_path / "x").exists()


def test_older_names_and_several_gpus(tmp_path):
    """Prefixes of DataParallel, statistics that torch before 0.4 saved for instance norms, blocks with dropout."""
    layers, norms = resnet_layers(6, 4, ("1", "6")), resnet_norms(6, 4, ("2", "7"))
    state = published(layers, norms, "instance")
    old = {f"module.{name}": value for name, value in state.items()}
    old |= {f"module.{name}.running_mean": torch.ones(width) for name, width in norms.items()}
    torch.save(old, tmp_path / "x.pth")
    architecture, network = read_published(tmp_path / "x.pth")
    assert architecture.block_dropout and sum(isinstance(m, torch.nn.Dropout) for m in network.modules()) == 6
    x = torch.rand(1, 3, 16, 16)
    made = run_resnet(state, x, 6, "instance", ("1", "2", "6", "7"))
    assert torch.allclose(without_dropout(network)(x), made, atol=1e-5)


def discriminator(kind):
    """Of its three discriminators: names and shapes."""
    if kind == "pixel":
        return {"net.0": (8, 3, 1), "net.2": (16, 8, 1), "net.5": (1, 16, 1)}
    count = {"basic": 3, "n_layers": 5}[kind]
    widths = [8 * min(2**i, 8) for i in range(count + 1)]
    found = {"model.0": (8, 3, 4)} | {f"model.{3 * i - 1}": (widths[i], widths[i - 1], 4) for i in range(1, count + 1)}
    return found | {f"model.{3 * count + 2}": (1, widths[-1], 4)}


@pytest.mark.parametrize("kind", ["basic", "n_layers", "pixel"])
def test_discriminators_are_told_from_generators(tmp_path, kind):
    state = {f"{name}.weight": torch.zeros(*shape, shape[-1]) for name, shape in discriminator(kind).items()}
    torch.save(state, tmp_path / "latest_net_D.pth")
    with pytest.raises(WeightsError, match="a discriminator, which judges images and makes none"):
        read_published(tmp_path / "latest_net_D.pth")


def test_files_that_are_no_generator_are_named(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (exec, ("raise SystemExit('ran')",))

    file, good = tmp_path / "x.pth", published(resnet_layers(6, 4), resnet_norms(6, 4), "instance")
    for content, message in (
        ({"x": Bomb()}, "no plain weights"),
        ([1], "expected the weights of one generator by name"),
        ({1: torch.zeros(3)}, "expected the weights of one generator by name"),
        ({"model.1.weight": torch.tensor(3.0)}, "expected the weights of one generator by name"),
        ({"model.model.0.weight": torch.zeros(4, 3, 4, 4)}, "neither a ResNet nor a U-Net"),
        ({"model.model.9.conv_block.1.weight": torch.zeros(4, 4, 3, 3)}, "no ResNet known|neither"),
        ({"model.1.weight": "x"}, "expected the weights of one generator"),
        ({"conv1.weight": torch.zeros(3)}, r"layer conv1\.weight: no network of pytorch-CycleGAN-and-pix2pix"),
        ({"model.1.weight": torch.zeros(4, 3, 3, 3)}, "neither a ResNet nor a U-Net"),
        (good | {"model.4.weight": torch.zeros(9, 4, 3, 3)}, r"layer model\.4\.weight: expected \(8, 4, 3, 3\) in a ResNet of 6"),
        ({k: v for k, v in good.items() if k != "model.7.weight"}, r"a ResNet of 6 blocks lacks 7\.weight"),
        (good | {"model.99.weight": torch.zeros(3)}, r"layer model\.99\.weight: a ResNet of 6 blocks has none such"),
        ({k.replace("conv_block.5", "conv_block.9"): v for k, v in good.items()}, r"convolutions at \[1, 9\]"),
    ):
        torch.save(content, file)
        with pytest.raises(WeightsError, match=message):
            read_published(file)
    file.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(WeightsError, match="no plain weights"):
        read_published(file)
    with pytest.raises(WeightsError, match="no such file"):
        read_published(tmp_path / "absent.pth")


def test_an_imported_generator_is_a_row_of_a_study(tmp_path, raw, monkeypatch):
    """Its key follows the content of the file; it is generated as its network translates; nothing is trained."""
    import shutil

    from ganrepro.evaluation.generation import generate

    theirs = {"title": "Theirs", "method": "imported", "weights": "x.pth"}
    raw["experiments"]["published"] = {"rows": {"theirs": theirs, "ours": {"title": "Ours"}}}
    raw["studies"]["published"] = {"base": "streets-tiny", "experiment": "published"}
    params = parsed(raw)
    monkeypatch.chdir(tmp_path)
    run = paths.find_run(params, "published", "theirs", 0)
    without = run.key
    (tmp_path / "downloads/archives").mkdir(parents=True)
    shutil.copy(published_generator(), "downloads/archives/x.pth")
    run = paths.find_run(params, "published", "theirs", 0)
    assert run.key != without and run.files == {"x.pth": Path("downloads/archives/x.pth")}
    (tmp_path / "test/a").mkdir(parents=True)
    photo(tmp_path / "test/a/0.png", (64, 64))
    manifest = {"names": {"test": {"a": ["0.png"]}}}
    generate(run.method, {}, 0, tmp_path / "test", manifest["names"]["test"], tmp_path / "made", torch.device("cpu"))
    with pytest.warns(Caution, match="cannot tell how its blocks pad"):
        model = load("downloads/archives/x.pth")
    direct = model(Image.open(tmp_path / "test/a/0.png"), pixels=NATIVE)
    assert np.abs(np.asarray(Image.open(tmp_path / "made/labels2photo/0.png"), int) - np.asarray(direct)).max() <= 1
    # once, whatever the study's seeds; nothing to look back at; refused at a size that its network does not take
    assert [r.seed for r in paths.trained(params, run.study) if r.row == "theirs"] == [0] and run.looks_back == []
    with pytest.raises(settings.ConfigError, match="has no seed 1"):
        paths.find_run(params, "published", "theirs", 1)
    with pytest.raises(WeightsError, match=r"does not take colour images of 30 × 30"):
        read_published(Path("downloads/archives/x.pth"), 30)
    theirs["weights"] = "../x.pth"
    with pytest.raises(settings.ConfigError, match=r"experiments\.published\.rows\.theirs\.weights"):
        parsed(raw)


# --- sizes, tiles, files -------------------------------------------------------------------------


def test_any_size_is_padded_by_mirroring_and_cut_back():
    x = torch.arange(6.0).view(1, 1, 2, 3)
    assert mirrored(x, 0, 1, 5)[0, 0].tolist() == [[0, 1, 2, 1, 0, 1, 2, 1], [3, 4, 5, 4, 3, 4, 5, 4], [0, 1, 2, 1, 0, 1, 2, 1]]
    model = a_model()
    image = torch.rand(3, 21, 34) * 2 - 1
    made = model(image)
    assert made.shape == image.shape
    assert torch.equal(made, model.network(F.pad(image[None], (0, 2, 0, 3), "reflect"))[0, :, :21, :34])
    assert model(torch.rand(2, 3, 8, 8)).shape == (2, 3, 8, 8) and model(torch.rand(1, 3, 1, 1)).shape == (1, 3, 1, 1)
    assert model(Image.new("L", (13, 7), 200)).size == (13, 7)
    with pytest.raises(ModelError, match=r"expected \(n, 3, h, w\) in \[-1, 1\], got \(1, 8, 8\)"):
        model(torch.rand(1, 8, 8))
    # no image of a batch depends on another, whatever its norms
    mixed = a_model(Architecture("unet", 4, pixels=32, flavour="pytorch"))
    x = torch.rand(2, 3, 32, 32)
    assert torch.allclose(mixed(x), torch.cat([mixed(one[None]) for one in x]), atol=1e-6)
    noisy = a_model(UNET)
    picture = Image.fromarray(photo_levels())
    assert noisy.noisy and noisy(picture, 1).tobytes() == noisy(picture, 1).tobytes() != noisy(picture, 2).tobytes()


def photo_levels(size=(32, 32), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def test_at_its_own_size_an_unchecked_unet_is_the_unet():
    from ganrepro.nets.generators import UNet

    torch.manual_seed(0)
    made = UNET.build()
    plain = UNet(32, 4)
    plain.load_state_dict(made.state_dict())
    x = torch.rand(1, 3, 32, 32)
    for network in (made, plain):
        without_dropout(network)
    assert torch.equal(made(x), plain(x)) and made(torch.rand(1, 3, 64, 96)).shape == (1, 3, 64, 96)


@pytest.mark.parametrize(
    ("size", "side", "overlap", "step"),
    [(100, 32, 8, 4), (6000, 512, 64, 4), (33, 32, 0, 1), (64, 32, 31, 1), (512, 256, 64, 128)],
)
def test_pieces_cover_everything_and_their_shares_add_up_to_one(size, side, overlap, step):
    starts = tiles.places(size, side, overlap, step)
    assert all(start % step == 0 for start in starts)
    total = np.zeros(size)
    for start in starts:
        share = tiles.fade(starts, start, side, size)
        assert (share > 0).all()
        total[start : start + side] += share
    assert np.allclose(total, 1, atol=1e-6) and starts[-1] + side >= size
    assert all(one + side - other >= overlap for one, other in itertools.pairwise(starts))


def smooth(height, width, seed=0):
    """Levels of a picture without hard edges, uint8."""
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 256, (height // 16, width // 16, 3), np.uint8))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def test_tiles_show_no_seam():
    """Against the whole: a few levels of 255 for weights as wild as these, and no step where two pieces meet."""
    model, levels = a_model(), smooth(256, 384)
    whole = tiles.translate(model, levels).astype(int)
    tiled = tiles.translate(model, levels, 128, 64).astype(int)
    difference = np.abs(whole - tiled)
    assert difference.mean() < 3 and np.percentile(difference, 99) < 16

    def jumps(made):
        """From column to column of the error alone: the largest, over the median."""
        steps = np.abs(np.diff(made - whole, axis=1)).mean((0, 2))
        return steps.max() / np.median(steps)

    # by its own statistics each piece would have another brightness
    alone = np.concatenate([tiles.translate(model, levels[:, i : i + 128]) for i in (0, 128, 256)], 1).astype(int)
    assert jumps(tiled) < 2 and jumps(alone) > 2 * jumps(tiled)
    again = tiles.translate(model, levels)
    assert np.array_equal(again, whole)  # norms are put back


def test_tiles_keep_every_bit_where_nothing_is_to_be_seen():
    """A network that changes nothing: tiled or not, 8 or 16 bits, every level comes back."""
    model = a_model()
    object.__setattr__(model, "network", torch.nn.Identity())
    for kind in (np.uint8, np.uint16):
        levels = np.random.default_rng(0).integers(0, np.iinfo(kind).max + 1, (70, 90, 3), kind)
        assert np.array_equal(tiles.translate(model, levels), levels)
        assert np.abs(tiles.translate(model, levels, 32, 8).astype(int) - levels).max() <= 1
    with pytest.raises(ValueError, match="overlap: expected 0 to 31"):
        tiles.translate(model, photo_levels((64, 64)), 32, 32)


def test_photos_of_all_kinds_are_read_as_they_are(tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (6, 5, 3), np.uint16)
    for suffix in ("png", "tif"):
        cv2.imwrite(str(tmp_path / f"deep.{suffix}"), deep[..., ::-1])
        assert np.array_equal(files.read(tmp_path / f"deep.{suffix}"), deep)
    cv2.imwrite(str(tmp_path / "grey.png"), deep[..., 0])
    assert np.array_equal(files.read(tmp_path / "grey.png"), deep[..., :1])
    shallow = photo(tmp_path / "rgb.png")
    assert np.array_equal(files.read(tmp_path / "rgb.png"), shallow)
    Image.fromarray(shallow[..., 0]).save(tmp_path / "l.png")
    assert files.read(tmp_path / "l.png").shape == (30, 41, 1)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    photo(tmp_path / "turned.jpg", exif=exif)
    assert files.read(tmp_path / "turned.jpg").shape == (41, 30, 3)
    for levels in (deep, deep[..., :1], shallow, shallow[..., :1]):
        files.write(tmp_path / "out" / "x.png", levels)
        assert np.array_equal(files.read(tmp_path / "out" / "x.png"), levels)
    (tmp_path / "no.png").write_text("no image")
    with pytest.raises(ImageError, match="not a readable image"):
        files.read(tmp_path / "no.png")
    Image.new("1", (20000, 6000)).save(tmp_path / "huge.png")
    with pytest.raises(ImageError, match="more than 100 megapixels"):
        files.read(tmp_path / "huge.png")


def test_translate_keeps_names_and_makes_a_contact_sheet(tmp_path, folder, capsys):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    photo(tmp_path / "in" / "one & two.jpg")
    cv2.imwrite(str(tmp_path / "in/sub/deep.tif"), np.full((9, 8, 3), 40000, np.uint16))
    (tmp_path / "in/move.gif").write_bytes(b"GIF")
    places = [str(tmp_path / "in"), str(tmp_path / "in/sub")]
    cli.main(["translate", str(folder), *places, "--and", str(folder), "--out", str(tmp_path / "out")])
    made = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.png") if ".sheet" not in p.parts)
    assert made == ["1-Toy/deep.png", "1-Toy/one & two.png", "2-Toy/deep.png", "2-Toy/one & two.png"]
    assert files.read(tmp_path / "out/1-Toy/deep.png").dtype == np.uint16
    assert files.read(tmp_path / "out/1-Toy/one & two.png").shape == (30, 41, 3)
    page = (tmp_path / "out/index.html").read_text()
    assert "one &amp; two" in page and len(re.findall('href="([^"]+)"', page)) == 4
    told = capsys.readouterr()
    left = "left out of in and sub, being no .png, .jpg, .jpeg, .jfif, .bmp, .tif, .tiff, .webp: 1 × .gif"
    assert "2 photos translated" in told.out and f"note: {left}" in told.err and f"<p>{left}</p>" in page
    for link in re.findall('(?:href|src)="([^"]+)"', page):
        assert (tmp_path / "out" / unquote(link)).exists()


def test_photos_of_one_name_beside_one_another_are_both_translated(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.jpg", "a.png", "b.png"):
        photo(tmp_path / "in" / name)
    assert [str(name) for _, name in files.find([tmp_path / "in"])] == ["a.png", "a.png.png", "b.png"]


def test_a_tiny_photo_is_not_enlarged_without_end():
    """Of two pixels' height, brought to the model's 32, it would be 16 times as large in both ways; unasked it is 8 times."""
    sizes = []
    levels = np.zeros((2, 50, 3), np.uint8)
    made = a_model().at_scale(levels, None, lambda small: sizes.append(small.shape[:2]) or small)
    assert sizes == [(16, 400)] and made.shape == levels.shape
    a_model().at_scale(levels, 32, lambda small: sizes.append(small.shape[:2]) or small)
    assert sizes[1] == (32, 800)


def test_a_photo_that_cannot_be_read_stops_no_other(tmp_path, folder, capsys):
    """Nor one whose numbers have no black and white, nor one of too many channels; each is named, here and on the page."""
    (tmp_path / "in").mkdir()
    levels = photo(tmp_path / "in/00000-0.png", (64, 48))  # the name of a thumbnail is a name like any other
    (tmp_path / "in/a.png").write_text("no image")
    tifffile.imwrite(tmp_path / "in/b.tif", np.linspace(0, 1, 3072, dtype=np.float32).reshape(32, 32, 3), photometric="rgb")
    write_png(tmp_path / "in/c.png", np.zeros((32, 32, 6), np.uint8))
    with pytest.raises(SystemExit, match=r"3 of 4 photos were left out; the first: .*a\.png: not a readable image"):
        cli.main(["translate", str(folder), str(tmp_path / "in"), "--out", str(tmp_path / "out")])
    assert files.read(tmp_path / "out/00000-0.png").shape == levels.shape
    told, page = capsys.readouterr(), (tmp_path / "out/index.html").read_text()
    assert "1 photo translated" in told.out and not (tmp_path / "out/a.png").exists()
    for words in (
        "b.tif: its pixels are fractions from 0 to 1, and nothing says which is black and which is white; say --values LOW HIGH",
        "c.png: expected an image of 3 channels, got one of 6",
    ):
        assert words in told.err and words in page
    cli.main(["translate", str(folder), str(tmp_path / "in/b.tif"), "--values", "0", "1", "--out", str(tmp_path / "float")])
    exact = load(folder)(torch.from_numpy(tifffile.imread(tmp_path / "in/b.tif")).permute(2, 0, 1) * 2 - 1)
    made = files.read(tmp_path / "float/b.png") / 65535 * 2 - 1
    assert np.abs(made - exact.clamp(-1, 1).permute(1, 2, 0).numpy()).max() < 1e-3
    with pytest.raises(SystemExit, match="--values: expected the lower number first, got 1 nan"):
        cli.main(["translate", str(folder), str(tmp_path / "in"), "--values", "1", "nan", "--out", str(tmp_path / "no")])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["translate", "{toy}", "absent.png", "--out", "{tmp}/new"], "absent.png: no such file or folder"),
        (["translate", "{toy}", "{tmp}", "--out", "{tmp}/toy"], "not empty"),
        (["translate", "{toy}", "{tmp}/empty", "--out", "{tmp}/new"], "found nothing"),
        (["translate", "{toy}", "{tmp}/zero.png", "--out", "{tmp}/new"], "not a readable image"),
        (["translate", "{toy}:photo2labels", "{tmp}/a.png", "--out", "{tmp}/new"], "makes labels2photo, not photo2labels"),
        (["export", "{toy}", "--photos", "{tmp}/zero.png", "--out", "{tmp}/new"], "zero.png: not a readable image"),
        (["translate", "{toy}", "{tmp}/a.png", "{tmp}/more", "--out", "{tmp}/new"], "would get the name"),
        (["translate", "{toy}", "{tmp}/a.png", "--out", "{tmp}/new", "--tile", "32", "--overlap", "32"], "--overlap: expected 0"),
        (["translate", "streets-tiny/cycelgan", "{tmp}/a.png", "--out", "{tmp}/new"], "did you mean 'cyclegan'"),
        (["translate", "street-tiny/cyclegan", "{tmp}/a.png", "--out", "{tmp}/new"], "did you mean 'streets-tiny'"),
        (["translate", "streets-tiny", "{tmp}/a.png", "--out", "{tmp}/new"], "expected STUDY/ROW or STUDY/ROW/SEED"),
        (["translate", "streets-tiny/cyclegan/9", "{tmp}/a.png", "--out", "{tmp}/new"], "has no seed 9"),
        (["translate", "camvid-128/cyclegan", "{tmp}/a.png", "--out", "{tmp}/new"], "not trained yet; name the study"),
        (["translate", "streets-tiny/ground-truth", "{tmp}/a.png", "--out", "{tmp}/new"], "a reference row"),
        (["translate", "streets-comparison/cogan", "{tmp}/a.png", "--out", "{tmp}/new"], "has no network that translates"),
        (["translate", "{tmp}/empty", "{tmp}/a.png", "--out", "{tmp}/new"], "no exported model: it has no config.json"),
        (["translate", "streets-comparison/simgan:photo2labels", "{tmp}/a.png", "--out", "{tmp}/new"], "makes labels2photo, not"),
        (["export", "{toy}", "--out", "{tmp}/toy"], "is there already"),
        (["import", "{tmp}/a.png", "--out", "{tmp}/new"], "expected a published generator, FILE.pth"),
        (["score", "{tmp}/empty", "--study", "streets-tinny"], "did you mean 'streets-tiny'"),
        (["demo", "{toy}", "--host", "256.1.1.1"], "cannot be served on"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_line(tmp_path, folder, words, message, monkeypatch):
    monkeypatch.chdir(ROOT)
    (tmp_path / "empty").mkdir()
    (tmp_path / "zero.png").touch()
    photo(tmp_path / "a.png")
    (tmp_path / "more").mkdir()
    photo(tmp_path / "more/a.jpg")
    with pytest.raises(SystemExit) as ended:
        cli.main([word.format(tmp=tmp_path, toy=folder) for word in words])
    text = str(ended.value.code)
    assert text.startswith("error: ") and message in text and "\n" not in text
    assert not (tmp_path / "new").exists()


# --- export ----------------------------------------------------------------------------------------

ONE_OF_EACH = {
    "resnet": Architecture("resnet", 4, blocks=2),
    "unet": UNET,
    "imported": Architecture("resnet", 4, blocks=2, flavour="pytorch", norm="batch", biased=False),
    "imported unet": Architecture("unet", 4, pixels=64, flavour="pytorch", norm="batch", biased=False),
}


EXPORTS = [("folder", name) for name in ONE_OF_EACH] + [  # graphs take ten seconds: each kind of network in one of them
    ("onnx", "unet"), ("onnx", "imported"), ("pt2", "resnet"), ("pt2", "imported unet"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), EXPORTS)
def test_what_is_exported_computes_the_same(tmp_path, name, kind):
    """Safetensors to the bit, dropout included; graphs to 1e-4 in other sizes and numbers of images, dropout off."""
    model = a_model(architecture := ONE_OF_EACH[name])
    target = tmp_path / f"x{'' if kind == 'folder' else '.' + kind}"
    images = [torch.rand(3, 64, 64) * 2 - 1 for _ in range(3)]
    if model.noisy and kind != "folder":
        with pytest.raises(ModelError, match=r"made with dropout on.*--no-dropout"):
            export.export(model, kind, target, images)
        assert not target.exists()
        model = export.without_dropout(model)
    check = export.export(model, kind, target, images)
    assert check.images == 3 and check.difference <= (0 if kind == "folder" else 1e-4)
    run = export.READERS[kind](target)
    if kind == "onnx" or (kind == "pt2" and architecture.generator == "resnet"):
        x = torch.rand(3, 3, 64, 192) * 2 - 1
        made = torch.cat([model.network(one[None]) for one in x])  # each image by itself
        assert torch.allclose(run(x), made, atol=1e-4)


def test_an_output_may_stand_behind_every_name_of_a_model(tmp_path, folder, capsys):
    """The one that it makes; other commands than these read names in the same way."""
    photo(tmp_path / "a.png")
    cli.main(["export", f"{folder}:labels2photo", "--photos", str(tmp_path / "a.png"), "--out", str(tmp_path / "again")])
    cli.main(["translate", f"{folder}:labels2photo", str(tmp_path / "a.png"), "--out", str(tmp_path / "out")])
    assert (tmp_path / "again" / "config.json").read_bytes() == (folder / "config.json").read_bytes()
    with pytest.raises(SystemExit, match="makes labels2photo, not photo2labels"):
        cli.main(["demo", f"{folder}:photo2labels"])


@pytest.mark.parametrize(
    ("channels", "kind", "values"),
    [(1, np.uint16, None), (1, np.float32, (-1000.0, 1000.0)), (3, np.uint8, None), (4, np.uint8, None), (6, np.uint16, None)],
)
def test_photos_to_compare_on_are_read_as_the_model_takes_them(tmp_path, channels, kind, values):
    """Of its size, so that nothing is resized: black is -1, white 1, in between to rounding. Of no photo: noise of that size."""
    about = {"values": {"a": list(values)}} if values else {}
    model = replace(a_model(Architecture("resnet", 4, blocks=1, inputs=channels), **about), shape=(2, 1))
    low, high = values or (0, np.iinfo(kind).max)
    levels = np.random.default_rng(0).integers(low, high, (32, 64, channels), endpoint=True).astype(kind)
    file = tmp_path / ("a.png" if kind == np.uint8 and channels < 5 else "a.tif")
    Image.fromarray(levels[..., 0]).save(file) if channels == 1 else write_png(file, levels)
    (image,) = export.real_images(model, [file])
    assert np.allclose(image.permute(1, 2, 0), (levels - low) / (high - low) * 2 - 1, atol=1e-5)
    assert [len(export.real_images(model, [])), *export.real_images(model, [])[0].shape] == [3, channels, 32, 64]


def test_photos_of_other_channels_are_refused(tmp_path):
    write_png(tmp_path / "a.tif", np.zeros((32, 32, 6), np.uint8))
    photo(tmp_path / "b.png")
    for inputs, name, got in ((3, "a.tif", 6), (2, "b.png", 3)):
        model = a_model(Architecture("resnet", 4, blocks=1, inputs=inputs))
        with pytest.raises(ModelError, match=f"expected an image of {inputs} channels, got one of {got}"):
            export.real_images(model, [tmp_path / name])


@pytest.mark.parametrize("kind", [UNET, Architecture("resnet", 4, blocks=1, block_dropout=True)])
def test_a_folder_without_dropout_stays_without_it(tmp_path, kind):
    model = export.without_dropout(a_model(kind))
    check = export.export(model, "folder", tmp_path / "calm", [torch.rand(3, 32, 32) * 2 - 1])
    again, x = load(tmp_path / "calm").translator, torch.rand(1, 3, 32, 32) * 2 - 1
    assert check.difference == 0 and not again.noisy and torch.equal(again(x, seed=1), again(x, seed=2))
    card = (tmp_path / "calm/README.md").read_text()
    assert a_model(kind).noisy and "off; its scores were made with it on" in card and "dropout stays on" not in card
    with pytest.raises(ModelError, match="has no dropout that is on; leave --no-dropout out"):
        export.without_dropout(model)


@pytest.mark.parametrize(
    ("values", "raw", "as_picture"),
    [
        ((-1024.0, 3071.0), np.int32, np.uint8), ((-1024.0, 3071.0), np.int32, np.uint16), ((0.0, 1.0), np.float32, np.uint8),
        ((0.0, 4095.0), np.uint16, np.uint8), ((0.0, 4095.0), np.uint16, np.uint16), ((20.0, 200.0), np.uint8, np.uint8),
    ],
)  # fmt: skip
def test_a_picture_of_a_scan_is_translated_as_the_scan_is(tmp_path, values, raw, as_picture, capsys):
    """A model of numbers of its own range: scans as they are, scans that were saved as pictures, and its own examples."""
    model = a_model(Architecture("resnet", 4, blocks=1, inputs=1, outputs=1), values={"a": list(values)}, pixels=32)
    ramp = np.random.default_rng(0).random((32, 32))
    low, high = values
    scan = (ramp * (high - low) + low).astype(np.float64)
    scan = scan.astype(raw) if raw == np.float32 else scan.round().astype(raw)
    (tifffile.imwrite if raw != np.uint8 else iio_png)(tmp_path / f"scan.{'tif' if raw != np.uint8 else 'png'}", scan)
    whole = np.iinfo(as_picture).max
    picture = (ramp * whole).round().astype(as_picture) if raw != as_picture or high > 255 else scan
    write_png(tmp_path / "picture.png", picture[..., None] if as_picture == np.uint16 else picture)
    export.export(model, "folder", tmp_path / "toy", export.real_images(model, []), [next(tmp_path.glob("scan.*"))])
    places = [str(next(tmp_path.glob("scan.*"))), str(tmp_path / "picture.png"), str(tmp_path / "toy/examples/0.png")]
    cli.main(["translate", str(tmp_path / "toy"), *places, "--out", str(tmp_path / "out")])
    of_scan, *others = (files.read(tmp_path / "out" / f"{Path(place).stem}.png").astype(float) for place in places)
    of_scan = of_scan / (65535 if of_scan.max() > 255 else 255)
    for made in others:
        assert np.abs(made / (65535 if made.max() > 255 else 255) - of_scan).max() < 0.03
    note = "not of the numbers that Toy was trained on"
    assert (note in capsys.readouterr().err) is (raw != np.uint8)
    if raw == np.uint8:
        return
    with pytest.warns(UserWarning, match=note):
        by_hand = load(tmp_path / "toy")(tmp_path / "picture.png")
    assert np.array_equal(np.asarray(by_hand).squeeze(), files.read(tmp_path / "out/picture.png").squeeze())


def iio_png(path, levels):
    Image.fromarray(levels).save(path)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (lambda: Image.new("RGB", (0, 0)), "0 × 0; expected pixels"),
        (lambda: Image.fromarray(np.full((8, 8), np.inf, np.float32)), "not finite"),
        (lambda: Image.open(io.BytesIO(PNG[:-30])), "not readable"),
        (lambda: closed(), "not readable"),
        (lambda: "absent.png", "no such image"),
        (lambda: 7, "expected a PIL image, a picture's path, or a tensor"),
    ],
)
def test_the_library_says_one_line_of_an_image_that_is_none(image, words):
    with pytest.raises(UserError, match=words):
        a_model()(image())
    with pytest.raises(ModelError, match="pixels: expected a whole number, got 'x'"):
        a_model()(Image.new("La", (8, 8)), pixels="x")
    assert a_model()(Image.new("La", (40, 40))).size == (40, 40)


PNG = (lambda buffer: (Image.effect_noise((40, 40), 90).save(buffer, "PNG"), buffer.getvalue())[1])(io.BytesIO())


def closed():
    image = Image.open(io.BytesIO(PNG))
    image.close()
    return image


@pytest.mark.slow
def test_a_model_that_makes_no_numbers_passes_nowhere(tmp_path, monkeypatch):
    """One weight that is NaN: no export, no translation, of a large photo neither; nothing is left behind."""
    model = a_model()
    next(iter(model.network.parameters())).data[0] = float("nan")
    for kind in ("folder", "pt2"):
        with pytest.raises(ModelError, match="values that are not finite"):
            export.export(model, kind, tmp_path / f"x.{kind}", [torch.zeros(3, 8, 8)])
        assert list(tmp_path.iterdir()) == []
    with pytest.raises(ModelError, match="values that are not finite"):
        model(torch.zeros(1, 3, 8, 8))
    with pytest.raises(ModelError, match="values that are not finite"):
        tiles.translate(model, np.zeros((64, 64, 3), np.uint8), 32, 0)
    whole = a_model()
    monkeypatch.setitem(export.READERS, "folder", lambda path: lambda image: whole.network(image) * float("nan"))
    with pytest.raises(ModelError, match="what was exported makes values that are not finite"):
        export.export(whole, "folder", tmp_path / "x", [torch.zeros(3, 8, 8)])
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_differs_is_not_kept(tmp_path, monkeypatch):
    model = a_model()
    monkeypatch.setitem(export.READERS, "folder", lambda path: lambda image: model.network(image) + 0.01)
    with pytest.raises(ModelError, match=r"differs from the original by 0\.01"):
        export.export(model, "folder", tmp_path / "x", [torch.zeros(3, 8, 8)])
    assert not (tmp_path / "x").exists()
    with pytest.raises(ModelError, match="at least one image"):
        export.export(model, "folder", tmp_path / "x", [])


def test_named_examples_go_into_a_folder_and_are_translated(tmp_path):
    """Without them a folder holds pictures of the embedded dataset alone: those of others are not ours to pass on."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8))
    picture.save(tmp_path / "mine.png")
    model, images = a_model(), [torch.zeros(3, 16, 16)]
    export.export(model, "folder", tmp_path / "with", images, [tmp_path / "mine.png"])
    made = np.asarray(Image.open(tmp_path / "with" / "translated" / "0.png"))
    assert np.array_equal(made, np.asarray(model(export.resize(picture, model.pixels))))
    export.export(model, "folder", tmp_path / "without", images)
    assert not (tmp_path / "without" / "examples").exists()
    with pytest.raises(ModelError, match="an exported pt2 file holds none"):
        export.export(model, "pt2", tmp_path / "x.pt2", images, [tmp_path / "mine.png"])


def test_a_missing_runtime_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"onnx, onnxscript: not installed; pip install 'ganrepro\[export\]'"):
        export.to_onnx(a_model(), tmp_path / "x.onnx")
    with pytest.raises(ModelError, match=r"Gradio is not installed; pip install 'ganrepro\[demo\]'"):
        demo.check("127.0.0.1", 0)


@pytest.mark.parametrize(("study", "labels"), [("facades-edges", False), ("facades-pairs", True)])
def test_a_model_of_edges_is_drawn_with_a_pen_one_of_labels_with_their_colours(tmp_path, raw, monkeypatch, study, labels):
    """Both datasets come from the same source, which has label colours."""
    from ganrepro.store import checkpoints
    from ganrepro.store.files import write_json
    from ganrepro.training.players import Players

    small = {"generator_filters": 2, "discriminator_filters": 2, "crop_pixels": 16, "load_pixels": 16}
    raw["studies"][study] |= small | {"discriminator_receptive_field": 16}
    run = paths.find_run(parsed(raw), study, "l1-cgan", 0)
    monkeypatch.chdir(tmp_path)
    players = Players(run.method, 0, torch.device("cpu"))
    run.folder.mkdir(parents=True)
    checkpoints.save(run.folder / "checkpoint.pt", run.spec, {"players": players.state()})
    clock = {"seconds": 1.0, "resumed": 0, "device": "cpu", "cores": 2, "threads": 1}
    write_json(run.folder / "timing.json", clock | {"commit": "x", "versions": {}, "device_name": "x"})
    model = of_row(run, "a row").translates()
    assert bool(model.palette) is labels
    drawn = demo.drawn(model, Image.new("RGB", (16, 16), (250, 250, 250)))
    assert (drawn.getpixel((0, 0)) == (250, 250, 250)) is not labels


def test_a_folder_says_what_it_is_and_loads_back(folder, tmp_path):
    config = json.loads((folder / "config.json").read_text())
    assert config["architecture"]["generator"] == "resnet" and config["range"] == [-1, 1] and config["multiple"] == 4
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: ganrepro") and "## Intended use" in card and "MIT" in card
    x, model = torch.rand(1, 3, 16, 16), load(folder)
    assert torch.equal(model(x), a_model()(x)) and model.translates().palette["sky"] == [0, 0, 255]
    weights = (folder / "model.safetensors").read_bytes()
    flipped = bytearray(weights)
    flipped[-1] ^= 1
    (folder / "model.safetensors").write_bytes(flipped)
    with pytest.raises(ModelError, match="not as it was exported"):
        load(folder)
    (folder / "config.json").write_text(json.dumps(config | {"weights": None}))  # as folders of before
    for damage in (weights[:100], weights[:-8]):
        (folder / "model.safetensors").write_bytes(damage)
        with pytest.raises(ModelError, match="no weights of that network"):
            load(folder)
    (folder / "model.safetensors").write_bytes(weights)
    wider = config | {"architecture": config["architecture"] | {"filters": 8}}
    for text, message in (
        (json.dumps(wider), r"no weights of that network \(.*: expected \(.*\), got \("),
        ("{", "damaged"),
        (json.dumps(config | {"schema": "x/1"}), "schema: Input should be 'ganrepro-model/1'"),
        (json.dumps({k: v for k, v in config.items() if k != "pixels"}), "damaged"),
        ("[]", "damaged"),
        ("[" * 100_000, "damaged"),
        (json.dumps(config | {"source": "../z"}), "source: String should match pattern"),
        (json.dumps(config | {"target": "a"}), "source and target: expected two domains, got 'a' twice"),
        (json.dumps(config | {"palette": {"x": ["y"]}}), "damaged"),
        (json.dumps(config | {"palette": {"x": [0, 0, 256]}}), r"palette\.x\.2: Input should be less than or equal to 255"),
        (json.dumps(config | {"pixels": -5}), "pixels: Input should be greater than"),
        (json.dumps(config | {"architecture": config["architecture"] | {"blocks": 100_000}}), r"architecture\.blocks: Input"),
        (json.dumps(config | {"about": {}}), r"about\.licence: Field required"),
    ):
        (folder / "config.json").write_text(text)
        with pytest.raises(ModelError, match=message):
            load(folder)


ZOO = {path.parent: json.loads(path.read_text()) for path in sorted((ROOT / "zoo").glob("*/config.json"))}
TRANSLATORS = [place for place, config in ZOO.items() if config["schema"] == "ganrepro-model/1"]


@pytest.mark.parametrize(
    "place",
    [pytest.param(place, id=place.name, marks=[pytest.mark.slow] if "unet" in place.name else []) for place in TRANSLATORS],
)
def test_the_zoo_translates_as_recorded(place):
    """Within one level of what was recorded, which another CPU may round otherwise."""
    model = load(place)
    pictures = sorted((place / "examples").glob("*.png"))
    assert len(pictures) == 4
    for picture in pictures[: 1 if model.translates().pixels > 256 else 4]:  # half a minute each
        made, recorded = model(Image.open(picture)), Image.open(place / "translated" / picture.name)
        assert np.abs(np.asarray(made, int) - np.asarray(recorded)).max() <= 1
    exporter = json.loads((place / "config.json").read_text())["ganrepro"]
    card = export.card(model.translates()).replace(f"exported by ganrepro {__version__}", f"exported by ganrepro {exporter}")
    assert card == (place / "README.md").read_text()


@pytest.mark.parametrize("place", sorted(set(ZOO) - set(TRANSLATORS)), ids=lambda place: place.name)
def test_the_zoo_makes_the_images_it_made(place):
    """Likewise, those that start from noise."""
    assert samples.off_by(load(place).samples()) <= 1


def test_every_study_kept_has_a_small_generator_in_the_zoo():
    """Where one is below 5 MB. Trainings that are equal in several studies are there once."""
    params, readme = settings.load(ROOT / "params.yaml"), (ROOT / "zoo" / "README.md").read_text()
    kept = set()
    for place, config in ZOO.items():
        about = config["about"]
        kept.add(paths.find_run(params, about["study"], about["row"], about["seed"]).key)
        assert f"[{place.name}]({place.name}/README.md)" in readme and len(ZOO) == readme.count("/README.md)")
        assert sum(file.stat().st_size for file in place.rglob("*") if file.is_file()) < 5e6
    lacking, large = [], []
    for name in sorted(set(params.studies) & {folder.name for folder in (ROOT / "reports").iterdir()}):
        runs = list(paths.trained(params, params.studies[name]))
        if not kept & {run.key for run in runs}:
            smallest = min(_bytes(run) for run in runs if not run.files)
            (lacking if smallest < 5e6 else large).append(name)
    pairs = ["camvid-pairs", "earth-pairs-64", "facades-edges", "facades-pairs", "streets-pairs"]
    assert lacking == [] and large == sorted([*pairs, "isbi-unet-published"])


def _bytes(run):
    networks = run.method.networks(lambda purpose: torch.Generator())
    return min(sum(4 * p.numel() for p in networks[name].parameters()) for name in run.method.generators())


# --- the library, the page ---------------------------------------------------------------------------


def test_examples_in_docstrings_are_true(monkeypatch):
    import doctest

    from ganrepro.use import library

    monkeypatch.chdir(ROOT)
    for module in (ganrepro, library):
        found = doctest.testmod(module)
        assert found.attempted > 1 and found.failed == 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Jupyter's own dependencies
def test_the_notebook_runs_from_end_to_end(monkeypatch):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    notebook = nbformat.read(ROOT / "docs" / "notebook.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(ROOT / "docs")}}).execute()
    told = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in told)
    assert any("'class_iou': 0.775" in output.get("text", "") for output in told)


WITHOUT = """
import json, sys
from ganrepro.errors import EXTRAS
sys.modules.update(dict.fromkeys(library for of in EXTRAS.values() for library in of))  # None: as if it were not there
from ganrepro.use import cli
for words in json.loads(sys.argv[1]):
    cli.main(words)
"""


@pytest.mark.slow
def test_using_a_model_needs_no_library_of_an_extra(tmp_path):
    """What the wheel brings by itself translates and samples; what wants more says which extra."""

    zoo = ROOT / "zoo"
    commands = [
        ["translate", zoo / "streets-cyclegan", zoo / "streets-cyclegan/examples/0.png", "--out", "photos"],
        ["sample", zoo / "digits-conditions", "--label", "7", "--count", "1", "--out", "sevens"],
        ["demo", zoo / "digits-conditions"],
    ]
    words = json.dumps(commands, default=str)
    done = subprocess.run([sys.executable, "-c", WITHOUT, words], cwd=tmp_path, capture_output=True, text=True)
    assert (tmp_path / "photos/0.png").exists() and len(list((tmp_path / "sevens").iterdir())) == 1, done.stderr
    assert done.returncode == 1 and "pip install 'ganrepro[demo]'" in done.stderr


@pytest.mark.parametrize(("name", "extra"), [("fastapi.responses", "survey"), ("mlflow", "workflow"), ("nothing", None)])
def test_a_missing_library_is_named_with_its_extra(name, extra):
    def run():
        raise ModuleNotFoundError("x", name=name)

    expected = (ModuleNotFoundError, "x") if extra is None else (SystemExit, rf"not installed; pip install 'ganrepro\[{extra}\]'")
    with pytest.raises(expected[0], match=expected[1]):
        in_one_line(run)


def test_the_extras_are_those_of_the_package():
    """By distribution; the names to import differ from them for four."""
    import tomllib

    names = {"scikit-image": "skimage", "scikit-learn": "sklearn", "torch-fidelity": "torch_fidelity", "protobuf": "google"}
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for extra, libraries in EXTRAS.items():
        listed = [re.match(r"[\w-]+", line)[0] for line in extras[extra]]
        assert {names.get(name, name) for name in listed} == set(libraries)


def test_importing_the_library_waits_for_nothing():
    import subprocess
    import sys

    code = "import sys, ganrepro; ganrepro.studies(); sys.exit(any(m in sys.modules for m in ('torch', 'pandas', 'mlflow')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
    assert {"load", "sample", "results"} <= set(dir(ganrepro))
    with pytest.raises(AttributeError, match="has no attribute 'loads'; it has"):
        ganrepro.loads  # noqa: B018


def test_drawings_become_label_maps():
    model = a_model()
    page = np.zeros((64, 64, 4), np.uint8)
    page[..., 3], page[:32, :, 2], page[32:, :, :3] = 255, 250, 20
    found = np.asarray(demo.drawn(model, page))
    assert {tuple(colour) for colour in found.reshape(-1, 3)} == {(0, 0, 255), (9, 9, 9)}
    made = demo.translation(model, Image.fromarray(found))
    assert made.size == (demo.SHOWN, demo.SHOWN)
    wide = Image.fromarray(np.repeat(page, 2, 1))  # keeps its shape, and the things in it theirs
    assert demo.drawn(model, wide).size == (128, 64) and demo.translation(model, wide).size == (demo.SHOWN, demo.SHOWN // 2)
    assert demo.blank(replace(model, shape=(5, 4))).size == (demo.SHOWN, demo.SHOWN * 4 // 5)
    start = np.asarray(demo.blank(model))
    assert start[0, 0].tolist() == [0, 0, 255] and start[-1, 0].tolist() == [9, 9, 9]


def test_a_port_in_use_is_said(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UserError, match=r"cannot be served on.*choose another --port"):
            demo.check("127.0.0.1", taken.getsockname()[1])


def test_running_and_failed_jobs_are_read_from_their_logs(tmp_path, capsys):
    import os

    from ganrepro.use import watch

    bar = "x s0:  28%|##8   | 336/1200 [01:00<02:29,  5.78it/s, loss=0.7]"
    for name, text, age in (
        ("generate/study/ended.log", f"{bar}\ndone in 61 s, 60 s of a CPU, 1.2 GB of memory\n", 50),
        ("generate/study/markup.log", "error: x: expected [/a] y", 50),
        ("train/study/one.log", f"x s0:   0%|      | 0/1200 [00:00<?, ?it/s]\r{bar}", 5),
        ("train/study/done.log", bar.replace("336/", "1200/"), 5),
        ("train/study/old.log", bar, 500),
        ("evaluate/study/failed.log", "Traceback\nerror: scores: no such thing; do that", 500),
        ("report/page.log", "Traceback (most recent call last):\n  File x\n    y\nKeyError: 'made'\n", 500),
        ("prepare/new.log", "", 1),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (10000 - age, 10000 - age))
    found = {job.name: job for job in watch.jobs(tmp_path, 10000)}
    assert set(found) == {"study/one", "study/failed", "study/markup", "page", "new"}
    assert found["page"].error == "error: KeyError: 'made'" and found["page"].written == 9500
    assert (found["study/one"].percent, found["study/one"].left, found["study/one"].rest) == (28, "02:29", "5.78it/s, loss=0.7")
    assert found["study/failed"].error == "error: scores: no such thing; do that"
    (tmp_path / "evaluate/study/failed.log").touch()
    cli.main(["watch", "--logs", str(tmp_path), "--once"])
    assert "no such thing" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="no such folder; start snakemake first"):
        cli.main(["watch", "--logs", str(tmp_path / "none")])


def test_the_time_that_is_left_is_that_of_the_trainings(tmp_path):
    """Ten of twenty trainings done and one half way, in 1,050 s."""
    stats = "Job stats:\njob       count\n------  -------\ntrain        20\nevaluate     50\ntotal        70\n\n"
    log, began = tmp_path / "2026-07-01T120000.000000.snakemake.log", time.mktime((2026, 7, 1, 12, 0, 0, 0, 0, -1))

    def said(trained, seconds, running=()):
        log.write_text(stats + "Finished jobid: 1 (Rule: train)\n" * trained)
        os.utime(log, (began + seconds, began + seconds))
        return watch.workflow(tmp_path, began + seconds, running)

    half = watch.Job("train", "x", 50, "", "", "", "", 0.0)
    brief = 50 * watch.BRIEF
    assert said(10, 1050, [half]) == f"job 10 of 70 done, about {1050 / 10.5 * (9.5 + brief) / 60:.0f} min left"
    assert said(1, 1050) == "job 1 of 70 done"  # too early to tell
    assert said(70, 1050) == "" and watch.workflow(tmp_path / "none", 0) == ""


# --- MLflow ----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of MLflow's own dependencies
def test_a_generator_logged_to_mlflow_loads_and_translates(tmp_path, folder, monkeypatch):
    """As a pyfunc, by its address, and through this project's own loader; logged once; the run keeps its end."""
    import mlflow

    from ganrepro.tracking import client as tracking
    from ganrepro.use import logged

    monkeypatch.delenv("GANREPRO_MLFLOW", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)
    model = load(folder)
    told = logged.description(model.translates())
    ended = []
    tracking.start("exp", "Old", "old", {}, {}, note="Another note").close()
    for _ in range(2):
        row = tracking.start("exp", "CycleGAN", "row", {}, {}, note="A study")
        run = tracking.start("exp", "CycleGAN, seed 0", "key", {}, {}, row, note="A study")
        run.scores({"class_iou/labels2photo": 0.5, "class_iou/photo2labels": 0.25})
        run.looks("#000000", "01 cyclegan")
        run.looks("#E69F00", "00 cyclegan")  # the row was moved
        if not run.has_model("key"):
            run.model(
                "L1: 70/70",
                folder,
                logged.SERVED,
                np.zeros((2, 3, 16, 16), np.float32),
                told,
                "key",
                "labels2photo",
                tracking.DatasetName("streets", "0123456789", "data/streets"),
            )
        row.columns(["class_iou/labels2photo"])
        run.close()
        found = mlflow.tracking.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
        ended.append([found.get_run(one.run_id).info.end_time for one in (run, row)])
    assert None not in ended[0] and ended[0] == ended[1]
    assert sorted(r.info.run_name for r in found.search_runs(["1"])) == ["CycleGAN", "CycleGAN, seed 0", "Old"]
    outputs = [found.get_run(one.run_id).outputs.model_outputs for one in (run, row)]
    assert len(outputs[0]) == 1 and [m.model_id for m in outputs[0]] == [m.model_id for m in outputs[1]]
    (experiment,) = [e for e in found.search_experiments() if e.name == "exp"]
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    link = f"#/experiments/{experiment.experiment_id}/runs?viewStateShareKey=scores"
    assert experiment.tags["mlflow.note.content"] == f"A study [Table of scores]({link})"
    view = json.loads(experiment.tags["mlflow.sharedViewState.scores"])
    state = {"selectedColumns": ["metrics.`class_iou/labels2photo`"], "orderByKey": "tags.`ganrepro.place`", "orderByAsc": True}
    assert view["name"] == "Scores" and json.loads(view["state"]) == state
    tags = found.get_run(run.run_id).data.tags
    assert tags["mlflow.runColor"] == "#E69F00" and tags["ganrepro.place"] == "00 cyclegan"
    found.set_tag(run.run_id, "mlflow.runColor", "#123456")  # as somebody chose in MLflow's page
    run.looks("#E69F00", "00 cyclegan")
    assert found.get_run(run.run_id).data.tags["mlflow.runColor"] == "#123456"
    (kept,) = mlflow.search_logged_models([experiment.experiment_id], output_format="list")
    assert kept.source_run_id == row.run_id  # the line of MLflow's table that shows it
    assert kept.name == "L1  70 70"
    shown = [(m.key, m.value, m.dataset_name, m.dataset_digest) for m in kept.metrics]
    assert shown == [("class_iou/labels2photo", 0.5, "streets", "0123456789")]
    x = (torch.rand(2, 3, 10, 14) * 2 - 1).numpy()
    served = mlflow.pyfunc.load_model(kept.model_uri)
    assert np.allclose(served.predict(x), model(torch.from_numpy(x)).numpy(), atol=1e-6)
    again = load(kept.model_uri)
    assert torch.equal(again(torch.from_numpy(x)), model(torch.from_numpy(x)))
    with pytest.raises(ModelError, match="models:/none/1: not found in MLflow"):
        load("models:/none/1")
    moved = tmp_path.with_name("moved checkout")
    tmp_path.rename(moved)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{moved / 'mlflow.db'}")
    monkeypatch.chdir(moved)
    assert torch.equal(load(kept.model_uri)(torch.from_numpy(x)), model(torch.from_numpy(x)))
    later = tracking.start("exp", "Later", "later", {}, {})
    later.artifact(next(moved.glob("mlruns/**/config.json")))
    assert [f.path for f in mlflow.tracking.MlflowClient().list_artifacts(later.run_id)] == ["config.json"]
    assert not tmp_path.exists()  # nothing is written where the checkout was
    # of another project that shares the database nothing is touched
    elsewhere = moved.with_name("elsewhere") / "mlruns" / "theirs"
    elsewhere.mkdir(parents=True)
    client = mlflow.tracking.MlflowClient()
    theirs = client.create_experiment("theirs", elsewhere.as_uri())
    tracking.start("exp", "Last", "last", {}, {})
    assert client.get_experiment(theirs).artifact_location == elsewhere.as_uri()


def test_the_doctor_says_what_there_is_and_no_secret(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "papers", tmp_path / "papers")
    (tmp_path / "runs/gone/x-s0-0123456789ab").mkdir(parents=True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@example.org/mlflow?key=secret")
    monkeypatch.delenv("GANREPRO_MLFLOW", raising=False)
    monkeypatch.setenv("LD_PRELOAD", "libtcmalloc.so.4")  # of which this process, which runs already, has nothing
    cli.main(["doctor"])
    said = capsys.readouterr().out
    for word in (
        "cores",
        "libraries",
        f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1e9:.0f} GB, {' '.join(platform.libc_ver())}",
        "torch",
        "example.org/mlflow",
        "12 reports",
        "0 of 15 trainings, no page yet",
        "1 result folders",
    ):
        assert word in said, word
    assert "secret" not in said
    (tmp_path / "params.yaml").write_text("reports: 3\n")
    cli.main(["doctor"])
    assert "params.yaml  error: " in capsys.readouterr().out


def test_a_photo_is_translated_at_the_scale_of_the_training():
    """Its shorter side is brought there, and the translation enlarged, as Pillow resizes; label maps keep their colours."""
    model, random = a_model(pixels=16), np.random.default_rng(0)
    photo = np.asarray(Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8)).resize((64, 48), Image.Resampling.BICUBIC))
    by_pillow = np.asarray(Image.fromarray(photo).resize((21, 16), Image.Resampling.BICUBIC), int)
    assert np.abs(resized(photo, (16, 21), False) - by_pillow).max() <= 1
    small = by_pillow.astype(np.uint8)  # enlarged, Pillow rounds between the axes
    large = np.asarray(Image.fromarray(small).resize((64, 48), Image.Resampling.BICUBIC), int)
    assert np.abs(resized(small, (48, 64), False) - large).max() <= 2
    plain = replace(model, label_maps=None)
    sizes = []

    def seen(levels):
        sizes.append(levels.shape[:2])
        return tiles.translate(plain, levels)

    at_training = plain.at_scale(photo, None, seen)
    assert sizes == [(16, 21)] and at_training.shape == photo.shape
    assert np.array_equal(at_training, resized(tiles.translate(plain, resized(photo, (16, 21), False)), (48, 64), False))
    assert np.array_equal(plain.at_scale(photo, NATIVE, seen), tiles.translate(plain, photo))
    assert plain.at_scale(photo, 32, seen).shape == photo.shape and sizes[1:] == [(48, 64), (32, 43)]
    assert np.array_equal(np.asarray(plain(Image.fromarray(photo))), at_training)
    maps = np.kron(random.integers(0, 2, (12, 16, 1), np.uint8) * np.array([0, 0, 255], np.uint8), np.ones((4, 4, 1), np.uint8))
    shrunk = []
    model.at_scale(maps, None, lambda levels: shrunk.append(levels) or levels)
    assert {tuple(colour) for colour in shrunk[0].reshape(-1, 3)} <= {(0, 0, 0), (0, 0, 255)}
    deep = (random.random((24, 32, 1)) * 65535).astype(np.uint16)
    assert plain.at_scale(deep, None, lambda levels: levels).dtype == np.uint16


def test_a_picture_and_its_file_are_translated_alike(tmp_path):
    """Grey of 16 bits, transparency, an EXIF turn: the library's call gives what the command writes."""
    model, random = a_model(), np.random.default_rng(0)
    deep = (random.random((24, 32)) * 65535).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    Image.fromarray(random.integers(0, 256, (24, 32, 4), np.uint8), "RGBA").save(tmp_path / "clear.png")
    turned = Image.fromarray(random.integers(0, 256, (24, 32, 3), np.uint8))
    turned.getexif()[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=turned.getexif())
    for name in ("deep.png", "clear.png", "turned.png"):
        with Image.open(tmp_path / name) as picture:
            made = np.asarray(model(picture, seed=0, pixels=NATIVE))
        wanted = tiles.translate(model, files.read(tmp_path / name), seed=0)
        wanted = (wanted / 257).round().astype(np.uint8) if name == "deep.png" else wanted  # Pillow has no colour of 16 bits
        assert made.dtype == wanted.dtype and np.array_equal(made.reshape(wanted.shape), wanted), name
        assert made.shape[:2] == ((32, 24) if name == "turned.png" else (24, 32))


def test_a_model_knows_what_is_black_and_white(tmp_path):
    """Trained on scans of -1000 to 1000: these are translated as the same picture in 8 bits is, and exported with it."""
    grey = Architecture("resnet", 4, blocks=1, inputs=1, outputs=1)
    model = a_model(grey, values={"a": [-1000.0, 1000.0]})
    levels = np.random.default_rng(0).integers(0, 256, (16, 16, 1), np.uint8)
    scan = levels.astype(np.float32) / 255 * 2000 - 1000
    plain = tiles.translate(a_model(grey), levels)
    made = tiles.translate(model, scan)
    assert made.dtype == np.uint16 and np.abs(made / 257.0 - plain).max() <= 0.51
    with pytest.raises(ImageError, match="nothing says which is black and which is white"):
        tiles.translate(a_model(grey), scan)
    plate = np.zeros((96, 128, 1), np.float32)
    plate[40:60, 40:60] = 1  # in the model's size, bicubic weights give less than 0 beside its edges
    with pytest.raises(ImageError, match="its pixels are fractions from 0 to 1,"):
        replace(a_model(grey), label_maps="b").at_scale(plate, None, a_model(grey).levels)
    export.to_folder(model, tmp_path / "x")
    assert load(tmp_path / "x").translator.values == (-1000.0, 1000.0)


def test_former_translations_are_not_translated_with_their_thumbnails(tmp_path, folder):
    (tmp_path / "in").mkdir()
    photo(tmp_path / "in/a.png")
    cli.main(["translate", str(folder), str(tmp_path / "in"), "--out", str(tmp_path / "out")])
    assert list((tmp_path / "out/.sheet").rglob("*.*"))
    assert [str(name) for _, name in files.find([tmp_path / "out"])] == ["a.png"]


@pytest.mark.parametrize(
    "words",
    [
        ["translate", "{folder}", "{pipe}.png", "--out", "{out}"], ["translate", "{pipe}.pth", "{photo}", "--out", "{out}"],
        ["export", "{folder}", "--examples", "{pipe}.png", "--out", "{out}"], ["import", "{pipe}.pth", "--out", "{out}"],
        ["translate", "{config}", "{photo}", "--out", "{out}"], ["translate", "{weights}", "{photo}", "--out", "{out}"],
        ["list", "--params", "{pipe}.yaml"], ["survey", "results", "--csv", "{pipe}.csv"],
    ],
)  # fmt: skip
def test_a_pipe_never_makes_a_command_wait(tmp_path, folder, words):
    """As somebody else's archive could hold one: one line, and nothing is left behind."""
    photo(tmp_path / "a.png")
    for suffix in ("png", "pth", "yaml", "csv"):
        os.mkfifo(tmp_path / f"pipe.{suffix}")
    places = {"folder": folder, "pipe": tmp_path / "pipe", "photo": tmp_path / "a.png", "out": tmp_path / "out"}
    for name, file in (("config", "config.json"), ("weights", "model.safetensors")):
        places[name] = tmp_path / name
        shutil.copytree(folder, places[name])
        (places[name] / file).unlink()
        os.mkfifo(places[name] / file)
    with pytest.raises(SystemExit, match=r"expected a file, found a pipe; name another, or remove it") as told:
        cli.main([word.format(**places) for word in words])
    assert "\n" not in str(told.value).strip() and not (tmp_path / "out").exists()


def test_a_pipe_among_results_and_archives_is_refused(tmp_path):
    os.mkfifo(tmp_path / "x.zip")
    os.mkfifo(tmp_path / "history.csv")
    readers = [checkpoints.load, read_json, read_arrays, partial(take, None), partial(extract, folder=tmp_path / "out")]
    for read, path in (*((read, tmp_path / "x.zip") for read in readers), (history, tmp_path)):
        with pytest.raises(UserError, match="expected a file, found a pipe"):
            read(path)


def test_a_folder_of_a_stranger_reaches_nothing_and_asks_for_no_memory(tmp_path, folder):
    """Its words choose no folder of one's own, a network of 78 GB is refused by its shapes, its card has no links or code."""
    (tmp_path / "private/test/a").mkdir(parents=True)
    photo(tmp_path / "private/test/a/secret.png")
    config = json.loads((folder / "config.json").read_text())
    about = config["about"] | {"dataset_folder": str(tmp_path / "private"), "drawn": True, "study": "x` <script>[y](http://z)"}
    (folder / "config.json").write_text(json.dumps(config | {"about": about, "title": "<b>T</b>"}))
    model = load(folder).translates()
    assert "dataset_folder" not in model.about and export.example_pictures(model) == []
    export.to_folder(model, tmp_path / "again")
    assert not (tmp_path / "again/examples").exists()
    card = (tmp_path / "again/README.md").read_text()
    assert "<script>" not in card and "](http" not in card and "<b>" not in card and "x' &lt;script&gt;" in card
    huge = config["architecture"] | {"filters": 1024, "blocks": 64}
    (folder / "config.json").write_text(json.dumps(config | {"architecture": huge}))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError, match="no weights of that network"):
        load(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2_000_000  # kB


def test_expanded_weights_are_no_weights(tmp_path):
    """5 kB that claim to be hundreds of GB."""
    state = published(resnet_layers(6, 4), resnet_norms(6, 4), "instance")
    state["model.1.weight"] = torch.zeros(1, 1, 1, 1).expand(100_000, 1000, 7, 7)
    torch.save(state, tmp_path / "x.pth")
    assert (tmp_path / "x.pth").stat().st_size < 1_000_000
    with pytest.raises(WeightsError, match=r"layer model\.1\.weight: fewer numbers than its shape has"):
        read_published(tmp_path / "x.pth")


def test_a_mistyped_model_outside_of_a_project_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"zoo/no-such: no such file or folder; nor is there a params\.yaml here"):
        load("zoo/no-such")


@pytest.mark.parametrize("address", ["http://*.example.org", "ftp://x.org", "x.org", "http://", "https://a b/"])
def test_an_address_of_a_survey_names_one_host(address):
    with pytest.raises(SystemExit, match="expected http:// or https:// and the name of one host"):
        cli.main(["survey", "serve", "streets-tiny", "--participants", "2", "--address", address])


@pytest.mark.slow
def test_a_demo_answers_this_machine_alone_and_leaves_no_upload(tmp_path, folder):
    """As another site's page that resolves to this machine would ask; stopped as by Ctrl-C."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    # a shell that starts things in the background has them ignore Ctrl-C
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from ganrepro.use.cli import main; main()"
    words = [sys.executable, "-c", code, "demo", str(folder), "--port", str(port)]
    with subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(600):
                with contextlib.suppress(httpx.TransportError):
                    if httpx.get(f"http://127.0.0.1:{port}/config").status_code == 200:
                        break
                assert process.poll() is None
                time.sleep(0.1)
            pictures = [path for kind in ("webp", "png") for path in (tmp_path / "tmp").rglob(f"*.{kind}")]
            assert pictures  # what the drawing begins with, at least
            for picture in pictures:
                assert httpx.get(f"http://127.0.0.1:{port}/gradio_api/file={picture}").status_code == 200
            assert httpx.get(f"http://127.0.0.1:{port}/config", headers={"Host": "evil.example"}).status_code == 400
            sent = httpx.post(f"http://127.0.0.1:{port}/gradio_api/upload", files={"files": ("a.png", b"x" * 99, "image/png")})
            assert sent.status_code == 200 and list((tmp_path / "tmp").rglob("a.png"))
        finally:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
    assert not list((tmp_path / "tmp").rglob("a.png"))


def test_a_log_commands_no_terminal(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train/x.log").write_text("error: \x1b]0;title\x07\x1b[2Jgone\n")
    (job,) = watch.jobs(tmp_path, time.time())
    assert "\x1b" not in job.error and "\x07" not in job.error and job.error.endswith("gone")


@pytest.mark.slow
def test_a_shell_completes_words():
    """As argcomplete's function in a shell asks: the commands that begin so."""
    asked = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "COMP_LINE": "ganrepro tr", "COMP_POINT": "11", "COMP_TYPE": "9"}
    script = f'exec 8>&1 9>/dev/null; "{sys.executable}" -m ganrepro.use.cli'
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, env=os.environ | asked, capture_output=True, text=True)
    assert done.stdout.split() == ["translate"], done.stderr

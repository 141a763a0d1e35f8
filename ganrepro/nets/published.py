"""Generators that pytorch-CycleGAN-and-pix2pix saved, read by their names and shapes alone. No pickled code runs.

Its options are not in the file, so everything follows from the weights: which network, how wide, which norm. What weights
cannot tell is assumed as its test command does, unless the caller says otherwise: batch norm uses the image at hand, dropout
stays on, ResNet blocks mirror at the edge.

| theirs | ours |
|---|---|
| ResNet: model.I, model.I.conv_block.J | I, I.body.J |
| U-Net: model.model, then .1.model or .3.model once per level | encoder.LEVEL, decoder.LEVEL |

A checkpoint of several GPUs has 'module.' before each name. Statistics of instance norms, which torch before 0.4 saved, are
left out: they were never used.
"""

from __future__ import annotations

import dataclasses
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from ganrepro.errors import WeightsError
from ganrepro.nets.architecture import Architecture
from ganrepro.store.files import plain

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
JUDGE = "a discriminator, which judges images and makes none; import the generator (…_net_G.pth)"
State = Mapping[str, Tensor]


def read_published(
    file: Path, pixels: int | None = None, dropout: bool = True, replicate: bool = False
) -> tuple[Architecture, nn.Module]:
    """Architecture and network of a published generator. WeightsError says what it is instead, or which layer differs first.

    pixels: size of the colour images that it has to take, refused where it cannot.  dropout, replicate: what weights cannot tell:
    whether it was trained with dropout, where it may have any, and whether ResNet blocks are padded with the pixels at the edge.
    """
    state = _read(file)
    blocks = any(re.match(r"model\.\d+\.conv_block\.", name) for name in state)
    architecture = _resnet(file, state) if blocks else _unet(file, state)
    if replicate and (architecture.generator != "resnet" or architecture.zero_padding):
        padded = "zeros are padded" if architecture.zero_padding else f"a {_named(architecture)} pads nothing"
        raise WeightsError(f"{file}: padding replicate: {padded}; leave it out")
    architecture = dataclasses.replace(architecture, dropout=dropout, replicate_padding=replicate)
    channels = architecture.inputs, architecture.outputs
    if pixels is not None and (pixels % architecture.multiple or channels != (3, 3)):
        it = f"{_named(architecture)}, {channels[0]} to {channels[1]} channels"
        raise WeightsError(f"{file}: {it}: does not take colour images of {pixels} × {pixels}; choose another crop_pixels")
    network = architecture.build()
    names = _unet_names(len(network.encoder)) if architecture.generator == "unet" else {}  # type: ignore[arg-type]
    wanted, weights = network.state_dict(), {}
    for name, value in state.items():
        if name.rsplit(".", 1)[1] in STATISTICS:
            continue
        layer, kind = name.rsplit(".", 1)
        ours = names.get(layer) if names else re.sub(r"^model\.", "", layer).replace("conv_block", "body")
        if ours is None or f"{ours}.{kind}" not in wanted:
            raise WeightsError(f"{file}: layer {name}: a {_named(architecture)} has none such")
        if value.shape != wanted[f"{ours}.{kind}"].shape:
            shape = tuple(wanted[f"{ours}.{kind}"].shape)
            raise WeightsError(f"{file}: layer {name}: expected {shape} in a {_named(architecture)}, got {tuple(value.shape)}")
        if names and re.fullmatch(r"decoder\.[1-9]\d*\.1", ours) and kind == "weight":
            value = torch.cat(value.chunk(2)[::-1])  # theirs joins skip and decoder in that order, ours the other way round
        weights[f"{ours}.{kind}"] = value.float()
    if missing := [name for name in wanted if name not in weights]:
        raise WeightsError(f"{file}: a {_named(architecture)} lacks {missing[0]}; the file holds {', '.join(list(state)[:4])}, …")
    network.load_state_dict(weights)
    return architecture, network.train().requires_grad_(False)


def _read(file: Path) -> dict[str, Tensor]:
    """The arrays of a checkpoint by name, without what several GPUs put before them."""
    try:
        _expect_whole(plain(file))
        state = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise WeightsError(f"{file}: no such file") from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        first = (str(error).splitlines() or [""])[0][:100].strip("'") or type(error).__name__
        raise WeightsError(f"{file}: no plain weights ({first}); a file that runs code when it is read is not read") from None
    known = isinstance(state, dict) and state and all(isinstance(k, str) and _is_array(v) for k, v in state.items())
    if not known or any(v.ndim not in (0, 1, 4) or (v.ndim == 0) != k.endswith(STATISTICS[2]) for k, v in state.items()):
        raise WeightsError(f"{file}: expected the weights of one generator by name (latest_net_G.pth), got something else")
    if thin := next((name for name, v in state.items() if v.untyped_storage().nbytes() < v.numel() * v.element_size()), None):
        raise WeightsError(f"{file}: layer {thin}: fewer numbers than its shape has; no training saves such weights")
    generator = {name.removeprefix("module."): value for name, value in state.items()}
    if "net.0.weight" in generator and any(v.ndim == 4 and len(v) == 1 for v in generator.values()):
        raise WeightsError(f"{file}: {JUDGE}")
    if any(not name.startswith("model.") or "." not in name for name in generator):
        first = next(name for name in generator if not name.startswith("model."))
        raise WeightsError(f"{file}: layer {first}: no network of pytorch-CycleGAN-and-pix2pix, whose layers begin with 'model.'")
    return generator


def _is_array(value: object) -> bool:
    """Whether it is a tensor of plain numbers, all of them here."""
    if not isinstance(value, Tensor):
        return False
    return value.layout is torch.strided and value.device.type == "cpu" and not value.is_quantized and not value.is_complex()


def _expect_whole(file: Path) -> None:
    """ValueError for a zip, as torch saves, of which a bit is wrong, or which unpacks to far more than it is."""
    if file.is_file() and not file.stat().st_size:
        raise ValueError("an empty file")
    if not zipfile.is_zipfile(file):
        return
    with zipfile.ZipFile(file) as parts:
        if sum(part.file_size for part in parts.infolist()) > 4 * file.stat().st_size + 2**20:
            raise ValueError("compressed, as no training saves weights")
        if (damaged := parts.testzip()) is not None:
            raise ValueError(f"damaged in {damaged}")


def _norm(state: State, first: str) -> tuple[Literal["batch", "instance", "none"], bool]:
    """Norm and whether convolutions before it have a bias: with instance norm they do, which has no weights of its own.

    first: name of the first convolution.
    """
    biased = f"{first}.bias" in state
    if any(value.ndim == 1 and name.endswith(".weight") for name, value in state.items()):
        return "batch", biased
    return ("instance" if biased else "none"), biased


def _resnet(file: Path, state: State) -> Architecture:
    numbers = sorted({int(match[1]) for name in state if (match := re.match(r"model\.(\d+)\.conv_block\.", name))})
    block = re.compile(rf"model\.{numbers[0]}\.conv_block\.(\d+)\.weight")
    inside = {int(match[1]) for name, value in state.items() if value.ndim == 4 and (match := block.match(name))}
    # pad, conv, norm, relu, (dropout,) pad, conv, norm; without pads where zeros are padded
    places = {(1, 5): (False, False), (1, 6): (True, False), (0, 3): (False, True), (0, 4): (True, True)}
    key = tuple(sorted(inside))
    first, last = state.get("model.1.weight"), [v for v in state.values() if v.ndim == 4][-1:]
    if key not in places or first is None or first.ndim != 4 or first.shape[-1] != 7:
        raise WeightsError(f"{file}: layer model.{numbers[0]}.conv_block: convolutions at {sorted(inside)}: no ResNet known")
    norm, biased = _norm(state, "model.1")
    dropout, zeros = places[key]
    return Architecture(
        "resnet", first.shape[0], first.shape[1], last[0].shape[0], blocks=len(numbers), flavour="pytorch",
        norm=norm, biased=biased, block_dropout=dropout, zero_padding=zeros,
    )  # fmt: skip


def _unet(file: Path, state: State) -> Architecture:
    first = state.get("model.model.0.weight")
    last = state.get("model.model.3.weight")
    if first is None or last is None or first.ndim != 4 or last.ndim != 4 or first.shape[-1] != 4:
        if any(v.ndim == 4 and v.shape[0] == 1 and v.shape[-1] in (1, 4) for v in state.values()):
            raise WeightsError(f"{file}: {JUDGE}")
        raise WeightsError(f"{file}: layer {next(iter(state))}: neither a ResNet nor a U-Net of pytorch-CycleGAN-and-pix2pix")
    levels = 1 + max(name.count(".3.model") for name in state) + 1
    norm, biased = _norm(state, "model.model.0")
    return Architecture(
        "unet", first.shape[0], first.shape[1], last.shape[1], pixels=2**levels, flavour="pytorch", norm=norm, biased=biased
    )


def _unet_names(levels: int) -> dict[str, str]:
    """Their layer -> ours.  levels: halvings; theirs nest, ours count from the outside (encoder) and the inside (decoder)."""
    names = {"model.model.0": "encoder.0.0", "model.model.3": f"decoder.{levels - 1}.1"}
    place = "model.model.1.model"
    for level in range(1, levels):
        innermost = level == levels - 1
        names[f"{place}.1"] = f"encoder.{level}.1"
        up, norm = (3, 4) if innermost else (5, 6)
        names |= {f"{place}.{up}": f"decoder.{levels - 1 - level}.1", f"{place}.{norm}": f"decoder.{levels - 1 - level}.2"}
        if not innermost:
            names[f"{place}.2"] = f"encoder.{level}.2"
        place += ".3.model"
    return names


def _named(architecture: Architecture) -> str:
    if architecture.generator == "resnet":
        return f"ResNet of {architecture.blocks} blocks"
    return f"U-Net for {architecture.pixels} × {architecture.pixels}"

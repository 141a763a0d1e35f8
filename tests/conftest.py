"""Shared helpers: small parameter sets, tiny training settings."""

from __future__ import annotations

import copy
import functools
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML

from ganrepro import checkpoints
from ganrepro.evaluation.segmenter import Segmenter
from ganrepro.methods.base import Method
from ganrepro.methods.files import SEGMENTER, ReadsFiles
from ganrepro.methods.from_noise import NoiseSettings
from ganrepro.nets.architecture import Architecture

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("GANREPRO_MLFLOW", "off")  # tests that want MLflow say so
os.environ.pop("GANREPRO_MIRROR", None)
torch.set_num_threads(1)
RAW = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def raw() -> dict[str, Any]:
    """params.yaml as plain values, to be edited."""
    return copy.deepcopy(RAW)


@functools.cache
def small_segmenter() -> Path:
    """Checkpoint of a segmentation network that has learnt nothing."""
    file = Path(tempfile.mkdtemp(prefix="ganrepro-tests-")) / "segmenter.pt"
    torch.manual_seed(0)
    checkpoints.save(file, {}, {"network": Segmenter(3, 4).state_dict()})
    return file


@functools.cache
def published_generator() -> Path:
    """A ResNet of six blocks with random weights, named as pytorch-CycleGAN-and-pix2pix names its layers."""
    file = Path(tempfile.mkdtemp(prefix="ganrepro-tests-")) / "latest_net_G.pth"
    network = Architecture("resnet", 4, blocks=6, flavour="pytorch").build()
    state = {f"model.{name.replace('body', 'conv_block')}": value for name, value in network.state_dict().items()}
    torch.save(state, file)
    return file


def tiny(method: Method[Any], **changes: Any) -> Method[Any]:
    """The same experiment at 16 x 16 with narrow networks: seconds instead of hours. Features are a small segmenter's."""
    small = {
        "generator_blocks": 1, "generator_filters": 4, "discriminator_filters": 4, "discriminator_receptive_field": 16,
        "load_pixels": 18, "crop_pixels": 16, "epoch_images": 4, "epochs_constant": 1, "epochs_decay": 2, "pool_images": 2,
        "features": SEGMENTER, "feature_pixels": 32, "inversion_steps": 3, "filters": 4, "width": 16, "generator_width": 24,
        "discriminator_width": 8,
    }  # fmt: skip
    if isinstance(method.settings, NoiseSettings):
        small["load_pixels"] = 16  # no jitter
    small["batch_images"] = min(method.settings.batch_images, 2)
    known = type(method.settings).model_fields
    made = method.with_settings(**({name: value for name, value in small.items() if name in known} | changes))
    files = {SEGMENTER: small_segmenter(), "latest_net_G.pth": published_generator()}
    return made.placed(files) if isinstance(made, ReadsFiles) else made

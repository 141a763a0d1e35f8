"""Shared helpers: what datasets have, small parameter sets, tiny training settings."""

from __future__ import annotations

import copy
import functools
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import tools
import torch
from ruamel.yaml import YAML

from ganrepro import methods, settings
from ganrepro.data.spec import DataSpec, spec_of
from ganrepro.methods import outputs
from ganrepro.methods.base import READER, Method
from ganrepro.methods.outputs import translation
from ganrepro.nets.architecture import Architecture
from ganrepro.nets.segmenter import Segmenter
from ganrepro.store import checkpoints
from pipeline import start

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("GANREPRO_MLFLOW", "off")  # tests that want MLflow say so
os.environ.pop("GANREPRO_MIRROR", None)
torch.set_num_threads(1)


def _in_memory(place: Path, enough: int = 4_000_000_000) -> bool:
    """Whether tests can write to this folder of memory, and run what they write there. The whole suite fills 1.5 GB."""
    if not os.access(place, os.W_OK) or os.statvfs(place).f_flag & os.ST_NOEXEC:
        return False
    return min(shutil.disk_usage(place).free, os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) > enough


if "TMPDIR" not in os.environ and _in_memory(Path("/dev/shm")):
    tempfile.tempdir = "/dev/shm"  # tests write and remove a hundred thousand small files
KEPT = tempfile.TemporaryDirectory(prefix="ganrepro-tests-", ignore_cleanup_errors=True)  # for every test of this process
os.environ["TORCHINDUCTOR_CACHE_DIR"] = f"{KEPT.name}/compiled"  # which torch makes when it is loaded
os.environ["TMPDIR"] = KEPT.name  # of the programs that tests start, some of which are killed before they clean up


def read_yaml(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


RAW = read_yaml(ROOT / "params.yaml")
PAPERS = {file.stem: (read_yaml(file), f"papers/{file.name}") for file in sorted((ROOT / "papers").glob("*.yaml"))}
PALETTE = {"sky": [0, 0, 200], "road": [100, 100, 100], "car": [200, 0, 0]}
LABELS_AND_PHOTOS = spec_of({"domains": {"a": "label maps", "b": "photos"}, "palette": PALETTE})
TWO_ATTRIBUTES = spec_of(
    {"domains": {"b": {"channels": 1}}, "classes": [f"{digit}.{ink}" for digit in "012" for ink in ("light", "dark")]}
)
POINTS = spec_of({"domains": {"b": {"channels": 1, "attributes": {"shows": "spot"}}}, "classes": ["1", "2", "3"]})
UNPAIRED = spec_of({"domains": {"a": {}, "b": {}}, "paired": False})
FORWARD, BACKWARD = (translation(LABELS_AND_PHOTOS, *way) for way in ("ab", "ba"))  # labels2photo, photo2labels
SAMPLES, BY_CLASS, BY_CODE, RECONSTRUCTIONS = (
    *(outputs.samples("b"), outputs.samples_by_class("b", 10)),
    *(outputs.samples_by_code("b", 10), outputs.reconstructions("b")),
)


def parsed(raw: Any) -> settings.Params:
    """params.yaml as edited, beside the papers that there are."""
    return settings.parse(raw, PAPERS)


def images_with_classes(classes: int = 10, channels: int = 1) -> DataSpec:
    """One domain, b, as digits are."""
    domains = {"b": {"title": "digits", "channels": channels}}
    return spec_of({"domains": domains, "classes": list(map(str, range(classes))), "upright": True})


def data_for(name: str) -> DataSpec:
    """Something that suits a method."""
    own = {"code_arithmetic": TWO_ATTRIBUTES, "points_gan": POINTS}
    usual = images_with_classes() if "domain" in methods.settings_of(name).model_fields else LABELS_AND_PHOTOS
    return own.get(name, usual)


def method_of(name: str, data: DataSpec | None = None, **changes: Any) -> Method[Any]:
    """A method with some settings, on data that suit it unless others are given."""
    return methods.find(name)(methods.settings_of(name)(**changes), data or data_for(name))


def pytest_configure(config: pytest.Config) -> None:
    """On several cores (-n): what programs and stages are copied from is loaded once, for all processes."""
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        start.begin(str(ROOT))
        os.environ[tools.SHARED] = tools.programs()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On several cores (-n): tests that share what takes long to make stay in one process, and slow ones come first."""
    if hasattr(config, "workerinput"):
        for item in items:
            if {"made", "prepared"} & {*getattr(item, "fixturenames", ())}:
                item.add_marker(pytest.mark.xdist_group(item.path.stem))
        items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_sessionfinish() -> None:
    """A worker of several is ended before Python could tidy up."""
    KEPT.cleanup()


@pytest.fixture
def raw() -> dict[str, Any]:
    """params.yaml as plain values, to be edited."""
    return copy.deepcopy(RAW)


@functools.cache
def small_segmenter() -> Path:
    """Checkpoint of a segmentation network that has learnt nothing."""
    file = Path(KEPT.name) / "reader.pt"
    torch.manual_seed(0)
    checkpoints.save(file, {}, {"network": Segmenter(3, 4).state_dict()})
    return file


@functools.cache
def published_generator() -> Path:
    """A ResNet of six blocks with random weights, named as pytorch-CycleGAN-and-pix2pix names its layers."""
    file = Path(KEPT.name) / "latest_net_G.pth"
    network = Architecture("resnet", 4, blocks=6, flavour="pytorch").build()
    state = {f"model.{name.replace('body', 'conv_block')}": value for name, value in network.state_dict().items()}
    torch.save(state, file)
    return file


def tiny(method: Method[Any], **changes: Any) -> Method[Any]:
    """The same experiment at 16 x 16 with narrow networks: seconds instead of hours. Features are a small segmenter's."""
    small = {
        "generator_blocks": 1, "generator_filters": 4, "discriminator_filters": 4, "discriminator_receptive_field": 16,
        "load_pixels": 18, "crop_pixels": 16, "epoch_images": 4, "epochs_constant": 1, "epochs_decay": 2, "pool_images": 2,
        "features": READER, "feature_pixels": 32, "inversion_steps": 3, "filters": 4, "width": 16, "generator_width": 24,
        "discriminator_width": 8, "discriminator_layers": 2, "labels": 10, "poolings": 1, "tile_pixels": 24,
    }  # fmt: skip
    known = type(method.settings).model_fields
    if "domain" in known:
        small["load_pixels"] = 16  # from noise: no jitter
    if getattr(method.settings, "network", "") == "window":
        small["tile_pixels"] = 80
    small["batch_images"] = min(method.settings.batch_images, 2)
    made = method.with_settings(**({name: value for name, value in small.items() if name in known} | changes))
    return made.with_files({READER: small_segmenter(), "latest_net_G.pth": published_generator()})


class Caught:
    """Players that keep what they are to step down, step by step of each player, and step nothing."""

    def __init__(self, networks: Mapping[str, Any], buffers: Mapping[str, torch.Tensor] | None = None):
        self.networks, self.buffers = networks, dict(buffers or {})
        self.terms: dict[str, list[dict[str, torch.Tensor]]] = {}
        self.weights: dict[str, Mapping[str, float]] = {}

    def turn(self, player: str) -> None:
        self.turned = player

    def update(self, player: str, weights: Mapping[str, float], terms: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        assert player == self.turned
        self.terms.setdefault(player, []).append({name: term.detach() for name, term in terms.items()})
        self.weights[player] = weights
        return {name: term.detach().mean() for name, term in terms.items()}

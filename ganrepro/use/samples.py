"""Generators that start from noise: of a row, or of a folder that `export` made. The same seed makes the same images again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ganrepro import __version__, checkpoints, methods, settings
from ganrepro.artifacts import datasets
from ganrepro.artifacts.files import filling, read_json
from ganrepro.data.images import as_array, read_rgb, to_uint8, write_png
from ganrepro.evaluation.generation import load_networks
from ganrepro.methods.base import Batch, DataSpec, Method
from ganrepro.outputs import BY_CLASS, SAMPLES
from ganrepro.reporting.templates import render
from ganrepro.seeding import reseed, stream
from ganrepro.use.model import CONFIG, WEIGHTS
from ganrepro.use.rows import ModelError, checkpoint_of, known_of, run_of

SCHEMA = "ganrepro-sampler/1"
AT_ONCE = 100  # images of a batch
SAMPLED = "sampled"  # folder of an exported sampler: its first images of seed 0
KEPT = 20  # of them


@dataclass(frozen=True)
class Sampler:
    """What makes images of random codes, in the mode its scores were made in.

    name: as it was asked for.  networks: by name, those that generation needs.  data: what they were built for.  title: its
    row.  about: what else is known (see `rows.known_of`).
    """

    name: str
    method: Method[Any]
    networks: Mapping[str, torch.nn.Module]
    data: DataSpec
    title: str
    about: dict[str, Any]

    @property
    def takes_class(self) -> bool:
        """Whether it can be told which class to make."""
        return BY_CLASS in self.method.outputs()

    def __call__(self, count: int, seed: int = 0, label: int | None = None) -> Iterator[Image.Image]:
        """So many images; fewer of a seed are the first of more.

        label: the class to ask for; None: each in turn.  ModelError for a class that there is not.
        """
        if label is not None and not self.takes_class:
            raise ModelError(f"{self.name}: {self.method.title} takes no class; leave --label out")
        if label is not None and not 0 <= label < self.data.classes:
            raise ModelError(f"--label: expected a class from 0 to {self.data.classes - 1}, got {label}")
        return self._images(count, seed, label)

    def _images(self, count: int, seed: int, label: int | None) -> Iterator[Image.Image]:
        # always whole batches, which norms see: the first image does not depend on how many are asked for
        for first in range(0, count, AT_ONCE):
            random = stream(seed, f"sample/{first}")
            noise = {kind: draw.draw(AT_ONCE, random) for kind, draw in self.method.feed().noise.items()}
            of = range(first, first + AT_ONCE)
            asked = torch.tensor([number % max(1, self.data.classes) if label is None else label for number in of])
            reseed(seed, f"sample/{first}/dropout")
            output = BY_CLASS if self.takes_class else SAMPLES
            with torch.no_grad():
                made = self.method.generate(output, self.networks, Batch({}, {"b": asked}, noise), random)
            yield from (Image.fromarray(as_array(to_uint8(image))) for image in made[: count - first])


def is_sampler(name: str, params: str | Path = "params.yaml") -> bool:
    """Whether a name means a generator that starts from noise. ModelError or ConfigError where it means nothing."""
    place = Path(name)
    if (place / CONFIG).exists():
        return bool(_config(place).get("schema") == SCHEMA)
    if place.exists() or place.suffix == ".pth" or name.startswith(("models:/", "runs:/")):
        return False
    return run_of(name.partition(":")[0], settings.load(params)).study.from_noise


def load(name: str, params: str | Path = "params.yaml") -> Sampler:
    """The sampler that STUDY/ROW, STUDY/ROW/SEED or an exported folder names. ModelError with one line for anything unusable."""
    if not is_sampler(name, params):
        raise ModelError(f"{name}: makes images of images; ganrepro translate is for such models")
    return _of_folder(Path(name)) if (Path(name) / CONFIG).exists() else _of_row(name, params)


def _of_row(name: str, params: str | Path) -> Sampler:
    run = run_of(name, settings.load(params))
    if run.reference:
        raise ModelError(f"{name}: a reference row, which nothing was trained for")
    weights = checkpoints.load(checkpoint_of(run), run.spec)["players"]["networks"]
    prepared = datasets.dataset_dir(run.params, run.study.dataset) / "manifest.json"
    if not prepared.exists():
        raise ModelError(f"{prepared}: not made yet; snakemake --cores all {prepared}")
    data = DataSpec.of(read_json(prepared), run.method.settings)
    networks = load_networks(run.method, weights, data, run.seed, torch.device("cpu"))
    told = [output for output in (BY_CLASS, SAMPLES) if output in run.outputs]  # names that both have: of the samples
    return Sampler(name, run.method, networks, data, run.study.rows[run.row].title, known_of(run, told))


def _config(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{folder / CONFIG}: damaged ({str(error)[:100]}); export it again") from None
    return found if isinstance(found, dict) else {}


def _of_folder(folder: Path) -> Sampler:
    """A folder that `to_folder` made. ModelError where it is damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    config = _config(folder)
    try:
        method = methods.find(config["method"])(methods.settings_of(config["method"])(**config["settings"]))
        data = DataSpec(**config["data"])
        title, about = str(config["title"]), {**config["about"], "folder": str(folder)}
        seed = int(about["seed"])
    except (KeyError, TypeError, ValueError) as error:
        told = " ".join(str(error).split())[:100]
        raise ModelError(f"{folder / CONFIG}: damaged ({told}); export it again") from None
    try:
        weights: dict[str, dict[str, torch.Tensor]] = {}
        for name, value in load_file(folder / WEIGHTS).items():
            network, _, rest = name.partition(".")
            weights.setdefault(network, {})[rest] = value
        missing = set(method.generators()) - set(weights)
        if missing:
            raise RuntimeError(f"no {', '.join(sorted(missing))}")
        networks = load_networks(method, weights, data, seed, torch.device("cpu"))
    except (OSError, RuntimeError, SafetensorError) as error:
        last = str(error).splitlines()[-1].strip()[:160]
        raise ModelError(f"{folder / WEIGHTS}: no weights of that network ({last})") from None
    return Sampler(str(folder), method, networks, data, title, about)


def to_folder(sampler: Sampler, path: Path) -> int:
    """Weights as safetensors, config.json, a model card, and the first images of seed 0, which whoever loads it can make again.

    Returns by how many levels of 256 these differ where the folder is read back: 0, or nothing is left behind (ModelError).
    """
    from safetensors.torch import save_file

    weights = {
        f"{name}.{key}": value.contiguous().clone()
        for name, net in sampler.networks.items()
        for key, value in net.state_dict().items()
    }
    config = {
        "schema": SCHEMA, "ganrepro": __version__, "method": sampler.method.name,
        "settings": sampler.method.settings.model_dump(),
        "data": {"channels": dict(sampler.data.channels), "pixels": sampler.data.pixels, "classes": sampler.data.classes},
        "title": sampler.title, "range": [-1, 1], "layout": "NCHW, float32",
        "about": {name: value for name, value in sampler.about.items() if name not in ("folder", "dataset_folder", "settings")},
    }  # fmt: skip
    with filling(path) as folder:
        save_file(weights, folder / WEIGHTS, {"format": "pt"})
        (folder / WEIGHTS).chmod(0o644)
        (folder / CONFIG).write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        parameters = sum(value.numel() for value in weights.values())
        scores = sampler.about["scores"]
        values = {"sampler": sampler, "about": sampler.about, "scores": scores, "parameters": parameters}
        card = render("sampler_card.md.j2", **values, version=__version__)
        (folder / "README.md").write_text(card, encoding="utf-8")
        (folder / SAMPLED).mkdir()
        for number, image in enumerate(sampler(KEPT)):
            write_png(folder / SAMPLED / f"{number:02d}.png", np.asarray(image))
    difference = off_by(load(str(path)))
    if difference:
        shutil.rmtree(path)
        raise ModelError(f"{path}: its images differ from the original's by {difference} levels of 256; not kept")
    return difference


def off_by(sampler: Sampler) -> int:
    """By how many levels of 256 an exported sampler's images differ from those recorded beside it, at most."""
    recorded = [read_rgb(path) for path in sorted((Path(sampler.name) / SAMPLED).glob("*.png"))]
    made = [image.convert("RGB") for image in sampler(len(recorded))]
    return max(
        (int(np.abs(np.asarray(a, int) - np.asarray(b, int)).max()) for a, b in zip(made, recorded, strict=True)), default=0
    )

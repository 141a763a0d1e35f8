"""Generators that start from noise: of a row, or of a folder that `export` made. The same seed makes the same images again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ganrepro import methods
from ganrepro.data.images import as_array, read_rgb, to_uint8, write_png
from ganrepro.errors import UnfitData
from ganrepro.evaluation.generation import asked_for, load_networks
from ganrepro.methods.base import Batch, Method
from ganrepro.methods.noise import NoiseSettings
from ganrepro.methods.outputs import Output
from ganrepro.plan import paths
from ganrepro.reporting.markdown import quoted
from ganrepro.reporting.templates import render
from ganrepro.seeding import reseed, stream
from ganrepro.settings.errors import hint
from ganrepro.store.files import filling
from ganrepro.use.exported import (
    ON_CARDS,
    SamplerConfig,
    damaged,
    expect_shapes,
    own_about,
    read_config,
    read_weights,
    schema_of,
    scores_of,
    unfit,
    write,
)
from ganrepro.use.rows import ModelError, finite, known_of, weights_of
from ganrepro.version import __version__

AT_ONCE = 100  # images of a batch
SAMPLED = "sampled"  # folder of an exported sampler: its first images of seed 0
KEPT = 20  # of them
MOST_CLASSES = 20  # that a message names


@dataclass(frozen=True)
class Sampler:
    """What makes images of random codes, in the mode its scores were made in.

    name: as it was asked for.   networks: by name, those that making images needs.   title: its row.   about: what else is known
    (see `rows.known_of`).
    """

    name: str
    method: Method[Any]
    networks: Mapping[str, torch.nn.Module]
    title: str
    about: dict[str, Any]

    @property
    def takes_class(self) -> bool:
        """Whether it can be told which class to make."""
        return self._output.asked == "class"

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of those that it can be told to make; empty where it takes none."""
        return self.method.data.classes if self.takes_class else ()

    @property
    def pixels(self) -> int:
        """Side of its images."""
        return int(self.method.settings.crop_pixels)

    @property
    def _output(self) -> Output:
        """What it makes: by the class that is asked for, where it can."""
        outputs = sampled(self.method)
        return next((output for output in outputs if output.asked == "class"), outputs[0])

    def __call__(self, count: int, seed: int = 0, label: str | int | None = None) -> Iterator[Image.Image]:
        """So many images; fewer of a seed are the first of more.

        label: the class to ask for, its name, or else its number from 0; None: each in turn.  ModelError where there is no such
        class.
        """
        return self._images(count, seed, None if label is None else self._number(label))

    def _number(self, label: str | int) -> int:
        if not self.takes_class:
            raise ModelError(f"{self.name}: {self.title} takes no class; leave the label out")
        if str(label) in self.classes:
            return self.classes.index(str(label))
        if str(label) in map(str, range(len(self.classes))):
            return int(label)
        names = ", ".join(self.classes[:MOST_CLASSES]) + (", …" if len(self.classes) > MOST_CLASSES else "")
        raise ModelError(f"label: there is no class {label!r}{hint(label, self.classes)}; there are: {names}")

    def _images(self, count: int, seed: int, label: int | None) -> Iterator[Image.Image]:
        # always whole batches: what is drawn for an image does not depend on how many are asked for
        for first in range(0, count, AT_ONCE):
            random = stream(seed, f"sample/{first}")
            noise = {kind: draw.draw(AT_ONCE, random) for kind, draw in self.method.feed().noise.items()}
            of = range(first, first + AT_ONCE)
            asked = torch.tensor(asked_for(of, self._output) if label is None else [label] * len(of))
            reseed(seed, f"sample/{first}/dropout")
            output = self._output
            with torch.no_grad():
                images = self.method.generate(output, self.networks, Batch({}, {output.target: asked}, noise), random)
            finite(images, self.name)
            yield from (Image.fromarray(as_array(to_uint8(image))) for image in images[: count - first])


def of_row(run: paths.Run, name: str) -> Sampler:
    """The generator of a trained row."""
    weights = weights_of(run)
    networks = load_networks(run.method, weights, run.seed, torch.device("cpu"))
    return Sampler(name, run.method, networks, run.study.rows[run.row].title, known_of(run, reversed(sampled(run.method))))


def sampled(method: Method[Any]) -> list[Output]:
    """What a method makes of random codes as they are; what it computes of several codes is for reports alone."""
    return [output for output in method.outputs() if output.source is None and output.name.startswith("samples")]


def read_folder(folder: Path) -> Sampler:
    """A folder that `to_folder` wrote. ModelError where it is damaged."""
    config = read_config(folder, SamplerConfig)
    weights = read_weights(folder, config.weights)
    try:
        method = methods.find(config.method)(methods.settings_of(config.method)(**config.settings), config.data.spec())
        method.check()
    except (KeyError, ValueError, UnfitData) as error:
        raise damaged(folder, error) from None
    about = own_about(config.about, folder)
    if not isinstance(method.settings, NoiseSettings):
        raise damaged(folder, f"method: {config.method} does not start from noise")
    by_network: dict[str, dict[str, torch.Tensor]] = {}
    for name, value in weights.items():
        network, _, rest = name.partition(".")
        by_network.setdefault(network, {})[rest] = value
    if missing := set(method.generators()) - set(by_network):
        raise unfit(folder, f"no {', '.join(sorted(missing))}")
    try:
        expect_shapes(folder, lambda: _state(method.networks(lambda _: torch.Generator())), weights, method.generators())
        networks = load_networks(method, by_network, config.about.get("seed", 0), torch.device("cpu"))
    except (ValueError, RuntimeError) as error:
        raise unfit(folder, error) from None
    return Sampler(str(folder), method, networks, config.title, about)


def _state(networks: Mapping[str, torch.nn.Module]) -> dict[str, torch.Tensor]:
    return {f"{name}.{key}": value for name, network in networks.items() for key, value in network.state_dict().items()}


def to_folder(sampler: Sampler, path: Path) -> int:
    """Weights as safetensors, config.json, a model card, and the first images of seed 0, which whoever loads it can make again.

    Returns by how many levels of 256 these differ where the folder is read back: 0, or nothing is left behind (ModelError).
    """
    weights = _state(sampler.networks)
    about = {name: value for name, value in sampler.about.items() if name not in ("folder", "dataset_folder", "settings")}
    config = {
        "schema": schema_of(SamplerConfig), "ganrepro": __version__, "method": sampler.method.name,
        "settings": sampler.method.settings.model_dump(),
        "data": sampler.method.data.as_values(),
        "title": sampler.title, "range": [-1, 1], "layout": "NCHW, float32", "about": about,
    }  # fmt: skip
    card = render(
        "sampler_card.md.j2", sampler=sampler, about=quoted(dict.fromkeys(ON_CARDS) | about),
        title=quoted(sampler.title),
        scores=scores_of(about), parameters=sum(value.numel() for value in weights.values()), version=__version__,
    )  # fmt: skip
    with filling(path) as folder:
        write(folder, config, weights, card)
        (folder / SAMPLED).mkdir()
        for number, image in enumerate(sampler(KEPT)):
            write_png(folder / SAMPLED / f"{number:02d}.png", np.asarray(image))
    try:
        difference = off_by(read_folder(path))
        if difference:
            raise ModelError(f"{path}: its images differ from the original's by {difference} levels of 256; not kept")
    except BaseException:
        shutil.rmtree(path)
        raise
    return difference


def off_by(sampler: Sampler) -> int:
    """By how many levels of 256 an exported sampler's images differ from those beside it, at most. ModelError without any."""
    recorded = [read_rgb(path) for path in sorted((Path(sampler.name) / SAMPLED).glob("*.png"))]
    if not recorded:
        raise ModelError(f"{sampler.name}: holds no images in {SAMPLED}; export it again")
    samples = [image.convert("RGB") for image in sampler(len(recorded))]
    return max(int(np.abs(np.asarray(a, int) - np.asarray(b, int)).max()) for a, b in zip(samples, recorded, strict=True))

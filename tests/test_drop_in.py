"""What a newcomer adds, as CONTRIBUTING.md prints it: one file and a few lines each; nothing else is made anew."""

import os
import re
import shutil
import sys

import pytest
import tools
from conftest import ROOT
from ruamel.yaml import YAML

pytestmark = pytest.mark.slow

KEYS = """
from ganrepro import settings
from ganrepro.plan import paths
params = settings.load()
for study in params.studies.values():
    for run in paths.runs(params, study):
        print(run.scores, run.images, "" if run.reference else run.folder)
"""

# A method of as many domains as the dataset has: one generator, told the target in further channels.
ROUND = '''"""Translates between all domains of a dataset with one generator, by moving each image's mean colour."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

from ganrepro.errors import UnfitData
from ganrepro.lazy import torch
from ganrepro.methods.base import Adam, Batch, Feed, Loss, Method, Player, Players, Random, ScheduleSettings
from ganrepro.methods.outputs import Output, translation


class Settings(ScheduleSettings):
    """No settings of its own."""


class Round(Method[Settings]):
    """Loss: how far the mean of a translation is from that of a real image of the target."""

    title, paper = "Round", "a baseline"

    @property
    def ways(self) -> list[tuple[str, str]]:
        return list(permutations(self.data.domains, 2))

    def check(self) -> None:
        if len(self.data.domains) < 3:
            raise UnfitData("needs three domains or more")
        super().check()

    def feed(self) -> Feed:
        return Feed(tuple(self.data.domains))

    def outputs(self) -> tuple[Output, ...]:
        return tuple(translation(self.data, *way) for way in self.ways)

    def losses(self) -> tuple[Loss, ...]:
        return (Loss("colour", "Colour"),)

    def networks(self, random: Random) -> dict[str, torch.nn.Module]:
        from torch import nn

        return {"g": nn.Conv2d(3 + len(self.data.domains), 3, 1)}

    def players(self) -> dict[str, Player]:
        return {"generator": Player(("g",), Adam(0.01))}

    def asked(self, images: torch.Tensor, target: str) -> torch.Tensor:
        """The images, and a channel for each domain: 1 in that of the target."""
        chosen = torch.zeros(len(images), len(self.data.domains), *images.shape[2:], device=images.device)
        chosen[:, list(self.data.domains).index(target)] = 1
        return torch.cat([images, chosen], 1)

    def step(self, players: Players, batch: Batch) -> dict[str, torch.Tensor]:
        players.turn("generator")
        off = []
        for source, target in self.ways:
            made = players.networks["g"](self.asked(batch.images[source], target))
            off.append((made.mean((2, 3)) - batch.images[target].mean((2, 3))).abs().mean(1))
        return players.update("generator", {"colour": 1.0}, {"colour": torch.stack(off).mean(0)})

    def generators(self) -> tuple[str, ...]:
        return ("g",)

    def generate(
        self, output: Output, networks: Mapping[str, torch.nn.Module], batch: Batch, random: torch.Generator
    ) -> torch.Tensor:
        return networks["g"](self.asked(batch.images[str(output.source)], output.target)).clamp(-1, 1)
'''

TRICOLOUR = '''"""Flat images of three colours, a domain each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from PIL import Image

from ganrepro.data.layouts.base import SPLITS, Item, Picture, Place

COLOURS = {"reds": (200, 40, 40), "greens": (40, 200, 40), "blues": (40, 40, 200)}


def items(place: Place) -> Iterator[Item]:
    for split in SPLITS:
        for domain in COLOURS:
            for number in range(place.limit(split) or 0):
                yield Item(split, f"{number:04d}", (domain,), partial(read, domain, number, place.dataset.pixels))


def read(domain: str, number: int, pixels: int) -> Picture:
    return Picture({domain: Image.new("RGB", (pixels, pixels), tuple(min(255, part + number) for part in COLOURS[domain]))})
'''

REGISTRY = """
tricolour:
  title: Three colours
  licence: MIT
  layout: tricolour
  domains: {reds: {title: reds}, greens: {title: greens}, blues: {title: blues}}
  paired: false
  drawn: {pixels: 16, images: 2, content: null}
"""

PAPER = """
title: A toy paper
cite: nobody, nowhere
source: a test
experiments:
  toy:
    title: Toy paper
    rows: {ls: {title: Least-squares GAN}}
    tables:
      both: {title: Both scores, source: a test, output: labels2photo, scores: [pixel_accuracy, contrast], rows: {ls: [0.5, 1.0]}}
"""

SMALL = """
reports: {toy_paper: toy, three: domains, discs: classes}
features: reader
datasets:
  streets: {source: streets, pixels: 32, train_images: 6, test_images: 2}
  tricolour: {source: tricolour, pixels: 16, train_images: 4, test_images: 2}
  discs: {source: discs, pixels: 16, train_images: 8, test_images: 4}
readers:
  tiny: {filters: 4, epochs: 1, batch_images: 3, learning_rate: 0.01}
experiments:
  one: {rows: {one: {title: One}}}
studies:
  toy: {title: Toy, dataset: streets, experiment: toy, method: paired_lsgan, reader: tiny, seeds: [0], generator_blocks: 1,
        generator_filters: 2, discriminator_filters: 2, discriminator_receptive_field: 16, load_pixels: 18, crop_pixels: 16,
        epochs_constant: 1, epochs_decay: 0}
  domains: {title: Three, dataset: tricolour, experiment: one, method: round, seeds: [0], load_pixels: 16, crop_pixels: 16,
            epochs_constant: 1, epochs_decay: 0}
  classes: {title: Discs, dataset: discs, experiment: one, method: vae, reader: tiny, seeds: [0], load_pixels: 16,
            crop_pixels: 16, batch_images: 2, epoch_images: 4, epochs_constant: 1, epochs_decay: 0}
"""


@pytest.fixture
def project(tmp_path):
    for name in ("ganrepro", "papers", "pipeline", "profiles"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DVC")} | {"GANREPRO_MLFLOW": "off"}
    environment["PATH"] = f"{os.path.dirname(sys.executable)}{os.pathsep}{environment['PATH']}"

    def run(*command, ok=True):
        result = tools.run(command, tmp_path, environment)
        assert (result.returncode == 0) is ok, result.stdout
        return result.stdout

    return tmp_path, run


def test_a_method_a_dataset_a_measure_and_a_paper_drop_in(project):
    """As printed there, and a method and a dataset of three domains; through Snakemake to printed pages."""
    place, run = project

    def keys():
        return set(run(sys.executable, "-c", KEYS).split())

    before = keys()
    guide = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    method, layout, measure = re.findall(r"```python\n(.*?)```", guide, re.S)
    lines, entry = re.findall(r"```yaml\n(.*?)```", guide, re.S)
    for name, text in {
        "methods/paired_lsgan.py": method, "methods/round.py": ROUND, "data/layouts/discs.py": layout,
        "data/layouts/tricolour.py": TRICOLOUR, "evaluation/measures/contrast.py": measure,
    }.items():  # fmt: skip
        (place / "ganrepro" / name).write_text(text, encoding="utf-8")
    names = place / "ganrepro/evaluation/measures/__init__.py"
    names.write_text(names.read_text("utf-8").replace('    "variety",\n', '    "variety",\n    "contrast",\n'), encoding="utf-8")
    with (place / "ganrepro/schema/registry.yaml").open("a", encoding="utf-8") as file:
        file.write(f"\n{entry}{REGISTRY}")
    (place / "papers/toy.yaml").write_text(PAPER, encoding="utf-8")
    text = (place / "params.yaml").read_text(encoding="utf-8")
    for section, added in re.findall(r"^(\w+):\n((?:  .*\n)+)", lines, re.M):
        text = re.sub(rf"^{section}:.*\n", lambda found, added=added: found[0] + added, text, count=1, flags=re.M)
    (place / "params.yaml").write_text(text, encoding="utf-8")
    after = keys()
    # only scores that the new measure joins are measured anew: of translations whose truth is known
    gone = before - after
    assert gone and all(name.startswith("scores/") for name in gone)
    assert not any("digits" in name or "mnist" in name for name in gone)
    assert {name.split("/")[1] for name in after - before if not name.startswith("scores/")} == {"streets-lsgan"}
    # small enough for a test
    (place / "params.yaml").write_text(SMALL, encoding="utf-8")
    told = run("snakemake", "--cores", "2")
    assert "Error" not in told
    pages = {name: (place / f"reports/{name}.md").read_text(encoding="utf-8") for name in ("toy_paper", "three", "discs")}
    assert "# Toy paper: Toy" in pages["toy_paper"] and "Contrast<br>**ours**" in pages["toy_paper"]
    assert re.search(r"\| Least-squares GAN \| 0\.50 \| \*\*0\.\d\d\*\*.* \| 1\.00 \| \*\*\d+\.\d\d\*\* \|", pages["toy_paper"])
    assert "4 reds and 4 greens and 4 blues" in pages["three"] and "three/blues2greens.png" in pages["three"]
    assert "12 images" not in pages["discs"] and "8 discs" in pages["discs"] and "Gate" in pages["discs"]
    logs = "".join(file.read_text() for file in (place / "logs/prepare").glob("*.log"))
    assert "discs: not checked against a registered drawing; `content` of its first images: " in logs


def test_a_method_on_data_that_it_cannot_use_gets_one_line(project):
    place, run = project
    (place / "ganrepro/methods/round.py").write_text(ROUND, encoding="utf-8")
    raw = YAML(typ="safe", pure=True).load((place / "params.yaml").read_text(encoding="utf-8"))
    raw["experiments"]["one"] = {"rows": {"one": {"title": "One"}}}
    raw["studies"]["round"] = {"title": "Round", "dataset": "streets", "experiment": "one", "method": "round", "seeds": [0]}
    with (place / "params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(raw, file)
    told = run("snakemake", "-n", ok=False)
    line = "studies.round.dataset: 'streets' does not suit experiments.one.rows.one (round), which needs three domains or more; "
    assert line + "datasets that would do: street-lights, street-lights-many, " in told and "Traceback" not in told

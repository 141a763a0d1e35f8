"""A few test pictures as a training translates them over time, or samples as it makes them: strip.png, and in MLflow."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from ganrepro.data.images import write_png
from ganrepro.data.prepare import read_manifest
from ganrepro.evaluation.generation import generate
from ganrepro.lazy import torch
from ganrepro.methods.outputs import Output
from ganrepro.plan import datasets, paths
from ganrepro.reporting.sheet import sheet
from ganrepro.store import checkpoints
from ganrepro.tracking.client import Tracker

SHOWN = 3  # pictures of each output
SIDE = 96
WORDS = "strip: "  # before its place in a log, where `ganrepro watch` reads it


class Strip:
    """The pictures lie in the folder of the unfinished training: a line for each, a column for each moment."""

    def __init__(self, run: paths.Run, tracker: Tracker, device: torch.device):
        self.run, self.tracker, self.device = run, tracker, device
        self.file, self.moments = run.work / "strip.png", run.work / "strip"
        self.data = datasets.dataset_dir(run.params, run.study.dataset)
        self.outputs = [output for output in run.method.outputs() if not output.picture and not output.renders_input]

    def add(self, epoch: int, weights: Mapping[str, Mapping[str, torch.Tensor]]) -> None:
        """What the generators make after an epoch. The training is not touched: networks are built anew for it."""
        method, names = self.run.method, read_manifest(self.data)["names"]["test"]
        count = max(SHOWN, method.images_at_once())  # norms use the images at hand
        few = {domain: of[:count] for domain, of in names.items()}
        folder = self.moments / str(epoch)
        shutil.rmtree(folder, ignore_errors=True)
        only = [output.name for output in self.outputs]
        generate(method, weights, self.run.seed, self.data / "test", few, folder, self.device, only=only)
        self._write(few)
        for output in self.outputs:
            shown = sorted((folder / output.name).glob("*.png"))[:SHOWN]
            column = sheet([f"Epoch {epoch}"], [[file] for file in shown], SIDE, None)
            self.tracker.image(output.name, epoch, column)
        print(f"{WORDS}{self.file}", file=sys.stderr)

    def add_kept(self, before: int) -> None:
        """The moments before an epoch, by the generators that were kept of them."""
        for file in sorted(self.run.work.glob(paths.milestone("*"))):
            epoch = int(file.stem.rpartition("-")[2])
            if epoch < before:
                self.add(epoch, checkpoints.load(file)["networks"])

    def _write(self, few: Mapping[str, list[str]]) -> None:
        moments = sorted((int(place.name), place) for place in self.moments.iterdir())
        translates = any(output.translates for output in self.outputs)
        lines = []
        for output in self.outputs:
            for file in sorted((moments[-1][1] / output.name).glob("*.png"))[:SHOWN]:
                line = [place / output.name / file.name for _, place in moments]
                lines.append([*self._given(output, file.name, few), *line] if translates else line)
        titles = [*(["Input"] if translates else []), *(f"Epoch {epoch}" for epoch, _ in moments)]
        write_png(self.file, sheet(titles, lines, SIDE, None))

    def _given(self, output: Output, name: str, few: Mapping[str, list[str]]) -> list[Path]:
        """The input of a translation; of what is made from noise, a real image in its place."""
        return [self.data / "test" / (output.source or output.target) / (name if output.source else few[output.target][0])]

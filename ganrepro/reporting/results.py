"""All results of a study, read from disk into tables."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ganrepro import artifacts
from ganrepro.config import DIRECTIONS, REFERENCE_ROWS, SCORES, Params, Study

COLUMNS = tuple(name for names in SCORES.values() for name in names)  # of a line of scores; empty where not measured


@dataclass(frozen=True)
class Results:
    """scores: one line per direction, row and seed (none where a dataset has no classes).  passes: one line
    for each translation of the test set that those pool.
    losses: one line per variant, seed and epoch.  timing: by (variant, seed).  manifest: the dataset's.
    images: folder of translations by (row, seed).  titles: printed name of each row."""

    scores: pd.DataFrame
    passes: pd.DataFrame
    losses: pd.DataFrame
    timing: dict[tuple[str, int], dict[str, Any]]
    manifest: dict[str, Any]
    images: dict[tuple[str, int], Path]
    titles: dict[str, str]


def collect(params: Params, study: Study) -> Results:
    """Everything the report of `study` shows."""
    scores, passes, losses, timing, images = [], [], [], {}, {}
    for row, seed in artifacts.rows(study):
        folder = artifacts.score_dir(params, study, row, seed)
        images[row, seed] = folder / "images"
        values = json.loads((folder / "metrics.json").read_text())["values"]
        for direction in values:
            line = {"direction": direction, "row": row, "seed": seed}
            scores.append(line | {name: float(values[direction].get(name, "nan")) for name in COLUMNS})
            for one in values[direction]["passes"]:
                passes.append(line | {name: float(one[name]) for name in SCORES["segmentation"]})
    for variant in study.variants:
        for seed in study.seeds:
            run = artifacts.run_dir(params, study, variant, seed)
            timing[variant, seed] = json.loads((run / "timing.json").read_text())
            losses += [{"variant": variant, "seed": seed} | row for row in history(run)]
    titles = {name: variant.title for name, variant in study.variants.items()} | REFERENCE_ROWS
    data = artifacts.dataset_dir(params, study.dataset)
    manifest = json.loads((data / "manifest.json").read_text())
    head = ["direction", "row", "seed"]
    table, each = pd.DataFrame(scores, columns=[*head, *COLUMNS]), pd.DataFrame(passes, columns=[*head, *SCORES["segmentation"]])
    return Results(table, each, pd.DataFrame(losses), timing, manifest, images, titles)


def history(run: Path) -> list[dict[str, float]]:
    """Loss rows of one training, epoch by epoch."""
    with (run / "history.csv").open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def summary(results: Results) -> dict[str, dict[str, dict[str, float]]]:
    """Mean over seeds: direction -> row -> score. What `dvc metrics diff` compares."""
    means = results.scores.groupby(["direction", "row"])[list(COLUMNS)].mean().round(6)
    table: dict[str, dict[str, dict[str, float]]] = {direction: {} for direction in DIRECTIONS if direction in means.index}
    for (direction, row), values in means.iterrows():
        table[direction][row] = {name: float(value) for name, value in values.dropna().items()}
    return table

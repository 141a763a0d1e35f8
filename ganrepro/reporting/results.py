"""All results of a study, read from disk into tables."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ganrepro import artifacts
from ganrepro.config import DIRECTIONS, REFERENCE_ROWS, SCORES, Params, PublishedScorer, Study, Table
from ganrepro.evaluation.bootstrap import interval, replicates
from ganrepro.evaluation.colours import intersections
from ganrepro.evaluation.rates import rates

COLUMNS = tuple(name for names in SCORES.values() for name in names)  # of a line of scores; empty where not measured
DISTANCES = ("frechet", "kernel", "inception_score")  # the last where the network classifies
GATE = 0.80  # pixel accuracy of real test photos below which no labels -> photo score can be trusted
DOMAINS = {"labels2photo": ("a", "b"), "photo2labels": ("b", "a")}  # direction -> its input's and its output's side


@dataclass(frozen=True)
class Results:
    """scores: one line per direction, row and seed (none where a dataset has no classes).  passes: one line
    for each translation of the test set that those pool.  classes: one line per direction, row, seed and class.
    distances: one line per row and seed, of generated from real photos (evaluation.distances.measure).
    curves: one line per direction, row, seed and epoch that was looked back at, the last included.
    replicates[direction, row][score]: its bootstrap, (replicates,).  by_image[direction, row]: per-pixel
    accuracy of each test image, mean over seeds, (images,).
    losses: one line per variant, seed and epoch.  timing: by (variant, seed).  manifest: the dataset's.
    images: folder of translations by (row, seed).  titles: printed name of each row.
    published: the papers' own network scored, which reads real photos as published or scores nothing."""

    scores: pd.DataFrame
    passes: pd.DataFrame
    classes: pd.DataFrame
    distances: pd.DataFrame
    curves: pd.DataFrame
    replicates: dict[tuple[str, str], dict[str, np.ndarray]]
    by_image: dict[tuple[str, str], np.ndarray]
    losses: pd.DataFrame
    timing: dict[tuple[str, int], dict[str, Any]]
    manifest: dict[str, Any]
    images: dict[tuple[str, int], Path]
    titles: dict[str, str]
    published: bool = False


def collect(params: Params, study: Study) -> Results:
    """Everything the report of `study` shows."""
    manifest = json.loads((artifacts.dataset_dir(params, study.dataset) / "manifest.json").read_text())
    scores, passes, classes, distances, curves, losses, timing, images = [], [], [], [], [], [], {}, {}
    counts: dict[tuple[str, str], list[dict[str, np.ndarray]]] = {}
    for row, seed in artifacts.rows(study):
        folder = artifacts.score_dir(params, study, row, seed)
        images[row, seed] = folder / "images"
        measured = json.loads((folder / "metrics.json").read_text())
        values = measured["values"]
        if measured["distance"]:
            distances.append({"row": row, "seed": seed} | measured["distance"])
        with np.load(folder / "counts.npz", allow_pickle=False) as file:
            arrays = dict(file)
        for direction in values:
            found, line = values[direction], {"direction": direction, "row": row, "seed": seed}
            scores.append(line | {name: float(found.get(name, "nan")) for name in COLUMNS})
            passes += [line | {name: float(one[name]) for name in SCORES["segmentation"]} for one in found["passes"]]
            by_class = zip(dict(manifest["classes"]), found["class_ious"], strict=True)
            classes += [line | {"class": name, "iou": iou} for name, iou in by_class]
            if "epochs" in found:
                then = found["epochs"] | {str(study.variants[row].training.epochs): found}
                curves += [line | {"epoch": int(e), "class_iou": one["class_iou"]} for e, one in then.items()]
            own = {name.split(".")[1]: array for name, array in arrays.items() if name.startswith(f"{direction}.")}
            counts.setdefault((direction, row), []).append(own)
    for variant, seed in artifacts.trained(study):
        run = artifacts.run_dir(params, study, variant, seed)
        timing[variant, seed] = json.loads((run / "timing.json").read_text())
        losses += [{"variant": variant, "seed": seed} | row for row in history(run)]
    head = ["direction", "row", "seed"]
    return Results(
        scores=pd.DataFrame(scores, columns=[*head, *COLUMNS]),
        passes=pd.DataFrame(passes, columns=[*head, *SCORES["segmentation"]]),
        classes=pd.DataFrame(classes, columns=[*head, "class", "iou"]),
        distances=pd.DataFrame(distances),
        curves=pd.DataFrame(curves, columns=[*head, "epoch", "class_iou"]),
        replicates={at: _replicates(seeds) for at, seeds in counts.items()},
        by_image={at: np.mean([rates(one["confusion"])["pixel_accuracy"] for one in s], 0) for at, s in counts.items()},
        losses=pd.DataFrame(losses),
        timing=timing,
        manifest=manifest,
        images=images,
        titles={name: variant.title for name, variant in study.variants.items()} | REFERENCE_ROWS,
        published=isinstance(params.scorers[study.scorer], PublishedScorer),
    )


def _replicates(seeds: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Bootstrap of every score from the counts of each seed."""
    confusion = np.stack([one["confusion"] for one in seeds])
    shape = confusion.shape[-2:]
    found = replicates(confusion.reshape(*confusion.shape[:2], -1), lambda sums: rates(sums.reshape(-1, *shape)))
    if "colours" in seeds[0]:
        bins = seeds[0]["colours"].shape[-1]
        both = np.stack([np.concatenate([one["colours"], one["real_colours"]], 1) for one in seeds])
        found |= replicates(both, lambda sums: intersections(sums[:, :bins], sums[:, bins:]))
    return found


def intervals(results: Results) -> pd.DataFrame:
    """Mean over seeds and 95 % interval: one line per direction, row and score."""
    lines = []
    for (direction, row), by_score in results.replicates.items():
        found = results.scores.query("direction == @direction and row == @row")
        for name, values in by_score.items():
            low, high = interval(values)
            lines.append([direction, row, name, found[name].mean(), low, high, len(found)])
    return pd.DataFrame(lines, columns=["direction", "row", "score", "mean", "low", "high", "seeds"])


def gate(results: Results) -> float:
    """Pixel accuracy of real test photos; NaN where nothing is scored."""
    return float(results.scores.query("direction == 'labels2photo' and row == 'ground-truth'").pixel_accuracy.mean())


def trusted(results: Results) -> bool:
    """Whether the network that reads generated photos can read real ones."""
    return results.published or gate(results) >= GATE


def title(results: Results, table: Table, row: str) -> str:
    """What a row is called in a table."""
    return table.titles.get(row, results.titles[row])


def images_per_epoch(results: Results, study: Study) -> int:
    """Images (of each domain, where they are unpaired) that an epoch of a study shows."""
    training, manifest = next(iter(study.variants.values())).training, results.manifest
    if training.game == "cycle":
        return training.epoch_images or max(len(names) for names in manifest["unpaired"].values())
    return training.epoch_images or manifest["counts"]["train"]["a"]


def history(run: Path) -> list[dict[str, float]]:
    """Loss rows of one training, epoch by epoch."""
    with (run / "history.csv").open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def summary(results: Results) -> dict[str, dict[str, dict[str, float]]]:
    """Mean over seeds: direction (or 'distance') -> row -> score. What `dvc metrics diff` compares."""
    means = results.scores.groupby(["direction", "row"])[list(COLUMNS)].mean().round(6)
    table: dict[str, dict[str, dict[str, float]]] = {direction: {} for direction in DIRECTIONS if direction in means.index}
    for (direction, row), values in means.iterrows():
        table[direction][row] = {name: float(value) for name, value in values.dropna().items()}
    if len(results.distances):
        table["distance"] = {
            row: {name: round(float(one[name].mean()), 6) for name in DISTANCES if name in one}
            for row, one in results.distances.groupby("row")
        }
    return table


def distances_of(results: Results, variant: str, seed: int) -> dict[str, float]:
    """Distances of one run, under the name of what they are of."""
    if not len(results.distances):
        return {}
    one = results.distances.query("row == @variant and seed == @seed")
    return {f"distance.{name}_{of}": float(one[name].iloc[0]) for name in DISTANCES for of in one.of if name in one}


def write_tables(results: Results, folder: Path) -> None:
    """What the page and the figures show, as CSV files."""
    results.scores.to_csv(folder / "scores.csv", index=False, float_format="%.6f")
    intervals(results).to_csv(folder / "intervals.csv", index=False, float_format="%.6f")
    results.distances.to_csv(folder / "distances.csv", index=False, float_format="%.6f")
    means = results.scores.groupby(["direction", "row"], sort=False)[list(COLUMNS)].mean().reset_index()
    means.insert(0, "name", means.direction + " " + means.row)
    means.to_csv(folder / "means.csv", index=False, float_format="%.6f")
    wide = results.losses.drop(columns="learning_rate").groupby(["variant", "epoch"]).mean().drop(columns="seed")
    wide = wide.unstack("variant").swaplevel(axis=1).sort_index(axis=1).dropna(axis=1, how="all")
    wide.columns = [f"{variant}.{term}" for variant, term in wide.columns]
    wide.to_csv(folder / "losses.csv", float_format="%.6f")

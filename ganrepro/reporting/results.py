"""All results of a study, read from disk into tables."""

from __future__ import annotations

import csv
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from ganrepro.artifacts import datasets, paths
from ganrepro.artifacts.files import read_json
from ganrepro.errors import UserError
from ganrepro.evaluation.intervals import LEVEL, Estimate, estimates, interval, of_errors
from ganrepro.evaluation.scores import COUNTED, EVALUATORS, SEGMENTATION, UNBOUNDED
from ganrepro.outputs import Output
from ganrepro.settings import REFERENCE_ROWS, Params, PublishedScorerSettings, Study, TableSettings

COLUMNS = (*COUNTED, *EVALUATORS["digit_distance"].scores)  # of a line of scores; empty where not measured
DISTANCES = tuple(EVALUATORS["distance"].scores)  # the last where the network classifies
JACKKNIFE_GROUPS = 10  # of evaluation.distances
GATE = 0.80  # pixel accuracy of real test photos below which no score that a network read off photos can be trusted


@dataclass(frozen=True)
class Results:
    """What the report of a study shows.

    scores: one line per output, row and seed (none where a dataset has no classes).  passes: one line
    for each translation of the test set that those pool.  classes: one line per output, row, seed and class.
    distances: one line per output, row and seed, of generated from real photos (evaluation.distances.measure).
    curves: one line per output, row, seed and epoch that was looked back at, the last included.  over_training: the same of
    samples' Fréchet distance, without the last.
    estimates[output, row][score]: of each training and of images drawn again.  by_image[output, row]: per-pixel
    accuracy of each test image, mean over seeds, (images,).
    losses: one line per row, seed and epoch.  timing: by (row, seed).  pace: seconds that an image took to be made, by
    (row, seed), where that was measured.  manifest: the dataset's.
    images: folder of translations by (row, seed).  published: the papers' own network scored, which reads real
    photos as published or scores nothing."""

    params: Params
    study: Study
    scores: pd.DataFrame
    passes: pd.DataFrame
    classes: pd.DataFrame
    distances: pd.DataFrame
    curves: pd.DataFrame
    over_training: pd.DataFrame
    estimates: dict[tuple[str, str], dict[str, Estimate]]
    by_image: dict[tuple[str, str], np.ndarray]
    losses: pd.DataFrame
    timing: dict[tuple[str, int], dict[str, Any]]
    manifest: dict[str, Any]
    images: dict[tuple[str, int], Path]
    published: bool = False
    pace: dict[tuple[str, int], float] = field(default_factory=dict)


def collect(params: Params, study: Study) -> Results:
    """Everything the report of `study` shows."""
    manifest = read_json(datasets.dataset_dir(params, study.dataset) / "manifest.json")
    scores, passes, classes, distances, curves, losses, timing, pace, images = [], [], [], [], [], [], {}, {}, {}
    over_training: list[dict[str, Any]] = []
    counts: dict[tuple[str, str], dict[str, list[np.ndarray]]] = {}
    digit_distances: dict[tuple[str, str], list[dict[str, float]]] = {}
    for run in paths.runs(params, study):
        images[run.row, run.seed] = run.scores / "images"
        values = read_json(run.scores / "metrics.json")["values"]
        for name, array in read_counts(run.scores / "counts.npz").items():
            output, evaluator = name.split(".")
            counts.setdefault((output, run.row), {}).setdefault(evaluator, []).append(array)
        for output, found in values.items():
            line = {"output": output, "row": run.row, "seed": run.seed}
            if found.get("distance"):
                distances.append(line | found["distance"])
            if found.get("digit_distance"):
                digit_distances.setdefault((output, run.row), []).append(found["digit_distance"])
            then = found.get("over_training", {})
            over_training += [line | {"epoch": int(epoch), "digit_frechet": value} for epoch, value in then.items()]
            if "passes" not in found:
                continue
            told = found | found.get("digit_distance", {})
            scores.append(line | {name: float(told.get(name, "nan")) for name in COLUMNS})
            if "class_ious" not in found:
                continue  # counted, but not class by class
            passes += [line | {name: float(one[name]) for name in SEGMENTATION} for one in found["passes"]]
            by_class = zip(dict(manifest["classes"]), found["class_ious"], strict=True)
            classes += [line | {"class": name, "iou": iou} for name, iou in by_class]
            if "epochs" in found:
                settings = run.method.settings
                then = found["epochs"] | {str(settings.epochs_constant + settings.epochs_decay): found}
                curves += [line | {"epoch": int(e), "class_iou": one["class_iou"]} for e, one in then.items()]
    for run in paths.trained(params, study):
        if (clock := run.scores / "images" / "timing.json").exists():
            measured = read_json(clock)
            pace[run.row, run.seed] = measured["seconds"] / measured["images"]
        timing[run.row, run.seed] = read_json(run.folder / "timing.json")
        losses += [{"row": run.row, "seed": run.seed} | row for row in history(run.folder)]
    estimates_of = {at: _estimates(by_evaluator) for at, by_evaluator in counts.items()}
    for at, found in digit_distances.items():
        values, errors = ([one[f"digit_frechet{end}"] for one in found] for end in ("", "_error"))
        estimates_of.setdefault(at, {})["digit_frechet"] = of_errors(values, errors, JACKKNIFE_GROUPS, at[1])
    head = ["output", "row", "seed"]
    return Results(
        params=params,
        study=study,
        scores=pd.DataFrame(scores, columns=[*head, *COLUMNS]),
        passes=pd.DataFrame(passes, columns=[*head, *SEGMENTATION]),
        classes=pd.DataFrame(classes, columns=[*head, "class", "iou"]),
        distances=pd.DataFrame(distances),
        curves=pd.DataFrame(curves, columns=[*head, "epoch", "class_iou"]),
        over_training=pd.DataFrame(over_training, columns=[*head, "epoch", "digit_frechet"]),
        estimates=estimates_of,
        by_image={at: _accuracies(by) for at, by in counts.items() if any(EVALUATORS[name].over_training for name in by)},
        losses=pd.DataFrame(losses),
        timing=timing,
        pace=pace,
        manifest=manifest,
        images=images,
        published=isinstance(params.scorers[study.scorer], PublishedScorerSettings),
    )


def _estimates(by_evaluator: dict[str, list[np.ndarray]]) -> dict[str, Estimate]:
    """Every score from the counts of each seed."""
    found: dict[str, Estimate] = {}
    for name, seeds in by_evaluator.items():
        counts, evaluator = np.stack(seeds), EVALUATORS[name]
        shape = counts.shape[2:]

        def statistic(sums: np.ndarray, evaluator: Any = evaluator, shape: tuple[int, ...] = shape) -> dict[str, np.ndarray]:
            return dict(evaluator.statistic(sums.reshape(-1, *shape)))

        found |= estimates(counts.reshape(*counts.shape[:2], -1), statistic, evaluator.images_of(counts[0]))
    return found


def _accuracies(by_evaluator: dict[str, list[np.ndarray]]) -> np.ndarray:
    """Per-pixel accuracy of each test image, mean over seeds."""
    name = next(name for name in by_evaluator if EVALUATORS[name].over_training)
    each = [EVALUATORS[name].statistic(counts)["pixel_accuracy"] for counts in by_evaluator[name]]
    accuracies: np.ndarray = np.mean(each, 0)
    return accuracies


def intervals(results: Results) -> pd.DataFrame:
    """Mean over seeds and 95 % interval: one line per output, row and score."""
    lines = []
    for (output, row), by_score in results.estimates.items():
        for name, one in by_score.items():
            low, high = interval(one)
            if np.isfinite(low + high):
                low = low if name == "bound" else max(0.0, low)  # no other score can be less than 0
                high = min(MOST.get(name, high if name in UNBOUNDED else 1.0), high)  # nor a share more than 1
            lines.append([output, row, name, one.mean, low, high, len(one.trainings)])
    if len(results.distances):
        for (output, row), one in results.distances.groupby(["output", "row"], sort=False):
            for name in (name for name in DISTANCES if name in one and one[name].notna().all()):
                mean, reach = spread(one, name)
                lines.append([output, row, name, mean, mean - reach, mean + reach, len(one)])
    return pd.DataFrame(lines, columns=["output", "row", "score", "mean", "low", "high", "seeds"])


def spread(one: pd.DataFrame, name: str) -> tuple[float, float]:
    """Mean over seeds of a score with standard errors, and half of its 95 % interval (NaN where there are none).

    As in `evaluation.intervals`: all seeds are scored on the same images, so that only what differs between seeds shrinks
    with their number. With one seed the interval is of the images alone.
    """
    between = one[name].var() / len(one) if len(one) > 1 else 0.0
    within = np.square(one[f"{name}_error"].astype(float)).mean()
    quantile = student.ppf((1 + LEVEL) / 2, len(one) - 1 if len(one) > 1 else JACKKNIFE_GROUPS - 1)
    return float(one[name].mean()), float(quantile * np.sqrt(within + between))


def gate(results: Results) -> float:
    """Pixel accuracy of real test photos; NaN where nothing is scored."""
    read = [output.name for output in results.study.outputs if reads_photos(output)]
    return float(results.scores[results.scores.output.isin(read)].query("row == 'ground-truth'").pixel_accuracy.mean())


def segmented(results: Results) -> list[Output]:
    """The outputs that are scored class by class."""
    return [output for output in results.study.outputs if output.name in set(results.classes.output)]


def reads_photos(output: Output) -> bool:
    """Whether a network reads the images of an output, so that its scores are worth as much as its reading."""
    return EVALUATORS["fcn_score"].applies(output, True)


def trusted(results: Results) -> bool:
    """Whether the network that reads generated photos can read real ones."""
    return results.published or gate(results) >= GATE


MOST = {"classes_covered": 10.0}
FLOOR = 0.02  # a row no further above the untouched input in any score has done nothing


def at_floor(results: Results, output: str, row: str) -> bool:
    """Whether a row scores no better than the input passed through unchanged."""
    floor, own = (results.estimates.get((output, name), {}) for name in ("identity", row))
    shared = [name for name in SEGMENTATION if name in floor and name in own]
    return bool(shared) and all(own[name].mean < floor[name].mean + FLOOR for name in shared)


def title(results: Results, row: str, table: TableSettings | None = None) -> str:
    """What a row is called (in a table)."""
    titles = {name: variant.title for name, variant in results.study.rows.items()} | REFERENCE_ROWS
    return titles[row] if table is None else table.titles.get(row, titles[row])


def images_per_epoch(results: Results, row: str) -> int:
    """Images (of each domain, where they are unpaired) that an epoch of a row shows."""
    method, manifest = results.study.rows[row].method, results.manifest
    feed = method.feed()
    if method.settings.epoch_images:
        return int(method.settings.epoch_images) * feed.batches
    names = manifest["names"]["train"] if feed.paired or len(feed.domains) == 1 else manifest["unpaired"]
    return max(len(names[domain]) for domain in feed.domains)


def read_counts(path: Path) -> dict[str, np.ndarray]:
    """Counts by '<output>.<evaluator>'. UserError where the file is damaged: its sums are looked at."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file.items())
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path}: damaged or cut short ({error}); remove {path.parent} and run snakemake again") from None


def history(run: Path) -> list[dict[str, float]]:
    """Loss rows of one training, epoch by epoch. UserError where there are none."""
    path = run / "history.csv"
    try:
        with path.open(newline="") as file:
            rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    except (ValueError, TypeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: damaged or cut short ({error}); remove {run} and run snakemake again") from None
    if not rows:
        raise UserError(f"{path}: empty; remove {run} and run snakemake again")
    return rows


def summary(results: Results) -> dict[str, dict[str, dict[str, float]]]:
    """Mean over seeds: output (or 'distance.OUTPUT') -> row -> score. What `dvc metrics diff` compares."""
    means = results.scores.groupby(["output", "row"])[list(COLUMNS)].mean().round(6)
    table: dict[str, dict[str, dict[str, float]]] = {o.name: {} for o in results.study.outputs if o.name in means.index}
    for (output, row), values in means.iterrows():
        table[output][row] = {name: float(value) for name, value in values.dropna().items()}
    if len(results.distances):
        for output, of in results.distances.groupby("output", sort=False):
            table[f"distance.{output}"] = {
                row: {name: round(float(one[name].mean()), 6) for name in DISTANCES if name in one}
                for row, one in of.groupby("row")
            }
    return table


def write_tables(results: Results, folder: Path) -> None:
    """What the page and the figures show, as CSV files."""
    scores = results.scores.dropna(axis=1, how="all")
    scores.to_csv(folder / "scores.csv", index=False, float_format="%.6f")
    intervals(results).to_csv(folder / "intervals.csv", index=False, float_format="%.6f")
    results.distances.to_csv(folder / "distances.csv", index=False, float_format="%.6f")
    means = scores.groupby(["output", "row"], sort=False).mean(numeric_only=True).drop(columns="seed").reset_index()
    means.insert(0, "name", means.output + " " + means.row)
    means.to_csv(folder / "means.csv", index=False, float_format="%.6f")
    wide = results.losses.drop(columns="learning_rate").groupby(["row", "epoch"]).mean().drop(columns="seed")
    wide = wide.unstack("row").swaplevel(axis=1).sort_index(axis=1).dropna(axis=1, how="all")
    wide.columns = [f"{row}.{term}" for row, term in wide.columns]
    wide.to_csv(folder / "losses.csv", float_format="%.6f")

"""All results of a study, read from disk into tables."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from ganrepro.data.prepare import read_manifest
from ganrepro.errors import UserError
from ganrepro.evaluation.intervals import LEVEL, Estimate, estimates, interval, of_errors
from ganrepro.evaluation.measures import MEASURES, SCORES
from ganrepro.evaluation.measures.base import GROUND_TRUTH, GROUPS, Limits, Measure, Score
from ganrepro.evaluation.readers import find
from ganrepro.evaluation.readers.base import Gate
from ganrepro.methods.base import epochs
from ganrepro.methods.outputs import Output
from ganrepro.plan import datasets, paths
from ganrepro.schema.records import MakingTime, Metrics, ReaderRecord, TrainingTime, read_record
from ganrepro.settings import ALL, REFERENCE_ROWS, Params, Study, TableSettings
from ganrepro.store.arrays import read_arrays
from ganrepro.store.files import plain

HEAD = ["output", "row", "seed"]


@dataclass(frozen=True)
class Results:
    """What the report of a study shows. Tables have a line for each output, row and seed, and:

    scores: for each score its `value`;   passes: the same for each translation of the test set that those pool.    classes: for
    each class of pixels the `value` of the measure's headline.    curves: for each epoch that was looked back at, the last
    included, the headline's `value`. more[output, row, measure]: what else a measure knows, of the first seed.
    estimates[output, row][score]: of each training and of images drawn again.  by_image[output, row]: the score that ranks
    single images, mean over seeds, (images,).   losses: one line per training and epoch.    timing: by (row, seed).    first: of
    each row the first that uses the same trainings.    pace: seconds that an image took to be made, by (row, seed).    versions:
    of the libraries that each training ran with, by (row, seed).  collapsed[output, row]: which trainings collapsed, by the rule
    in params.yaml.  failed: why a row cannot have learned, by what its losses tell; rows that can are left out.  manifest: the
    dataset's.    images: folder of images by (row, seed).
    gate: how well the reader reads real test images; None where none reads.    reader: what it is called.
    """

    params: Params
    study: Study
    scores: pd.DataFrame
    passes: pd.DataFrame
    classes: pd.DataFrame
    curves: pd.DataFrame
    more: dict[tuple[str, str, str], dict[str, Any]]
    estimates: dict[tuple[str, str], dict[str, Estimate]]
    by_image: dict[tuple[str, str], np.ndarray]
    losses: pd.DataFrame
    timing: dict[tuple[str, int], dict[str, Any]]
    first: dict[str, str]
    pace: dict[tuple[str, int], float]
    versions: dict[tuple[str, int], dict[str, str]]
    collapsed: dict[tuple[str, str], list[bool]]
    failed: dict[str, str]
    manifest: dict[str, Any]
    images: dict[tuple[str, int], Path]
    gate: Gate | None
    reader: str

    def same_trainings(self, row: str, other: str) -> bool:
        """Whether two rows use the same trainings, and differ in what is made with them."""
        return row in self.first and self.first[row] == self.first.get(other)

    @property
    def measures(self) -> dict[str, list[Measure]]:
        """What measured each output, by the output's name."""
        measured = {(output, measure) for output, _, measure in self.more}
        outputs = [o.name for o in self.study.outputs] + [ALL] * bool(self.study.pooled)
        return {output: [m for m in MEASURES.values() if (output, m.name) in measured] for output in outputs}

    def measure_of(self, output: str, score: str) -> Measure | None:
        """The measure that gave a score of an output."""
        return next((m for m in self.measures.get(output, ()) if score in m.scores), None)


def made_of(params: Params, study: Study) -> Study:
    """The part of a study that is scored: rows whose first seed is, with the seeds that all of these have.

    UserError where no row is scored yet, or a reference row is not.
    """
    scored = {(run.row, run.seed) for run in paths.runs(params, study) if (run.scores / "metrics.json").exists()}
    seeds_of = {row: paths.seeds_of(study, row) for row in study.rows}
    rows = {row: settings for row, settings in study.rows.items() if (row, seeds_of[row][0]) in scored}
    if not rows:
        raise UserError(f"{study.name}: no row is scored yet; ganrepro watch says how far its trainings are")
    seeds = [seed for seed in study.seeds if all((row, seed) in scored or seed not in seeds_of[row] for row in rows)]
    tables = {}
    for name, table in study.tables.items():
        kept = {row: values for row, values in table.rows.items() if row in rows or row in REFERENCE_ROWS}
        if {*kept} & {*rows}:
            against = table.against if table.against in kept else None
            tables[name] = table.model_copy(update={"rows": kept, "against": against})
    claims = tuple(claim for claim in study.claims if {claim.better, claim.than} <= {*rows})
    partly = replace(study, rows=rows, seeds=seeds, tables=tables, claims=claims)
    for run in paths.runs(params, partly):
        if not (run.scores / "metrics.json").exists():
            raise UserError(f"{study.name}: row {run.row} is not scored yet; snakemake --cores all {run.scores}/metrics.json")
    return partly


def collect(params: Params, study: Study) -> Results:
    """Everything the report of `study` shows."""
    manifest = read_manifest(datasets.dataset_dir(params, study.dataset))
    scores, passes, classes, curves, losses = [], [], [], [], []
    more: dict[tuple[str, str, str], dict[str, Any]] = {}
    images, timing, pace, versions = {}, {}, {}, {}
    counts: dict[tuple[str, str], dict[str, list[np.ndarray]]] = {}
    valued: dict[tuple[str, str], dict[str, list[tuple[float, float | None]]]] = {}
    for run in paths.runs(params, study):
        images[run.row, run.seed] = run.images
        metrics, of_run = read_record(run.scores / "metrics.json", Metrics), read_arrays(run.scores / "counts.npz")
        values = metrics["values"]
        for name, array in of_run.items():
            output, _, counted = name.partition(".")
            _expect_shape(run, output, counted, array, counts.get((output, run.row), {}).get(counted, []), manifest)
        _expect_scores(run, metrics, of_run)
        for name, array in of_run.items():
            output, _, counted = name.partition(".")
            counts.setdefault((output, run.row), {}).setdefault(counted, []).append(array)
        for output, by_measure in values.items():
            line = {"output": output, "row": run.row, "seed": run.seed}
            for name, result in by_measure.items():
                measure = MEASURES[name]
                more.setdefault((output, run.row, name), result["more"])
                scores += [line | {"score": score, "value": value} for score, value in result["scores"].items()]
                for score, value in result["scores"].items() if "errors" in result else ():  # without counts: as they are
                    pairs = valued.setdefault((output, run.row), {}).setdefault(score, [])
                    pairs.append((value, result["errors"].get(score)))
                for number, of_pass in enumerate(result.get("passes", ())):
                    passes += [line | {"pass": number, "score": score, "value": value} for score, value in of_pass.items()]
                classes += [
                    line | {"class": c, "value": v} for c, v in zip(study.data.palette, result.get("by_class", ()), strict=False)
                ]
                if result.get("epochs"):
                    then = result["epochs"] | {str(epochs(run.method.settings)): result["scores"]}
                    curves += [
                        line | {"epoch": int(e), "score": measure.headline, "value": of_pass[measure.headline]}
                        for e, of_pass in then.items()
                    ]
    for run in paths.trained(params, study):
        if (clock := run.images / "timing.json").exists():
            measured = read_record(clock, MakingTime)
            pace[run.row, run.seed] = measured["seconds"] / max(1, measured["images"])
        timing[run.row, run.seed] = read_record(run.folder / "timing.json", TrainingTime)
        versions[run.row, run.seed] = timing[run.row, run.seed]["versions"]
        rows, columns = history(run.folder), {"epoch", "learning_rate", *(loss.name for loss in run.method.losses())}
        if lacking := sorted(columns - {*rows[0]}):
            raise UserError(f"{run.folder / 'history.csv'}: damaged (no column {lacking[0]}); {_again(run.folder)}")
        if run.method.players() and [row["epoch"] for row in rows] != [*range(1, epochs(run.method.settings) + 1)]:
            raise UserError(f"{run.folder / 'history.csv'}: damaged (not one line for each epoch); {_again(run.folder)}")
        losses += [{"row": run.row, "seed": run.seed} | row for row in rows]
    scores += _pool(study, counts, valued, more)
    first = paths.first_of_each(params, study)
    estimates_of = {at: _estimates(by_measure) for at, by_measure in counts.items()}
    for at, by_score in valued.items():
        for score, pairs in by_score.items():
            found_values, errors = [value for value, _ in pairs], [error for _, error in pairs]
            estimates_of.setdefault(at, {})[score] = of_errors(found_values, errors, GROUPS, at[1])
    table = pd.DataFrame(scores, columns=[*HEAD, "score", "value"])
    kind, gate = paths.reader_kind(params, study), None
    if kind is not None and paths.read(params, study):
        gate = read_gate(paths.reader_dir(params, study) / "reader.json")
    return Results(
        params=params,
        study=study,
        scores=table,
        passes=pd.DataFrame(passes, columns=[*HEAD, "pass", "score", "value"]),
        classes=pd.DataFrame(classes, columns=[*HEAD, "class", "value"]),
        curves=pd.DataFrame(curves, columns=[*HEAD, "epoch", "score", "value"]),
        more=more,
        estimates=estimates_of,
        by_image={at: by for at, by_measure in counts.items() if (by := _by_image(by_measure)) is not None},
        losses=pd.DataFrame([line for line in losses if first[str(line["row"])] == line["row"]]),
        timing=timing,
        first=first,
        pace=pace,
        versions=versions,
        collapsed=collapsed_trainings(params, study, table),
        failed=_failed(study, losses),
        manifest=manifest,
        images=images,
        gate=gate,
        reader=find(kind).title if kind is not None and gate is not None else "",
    )


def _pool(
    study: Study,
    counts: dict[tuple[str, str], dict[str, list[np.ndarray]]],
    valued: dict[tuple[str, str], dict[str, list[tuple[float, float | None]]]],
    more: dict[tuple[str, str, str], dict[str, Any]],
) -> list[dict[str, Any]]:
    """Adds what is known of all translations together (ALL), which stand for one another: lines of their scores.

    Counts are summed image by image, since one test image is translated into every domain, and joined where these differ in
    number; scores without counts are averaged, as if their errors were independent.
    """
    lines = []
    for row in dict.fromkeys(row for output, row in [*counts, *valued]) if study.pooled else ():
        of_counts = [counts.get((output.name, row), {}) for output in study.pooled]
        for name in (name for name in MEASURES if all(name in of for of in of_counts)):
            joined = []
            for seed, arrays in zip(_seeds(study, row), zip(*(of[name] for of in of_counts), strict=True), strict=True):
                of_source: dict[str | None, list[np.ndarray]] = {}
                for output, array in zip(study.pooled, arrays, strict=True):
                    of_source.setdefault(output.source, []).append(array)
                each = [np.sum(of, 0) for of in of_source.values()]
                equal = study.data.paired and len({array.shape for array in each}) == 1  # the same test images in every domain
                joined.append(np.sum(each, 0) if equal else np.concatenate(each))
                found = MEASURES[name].statistic(joined[-1].sum(0))
                line = {"output": ALL, "row": row, "seed": seed}
                lines += [
                    line | {"score": score, "value": float(found[score])} for score in MEASURES[name].scores if score in found
                ]
            counts.setdefault((ALL, row), {})[name] = joined
            more[ALL, row, name] = {}
        of_values = [valued.get((output.name, row), {}) for output in study.pooled]
        for score in (score for score in SCORES if all(score in of for of in of_values)):
            means = []
            for seed, pairs in zip(_seeds(study, row), zip(*(of[score] for of in of_values), strict=True), strict=True):
                errors = [error for _, error in pairs if error is not None]
                error = float(np.sqrt(np.square(errors).sum()) / len(pairs)) if len(errors) == len(pairs) else None
                means.append((float(np.mean([value for value, _ in pairs])), error))
                lines.append({"output": ALL, "row": row, "seed": seed, "score": score, "value": means[-1][0]})
            valued.setdefault((ALL, row), {})[score] = means
            more[ALL, row, next(m.name for m in MEASURES.values() if score in m.scores)] = {}
    return lines


def _seeds(study: Study, row: str) -> list[int]:
    return [0] if row in REFERENCE_ROWS else paths.seeds_of(study, row)


def _expect_shape(
    run: paths.Run, output: str, measure: str, array: np.ndarray, before: list[np.ndarray], manifest: Mapping[str, Any]
) -> None:
    """UserError for counts that are none of this row: of other images or numbers than its other seeds, or of no such measure."""
    file = run.scores / "counts.npz"
    known = {o.name: o for o in run.study.outputs}
    wrong = ""
    if output not in known or measure not in MEASURES:
        wrong = "of no output and measure of its study"
    elif array.ndim < 2 or array.dtype.kind not in "uif" or not np.isfinite(array).all():
        wrong = "no counts"
    elif before and array.shape != before[0].shape:
        wrong = f"{array.shape}, and {before[0].shape} of another seed"
    else:
        of = known[output].target if run.row == GROUND_TRUTH else known[output].source or known[output].target
        if len(array) != (tested := len(manifest["names"]["test"][of])):
            wrong = f"of {len(array)} images, and there are {tested}"
    if wrong:
        raise UserError(f"{file}: damaged ({output}.{measure}: {wrong}); {_again(run.scores)}")


def _expect_scores(run: paths.Run, metrics: Mapping[str, Any], counts: Mapping[str, np.ndarray]) -> None:
    """UserError for scores that are none of this row, or do not follow from its counts."""
    file, values = run.scores / "metrics.json", metrics["values"]
    if (metrics["study"], metrics["row"], metrics["seed"]) != (run.study.name, run.row, run.seed):
        raise UserError(f"{file}: of {metrics['study']}/{metrics['row']}, seed {metrics['seed']}; {_again(run.scores)}")
    measured = {output.name: {m.name for m in of} for output, of in run.measures.items() if of}
    strange = [
        f"{o}.{name}"
        for o, by_measure in values.items()
        for name, result in by_measure.items()
        if name not in measured.get(o, ()) or not _names_its_scores(MEASURES[name], result)
    ]
    lacking = [] if run.reference else [o for o in measured if o not in values]
    counted = {f"{o}.{name}" for o, by_measure in values.items() for name, of in by_measure.items() if "images" in of}
    if odd := next(iter([*strange, *lacking, *sorted(counted ^ {*counts})]), None):
        raise UserError(f"{file}: damaged ({odd}: scores and counts are not those of this row); {_again(run.scores)}")
    for output, by_measure in values.items():
        classes = len(run.study.data.palette)
        if odd := next((name for name, of in by_measure.items() if len(of.get("by_class", ())) not in (0, classes)), None):
            raise UserError(f"{file}: damaged ({output}.{odd}: not one score for each class); {_again(run.scores)}")
    for name, array in counts.items():
        output, _, measure = name.partition(".")
        try:
            again = MEASURES[measure].statistic(array.sum(0))
            same = all(np.isclose(again[s], v, rtol=1e-6, atol=1e-9) for s, v in values[output][measure]["scores"].items())
        except (IndexError, ValueError, KeyError, TypeError):
            same = False
        if not same:
            raise UserError(f"{run.scores / 'counts.npz'}: damaged ({name}: its scores are others); {_again(run.scores)}")


def _names_its_scores(measure: Measure, result: Mapping[str, Any]) -> bool:
    """Whether a result has possible scores of its measure, the drawn one among them, and the same of each pass and epoch."""
    named, parts = {*result["scores"]}, [result["scores"], *result.get("passes", ()), *result.get("epochs", {}).values()]
    if not named or not named <= {*measure.scores} or measure.headline not in {*named, ""}:
        return False
    values = [at for part in parts for at in part.items()] + [(measure.headline, value) for value in result.get("by_class", ())]
    return all({*part} == named for part in parts) and all(
        name in measure.scores and _possible(measure.scores[name], value) for name, value in values
    )


def _possible(score: Score, value: float) -> bool:
    """Whether a value lies within the bounds of what it is, but for rounding."""
    return (score.low is None or score.low - 1e-6 <= value) and (score.high is None or value <= score.high + 1e-6)


def _again(folder: Path) -> str:
    return f"remove {folder} and run snakemake again"


def collapsed_trainings(params: Params, study: Study, scores: pd.DataFrame) -> dict[tuple[str, str], list[bool]]:
    """Which trainings of each output and row collapsed, in the order of seeds; without rows that no measure tells of.

    scores: lines of HEAD, score and value; of whatever seeds.
    """
    of = {at: dict(zip(lines.score, lines.value, strict=True)) for at, lines in scores.groupby(HEAD, sort=False)}
    collapsed: dict[tuple[str, str], list[bool]] = {}
    for row, measured in {run.row: run.measures for run in paths.trained(params, study)}.items():
        # of what reads classes besides, samples may be bad: good readers have generators that are
        by_output = {output.name: [m for m in measures if m.of_reading is output.reads] for output, measures in measured.items()}
        if study.pooled:  # by the same rule, from the means over all translations
            by_output[ALL] = by_output[study.pooled[0].name]
        for output, measures in by_output.items():
            floors = {floor: of[output, floor, 0] for floor in study.references if (output, floor, 0) in of}
            for own in [own for (at, name, _), own in of.items() if (at, name) == (output, row)]:
                fell = [
                    measure.collapsed(own, _having(measure, floors, study.limits), study.limits, study.data)
                    for measure in with_rules([m for m in measures if {*m.scores} & {*own}], study)
                ]
                if fell:
                    collapsed.setdefault((output, row), []).append(any(fell))
    return collapsed


def kept_table(file: Path) -> pd.DataFrame:
    """A CSV of a kept report, which may be of another version."""
    return pd.read_csv(file).rename(columns={"direction": "output"})  # as older reports call it


def kept_unlearned(params: Params, study: Study, folder: Path) -> set[tuple[str, str]]:
    """Outputs and rows of a kept report most of whose trainings collapsed, by its scores.csv."""
    file = folder / "scores.csv"
    if not file.exists():
        return set()
    lines = kept_table(file).melt([*HEAD], var_name="score").dropna()
    return {at for at, fell in collapsed_trainings(params, study, lines).items() if 2 * sum(fell) > len(fell)}


def with_rules(measures: Sequence[Measure], study: Study) -> list[Measure]:
    """Those that tell whether a training collapsed; of a last resort only where there is no other."""
    telling = [measure for measure in measures if measure.fallen(study.limits)]
    return [measure for measure in telling if not measure.last_resort] or telling


def _having(measure: Measure, rows: Mapping[str, Mapping[str, float]], limits: Limits) -> dict[str, Mapping[str, float]]:
    """Reference rows that have scores of a measure.

    Of label maps one may be so nearly perfect, where the input is nearly its own label map, that nothing could lie `above` it:
    then what comes as near to it has learned.
    """
    having = {row: scores for row, scores in rows.items() if {*measure.scores} & {*scores}}
    if not measure.by_class:
        return having
    lowered = 2 * limits.above
    return {row: {s: v - lowered if no_room(v, limits) else v for s, v in scores.items()} for row, scores in having.items()}


def no_room(value: Any, limits: Limits) -> Any:
    """Whether a share, or each of several, is so near 1 that nothing could lie `above` it."""
    return value + limits.above >= 1


def _failed(study: Study, losses: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Rows most of whose trainings cannot have learned, by what their losses tell, and why."""
    failed = {}
    for name, row in study.rows.items():
        trainings: dict[int, list[Mapping[str, float]]] = {}
        for line in (line for line in losses if line["row"] == name):
            trainings.setdefault(line["seed"], []).append(line)
        reasons = [reason for training in trainings.values() if (reason := row.method.failed(training))]
        if 2 * len(reasons) > len(trainings):
            failed[name] = reasons[0]
    return failed


def _estimates(by_measure: dict[str, list[np.ndarray]]) -> dict[str, Estimate]:
    """Every score from the counts of each seed."""
    by_score: dict[str, Estimate] = {}
    for name, seeds in by_measure.items():
        counts, measure = np.stack(seeds), MEASURES[name]
        shape = counts.shape[2:]

        def statistic(sums: np.ndarray, measure: Measure = measure, shape: tuple[int, ...] = shape) -> dict[str, np.ndarray]:
            return measure.statistic(sums.reshape(-1, *shape))

        all_of = estimates(counts.reshape(*counts.shape[:2], -1), statistic, measure.images_of(counts[0]))
        by_score |= {score: estimate for score, estimate in all_of.items() if score in measure.scores}
    return by_score


def _by_image(by_measure: dict[str, list[np.ndarray]]) -> np.ndarray | None:
    """The score of each test image by which images are ranked, mean over seeds; None where no measure ranks them."""
    for name, seeds in by_measure.items():
        if score := MEASURES[name].by_image:
            ranked: np.ndarray = np.mean([MEASURES[name].statistic(counts)[score] for counts in seeds], 0)
            return ranked
    return None


def intervals(results: Results) -> pd.DataFrame:
    """Mean over seeds and 95 % interval, cut to the score's bounds: one line per output, row and score."""
    lines = []
    for (output, row), by_score in results.estimates.items():
        for name, estimate in by_score.items():
            (low, high), about = interval(estimate), SCORES[name]
            if np.isfinite(low + high):
                low = low if about.low is None else max(about.low, low)
                high = high if about.high is None else min(about.high, high)
            lines.append([output, row, name, estimate.mean, low, high, len(estimate.trainings)])
    return pd.DataFrame(lines, columns=["output", "row", "score", "mean", "low", "high", "seeds"])


def segmented(results: Results) -> list[Output]:
    """The outputs that are scored class by class."""
    return [output for output in results.study.outputs if output.name in set(results.classes.output)]


def headline(results: Results, output: str) -> str | None:
    """The score that stands for an output in figures; None where nothing measures it over its training."""
    return next((m.headline for m in results.measures.get(output, ()) if m.headline), None)


def trusted(results: Results) -> bool:
    """Whether the network that reads generated images can read real ones."""
    return results.gate is None or results.gate.passed


def share_collapsed(results: Results, output: str, row: str) -> str:
    """'2 of 10 collapsed, 3 to 56 %': with the exact interval (Clopper and Pearson) for a share; '' where it is not known."""
    fell = results.collapsed.get((output, row))
    if not fell:
        return ""
    reach = binomtest(sum(fell), len(fell)).proportion_ci(LEVEL, "exact")
    return f"{sum(fell)} of {len(fell)} collapsed, {100 * reach.low:.0f} to {100 * reach.high:.0f} %"


def unlearned(results: Results, output: str, row: str) -> str:
    """Why a row has not learned an output; '' where it has: by its losses, or since most of its trainings collapsed."""
    fell = results.collapsed.get((output, row), [])
    return results.failed.get(row, "") or (f"{sum(fell)} of {len(fell)} trainings collapsed" if 2 * sum(fell) > len(fell) else "")


def title(results: Results, row: str, table: TableSettings | None = None) -> str:
    """What a row is called (in a table)."""
    titles = {name: settings.title for name, settings in results.study.rows.items()} | REFERENCE_ROWS
    return titles[row] if table is None else table.titles.get(row, titles[row])


def images_per_epoch(results: Results, row: str) -> int:
    """Images (of each domain, where they are unpaired) that an epoch of a row shows."""
    method = results.study.rows[row].method
    feed = method.feed()
    names = feed.names(results.manifest)
    return feed.batches * int(method.settings.epoch_images or max(len(names[domain]) for domain in feed.domains))


def read_gate(path: Path) -> Gate:
    """How well a reader reads, of its reader.json; what else stands there is nothing of ours."""
    record = read_record(path, ReaderRecord)["gate"]
    return Gate(**{name: record[name] for name in Gate._fields})


def history(run: Path) -> list[dict[str, float]]:
    """Loss rows of one training, epoch by epoch. UserError where there are none."""
    path = run / "history.csv"
    try:
        with plain(path).open(newline="") as file:
            rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    except (ValueError, TypeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: damaged or cut short ({error}); {_again(run)}") from None
    if not rows:
        raise UserError(f"{path}: empty; {_again(run)}")
    if odd := next((f"{name} is {value}" for row in rows for name, value in row.items() if not math.isfinite(value)), None):
        raise UserError(f"{path}: damaged ({odd}, where trainings stop); {_again(run)}")
    return rows


def means(results: Results) -> pd.DataFrame:
    """Mean over seeds, a line for each output and row, a column for each score."""
    wide = results.scores.pivot_table("value", ["output", "row"], "score", sort=False)
    return wide.reindex(columns=[score for score in SCORES if score in wide.columns])


def summary(results: Results) -> dict[str, dict[str, dict[str, float]]]:
    """Mean over seeds: output -> row -> score. What `dvc metrics diff` compares."""
    table: dict[str, dict[str, dict[str, float]]] = {output: {} for output in results.measures}
    for (output, row), values in means(results).iterrows():
        table[output][row] = {name: round(float(value), 6) for name, value in values.dropna().items()}
    return {output: rows for output, rows in table.items() if rows}


def write_tables(results: Results, folder: Path) -> None:
    """What the page and the figures show, as CSV files; without a line where nothing is measured."""
    wide = results.scores.pivot_table("value", HEAD, "score", sort=False).reset_index()
    wide = wide.reindex(columns=[*HEAD, *(score for score in SCORES if score in wide.columns)])
    wide.to_csv(folder / "scores.csv", index=False, float_format="%.6f")
    intervals(results).to_csv(folder / "intervals.csv", index=False, float_format="%.6f")
    flat = means(results).reset_index()
    flat.insert(0, "name", flat.output + " " + flat.row)
    flat.to_csv(folder / "means.csv", index=False, float_format="%.6f")
    by_epoch = results.losses.drop(columns="learning_rate").groupby(["row", "epoch"]).mean().drop(columns="seed")
    by_row = by_epoch.unstack("row").swaplevel(axis=1).sort_index(axis=1).dropna(axis=1, how="all")
    by_row.columns = [f"{row}.{term}" for row, term in by_row.columns]
    by_row.to_csv(folder / "losses.csv", float_format="%.6f")

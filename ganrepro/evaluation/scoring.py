"""Runs measures over one output of one row: plain values, and the counts per image that intervals follow from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganrepro.data.spec import MOST_NAMED
from ganrepro.evaluation.images import read_once
from ganrepro.evaluation.measures.base import IDENTITY, Job, Measure, Measured
from ganrepro.store.files import replacing


def score(job: Job, measures: Sequence[Measure], epochs: Mapping[int, Path]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What the measures find, by their names, and their counts, summed over passes: (images, ...).

    epochs: folders of images made by the generators of epochs that are looked back at.  Of each measure: `scores`; `errors` of
    those that have any; `by_class`; `images`, how many were counted; `passes`, the scores of each pass alone; `epochs`, those
    of each epoch that was looked back at; `more`, whatever else it knows. A measure that finds nothing is left out.
    """
    with read_once():
        return _score(job, measures, epochs)


def _score(job: Job, measures: Sequence[Measure], epochs: Mapping[int, Path]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    values: dict[str, Any] = {}
    counts: dict[str, np.ndarray] = {}
    for measure in measures if _comparable(job) else ():
        measured = measure.measure(job)
        if measured.counts is None and not measured.values:
            continue
        result: dict[str, Any] = {"scores": _scores(measure, measured), "more": dict(measured.more)}
        if measured.counts is None:
            result["errors"] = dict(measured.errors)
        else:
            counts[measure.name] = measured.counts.sum(0)
            result["images"] = measured.counts.shape[1]
            if measure.by_class:
                result["by_class"] = measure.statistic(measured.counts.sum((0, 1)))[measure.by_class].tolist()
            if len(job.folders) > 1:
                result["passes"] = [_scores(measure, Measured(of_pass[None])) for of_pass in measured.counts]
        if measure.over_training and epochs:
            jobs = {epoch: dataclasses.replace(job, folders=[folder]) for epoch, folder in epochs.items()}
            result["epochs"] = {str(epoch): _scores(measure, measure.measure(then)) for epoch, then in jobs.items()}
        values[measure.name] = result
    return values, counts


def _comparable(job: Job) -> bool:
    """Whether images can be set beside those of their target: untouched inputs of more than four channels need as many."""
    source = job.output.source if job.row == IDENTITY else None
    channels = job.channels, job.data.channels(source or job.output.target)
    return channels[0] == channels[1] or max(channels) <= MOST_NAMED


def _scores(measure: Measure, measured: Measured) -> dict[str, float]:
    if measured.counts is None:
        return dict(measured.values)
    values = measure.statistic(measured.counts.sum((0, 1)))
    return {name: float(values[name]) for name in measure.scores if name in values}


def write_counts(path: Path, counts: Mapping[str, np.ndarray]) -> None:
    """Counts by name, as one compressed file."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **counts)  # type: ignore[arg-type]

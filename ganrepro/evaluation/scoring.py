"""Runs evaluators over one output of one row: plain values, and the counts per image that intervals follow from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganrepro.artifacts.files import replacing
from ganrepro.evaluation.base import Evaluator, Job


def score(job: Job, evaluators: Sequence[Evaluator], epochs: Mapping[int, Path]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Everything the evaluators measure, and their counts by evaluator, summed over passes: (images, ...).

    epochs: folders of images made by the generators of epochs that are looked back at. `passes` in the values has the
    scores of each pass alone, `epochs` those of each such epoch; what has no counts stands under its evaluator's name.
    """
    values: dict[str, Any] = {}
    counts: dict[str, np.ndarray] = {}
    for evaluator in evaluators:
        measured = evaluator.measure(job)
        if measured.counts is None:
            values[evaluator.name] = measured.values
            continue
        values |= measured.values
        counts[evaluator.name] = measured.counts.sum(0)
        found = evaluator.statistic(measured.counts.sum((0, 1)))
        values |= {name: value.tolist() for name, value in found.items()}
        values["images"] = measured.counts.shape[1]
        for number, one in enumerate(measured.counts):
            values.setdefault("passes", [{} for _ in job.folders])[number] |= _plain(evaluator, one.sum(0))
        for epoch, folder in epochs.items() if evaluator.over_training else ():
            then = evaluator.measure(dataclasses.replace(job, folders=[folder])).counts
            assert then is not None
            values.setdefault("epochs", {}).setdefault(epoch, {}).update(_plain(evaluator, then.sum((0, 1))))
    return values, counts


def write_counts(path: Path, counts: Mapping[str, np.ndarray]) -> None:
    """Counts by name, as one compressed file."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **counts)  # type: ignore[arg-type]


def _plain(evaluator: Evaluator, counts: np.ndarray) -> dict[str, float]:
    found = evaluator.statistic(counts)
    return {name: float(found[name]) for name in evaluator.scores}

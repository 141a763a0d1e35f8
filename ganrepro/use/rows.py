"""Rows by name: which training STUDY/ROW/SEED means, where its checkpoint lies, and what is known of it."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganrepro import provenance, settings
from ganrepro.errors import UserError
from ganrepro.methods.base import epochs
from ganrepro.methods.outputs import Output
from ganrepro.plan import datasets, paths
from ganrepro.schema.records import Manifest, Metrics, TrainingTime, read_record
from ganrepro.schema.registry import is_drawn, licence, registry

if TYPE_CHECKING:
    import torch


class ModelError(UserError):
    """A model cannot be found or used; the message says what to do."""


def finite(values: torch.Tensor, name: str) -> torch.Tensor:
    """The same values. ModelError where some are none: such a picture would be black, and pass for one that was made."""
    if not bool(values.isfinite().all()):
        raise ModelError(f"{name}: makes values that are not finite; its weights are damaged, or its training failed")
    return values


def split_output(name: str) -> tuple[str, str | None]:
    """A model's name without the output behind it (`streets-tiny/cyclegan:photo2labels`), and that; None: none is named."""
    place, _, chosen = name.rpartition(":")
    named = place and re.fullmatch(r"[a-z0-9][a-z0-9._-]*", chosen) and not Path(name).exists()
    return (place, chosen) if named else (name, None)


def run_of(text: str, params: settings.Params) -> paths.Run:
    """The row that STUDY/ROW or STUDY/ROW/SEED names; without a seed its first. ModelError or ConfigError where there is none."""
    parts = text.split("/")
    if len(parts) not in (2, 3) or (len(parts) == 3 and not parts[2].isdecimal()):
        raise ModelError(
            f"{text}: no such file or folder, and no row: expected STUDY/ROW or STUDY/ROW/SEED (`ganrepro list` shows all)"
        )
    if parts[0] not in params.studies and Path(text).parent.is_dir():
        beside = difflib.get_close_matches(Path(text).name, [path.name for path in Path(text).parent.iterdir()], n=1)
        hint = f"; did you mean {Path(text).parent / beside[0]}?" if beside else ""
        raise ModelError(f"{text}: no such file or folder, and no study '{parts[0]}'{hint}")
    study = settings.find_study(params, parts[0])
    return paths.find_run(params, parts[0], parts[1], int(parts[2]) if len(parts) == 3 else study.seeds[0])


def checkpoint_of(run: paths.Run) -> Path:
    """The checkpoint of a row, its own or that of an equal training, or of its unfinished one.

    ModelError with the command that makes it.
    """
    file, unfinished = run.folder / "checkpoint.pt", run.work / "checkpoint.pt"
    checkpoint = file if file.exists() else run.equal_checkpoint()
    if checkpoint is None and unfinished.exists():
        return unfinished
    if checkpoint is None:
        how = f"snakemake --cores all {file}"
        if run.study.name not in run.params.reports.values():
            how = f"name the study under `reports` in params.yaml, then: {how}"
        raise ModelError(f"{run.study.name}/{run.row}/{run.seed}: not trained yet; {how}")
    return checkpoint


def weights_of(run: paths.Run) -> dict[str, dict[str, torch.Tensor]]:
    """Networks of a row by name, as images are made with them. Of an unfinished training, how far it is goes to stderr."""
    from ganrepro.store import checkpoints  # loads torch

    file = checkpoint_of(run)
    state = checkpoints.load(file, run.spec)
    if file.parent == run.work:
        name, whole = f"{run.study.name}/{run.row}/{run.seed}", epochs(run.method.settings)
        print(f"note: {name}: unfinished, in epoch {state['progress']['epoch']} of {whole}", file=sys.stderr)
    return checkpoints.making(state)


def known_of(run: paths.Run, outputs: Iterable[Output]) -> dict[str, Any]:
    """What is known of a trained row, as plain values: study, method, data and its licence, scores, provenance."""
    method, dataset = run.method, run.params.datasets[run.study.dataset]
    entry, checkpoint = registry().get(dataset.source, {}), checkpoint_of(run)
    timing = (
        provenance.machine("cpu", 1)
        if checkpoint.parent == run.work
        else read_record(checkpoint.parent / "timing.json", TrainingTime)
    )
    scores: dict[str, float] = {}
    for output in outputs:
        scores |= _scores(run, output)
    return {
        "study": run.study.name, "row": run.row, "seed": run.seed, "study_title": run.study.title,
        "method": f"{method.title} ({method.paper})", "dataset": entry.get("title", run.study.dataset),
        "licence": licence(dataset.source) or "that of the images it was trained on", "scores": scores,
        "settings": method.settings.model_dump(), "key": run.key, "drawn": is_drawn(dataset.source),
        **_values(run),
        "dataset_folder": str(datasets.dataset_dir(run.params, run.study.dataset)),
        "commit": timing["commit"], "versions": timing["versions"], "trained_on": timing["device_name"],
    }  # fmt: skip


def _values(run: paths.Run) -> dict[str, Any]:
    """Black and white of its images by domain, where the dataset says them."""
    file = datasets.dataset_dir(run.params, run.study.dataset) / "manifest.json"
    values = read_record(file, Manifest).get("values") if file.exists() else None
    return {"values": values} if values else {}


def _scores(run: paths.Run, output: Output) -> dict[str, float]:
    """What its own seed scored; empty where it was not scored yet."""
    file = run.scores / "metrics.json"
    measured = read_record(file, Metrics)["values"].get(output.name, {}) if file.exists() else {}
    return {score: float(value) for by_measure in measured.values() for score, value in by_measure["scores"].items()}

"""The MLflow runs of a study: a parent for each row, a child for each of its seeds, found by their keys."""

from __future__ import annotations

import os
from typing import Any

from ganrepro.data.prepare import read_manifest
from ganrepro.methods.base import Method
from ganrepro.plan import datasets, paths
from ganrepro.provenance import git_commit
from ganrepro.settings import Study
from ganrepro.store.digests import key_of
from ganrepro.tracking import client


def start_run(run: paths.Run) -> client.Tracker:
    """The MLflow run of one training: a child of its row's, found by the run's key."""
    tags = {
        "study": run.study.name,
        "row": run.row,
        "seed": str(run.seed),
        "rule": "train",
        "mlflow.source.git.commit": git_commit(),
        "mlflow.source.name": "pipeline.train",
        "data.digest": dataset_of(run).digest,
        "launcher": "dvc" if "DVC_STAGE" in os.environ else "snakemake",
    }
    parent = start_row(run)
    settings = _settings(run.method, run.study.dataset) | {"seed": run.seed}
    title = f"{run.study.rows[run.row].title}, seed {run.seed}"
    return client.start(
        experiment(run), title, run.folder.name + _making(run), settings, tags, parent, dataset_of(run), note(run.study)
    )


def start_row(run: paths.Run) -> client.Tracker:
    """The MLflow run of one row: parent of its seeds, holder of their mean scores."""
    spec = {k: v for k, v in run.spec.items() if k != "seed"}
    tags = {"study": run.study.name, "row": run.row, "rule": "report", "mlflow.source.name": "pipeline.report"}
    tags |= {"mlflow.source.git.commit": git_commit(), "data.key": datasets.dataset_key(run.params, run.study.dataset)}
    settings = _settings(run.method, run.study.dataset)
    title, key = run.study.rows[run.row].title, f"{run.row}-{key_of(spec)}{_making(run)}"
    return client.start(experiment(run), title, key, settings, tags, dataset=dataset_of(run), note=note(run.study))


def _making(run: paths.Run) -> str:
    """Part of a key: settings that shape what is made and no training, where a row has any."""
    return f"-{key_of(run.making)}" if run.making else ""


def dataset_of(run: paths.Run) -> client.DatasetName:
    """What MLflow shows of the data of a run."""
    data = datasets.dataset_dir(run.params, run.study.dataset)
    return client.DatasetName(run.study.dataset, read_manifest(data)["digest"], str(data))


def note(study: Study) -> str:
    """What an experiment is, for its page in MLflow."""
    kept = paths.report_folder(study.name) / "README.md"
    return (
        f"**{study.title}** (`{study.name}`): {len(study.rows)} rows of {study.heading}, a run for each, below it one for each "
        f"seed. Losses by epoch; scores as `SCORE/OUTPUT`."
    ) + (f" Kept report: `{kept}`." if kept.exists() else "")


def experiment(run: paths.Run) -> str:
    """Its name in MLflow."""
    return f"{run.study.experiment}/{run.study.name}"


def _settings(method: Method[Any], dataset: str) -> dict[str, object]:
    """Settings by name; groups as 'group.name', 0 where the defaults have one that the row has not: a plot needs every axis."""
    settings: dict[str, object] = {"method": method.name}
    for name, value in method.settings.model_dump().items():
        if isinstance(value, dict):
            usual = type(method.settings).model_fields[name].default
            settings |= {f"{name}.{key}": value.get(key, 0) for key in dict.fromkeys([*usual, *value])}
        else:
            settings[name] = value
    return settings | {"dataset": dataset}

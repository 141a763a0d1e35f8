"""The MLflow runs of a study: a parent for each row, a child for each of its seeds, found by their keys."""

from __future__ import annotations

import os
from typing import Any

from ganrepro.artifacts import paths
from ganrepro.artifacts.files import read_json
from ganrepro.artifacts.fingerprint import key_of
from ganrepro.methods.base import Method
from ganrepro.provenance import git_commit
from ganrepro.tracking import client


def start_run(run: paths.Run) -> client.Tracker:
    """The MLflow run of one training: a child of its row's, found by the run's key."""
    data = paths.dataset_dir(run.params, run.study.dataset)
    digest_of_data = read_json(data / "manifest.json")["digest"]
    tags = {
        "study": run.study.name,
        "row": run.row,
        "seed": str(run.seed),
        "rule": "train",
        "mlflow.source.git.commit": git_commit(),
        "mlflow.source.name": "pipeline.train",
        "data.digest": digest_of_data,
        "launcher": "dvc" if "DVC_STAGE" in os.environ else "snakemake",
    }
    parent = start_row(run)
    dataset = client.DatasetName(run.study.dataset, digest_of_data, str(data))
    settings = _settings(run.method, run.study.dataset) | {"seed": run.seed}
    child = client.start(experiment(run), f"{run.row} seed {run.seed}", run.folder.name, settings, tags, parent, dataset)
    parent.close()  # nothing runs under its name; it only holds its seeds together
    return child


def start_row(run: paths.Run) -> client.Tracker:
    """The MLflow run of one row: parent of its seeds, holder of their mean scores."""
    spec = {k: v for k, v in run.spec.items() if k != "seed"}
    tags = {"study": run.study.name, "row": run.row, "rule": "report", "mlflow.source.name": "pipeline.report"}
    tags |= {"mlflow.source.git.commit": git_commit(), "data.key": paths.dataset_key(run.params, run.study.dataset)}
    settings = _settings(run.method, run.study.dataset)
    return client.start(experiment(run), run.row, f"{run.row}-{key_of(spec)}", settings, tags)


def experiment(run: paths.Run) -> str:
    """Its name in MLflow."""
    return f"{run.study.variants}/{run.study.name}"


def _settings(method: Method[Any], dataset: str) -> dict[str, object]:
    """Settings by name; groups as 'group.name', 0 where the defaults have one that the row has not: a plot needs every axis."""
    found: dict[str, object] = {"method": method.name}
    for name, value in method.settings.model_dump().items():
        if isinstance(value, dict):
            usual = type(method.settings).model_fields[name].default
            found |= {f"{name}.{key}": value.get(key, 0) for key in dict.fromkeys([*usual, *value])}
        else:
            found[name] = value
    return found | {"dataset": dataset}

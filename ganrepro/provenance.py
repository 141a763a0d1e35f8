"""Who made a result, from what: commit, versions, machine; and the MLflow names of a run."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import platform
import subprocess
from dataclasses import asdict
from importlib import metadata

from ganrepro import artifacts, tracking
from ganrepro.config import TERM_NAMES, Params, Study, digest


@functools.cache  # of the start of the process, whatever is committed while it runs
def git_commit() -> str:
    """Commit of the working tree, 'unknown' outside a repository.

    '-dirty' where tracked files were edited, apart from params.yaml, whose digest is recorded beside, and reports.
    """
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", ":!params.yaml", ":!reports")
        return commit + ("-dirty" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], capture_output=True, text=True, check=True, timeout=20).stdout.strip()


def machine(device: str, threads: int) -> dict[str, object]:
    """What a training ran on: device, threads, library versions."""
    name = platform.processor() or platform.machine()
    if device == "cuda":
        import torch

        name = torch.cuda.get_device_name()
    else:
        try:
            with open("/proc/cpuinfo", encoding="utf-8") as file:
                name = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), name)
        except OSError:
            pass  # not Linux: the platform's own word stays
    return {
        "device": device,
        "device_name": name,
        "cores": os.cpu_count(),
        "threads": threads,
        "commit": git_commit(),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Python and the libraries a result depends on."""
    names = ("torch", "numpy", "pillow", "snakemake", "dvc", "mlflow")
    found = {"python": platform.python_version()}
    for name in names:
        with contextlib.suppress(metadata.PackageNotFoundError):  # a packed study runs without Snakemake, DVC and MLflow
            found[name] = metadata.version(name)
    return found


def start_run(params: Params, study: Study, variant: str, seed: int) -> tracking.Tracker:
    """The MLflow run of one training: a child of its variant's run, found by the run's key."""
    data = artifacts.dataset_dir(params, study.dataset)
    digest_of_data = json.loads((data / "manifest.json").read_text())["digest"]
    tags = {
        "study": study.name,
        "variant": variant,
        "seed": str(seed),
        "rule": "train",
        "mlflow.source.git.commit": git_commit(),
        "mlflow.source.name": "pipeline.train",
        "data.digest": digest_of_data,
        "launcher": "dvc" if "DVC_STAGE" in os.environ else "snakemake",
    }
    key = artifacts.run_dir(params, study, variant, seed).name
    parent = start_variant(params, study, variant)
    dataset = tracking.DatasetName(study.dataset, digest_of_data, str(data))
    settings = _settings(study, variant) | {"seed": seed}
    run = tracking.start(f"{study.ablation}/{study.name}", f"{variant} seed {seed}", key, settings, tags, parent, dataset)
    parent.close()  # nothing runs under its name; it only holds its seeds together
    return run


def start_variant(params: Params, study: Study, variant: str) -> tracking.Tracker:
    """The MLflow run of one variant: parent of its seeds, holder of their mean scores."""
    spec = {k: v for k, v in artifacts.run_spec(params, study, variant, 0).items() if k != "seed"}
    tags = {"study": study.name, "variant": variant, "rule": "report", "mlflow.source.name": "pipeline.report"}
    tags |= {"mlflow.source.git.commit": git_commit(), "data.key": artifacts.dataset_key(params, study.dataset)}
    key = f"{variant}-{digest(spec)[:12]}"
    return tracking.start(f"{study.ablation}/{study.name}", variant, key, _settings(study, variant), tags)


def _settings(study: Study, variant: str) -> dict[str, object]:
    training = asdict(study.variants[variant].training)
    weights = training.pop("terms")
    terms = {f"weight.{name}": weights.get(name, 0) for name in TERM_NAMES}  # 0 where absent, so that a plot has every axis
    return training | terms | {"dataset": study.dataset}

"""The whole workflow: `snakemake --cores 8 reports/cyclegan_ablation.md`.

Everything comes from params.yaml and papers/, through ganrepro.settings; every path carries the key of
what it depends on, so a file that exists is up to date. Reading this file changes no other.
"""

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

sys.path.insert(0, workflow.basedir)

from ganrepro import settings
from ganrepro.plan import datasets, paths
from ganrepro.reporting import current

min_version("9.27")

if config:
    raise WorkflowError(
        f"--config {' '.join(config)}: settings live in params.yaml, where DVC sees them too; "
        "edit it, or try a value with: dvc exp run -S 'studies.streets-tiny.seeds=[0, 1]'"
    )

try:
    PARAMS = settings.load("params.yaml")
except settings.ConfigError as error:
    raise WorkflowError(f"params.yaml: {error}") from None

for folder in (
    *("data", "downloads", "readers", "runs", "images", "scores"),
    *("reports", "logs", "work"),
):
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise WorkflowError(f"{folder}: expected a folder, found a file; move it away")

if workflow.resource_settings.cores == 0:  # would wait for ever
    raise WorkflowError("--cores 0: expected a number from 1, or all")

PYTHON = sys.executable
STUDIES = {study: PARAMS.studies[study] for study in PARAMS.reports.values()}
GPU = paths.gpu_slots(PARAMS.device)
FIRST = paths.first_trainings(PARAMS)


def run_of(wildcards):
    """The row and seed that wildcards name."""
    return paths.Run(
        PARAMS, STUDIES[wildcards.study], wildcards.row, int(wildcards.seed)
    )


def manifest_of(dataset):
    """What says that a dataset is prepared. Ancient: its key says whether it is current."""
    return ancient(f"{datasets.dataset_dir(PARAMS, dataset)}/manifest.json")


def files_of(run):
    """What a training reads besides the images: downloads, the network that reads its study."""
    return [
        ancient(str(file) if file.suffix else f"{file}/source.json")
        for file in run.files.values()
    ]


wildcard_constraints:
    study=r"[a-z0-9._-]+",
    name=r"[a-z0-9._-]+",
    row=r"[a-z0-9._-]+",
    seed=r"\d+",
    key=r"[0-9a-f]+",


localrules:
    all,
    report_key,


rule all:
    input:
        [paths.report_page(name) for name in PARAMS.reports],


include: "pipeline/rules/data.smk"
include: "pipeline/rules/train.smk"
include: "pipeline/rules/evaluate.smk"
include: "pipeline/rules/report.smk"


onsuccess:
    # So that `dvc status` is clean afterwards; DVC records for itself when it is the caller.
    if "DVC_STAGE" not in os.environ:
        shell("{PYTHON:q} -m pipeline.dvc_commit")

"""Tells DVC what a Snakemake run made, so that `dvc status` is clean: `dvc commit` of complete stages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ganrepro import settings
from ganrepro.artifacts import datasets, paths
from ganrepro.reporting.plan import report_is_current


def complete_stages() -> list[str]:
    """Stages whose outputs of the current parameters are all there; DVC must not note down any other."""
    params = settings.load()
    studies = {name: settings.find_study(params, study) for name, study in params.reports.items()}
    made = {
        "data": all((datasets.dataset_dir(params, s.dataset) / "manifest.json").exists() for s in studies.values()),
        "segmenters": all(
            (paths.segmenter_dir(params, s) / "segmenter.pt").exists()
            for s in studies.values()
            if datasets.has_classes(params, s.dataset)
        ),
    }
    for name, study in studies.items():
        made[f"train@{name}"] = all((run.folder / "checkpoint.pt").exists() for run in paths.trained(params, study))
        made[f"evaluate@{name}"] = all((run.scores / "metrics.json").exists() for run in paths.runs(params, study))
        made[f"report@{name}"] = report_is_current(params, name)
    return [stage for stage, complete in made.items() if complete]


def main() -> None:
    if not Path(".dvc").is_dir() or not (stages := complete_stages()):
        return
    command = [sys.executable, "-m", "dvc", "commit", "--quiet", "--force", "--no-relink", *stages]
    if subprocess.run(command).returncode:
        print("DVC did not record this run (see above); `dvc commit -f` does it later", file=sys.stderr)


if __name__ == "__main__":
    main()

"""Tells DVC what a Snakemake run made, so that `dvc status` is clean: `dvc commit` of complete stages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ganrepro import artifacts, config


def complete_stages() -> list[str]:
    """Stages whose outputs of the current parameters are all there; DVC must not note down any other."""
    params = config.load()
    studies = {name: params.find_study(study) for name, study in params.reports.items()}
    made = {
        "data": all((artifacts.dataset_dir(params, s.dataset) / "manifest.json").exists() for s in studies.values()),
        "segmenters": all(
            (artifacts.segmenter_dir(params, s) / "segmenter.pt").exists()
            for s in studies.values()
            if artifacts.has_classes(params, s.dataset)
        ),
    }
    for name, study in studies.items():
        trained = [artifacts.run_dir(params, study, *run) for run in artifacts.trained(study)]
        scored = [artifacts.score_dir(params, study, *row) for row in artifacts.rows(study)]
        made[f"train@{name}"] = all((run / "checkpoint.pt").exists() for run in trained)
        made[f"evaluate@{name}"] = all((folder / "metrics.json").exists() for folder in scored)
        made[f"report@{name}"] = artifacts.report_is_current(params, name)
    return [stage for stage, complete in made.items() if complete]


def main() -> None:
    if not Path(".dvc").is_dir() or not (stages := complete_stages()):
        return
    command = [sys.executable, "-m", "dvc", "commit", "--quiet", "--force", "--no-relink", *stages]
    if subprocess.run(command).returncode:
        print("DVC did not record this run (see above); `dvc commit -f` does it later", file=sys.stderr)


if __name__ == "__main__":
    main()

"""Tells DVC what a Snakemake run made, so that `dvc status` is clean: `dvc commit` of complete stages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ganrepro import artifacts, config


def complete_stages() -> list[str]:
    """Stages whose outputs of the current parameters are all there; DVC must not note down any other."""
    params = config.load()
    study = params.find_study()
    trained = [artifacts.run_dir(params, study, *run) for run in artifacts.trained(study)]
    made = {
        "data": (artifacts.dataset_dir(params, study.dataset) / "manifest.json").exists(),
        "train": all((run / "checkpoint.pt").exists() for run in trained),
        "evaluate": all((artifacts.score_dir(params, study, *row) / "metrics.json").exists() for row in artifacts.rows(study)),
        "report": artifacts.report_is_current(params, study),
    }
    return [stage for stage, complete in made.items() if complete]


def main() -> None:
    if not Path(".dvc").is_dir() or not (stages := complete_stages()):
        return
    command = [sys.executable, "-m", "dvc", "commit", "--quiet", "--force", "--no-relink", *stages]
    if subprocess.run(command).returncode:
        print("DVC did not record this run (see above); `dvc commit -f` does it later", file=sys.stderr)


if __name__ == "__main__":
    main()

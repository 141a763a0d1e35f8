"""Equal trainings of several rows or studies are made once: the others take the results over."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from ganrepro import checkpoints
from ganrepro.artifacts import paths
from ganrepro.artifacts.files import filling, write_json
from ganrepro.tracking.runs import start_run


def take_over(run: paths.Run, checkpoint: Path, out: Path) -> None:
    """The results of an equal training, of another row or study, under the name of this one."""
    rows = checkpoints.load(checkpoint, run.spec)["progress"]["rows"]
    tracker = start_run(run)
    for row in rows:
        tracker.epoch(row)
    tracker.close()
    with filling(out) as folder:
        for file in checkpoint.parent.iterdir():
            try:
                os.link(file, folder / file.name)  # results are replaced as a whole, never written into
            except OSError:
                shutil.copyfile(file, folder / file.name)
        write_json(folder / "run.json", {"schema": "run/2", "study": run.study.name, "row": run.row} | run.spec)
    print(f"{run.row} s{run.seed}: equal to {checkpoint.parent}, taken over from there", file=sys.stderr)

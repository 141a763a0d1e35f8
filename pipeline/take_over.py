"""Rows that need no training of their own: equal to one that is made already, or of weights that somebody else trained."""

from __future__ import annotations

import sys
from pathlib import Path

from ganrepro import provenance
from ganrepro.plan import paths
from ganrepro.seeding import stream
from ganrepro.store import checkpoints
from ganrepro.store.files import again, filling, read_json, write_json
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
            again(file, folder / file.name)
        write_json(folder / "run.json", run.record | {"versions": read_json(checkpoint.parent / "run.json").get("versions", {})})
    print(f"{run.row} s{run.seed}: equal to {checkpoint.parent}, taken over from there", file=sys.stderr)


def import_weights(run: paths.Run, out: Path) -> None:
    """The results of a row without players: its networks are read, so that a wrong file is named here, and nothing is trained."""
    run.method.networks(lambda purpose: stream(run.seed, purpose))
    rows = [{"epoch": 1, "learning_rate": 0.0}]
    start_run(run).close()
    with filling(out) as folder:
        checkpoints.save(folder / "checkpoint.pt", run.spec, {"players": {"networks": {}}, "progress": {"rows": rows}})
        (folder / "history.csv").write_text("epoch,learning_rate\n1,0.0\n", encoding="utf-8")
        write_json(folder / "run.json", run.record | {"versions": provenance.versions()})
        write_json(folder / "timing.json", provenance.machine("cpu", 1) | {"seconds": 0.0, "resumed": 0})

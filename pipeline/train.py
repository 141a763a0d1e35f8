"""Row + seed -> checkpoint, losses, spec, timing; resumes where it was killed."""

from __future__ import annotations

import csv
import os
import shutil
import time
from pathlib import Path

from filelock import FileLock

from ganrepro import checkpoints, process, provenance, settings
from ganrepro.artifacts import datasets, paths
from ganrepro.artifacts.files import filling, write_json
from ganrepro.methods.base import epochs
from ganrepro.methods.players import Players
from ganrepro.tracking.runs import start_run
from ganrepro.training.batches import load_images
from ganrepro.training.loop import Progress, fit
from ganrepro.training.schedule import milestones
from ganrepro.training.upright import upright
from pipeline import stage
from pipeline.take_over import import_weights, take_over

# A killed training repeats at most this much, or more where saving would take more than a fiftieth of the time.
SAVE_EVERY_SECONDS = float(os.environ.get("GANREPRO_SAVE_SECONDS", "60"))
SAVE_SHARE = 0.02


def main() -> None:
    args = stage.arguments(__doc__ or "", "study", "row", "seed")
    run = paths.find_run(settings.load(args.params), args.study, args.row, args.seed)
    stage.expect(args.out, run.folder)
    run.work.mkdir(parents=True, exist_ok=True)
    with FileLock(run.work / "lock"):  # a training that outlived a killed workflow finishes first
        if not (args.out / "checkpoint.pt").exists():
            equal = run.equal_checkpoint()
            if equal:
                take_over(run, equal, args.out)
            elif not run.method.players():
                import_weights(run, args.out)
            else:
                train(run, args.out, args.threads)
    shutil.rmtree(run.work, ignore_errors=True)


def train(run: paths.Run, out: Path, threads: int) -> None:
    spec, method, device = run.spec, run.method, process.device(run.params.device)
    process.configure(threads, reproducible=method.settings.engine == "plain")
    images = load_images(datasets.dataset_dir(run.params, run.study.dataset), method.feed(), method.settings, device)
    images = upright(images, method.settings) if run.upright else images
    players, progress, before, resumed = Players(method, images.spec, run.seed, device), Progress(), 0.0, 0
    resume = run.work / "checkpoint.pt"
    if resume.exists():
        saved = checkpoints.load(resume, spec, device)
        if "seconds" not in saved:
            raise checkpoints.CheckpointError(f"{resume}: of a finished training, nothing to go on from; remove it")
        players.load(saved["players"])
        progress, before, resumed = Progress(**saved["progress"]), saved["seconds"], saved["resumed"] + 1
    started, machine = time.monotonic(), provenance.machine(device.type, threads)
    kept = milestones(epochs(method.settings))
    tracker = start_run(run)
    for row in progress.rows:
        tracker.epoch(row)

    def state() -> dict[str, object]:
        return {"players": players.state(), "progress": vars(progress)}

    def log(row: dict[str, float]) -> None:
        tracker.epoch(row)
        if row["epoch"] in kept:
            checkpoints.save(run.work / paths.milestone(row["epoch"]), spec, {"networks": players.generators()})

    def save(_: Progress) -> None:
        seconds = before + time.monotonic() - started
        checkpoints.save(resume, spec, state() | {"seconds": seconds, "resumed": resumed})

    title, share = f"{run.row} s{run.seed}", SAVE_SHARE if SAVE_EVERY_SECONDS else 1.0  # 0 saves after every step
    try:
        rows = fit(players, images, run.seed, progress, log, save, SAVE_EVERY_SECONDS, share, title)
    except BaseException:
        tracker.close("FAILED")
        raise
    tracker.close()
    with filling(out) as folder:
        for milestone in run.work.glob(paths.milestone("*")):
            shutil.copy(milestone, folder)
        checkpoints.save(folder / "checkpoint.pt", spec, state())
        with (folder / "history.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[-1]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        write_json(folder / "run.json", run.record)
        machine |= {"seconds": round(before + time.monotonic() - started, 1), "resumed": resumed}
        write_json(folder / "timing.json", machine)


if __name__ == "__main__":
    stage.run(main)

"""One training from its images to its results; resumes where it was killed."""

from __future__ import annotations

import csv
import os
import shutil
import time
from collections.abc import Generator
from pathlib import Path

from ganrepro import arithmetic, devices, process, provenance
from ganrepro.methods.base import epochs
from ganrepro.plan import datasets, paths
from ganrepro.store import checkpoints
from ganrepro.store.files import again, filling, write_json
from ganrepro.tracking.runs import start_run
from ganrepro.training.batches import Loaded, load_images
from ganrepro.training.loop import Progress, steps
from ganrepro.training.players import Players
from ganrepro.training.schedule import milestones
from pipeline.beginning import begin, earlier
from pipeline.strip import Strip

# A killed training repeats at most this much, or more where saving would take more than a fiftieth of the time.
SAVE_EVERY_SECONDS = float(os.environ.get("GANREPRO_SAVE_SECONDS", "60"))
SAVE_SHARE = 0.02


def training(run: paths.Run, out: Path, threads: int, loaded: Loaded, together: int = 1) -> Generator[None, None, None]:
    """One training, a step for each value it yields; its results in `out` at the end.

    loaded: images that others have read.  together: trainings of this process, all of which wait while one saves.
    """
    spec, method, device = run.spec, run.method, devices.device(run.params.device)
    chosen = method.settings
    arithmetic.check_precision(chosen.precision, device.type, run.params.arithmetic)
    process.configure(threads, "repeatable" if chosen.engine == "plain" else "fastest", chosen.precision == "tf32")
    images = load_images(datasets.dataset_dir(run.params, run.study.dataset), method, device, loaded)
    players, progress, before, resumed = Players(method, run.seed, device), Progress(), 0.0, 0
    resume, tracker = run.work / "checkpoint.pt", start_run(run)
    strip, kept = Strip(run, tracker, device), milestones(epochs(chosen))

    def state() -> dict[str, object]:
        return {"players": players.state(), "progress": vars(progress)}

    def keep(epoch: float) -> None:
        """What is kept of the moment after an epoch: the generators, a look at them, all that a longer schedule needs."""
        if epoch in kept:
            checkpoints.save(run.work / paths.milestone(epoch), spec, {"networks": players.generators()})
        if epoch in kept or epoch == epochs(chosen):
            strip.add(int(epoch), players.generators())
        if epoch == chosen.epochs_constant and chosen.epochs_decay:
            checkpoints.save(run.work / paths.constant(run.course, epoch), spec, state())

    def log(row: dict[str, float]) -> None:
        tracker.epoch(row)
        keep(row["epoch"])

    def save(_: Progress) -> None:
        seconds = before + clock() - started
        checkpoints.save(resume, spec, state() | {"seconds": seconds, "resumed": resumed})

    if resume.exists():
        saved = checkpoints.load(resume, spec, device)
        if "seconds" not in saved:
            raise checkpoints.CheckpointError(f"{resume}: of a finished training, nothing to go on from; remove it")
        players.load(saved["players"])
        progress, before, resumed = Progress(**saved["progress"]), saved["seconds"], saved["resumed"] + 1
    elif (shorter := earlier(run, device)) is not None:
        saved, before = shorter
        players.load(saved["players"])
        progress = Progress(**saved["progress"])
        strip.add_kept(progress.epoch - 1)
        keep(progress.epoch - 1)
    else:
        begin(run, players)
    clock = time.monotonic if device.type != "cpu" else lambda: time.process_time() / threads  # not what others do meanwhile
    started, machine = clock(), provenance.machine(device.type, threads)
    for row in progress.rows:
        tracker.epoch(row)
    title, share = f"{run.row} s{run.seed}", SAVE_SHARE / together if SAVE_EVERY_SECONDS else 1.0  # 0 saves after every step
    try:
        yield from steps(players, images, run.seed, progress, log, save, SAVE_EVERY_SECONDS, share, title)
    except BaseException:
        tracker.close("FAILED")
        raise
    tracker.close()
    with filling(out) as folder:
        for pattern in (paths.milestone("*"), paths.constant(run.course, "*"), strip.file.name):
            for kept_file in run.work.glob(pattern):
                shutil.copy(kept_file, folder)
        checkpoints.save(folder / "checkpoint.pt", spec, state())
        if not chosen.epochs_decay:  # the end of the training is that of its constant phase
            again(folder / "checkpoint.pt", folder / paths.constant(run.course, chosen.epochs_constant))
        with (folder / "history.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(progress.rows[-1]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(progress.rows)
        write_json(folder / "run.json", run.record | {"versions": machine["versions"]})
        machine |= {"seconds": round(before + clock() - started, 1), "resumed": resumed}
        machine["parameters"] = sum(p.numel() for of in players.parameters.values() for p in of)
        write_json(folder / "timing.json", machine)

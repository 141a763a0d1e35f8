"""Variant + seed -> checkpoint, losses, spec, timing; resumes where it was killed."""

from __future__ import annotations

import csv
import os
import shutil
import time
from pathlib import Path

import torch
from filelock import FileLock

from ganrepro import artifacts, checkpoints, config, provenance
from ganrepro.data.datasets import load_images
from ganrepro.process import settle
from ganrepro.training.games import build_game
from ganrepro.training.loop import Progress, fit
from pipeline import stage

# A killed training repeats at most this much, or more where saving would take more than a fiftieth of the time.
SAVE_EVERY_SECONDS = float(os.environ.get("GANREPRO_SAVE_SECONDS", "60"))
SAVE_SHARE = 0.02


def main() -> None:
    args = stage.arguments(__doc__ or "", "study", "row", "seed")
    params = config.load(args.params)
    study = params.find_study(args.study)
    out = artifacts.run_dir(params, study, args.row, args.seed)
    stage.expect(args.out, out)
    work = artifacts.work_dir(out)
    work.mkdir(parents=True, exist_ok=True)
    with FileLock(work / "lock"):  # a training that outlived a killed workflow finishes first
        if not (args.out / "checkpoint.pt").exists():
            train(params, study, args, work)
    shutil.rmtree(work, ignore_errors=True)


def train(params: config.Params, study: config.Study, args: stage.argparse.Namespace, work: Path) -> None:
    spec = artifacts.run_spec(params, study, args.row, args.seed)
    training, device = study.variants[args.row].training, torch.device(stage.device(params))
    settle(args.threads, reproducible=training.engine == "plain")
    images = load_images(artifacts.dataset_dir(params, study.dataset), training, device)
    game, progress, before, resumed = build_game(training, args.seed, device), Progress(), 0.0, 0
    resume = work / "checkpoint.pt"
    if resume.exists():
        state = checkpoints.load(resume, spec, device)
        game.load(state["game"])
        progress, before, resumed = Progress(**state["progress"]), state["seconds"], state["resumed"] + 1
    started, machine = time.monotonic(), provenance.machine(device.type, args.threads)
    tracker = provenance.start_run(params, study, args.row, args.seed)
    for row in progress.rows:
        tracker.epoch(row)

    def state() -> dict[str, object]:
        return {"game": game.state(), "progress": vars(progress)}

    def log(row: dict[str, float]) -> None:
        tracker.epoch(row)
        if row["epoch"] in training.milestones:
            generators = {name: state for name, state in game.state()["networks"].items() if name.startswith("g_")}
            checkpoints.save(work / artifacts.milestone(row["epoch"]), spec, {"networks": generators})

    def save(_: Progress) -> None:
        seconds = before + time.monotonic() - started
        checkpoints.save(resume, spec, state() | {"seconds": seconds, "resumed": resumed})

    title, share = f"{args.row} s{args.seed}", SAVE_SHARE if SAVE_EVERY_SECONDS else 1.0  # 0 saves after every step
    try:
        rows = fit(game, images, training, args.seed, progress, log, save, SAVE_EVERY_SECONDS, share, title)
    except BaseException:
        tracker.close("FAILED")
        raise
    tracker.close()
    with artifacts.filling(args.out) as folder:
        for milestone in work.glob(artifacts.milestone("*")):
            shutil.copy(milestone, folder)
        checkpoints.save(folder / "checkpoint.pt", spec, state())
        with (folder / "history.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[-1]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        artifacts.write_json(folder / "run.json", {"schema": "run/1", "study": study.name, "variant": args.row} | spec)
        machine |= {"seconds": round(before + time.monotonic() - started, 1), "resumed": resumed}
        artifacts.write_json(folder / "timing.json", machine)


if __name__ == "__main__":
    stage.run(main)

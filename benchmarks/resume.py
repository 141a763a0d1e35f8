"""Kills a training at random moments until it is done, and says what checkpoints cost.

    python -m benchmarks.resume --kills 50

A small CycleGAN (embedded study's row at 16 x 16, saved after every step) is killed with SIGKILL
again and again, then finished; its last checkpoint must equal, byte for byte, the one of a run that
nobody disturbed. A process is killed some time after one of its first checkpoints: which one, and the
time, up to two steps long, are drawn, so that kills fall into steps, into writing and into renaming
alike, and none comes after the end, however fast the machine is. Then the embedded study's own
networks are trained for a while as the pipeline trains them, and the share of the time that saving
takes is printed.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks import machine, save
from ganrepro import settings
from ganrepro.methods.base import Method
from ganrepro.process import configure
from ganrepro.store import checkpoints
from ganrepro.training.batches import TrainingImages
from ganrepro.training.loop import Progress, fit
from ganrepro.training.players import Players

CPU = torch.device("cpu")


def images(method: Method[Any]) -> TrainingImages:
    """Noise in the shape of a dataset."""
    noise = torch.Generator().manual_seed(1)
    shape = (6, method.settings.load_pixels, method.settings.load_pixels, 3)
    a, b = (torch.randint(0, 256, shape, generator=noise).byte() for _ in "ab")
    return TrainingImages({"a": a, "b": b}, method.feed(), method.settings, CPU)


def train(method: Method[Any], folder: Path, every: float, share: float, saved: Callable[[], object] = lambda: None) -> float:
    """Trains from what folder/checkpoint.pt holds to folder/end.pt; returns the seconds spent saving.

    saved: called after each checkpoint."""
    data = images(method)
    players, progress, path, spent = Players(method, 0, CPU), Progress(), folder / "checkpoint.pt", 0.0
    if path.exists():
        state = checkpoints.load(path)
        players.load(state["players"])
        progress = Progress(**state["progress"])

    def keep(progress: Progress) -> None:
        nonlocal spent
        start = time.monotonic()
        checkpoints.save(path, {}, {"players": players.state(), "progress": vars(progress)})
        spent += time.monotonic() - start
        saved()

    rows = fit(players, data, 0, progress, lambda row: None, keep, every, share)
    checkpoints.save(folder / "end.pt", {}, {"players": players.state(), "rows": rows})
    return spent


def run(method: Method[Any], folder: Path, kill: tuple[int, float] | None) -> int:
    """One process of `train`. Returns how it ended, as a shell would say.

    kill: (checkpoints, seconds): killed so many seconds after it wrote so many checkpoints. None: never.
    """
    read, write = os.pipe()
    child = os.fork()  # imports are done; nothing but the training itself is in the child's time
    if child == 0:
        os.close(read)
        train(method, folder, 0.0, 1.0, (lambda: os.write(write, b".")) if kill else lambda: None)
        os._exit(0)
    os.close(write)
    if kill is not None:
        for _ in range(kill[0]):
            os.read(read, 1)
        time.sleep(kill[1])
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    os.close(read)
    return os.waitstatus_to_exitcode(status)


def survive(kills: int, folder: Path) -> dict[str, Any]:
    """Kills a training `kills` times; whether its last bytes equal those of an undisturbed run."""
    base = settings.load().studies["streets-tiny"].rows["cyclegan"].method
    small = {"generator_blocks": 1, "generator_filters": 4, "discriminator_filters": 4, "discriminator_receptive_field": 16}
    small |= {"load_pixels": 18, "crop_pixels": 16, "epoch_images": 4 * kills, "epochs_constant": 2, "epochs_decay": 2}
    method = base.with_settings(pool_images=4, **small)
    warm, whole, broken = (folder / name for name in ("warm", "whole", "broken"))
    for place in (warm, whole, broken):
        place.mkdir()
    # a first step compiles its kernels; children inherit them, so that even short lives get somewhere
    train(method.with_settings(epoch_images=2, epochs_constant=1, epochs_decay=0), warm, 1e9, 1.0)
    start = time.monotonic()
    run(method, whole, None)
    step, moments, killed = (time.monotonic() - start) / (16 * kills), random.Random(0), 0
    reached: list[int] = []  # step of the last checkpoint after each kill
    for _ in range(kills):
        # 13 + 2 steps at most, of 16 for each process: none of them comes to the end
        killed += run(method, broken, (moments.randint(4, 13), moments.uniform(0.0, 2 * step))) == -signal.SIGKILL
        if (broken / "checkpoint.pt").exists():
            progress = checkpoints.load(broken / "checkpoint.pt")["progress"]
            reached.append((progress["epoch"] - 1) * 4 * kills + progress["step"])
    run(method, broken, None)
    return {
        "kills": killed,
        "steps": 16 * kills,
        "steps_at_kills": reached,
        "equal_bytes": (whole / "end.pt").read_bytes() == (broken / "end.pt").read_bytes(),
    }


def main() -> None:
    """Parses, measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=60, help="length of the cost measurement (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/resume.json"))
    args = parser.parse_args()
    configure(1)
    with tempfile.TemporaryDirectory() as folder:
        survived = survive(args.kills, Path(folder))
        reached = max(survived["steps_at_kills"], default=0)
        print(
            f"{survived['kills']} kills over {survived['steps']} steps, the last at step {reached}: "
            f"{'the same bytes' if survived['equal_bytes'] else 'OTHER BYTES'}",
            flush=True,
        )
        results: dict[str, Any] = {"survived": survived}
        if args.seconds:
            steps = int(args.seconds * 8)
            base = settings.load().studies["streets-tiny"].rows["cyclegan"].method
            method = base.with_settings(epoch_images=steps, epochs_constant=1, epochs_decay=0)
            (Path(folder) / "cost").mkdir()
            start = time.monotonic()
            # saved as often as the rule allows: the pipeline saves once a minute at most
            spent = train(method, Path(folder) / "cost", 1.0, 0.02)
            total = time.monotonic() - start
            results["cost"] = {"seconds": total, "saving_seconds": spent, "share": spent / total}
            print(f"saving as often as the rule allows: {spent / total:.2%} of {total:.0f} s")
    save(args.out, vars(args) | {"out": str(args.out)}, machine(CPU, 1), results)
    sys.exit(not survived["equal_bytes"])


if __name__ == "__main__":
    main()

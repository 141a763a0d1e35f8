"""The one training loop: step, log, checkpoint, resume, stop on a non-finite loss."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from ganrepro.config import Training
from ganrepro.data.datasets import Batch, UnpairedImages
from ganrepro.seeding import reseed
from ganrepro.training.schedule import learning_rate


class NonFiniteLoss(RuntimeError):
    """A loss term became NaN or infinite; the message names it."""


class Game(Protocol):
    """What the loop needs of a game; see `games`."""

    def step(self, batch: Batch, learning_rate: float) -> dict[str, Tensor]: ...


@dataclass
class Progress:
    """Where a training stands: completed steps of `epoch` (from 1), rows of finished epochs, sums of
    the unfinished one. Random streams are functions of (seed, epoch, step), so this is all there is."""

    epoch: int = 1
    step: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)
    sums: dict[str, float] = field(default_factory=dict)


def fit(
    game: Game,
    images: UnpairedImages,
    training: Training,
    seed: int,
    progress: Progress,
    log: Callable[[dict[str, float]], None],
    save: Callable[[Progress], None],
    save_every_seconds: float,
    title: str = "",
) -> list[dict[str, float]]:
    """Plays `game` from `progress` to the last epoch; returns one row of mean losses per epoch.

    log(row) is called after each epoch, save(progress) whenever save_every_seconds have passed.
    NonFiniteLoss, naming the term, if a loss is NaN or infinite; nothing is saved after it.
    """
    per_epoch = training.epoch_images or len(images)
    steps = max(1, per_epoch // training.batch_images)
    saved = time.monotonic()
    bar = tqdm(
        total=training.epochs * steps,
        initial=(progress.epoch - 1) * steps + progress.step,
        desc=title,
        unit="it",
        mininterval=0.5 if sys.stderr.isatty() else 30.0,
    )
    with bar:
        for epoch in range(progress.epoch, training.epochs + 1):
            rate = learning_rate(training.learning_rate, epoch, training.epochs_constant, training.epochs_decay)
            plan = images.plan(seed, epoch, steps * training.batch_images)
            for step in range(progress.step, steps):
                reseed(seed, f"noise/{epoch}/{step}")
                losses = game.step(images.batch(plan, step * training.batch_images, training.batch_images), rate)
                for name, value in zip(losses, torch.stack(list(losses.values())).tolist(), strict=True):
                    if not math.isfinite(value):
                        raise NonFiniteLoss(
                            f"loss term '{name}' became {value} in epoch {epoch}, step {step + 1}; "
                            f"lower learning_rate or the term's weight, or look at the images of this step"
                        )
                    progress.sums[name] = progress.sums.get(name, 0.0) + value
                progress.step = step + 1
                bar.update()
                if time.monotonic() - saved >= save_every_seconds:
                    save(progress)
                    saved = time.monotonic()
            row = {"epoch": epoch, "learning_rate": rate} | {n: total / steps for n, total in progress.sums.items()}
            progress.rows.append(row)
            progress.epoch, progress.step, progress.sums = epoch + 1, 0, {}
            bar.set_postfix({n: f"{v:.3f}" for n, v in row.items() if n.startswith(("adversarial", "cycle"))}, refresh=False)
            log(row)
    return progress.rows

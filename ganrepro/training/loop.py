"""The one training loop: step, log, checkpoint, resume, stop on a non-finite loss."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from tqdm import tqdm

from ganrepro.errors import UserError
from ganrepro.methods.base import ScheduleSettings, epochs
from ganrepro.methods.players import Players
from ganrepro.seeding import reseed
from ganrepro.training.batches import TrainingImages
from ganrepro.training.engine import Engine
from ganrepro.training.schedule import rate_factor


class NonFiniteLoss(UserError):
    """A loss term became NaN or infinite; the message names it."""


@dataclass
class Progress:
    """Where a training stands: completed steps of `epoch` (from 1), rows of finished epochs, losses
    (step, terms) of the unfinished one. Random streams are functions of (seed, epoch, step), so
    this is all there is."""

    epoch: int = 1
    step: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)
    losses: Tensor | None = None


def fit(
    players: Players,
    images: TrainingImages,
    seed: int,
    progress: Progress,
    log: Callable[[dict[str, float]], None],
    save: Callable[[Progress], None],
    save_every_seconds: float,
    save_share: float = 1.0,
    title: str = "",
) -> list[dict[str, float]]:
    """Trains `players` from `progress` to the last epoch; returns one row of mean losses per epoch.

    A row has the epoch, the first player's learning rate, and the mean of each loss.

    log(row) is called after each epoch, save(progress) whenever save_every_seconds have passed, more
    rarely where saving would take more than save_share of the time. A GPU is waited for at the end of
    an epoch and before saving only; that is where its losses are looked at. NonFiniteLoss, naming the
    term, if one is NaN or infinite; nothing is saved after it.
    """
    settings = players.method.settings
    steps, last = steps_per_epoch(settings, images), epochs(settings)
    engine = Engine(players, images, steps)
    saved, pause = time.monotonic(), save_every_seconds
    bar = tqdm(
        total=last * steps,
        initial=(progress.epoch - 1) * steps + progress.step,
        desc=title,
        unit="it",
        mininterval=0.5 if sys.stderr.isatty() else 30.0,
    )
    with bar:
        for epoch in range(progress.epoch, last + 1):
            factor = rate_factor(epoch, settings.epochs_constant, settings.epochs_decay)
            before = progress.losses if progress.losses is not None else torch.zeros(0, len(engine.losses))
            engine.begin(seed, epoch, factor, progress.step, before)
            for step in range(progress.step, steps):
                reseed(seed, f"noise/{epoch}/{step}")
                engine.step()
                bar.update()
                due = time.monotonic() - saved >= pause
                if due or images.device.type == "cpu" or step == steps - 1:  # a CPU has nothing to wait for
                    progress.step, progress.losses = step + 1, engine.so_far()
                    _check(progress, engine.losses)
                if due:
                    start = time.monotonic()
                    save(progress)
                    saved = time.monotonic()
                    pause = max(save_every_seconds, (saved - start) * (1 / save_share - 1))
            assert progress.losses is not None
            means = progress.losses.double().mean(0).tolist()
            row = {"epoch": epoch, "learning_rate": next(iter(players.rates.values())) * factor}
            row |= dict(zip(engine.losses, means, strict=True))
            progress.rows.append(row)
            progress.epoch, progress.step, progress.losses = epoch + 1, 0, None
            bar.set_postfix({name: f"{row[name]:.3f}" for name in engine.losses[:3]}, refresh=False)
            log(row)
    return progress.rows


def steps_per_epoch(settings: ScheduleSettings, images: TrainingImages) -> int:
    """Steps of one epoch: `epoch_images`, or as many images as the larger domain has, in whole batches."""
    return max(1, (settings.epoch_images or len(images)) // settings.batch_images)


def _check(progress: Progress, names: list[str]) -> None:
    """NonFiniteLoss for the first step of the epoch whose losses are not all finite."""
    losses = progress.losses
    assert losses is not None
    bad = (~losses.isfinite()).nonzero()
    if len(bad):
        step, term = bad[0].tolist()
        raise NonFiniteLoss(
            f"loss term '{names[term]}' became {losses[step, term].item()} in epoch {progress.epoch}, step {step + 1}; "
            f"lower learning_rate or the term's weight, or look at the images of this step"
        )

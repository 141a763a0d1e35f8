"""The one training loop: step, log, checkpoint, resume, stop on a non-finite loss; of one training or several in turn."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from ganrepro.errors import UserError
from ganrepro.methods.base import ScheduleSettings, epochs
from ganrepro.seeding import number
from ganrepro.training.batches import TrainingImages
from ganrepro.training.engine import Engine
from ganrepro.training.players import Players
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


def in_turn(trainings: Sequence[Generator[None, None, None]]) -> list[BaseException | None]:
    """Runs several trainings to their ends, a step of each after the other; what stopped each, None where nothing did.

    One that stops leaves the others going; one that is interrupted (KeyboardInterrupt) stops them all.
    """
    stopped: list[BaseException | None] = [None] * len(trainings)
    going = dict(enumerate(trainings))
    while going:
        for place, training in list(going.items()):
            try:
                next(training)
            except StopIteration:
                del going[place]
            except Exception as error:
                stopped[place] = error
                del going[place]
    return stopped


def fit(players: Players, images: TrainingImages, seed: int, progress: Progress, *rest: Any) -> list[dict[str, float]]:
    """Trains to the last epoch, as `steps` does, whose words follow; the rows of all epochs."""
    for _ in steps(players, images, seed, progress, *rest):
        pass
    return progress.rows


def steps(
    players: Players,
    images: TrainingImages,
    seed: int,
    progress: Progress,
    log: Callable[[dict[str, float]], None],
    save: Callable[[Progress], None],
    save_every_seconds: float,
    save_share: float = 1.0,
    title: str = "",
) -> Generator[None, None, None]:
    """Trains `players` from `progress` to the last epoch, a step for each value it yields.

    progress.rows gets a row for each epoch: its number, the first player's learning rate, and the mean of each loss.

    log(row) is called after each epoch, save(progress) whenever save_every_seconds have passed, more rarely where saving
    would take more than save_share of the time. A GPU is waited for at the end of an epoch and before saving only; that is
    where its losses are looked at. NonFiniteLoss, naming the term, if one is NaN or infinite; nothing is saved after it.
    """
    settings = players.method.settings
    count, last = steps_per_epoch(settings, images), epochs(settings)
    engine = Engine(players, images, count)
    saved, pause = time.monotonic(), save_every_seconds
    if progress.losses is not None:
        progress.losses = progress.losses.cpu()  # averaged where those of an unbroken epoch are
    bar = tqdm(
        total=last * count,
        initial=(progress.epoch - 1) * count + progress.step,
        desc=title,
        unit="it",
        mininterval=0.5 if sys.stderr.isatty() else 30.0,
    )
    with bar:
        for epoch in range(progress.epoch, last + 1):
            factor = rate_factor(epoch, settings.epochs_constant, settings.epochs_decay)
            before = progress.losses if progress.losses is not None else torch.zeros(0, len(engine.losses))
            engine.begin(seed, epoch, factor, progress.step, before)
            for step in range(progress.step, count):
                engine.step(number(seed, f"noise/{epoch}/{step}"))
                bar.update()
                due = time.monotonic() - saved >= pause
                if due or images.device.type == "cpu" or step == count - 1:  # a CPU has nothing to wait for
                    progress.step, progress.losses = step + 1, engine.so_far()
                    _check(progress, engine.losses)
                if due:
                    start = time.monotonic()
                    save(progress)
                    saved = time.monotonic()
                    pause = max(save_every_seconds, (saved - start) * (1 / save_share - 1))
                yield
            assert progress.losses is not None
            means = progress.losses.double().mean(0).tolist()
            row = {"epoch": epoch, "learning_rate": next(iter(players.rates.values())) * factor}
            row |= dict(zip(engine.losses, means, strict=True))
            progress.rows.append(row)
            progress.epoch, progress.step, progress.losses = epoch + 1, 0, None
            bar.set_postfix({name: f"{row[name]:.3f}" for name in engine.losses[:3]}, refresh=False)
            log(row)


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

"""What a training begins with: fresh weights, those that `start_from` names, or where an equal, shorter one stood."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ganrepro.errors import WeightsError
from ganrepro.lazy import torch
from ganrepro.methods.base import epochs
from ganrepro.nets.published import read_published
from ganrepro.plan import paths
from ganrepro.schema.records import TrainingTime, read_record
from ganrepro.settings.starts import WEIGHTS
from ganrepro.store import checkpoints
from ganrepro.training.players import Players
from ganrepro.training.schedule import milestones

Networks = dict[str, dict[str, torch.Tensor]]


def begin(run: paths.Run, players: Players) -> None:
    """Gives the networks of a new training the weights that `start_from` names; without it they stay as they are.

    WeightsError or ModelError where these do not fit.
    """
    start = run.start
    if isinstance(start, paths.Run):
        where = f"{start.study.name}/{start.row}/{start.seed}"
        networks = checkpoints.load(start.folder / "checkpoint.pt", start.spec)["players"]["networks"]
        if not networks:
            raise WeightsError(f"start_from: {start.row} trains nothing; name its .pth file")
        begun = players.begin_with(networks, where)
    elif start is not None:
        begun = players.begin_with(_of_file(start, run.method.generators()[0]), str(start))
    else:
        return
    fresh = [name for name in sorted(players.networks) if name not in begun]
    others = f"; fresh: {', '.join(fresh)}" if fresh else ""
    whose = start.folder if isinstance(start, paths.Run) else start
    print(f"begins with the weights of {whose} ({', '.join(begun)}{others})", file=sys.stderr)


def _of_file(file: Path, generator: str) -> Networks:
    """A published generator, or the networks of an exported folder; a single one is called as the first of the training."""
    if file.name != WEIGHTS:
        return {generator: read_published(file)[1].state_dict()}
    from ganrepro.use import exported  # with what it loads, which few trainings need

    folder = file.parent
    if not exported.makes_samples(folder):
        return {generator: exported.read_weights(folder, exported.read_config(folder, exported.TranslatorConfig).weights)}
    networks: Networks = {}
    for name, value in exported.read_weights(folder, exported.read_config(folder, exported.SamplerConfig).weights).items():
        network, _, key = name.partition(".")
        networks.setdefault(network, {})[key] = value
    return networks


def earlier(run: paths.Run, device: torch.device) -> tuple[dict[str, Any], float] | None:
    """The state at the end of the constant phase of an equal, shorter training, the longest there is; and its seconds.

    Its generators of the epochs that are looked back at come along, into the folder of the unfinished training.
    """
    most, length = 0, run.method.settings.epochs_constant
    best: Path | None = None
    for file in Path("runs").glob(f"*/*-s{run.seed}-*/{paths.constant(run.course, '*')}"):
        epoch = file.stem.rpartition("-")[2]
        if epoch.isdecimal() and most < int(epoch) <= length:
            most, best = int(epoch), file
    if best is None:
        return None
    state = checkpoints.load_course(best, run.spec, device)
    timing = read_record(best.parent / "timing.json", TrainingTime)
    rows = (best.parent / "history.csv").read_text(encoding="utf-8").count("\n") - 1
    for kept in milestones(epochs(run.method.settings)):
        if kept < most:
            weights = checkpoints.load(best.parent / paths.milestone(kept))
            checkpoints.save(run.work / paths.milestone(kept), run.spec, weights)
    print(f"goes on from epoch {most} of {best.parent}", file=sys.stderr)
    return state, float(timing["seconds"]) * most / max(1, rows)

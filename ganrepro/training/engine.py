"""How a step is run: one after another on a CPU, as one recorded CUDA graph on a GPU."""

from __future__ import annotations

import torch
from torch import Tensor

from ganrepro.config import Training
from ganrepro.data.datasets import Plan, TrainingImages
from ganrepro.training.games import Game
from ganrepro.training.image_pool import pool_decisions

WARM_UP_STEPS = 3  # what CUDA's libraries need to choose their kernels before a recording


class Engine:
    """Runs the steps of one epoch after the other without waiting for the device between them.

    Everything a step needs lies on the device: images, the epoch's plan, a step counter, a table of
    losses. So a step takes no argument and can be recorded once and replayed. `engine: plain` in
    params.yaml runs the same step unrecorded, with torch's own convolutions.
    """

    def __init__(self, game: Game, images: TrainingImages, training: Training, steps: int, device: torch.device):
        self.game, self.images, self.training, self.steps, self.device = game, images, training, steps, device
        batch = training.batch_images
        self.draws = {domain: torch.zeros((steps, batch, 4), dtype=torch.int64, device=device) for domain in "ab"}
        self.decisions = {domain: torch.zeros((steps, batch, 3), dtype=torch.int64, device=device) for domain in "ab"}
        self.counter = torch.zeros(1, dtype=torch.int64, device=device)
        self.table = torch.zeros((steps, len(game.losses)), device=device)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.recorded = device.type == "cuda" and training.engine == "fast"

    def begin(self, seed: int, epoch: int, learning_rate: float, step: int, losses: Tensor) -> None:
        """Lays out `epoch` and goes to `step` (from 0) of it.  losses: (step, terms), those of the steps before."""
        self.plan: Plan = self.images.plan(seed, epoch, self.steps)
        before = (epoch - 1) * self.steps * self.training.batch_images
        for domain, draws in self.plan.draws.items():
            self.draws[domain].copy_(draws)
            coins, slots = self.plan.coins[domain], self.plan.slots[domain]
            self.decisions[domain].copy_(pool_decisions(self.training.pool_images, before, coins, slots))
        self.game.set_learning_rate(learning_rate)
        self.counter.fill_(step)
        self.table[:step] = losses.to(self.device)
        self.next = step
        self.images.fetch(self.plan, step)

    def step(self) -> None:
        """The next step; returns before a GPU has done it."""
        if self.images.window and self.next % self.images.window == 0:
            self.images.fetch(self.plan, self.next)
        if self.recorded:
            if self.graph is None:
                self._record()
            assert self.graph is not None
            self.graph.replay()
        else:
            self._step()
        self.next += 1

    def losses(self) -> Tensor:
        """(steps so far, terms) of this epoch, on the host: waits for the device."""
        return self.table[: self.next].to("cpu", copy=True)

    def _step(self) -> None:
        draws = {domain: rows.index_select(0, self.counter)[0] for domain, rows in self.draws.items()}
        decisions = {domain: rows.index_select(0, self.counter)[0] for domain, rows in self.decisions.items()}
        real = self.images.crops(draws)
        if self.training.engine == "plain":
            real = {domain: images.contiguous() for domain, images in real.items()}
        losses = self.game.step(real, decisions)
        row = torch.stack([losses[name].float() for name in self.game.losses])
        self.table.index_copy_(0, self.counter, row[None])
        self.counter += 1

    def _record(self) -> None:
        """Warm-up steps on a side stream, everything they changed put back, then the recording, which computes nothing."""
        before, noise = [tensor.clone() for tensor in self.game.tensors()], torch.cuda.get_rng_state(self.device)
        at, table = self.counter.clone(), self.table.clone()
        side = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(side):
            for _ in range(WARM_UP_STEPS):
                self.counter.copy_(at)
                self._step()
        torch.cuda.current_stream(self.device).wait_stream(side)
        with torch.no_grad():
            for tensor, value in zip(self.game.tensors(), before, strict=True):
                tensor.copy_(value)
        self.counter.copy_(at)
        self.table.copy_(table)
        for optimiser in self.game.optimisers.values():
            optimiser.zero_grad(set_to_none=True)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self._step()
        torch.cuda.set_rng_state(noise, self.device)

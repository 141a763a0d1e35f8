"""How a step is run: one after another on a CPU, as one recorded CUDA graph on a GPU."""

from __future__ import annotations

import torch
from torch import Tensor

from ganrepro.methods.image_pool import pool_decisions
from ganrepro.methods.players import Players
from ganrepro.training.batches import Plan, TrainingImages

WARM_UP_STEPS = 3  # what CUDA's libraries need to choose their kernels before a recording


class Engine:
    """Runs the steps of one epoch after the other without waiting for the device between them.

    Everything a step needs lies on the device: images, the epoch's plan, a step counter, a table of
    losses. So a step takes no argument and can be recorded once and replayed. `engine: plain` in
    params.yaml runs the same step unrecorded, with torch's own convolutions.
    """

    def __init__(self, players: Players, images: TrainingImages, steps: int):
        self.players, self.images, self.steps, self.device = players, images, steps, images.device
        self.settings = players.method.settings
        self.losses = [loss.name for loss in players.method.losses()]
        self.rows: dict[str, dict[str, Tensor]] = {}  # the plan on the device: kind -> name -> (steps, n, ...)
        self.counter = torch.zeros(1, dtype=torch.int64, device=self.device)
        self.table = torch.zeros((steps, len(self.losses)), device=self.device)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.recorded = self.device.type == "cuda" and self.settings.engine == "fast"

    def begin(self, seed: int, epoch: int, rate_factor: float, step: int, losses: Tensor) -> None:
        """Lays out `epoch` and goes to `step` (from 0) of it.  losses: (step, terms), those of the steps before."""
        self.plan: Plan = self.images.plan(seed, epoch, self.steps)
        before, pools = (epoch - 1) * self.steps * self.images.batch, self.images.feed.pools
        decisions = {
            name: pool_decisions(pools[name].size, before, coins, self.plan.slots[name])
            for name, coins in self.plan.coins.items()
        }
        plan = {"draws": self.plan.draws, "order": self.plan.order, "noise": self.plan.noise, "pools": decisions}
        for kind, parts in plan.items():
            for name, rows in parts.items():
                kept = self.rows.setdefault(kind, {})
                if name not in kept:
                    kept[name] = torch.zeros(rows.shape, dtype=rows.dtype, device=self.device)
                kept[name].copy_(rows)
        self.players.set_rate(rate_factor)
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

    def so_far(self) -> Tensor:
        """Losses of this epoch until now, (steps, terms), on the host: waits for the device."""
        return self.table[: self.next].to("cpu", copy=True)

    def _step(self) -> None:
        now = {
            kind: {name: rows.index_select(0, self.counter)[0] for name, rows in self.rows.get(kind, {}).items()}
            for kind in ("draws", "order", "noise", "pools")
        }
        batch = self.images.batch_of(**now, channels_last=self.settings.engine == "fast")
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bfloat16"):
            losses = self.players.method.step(self.players, batch)
        if losses.keys() != set(self.losses):
            raise ValueError(f"methods/{self.players.method.name}.py: step gave {sorted(losses)}, losses() {sorted(self.losses)}")
        row = torch.stack([losses[name].float() for name in self.losses])
        self.table.index_copy_(0, self.counter, row[None])
        self.counter += 1

    def _record(self) -> None:
        """Warm-up steps on a side stream, everything they changed put back, then the recording, which computes nothing."""
        before, noise = [tensor.clone() for tensor in self.players.tensors()], torch.cuda.get_rng_state(self.device)
        at, table = self.counter.clone(), self.table.clone()
        side = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(side):
            for _ in range(WARM_UP_STEPS):
                self.counter.copy_(at)
                self._step()
        torch.cuda.current_stream(self.device).wait_stream(side)
        with torch.no_grad():
            for tensor, value in zip(self.players.tensors(), before, strict=True):
                tensor.copy_(value)
        self.counter.copy_(at)
        self.table.copy_(table)
        for optimiser in self.players.optimisers.values():
            optimiser.zero_grad(set_to_none=True)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self._step()
        torch.cuda.set_rng_state(noise, self.device)

"""How a step is run: one after another on a CPU, as one recorded CUDA graph on a GPU."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

import torch
from torch import Tensor

from ganrepro.training.batches import Plan, TrainingImages
from ganrepro.training.image_pool import pool_decisions
from ganrepro.training.players import Players

WARM_UP_STEPS = 3  # what CUDA's libraries need to choose their kernels before a recording


class Engine:
    """Runs the steps of one epoch after the other without waiting for the device between them.

    Everything a step needs lies on the device: images, the epoch's plan, a step counter, a table of
    losses. So a step takes no argument and can be recorded once and replayed. `engine: plain` in
    params.yaml runs the same step unrecorded, with torch's own convolutions.

    Several engines may take turns in one process: on a GPU each has a stream of its own, on which its graph runs beside
    the others', and a generator of its own, which its dropout draws from.
    """

    def __init__(self, players: Players, images: TrainingImages, steps: int):
        self.players, self.images, self.steps, self.device = players, images, steps, images.device
        self.settings = players.method.settings
        self.losses = [loss.name for loss in players.method.losses()]
        self.rows: dict[str, dict[str, Tensor]] = {}  # the plan on the device: kind -> name -> (steps, n, ...)
        self.counter = torch.zeros(1, dtype=torch.int64, device=self.device)
        self.table = torch.zeros((steps, len(self.losses)), device=self.device)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.recorded = players.recorded
        self.stream: torch.cuda.Stream | None = None
        if self.recorded:
            self.stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
            self.stream.wait_stream(torch.cuda.current_stream(self.device))  # where networks and images were made
            self.noise = torch.Generator(self.device)

    def _on_stream(self) -> contextlib.AbstractContextManager[object]:
        """What is asked of a GPU inside runs on this engine's stream."""
        return contextlib.nullcontext() if self.stream is None else torch.cuda.stream(self.stream)

    @contextlib.contextmanager
    def _own_noise(self) -> Iterator[None]:
        """Inside, the GPU's random numbers come from this engine's generator; a graph that is recorded here keeps to it."""
        if self.stream is None:
            yield
            return
        default = torch.cuda.default_generators[self.device.index or 0]
        usual = default.graphsafe_get_state()
        default.graphsafe_set_state(self.noise.graphsafe_get_state())
        try:
            yield
        finally:
            default.graphsafe_set_state(usual)

    def begin(self, seed: int, epoch: int, rate_factor: float, step: int, losses: Tensor) -> None:
        """Lays out `epoch` and goes to `step` (from 0) of it.  losses: (step, terms), those of the steps before."""
        self.plan: Plan = self.images.plan(seed, epoch, self.steps)
        before, pools = (epoch - 1) * self.steps * self.images.batch, self.images.feed.pools
        decisions = {
            name: pool_decisions(pools[name].size, before, coins, self.plan.slots[name])
            for name, coins in self.plan.coins.items()
        }
        with self._on_stream():
            self._lay_out(decisions)
            self.players.set_rate(rate_factor)
            self.counter.fill_(step)
            self.table[:step] = losses.to(self.device)
            self.next = self.fetched = step
            self.images.fetch(self.plan, step)

    def _lay_out(self, decisions: dict[str, Tensor]) -> None:
        """The epoch's plan and the decisions of the image pools, to where steps read them."""
        plan = {"draws": self.plan.draws, "order": self.plan.order, "noise": self.plan.noise, "pools": decisions}
        for kind, parts in plan.items():
            for name, rows in parts.items():
                kept = self.rows.setdefault(kind, {})
                if name not in kept:
                    kept[name] = torch.zeros(rows.shape, dtype=rows.dtype, device=self.device)
                kept[name].copy_(rows)

    def step(self, noise: int = 0) -> None:
        """The next step; returns before a GPU has done it.  noise: what the generator that dropout draws from is set to."""
        with self._on_stream():
            if self.images.window and self.next % self.images.window == 0 and self.next != self.fetched:
                self.images.fetch(self.plan, self.next)
            if self.recorded and self.graph is None:
                with self._own_noise():
                    self._record()
            if self.stream is None:
                torch.manual_seed(noise)
            else:
                self.noise.manual_seed(noise)
            if self.graph is not None:
                self.graph.replay()
            else:
                with self._own_noise():
                    self._step()
        self.next += 1

    def so_far(self) -> Tensor:
        """Losses of this epoch until now, (steps, terms), on the host: waits for this engine's work alone."""
        with self._on_stream():
            return self.table[: self.next].to("cpu", copy=True)

    def _step(self) -> None:
        now = {
            kind: {name: rows.index_select(0, self.counter)[0] for name, rows in self.rows.get(kind, {}).items()}
            for kind in ("draws", "order", "noise", "pools")
        }
        batch = self.images.batch_of(**now, channels_last=self.players.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bfloat16"):
            losses = self.players.method.step(self.players, batch)
        self.players.follow()
        if losses.keys() != set(self.losses):
            raise ValueError(f"methods/{self.players.method.name}.py: step gave {sorted(losses)}, losses() {sorted(self.losses)}")
        row = torch.stack([losses[name].float() for name in self.losses])
        self.table.index_copy_(0, self.counter, row[None])
        self.counter += 1

    def _record(self) -> None:
        """Warm-up steps, everything they changed put back, then the recording, which computes nothing."""
        before = [tensor.clone() for tensor in self.players.tensors()]
        at, table = self.counter.clone(), self.table.clone()
        with warnings.catch_warnings():  # an optimiser made for a recording says that these steps are none
            warnings.filterwarnings("ignore", message=".*capturable=True.*")
            for _ in range(WARM_UP_STEPS):
                self.counter.copy_(at)
                self._step()
        with torch.no_grad():
            for tensor, value in zip(self.players.tensors(), before, strict=True):
                tensor.copy_(value)
        self.counter.copy_(at)
        self.table.copy_(table)
        for optimiser in self.players.optimisers.values():
            optimiser.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.noise)
        with torch.cuda.graph(graph, stream=self.stream):
            self._step()
        self.graph = graph

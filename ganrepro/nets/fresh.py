"""Networks whose weights are as torch's layers draw them, from a random stream of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

N = TypeVar("N", bound=nn.Module)


def fresh(make: Callable[[], N], random: torch.Generator) -> N:
    """What `make` makes; torch's own stream is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=random, device="cpu")))
        return make()

"""Named random streams: one generator per purpose, all derived from (seed, purpose).

Adding a flip must not change the initial weights, so nothing shares a stream. Only dropout
draws from a generator that is set anew before every step.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ganrepro.lazy import torch

if TYPE_CHECKING:
    import numpy as np


def number(seed: int, purpose: str) -> int:
    """What a generator is set to: of (seed, purpose) alone, below 2^63."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:8], "big") >> 1


def stream(seed: int, purpose: str) -> torch.Generator:
    """A CPU generator that depends on (seed, purpose) alone."""
    return torch.Generator().manual_seed(number(seed, purpose))


def numpy_stream(seed: int, purpose: str) -> np.random.Generator:
    """The same for numpy."""
    import numpy as np

    return np.random.Generator(np.random.PCG64(number(seed, purpose)))


def reseed(seed: int, purpose: str) -> None:
    """Sets torch's global generators, which dropout draws from, to a named point of their own."""
    torch.manual_seed(number(seed, purpose))

"""Which training images have a label, where few do."""

from __future__ import annotations

import torch
from torch import Tensor

from ganrepro.seeding import stream


def chosen_few(labels: Tensor, few: int, seed: int) -> Tensor:
    """Numbers of the images whose class is known: equally many of each, at random by the seed.  labels: of all, (n,)."""
    found = torch.unique(labels)
    places = [(labels == label).nonzero()[:, 0] for label in found]
    orders = [torch.randperm(len(of), generator=stream(seed, f"few/{int(c)}")) for c, of in zip(found, places, strict=True)]
    return torch.cat([of[order[: few // len(found)]] for of, order in zip(places, orders, strict=True)])

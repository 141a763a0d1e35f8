"""Unpaired training batches: all randomness of an epoch is laid out ahead, so a step is a pure
function of (state, step number) and a resumed run repeats it exactly."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganrepro.data.images import load_folder, to_float
from ganrepro.seeding import stream


@dataclass(frozen=True)
class Batch:
    """a, b: (n, 3, h, w) in [-1, 1], not paired.  pool_heads, pool_slots: by domain, n draws each."""

    a: Tensor
    b: Tensor
    pool_heads: dict[str, list[bool]]
    pool_slots: dict[str, list[int]]


@dataclass(frozen=True)
class Plan:
    """The random choices of one epoch: by domain, one entry per drawn image."""

    index: dict[str, list[int]]
    top: dict[str, list[int]]
    left: dict[str, list[int]]
    flip: dict[str, list[bool]]
    pool_heads: dict[str, list[bool]]
    pool_slots: dict[str, list[int]]


class UnpairedImages:
    """Both domains resident in memory as uint8 at jitter size.

    a, b: uint8 (n, 3, load, load).  crop: side of the crops.  pool: size of the image pool.
    """

    def __init__(self, a: Tensor, b: Tensor, crop: int, pool: int, device: torch.device):
        self.images = {"a": a.to(device), "b": b.to(device)}
        self.crop, self.pool = crop, pool

    def __len__(self) -> int:
        """Images per epoch unless set otherwise: the larger domain, as in the Torch code."""
        return max(len(images) for images in self.images.values())

    def plan(self, seed: int, epoch: int, count: int) -> Plan:
        """Draws `count` images per domain with replacement, each with its crop, mirror and pool coins.

        With replacement, and crop offsets 1..load - crop (never 0), as in the Torch code.
        """
        fields: dict[str, dict[str, list[Any]]] = {name: {} for name in Plan.__dataclass_fields__}
        for domain, images in self.images.items():
            slack = images.shape[-1] - self.crop

            def draw(purpose: str, low: int, high: int, domain: str = domain) -> list[int]:
                generator = stream(seed, f"{purpose}/{domain}/{epoch}")
                return torch.randint(low, max(high, low + 1), (count,), generator=generator).tolist()

            fields["index"][domain] = draw("order", 0, len(images))
            fields["top"][domain] = draw("crop-top", min(1, slack), slack + 1)
            fields["left"][domain] = draw("crop-left", min(1, slack), slack + 1)
            fields["flip"][domain] = [bool(v) for v in draw("flip", 0, 2)]
            fields["pool_heads"][domain] = [bool(v) for v in draw("pool-coin", 0, 2)]
            fields["pool_slots"][domain] = draw("pool-slot", 0, self.pool)
        return Plan(**fields)

    def batch(self, plan: Plan, start: int, count: int) -> Batch:
        """The planned images start..start + count, cropped, mirrored, in [-1, 1]."""
        chosen = range(start, start + count)
        crops = {}
        for domain, images in self.images.items():
            parts = []
            for i in chosen:
                top, left = plan.top[domain][i], plan.left[domain][i]
                part = images[plan.index[domain][i], :, top : top + self.crop, left : left + self.crop]
                parts.append(part.flip(-1) if plan.flip[domain][i] else part)
            crops[domain] = to_float(torch.stack(parts))
        return Batch(
            crops["a"],
            crops["b"],
            {domain: [plan.pool_heads[domain][i] for i in chosen] for domain in crops},
            {domain: [plan.pool_slots[domain][i] for i in chosen] for domain in crops},
        )


def load_unpaired(folder: Path, load_pixels: int, crop: int, pool: int, device: torch.device) -> UnpairedImages:
    """The training split of a prepared dataset, each domain's own half (or all) of the images."""
    unpaired = json.loads((folder / "manifest.json").read_text())["unpaired"]
    a = load_folder(folder / "train" / "a", unpaired["a"], load_pixels)
    b = load_folder(folder / "train" / "b", unpaired["b"], load_pixels)
    return UnpairedImages(a, b, crop, pool, device)

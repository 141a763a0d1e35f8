"""History of generated images, so that a discriminator does not forget (CycleGAN, section 4)."""

from __future__ import annotations

import torch
from torch import Tensor


class ImagePool:
    """Holds up to `size` images. While it fills, a new image is stored and returned. Then, on
    heads, a uniformly drawn stored image is returned and overwritten by the new one; on tails the
    new one is returned and not stored. Queried per image.

    Coins and slots come from the caller, so that the pool is a pure function of its contents.
    Source: junyanz/CycleGAN util/image_pool.lua; size 50 in the paper. Size 0 passes through.
    """

    def __init__(self, size: int, shape: tuple[int, int, int], device: torch.device):
        self.images = torch.zeros((size, *shape), device=device)
        self.filled = 0

    def query(self, fakes: Tensor, heads: list[bool], slots: list[int]) -> Tensor:
        """fakes: (n, c, h, w), detached.  heads, slots: n coins and slot numbers below `size`."""
        size = len(self.images)
        if size == 0:
            return fakes
        chosen = fakes.clone()
        for i, fake in enumerate(fakes):
            if self.filled < size:
                self.images[self.filled] = fake
                self.filled += 1
            elif heads[i]:
                chosen[i] = self.images[slots[i]]
                self.images[slots[i]] = fake
        return chosen

    def state(self) -> dict[str, Tensor | int]:
        """What a checkpoint holds: the stored images only."""
        return {"images": self.images[: self.filled].clone(), "filled": self.filled}

    def load(self, state: dict[str, Tensor | int]) -> None:
        self.filled = int(state["filled"])
        self.images[: self.filled] = torch.as_tensor(state["images"])

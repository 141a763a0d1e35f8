"""History of generated images, so that a discriminator does not forget (CycleGAN, section 4)."""

from __future__ import annotations

from ganrepro.lazy import torch


def pool_decisions(size: int, first: int, coins: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
    """What the pool does with images number `first`, first + 1, ... of a training, laid out ahead.

    While the pool fills, a new image is stored and shown. Then, on heads, a uniformly drawn stored
    image is shown and overwritten by the new one; on tails the new one is shown and not stored.
    coins (heads: True) and slots (below size): any shape, in order. How full the pool is follows
    from an image's number alone. Returns int64 (*shape, 3): slot, store the new one there, show the
    one that was there.
    Source: junyanz/CycleGAN util/image_pool.lua; size 50 in the paper.
    """
    filling = torch.arange(first, first + coins.numel()).view_as(coins)
    full = filling >= size
    return torch.stack([torch.where(full, slots, filling), coins | ~full, coins & full], -1)


class ImagePool:
    """Up to `size` generated images of one domain. Size 0 passes through."""

    def __init__(self, size: int, shape: tuple[int, int, int], device: torch.device):
        self.images = torch.zeros((size, *shape), device=device)

    def query(self, fakes: torch.Tensor, decisions: torch.Tensor) -> torch.Tensor:
        """The images to show the discriminator.  fakes: (n, c, h, w), detached.  decisions: (n, 3), see above."""
        if len(self.images) == 0:
            return fakes
        shown = []
        for fake, (slot, store, recall) in zip(torch.split(fakes, 1), decisions, strict=True):
            place = slot[None]
            old = self.images.index_select(0, place)
            shown.append(torch.where(recall > 0, old, fake))
            self.images.index_copy_(0, place, torch.where(store > 0, fake, old))
        return torch.cat(shown)

"""Tiles of images, shifted, turned and bent at random (U-Net, arXiv:1505.04597, section 3.1)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def displacements(coarse: Tensor, side: int) -> Tensor:
    """Displacement vectors (n, 2, side, side) of all pixels, of those on a coarse grid (n, 2, k, k) by bicubic interpolation.

    The grid's corners lie on the corner pixels.
    """
    return functional.interpolate(coarse, (side, side), mode="bicubic", align_corners=True)


def places(centre: Tensor, angle: Tensor, bent: Tensor) -> Tensor:
    """Where each pixel of a tile lies in its image, (n, side, side, 2) as x and y in pixels.

    centre: (n, 2), x and y of its middle.  angle: (n,), in radians.  bent: (n, 2, side, side), added once it is turned.
    """
    side = bent.shape[-1]
    along = torch.arange(side, device=bent.device, dtype=bent.dtype) - (side - 1) / 2
    x, y = along[None, None, :], along[None, :, None]
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    turned = torch.stack([cos * x - sin * y, sin * x + cos * y], 1) + centre[:, :, None, None] + bent
    return turned.permute(0, 2, 3, 1)


def sampled(images: Tensor, where: Tensor, nearest: bool = False) -> Tensor:
    """Images (n, c, h, w) at some places, bilinear or as the nearest pixel is; beyond their borders they are mirrored."""
    height, width = images.shape[-2:]
    grid = torch.stack([2 * where[..., 0] / (width - 1) - 1, 2 * where[..., 1] / (height - 1) - 1], -1)
    return functional.grid_sample(images, grid, "nearest" if nearest else "bilinear", "reflection", align_corners=True)


def centres(uniform: Tensor, height: int, width: int, side: int) -> Tensor:
    """Middles of tiles of `side` pixels, anywhere that they lie inside the image: (n, 2).  uniform: (n, 2) in [0, 1]."""
    along = [(size - 1) / 2 + (uniform[:, k] - 0.5) * max(0, size - side) for k, size in enumerate((width, height))]
    return torch.stack(along, 1)


def angles(uniform: Tensor) -> Tensor:
    """Any angle, of numbers in [0, 1]."""
    return 2 * math.pi * uniform

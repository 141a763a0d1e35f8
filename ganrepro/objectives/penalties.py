"""Penalties on the slope of a discriminator, under one signature: one value per image, to be added to its loss.

judge: images (n, c, h, w) -> logits (n,).  real, fake: the images of a step.  Returns (n,), differentiable in the weights
of the judge. Random numbers are torch's global ones, which the loop sets anew before every step.
Source: google/compare_gan at d6c5976 (WGAN_GP.py, DRAGAN.py), whose root has 1e-4 inside so that it has a slope at 0. Pixels
are in [0, 1] there and in [-1, 1] here, where the same network has half the slope: slopes are doubled, so that 1 means the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ganrepro.lazy import torch

if TYPE_CHECKING:
    Judge = Callable[[torch.Tensor], torch.Tensor]
    Penalty = Callable[[Judge, torch.Tensor, torch.Tensor], torch.Tensor]
INSIDE_THE_ROOT = 1e-4
PER_UNIT = 2.0  # a pixel's whole range is 2 here, 1 in the source


def gradient(judge: Judge, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """(|slope| - 1)² at a random place between a real and a generated image (Gulrajani et al., arXiv:1704.00028)."""
    at = torch.rand(len(real), 1, 1, 1, device=real.device)
    return _slope_from_1(judge, real + at * (fake.detach() - real))


def local_gradient(judge: Judge, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """(|slope of D| - 1)² near a real image, D = sigmoid of the logit (Kodali et al., arXiv:1705.07215).

    Near: at most half of the batch's standard deviation brighter in each pixel, the authors' code has no darker ones, times
    a random number that the pixels share.
    """
    noise = 0.5 * real.std() * torch.rand_like(real)
    at = torch.rand(len(real), 1, 1, 1, device=real.device)
    return _slope_from_1(lambda images: judge(images).sigmoid(), real + at * noise)


def _slope_from_1(judge: Judge, images: torch.Tensor) -> torch.Tensor:
    images = images.detach().requires_grad_()
    (slope,) = torch.autograd.grad(judge(images).sum(), images, create_graph=True)
    return (((PER_UNIT * slope).square().flatten(1).sum(1) + INSIDE_THE_ROOT).sqrt() - 1).square()


PENALTIES: dict[str, Penalty] = {"gradient": gradient, "local-gradient": local_gradient}

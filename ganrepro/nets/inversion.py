"""The code from which a generator makes the image that is nearest to a given one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def invert(
    make: Callable[[Tensor], Tensor], images: Tensor, starts: Tensor, steps: int, learning_rate: float, low: float, high: float
) -> tuple[Tensor, Tensor]:
    """The best code for each image, (n, code), and its mean squared difference, (n,).

    make: codes (m, code) -> images, each by itself.  images: (n, c, h, w).  starts: (tries, n, code), where each search
    begins.  Adam goes down the difference for `steps` steps and keeps within [low, high], the range of the prior; the
    best code of all tries and steps is kept. Codes whose image is not finite are never the best. ValueError if there is
    no other, or no start.
    """
    tries, count = starts.shape[:2]
    if not tries:
        raise ValueError("inversion: expected at least one start, got none")
    wanted = images.repeat(tries, 1, 1, 1)
    best, error = starts.flatten(0, 1).clone(), torch.full((tries * count,), float("inf"), device=starts.device)
    code = best.clone().requires_grad_()
    optimiser = torch.optim.Adam([code], learning_rate)
    for step in range(steps + 1):  # the last one only looks
        with torch.enable_grad():
            errors = (make(code) - wanted).square().flatten(1).mean(1)
            total = errors.sum()
        better = errors.detach() < error
        best, error = torch.where(better[:, None], code.detach(), best), torch.where(better, errors.detach(), error)
        if step < steps:
            (code.grad,) = torch.autograd.grad(total, code)
            optimiser.step()
            with torch.no_grad():
                code.clamp_(low, high)
    if not error.view(tries, count).min(0).values.isfinite().all():
        raise ValueError("inversion: the generator makes no finite image of any code tried; its training diverged")
    chosen = error.view(tries, count).argmin(0)
    at = torch.arange(count, device=starts.device)
    return best.view(tries, count, -1)[chosen, at], error.view(tries, count)[chosen, at]

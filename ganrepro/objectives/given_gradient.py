"""A loss whose gradient comes from elsewhere: what published code does where it reuses activations of another pass."""

from __future__ import annotations

from ganrepro.lazy import torch


def given_gradient(value: torch.Tensor, of: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """`value`, whose gradient with respect to `of` is `gradient` and reaches whatever made `of`.

    value: (n,).  of, gradient: (n, ...), the gradient of image i's value in place i.  Returns (n,).
    Raises ValueError if the shapes do not fit.
    """
    if of.shape != gradient.shape or value.shape != of.shape[:1]:
        raise ValueError(f"given_gradient: shapes {tuple(value.shape)}, {tuple(of.shape)} and {tuple(gradient.shape)} do not fit")
    carrier = (of * gradient.detach()).flatten(1).sum(1)
    return value.detach() + carrier - carrier.detach()

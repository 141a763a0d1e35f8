"""Reconstruction losses: one value per image, from what was made and what it should have been."""

from __future__ import annotations

from ganrepro.lazy import torch


def l1(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference over channels and pixels.

    prediction, target: (n, c, h, w) in [-1, 1].  Returns (n,) in [0, 2].
    Source: CycleGAN, equation 2 (cycle consistency); pix2pix, equation 3.
    Raises ValueError if the shapes differ.
    """
    if prediction.shape != target.shape:
        raise ValueError(f"l1: shapes differ: {tuple(prediction.shape)} and {tuple(target.shape)}")
    return (prediction - target).abs().mean((1, 2, 3))

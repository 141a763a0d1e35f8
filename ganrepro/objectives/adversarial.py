"""Adversarial losses: one value per image, from the logits of a discriminator and what they should say."""

from __future__ import annotations

from ganrepro.lazy import torch


def least_squares(logits: torch.Tensor, is_real: bool) -> torch.Tensor:
    """Squared distance of patch logits to the label (1 real, 0 fake), averaged over patches.

    logits: (n, 1, h, w), unbounded.  Returns (n,), at least 0; the caller weights and reduces.
    Source: CycleGAN, section 4 (least squares replaces the log likelihood); no label smoothing.
    Raises ValueError if logits is not 4-d.
    """
    _expect_patches(logits)
    return (logits - float(is_real)).square().mean((1, 2, 3))


def log_loss(logits: torch.Tensor, is_real: bool) -> torch.Tensor:
    """Negative log likelihood of the label (1 real, 0 fake) under sigmoid(logits), averaged over patches.

    logits: (n, 1, h, w), unbounded.  Returns (n,), at least 0. A generator that minimises it with
    is_real=True plays the non-saturating game, maximising log D.
    Source: pix2pix, equation 1 and section 3.3.
    Raises ValueError if logits is not 4-d.
    """
    _expect_patches(logits)
    return torch.nn.functional.softplus(-logits if is_real else logits).mean((1, 2, 3))


def _expect_patches(logits: torch.Tensor) -> None:
    if logits.ndim != 4:
        raise ValueError(f"logits: expected (n, 1, h, w), got {tuple(logits.shape)}")

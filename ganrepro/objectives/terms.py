"""Loss terms: pure functions of tensors, without weights, one value per image."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def least_squares(logits: Tensor, is_real: bool) -> Tensor:
    """Squared distance of patch logits to the label (1 real, 0 fake), averaged over patches.

    logits: (n, 1, h, w), unbounded.  Returns (n,), at least 0; the caller weights and reduces.
    Source: CycleGAN, section 4 (least squares replaces the log likelihood); no label smoothing.
    Raises ValueError if logits is not 4-d.
    """
    if logits.ndim != 4:
        raise ValueError(f"logits: expected (n, 1, h, w), got {tuple(logits.shape)}")
    return (logits - float(is_real)).square().mean((1, 2, 3))


def l1(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference over channels and pixels.

    prediction, target: (n, c, h, w) in [-1, 1].  Returns (n,) in [0, 2].
    Source: CycleGAN, equation 2 (cycle consistency); pix2pix, equation 3.
    Raises ValueError if the shapes differ.
    """
    if prediction.shape != target.shape:
        raise ValueError(f"l1: shapes differ: {tuple(prediction.shape)} and {tuple(target.shape)}")
    return (prediction - target).abs().mean((1, 2, 3))


def log_loss(logits: Tensor, is_real: bool) -> Tensor:
    """Negative log likelihood of the label (1 real, 0 fake) under sigmoid(logits), averaged over patches.

    logits: (n, 1, h, w), unbounded.  Returns (n,), at least 0. A generator that minimises it with
    is_real=True plays the non-saturating game, maximising log D.
    Source: pix2pix, equation 1 and section 3.3.
    Raises ValueError if logits is not 4-d.
    """
    if logits.ndim != 4:
        raise ValueError(f"logits: expected (n, 1, h, w), got {tuple(logits.shape)}")
    return functional.softplus(-logits if is_real else logits).mean((1, 2, 3))

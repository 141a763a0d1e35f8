"""Learning rate as a pure function of the epoch."""

from __future__ import annotations


def learning_rate(base: float, epoch: int, epochs_constant: int, epochs_decay: int) -> float:
    """The rate of `epoch` (from 1): constant, then linear to 0.

    As in the Torch code, the first decaying epoch still runs at the full rate and the last at
    base / epochs_decay. Source: CycleGAN, section 4; junyanz/CycleGAN train.lua.
    Raises ValueError outside 1..epochs_constant + epochs_decay.
    """
    if not 1 <= epoch <= epochs_constant + epochs_decay:
        raise ValueError(f"epoch: expected 1 to {epochs_constant + epochs_decay}, got {epoch}")
    decayed = max(0, epoch - epochs_constant - 1)
    return base * (1 - decayed / epochs_decay) if epochs_decay else base

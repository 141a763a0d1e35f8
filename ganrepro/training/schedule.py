"""Learning rate, and which epochs are looked back at: pure functions of the number of epochs. No torch."""

from __future__ import annotations


def rate_factor(epoch: int, epochs_constant: int, epochs_decay: int) -> float:
    """What the learning rates are multiplied by in `epoch` (from 1): 1, then linear to 0.

    As in the Lua code, the first decaying epoch still runs at the full rate and the last at
    1 / epochs_decay. Source: CycleGAN, section 4; junyanz/CycleGAN train.lua.
    Raises ValueError outside 1..epochs_constant + epochs_decay.
    """
    if not 1 <= epoch <= epochs_constant + epochs_decay:
        raise ValueError(f"epoch: expected 1 to {epochs_constant + epochs_decay}, got {epoch}")
    decayed = max(0, epoch - epochs_constant - 1)
    return 1 - decayed / epochs_decay if epochs_decay else 1.0


def milestones(epochs: int) -> list[int]:
    """Epochs after which the generators are kept for a look back: 1, 2, 4, 8 and so on, before the last.

    A longer schedule has those of a shorter one, from which it can therefore go on.
    """
    return [2**k for k in range(epochs.bit_length()) if 2**k < epochs]

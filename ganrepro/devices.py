"""What trains: a CPU, or a GPU of this machine that is free."""

from __future__ import annotations

import functools
import os
import tempfile
from typing import Any

import torch

from ganrepro.errors import UserError

_taken: list[Any] = []  # locks that are held


class DeviceError(UserError):
    """The device that was asked for is not there."""


def device(wanted: str) -> torch.device:
    """`device` of params.yaml as a device of this machine. DeviceError where torch finds no GPU that was asked for.

    auto: a GPU of NVIDIA's where there is one.  Of several, 'cuda' and 'auto' take one that no other process of this program
    has, so that jobs which run side by side have one each ('cuda:1' names it).
    """
    if wanted == "mps":
        if not torch.backends.mps.is_available():
            raise DeviceError("device: 'mps' was asked for and torch finds no GPU of Apple's; use auto or cpu")
        return torch.device("mps")
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    number = int(wanted.partition(":")[2] or 0)
    if number >= count:
        there = "no GPU" if not count else f"{count}, from 0 to {count - 1}"
        raise DeviceError(f"device: '{wanted}' was asked for and torch finds {there}; use auto or cpu")
    if count == 1:
        return torch.device("cuda")
    number = number if ":" in wanted else _free(count)
    torch.cuda.set_device(number)  # for streams and recordings, which ask for none
    return torch.device("cuda", number)


@functools.cache
def _free(count: int) -> int:
    """Of so many GPUs one that no other process has; where all are taken, any. It is taken until this process ends."""
    import fcntl  # of Unix

    for number in range(count):
        lock = open(os.path.join(tempfile.gettempdir(), f"ganrepro-gpu-{os.getuid()}-{number}.lock"), "w")  # noqa: SIM115
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        _taken.append(lock)
        return number
    return os.getpid() % count

"""Settings of the whole process: threads, memory, determinism."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Literal

import torch

# glibc's mallopt (malloc.h)
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4


def configure(threads: int, kernels: Literal["repeatable", "usual", "fastest"] = "usual", tf32: bool = False) -> None:
    """Fixes what would make two runs on one machine differ: thread count, kernel choice, arithmetic.

    On the CPU the thread count is all there is (tested byte for byte). On a GPU `repeatable` kernels give the same bytes
    again, where there are such; the `fastest` are looked for by trying. tf32: convolutions and matrix products of float32
    in a GPU's 10-bit mantissas, which torch takes for convolutions unless told otherwise.
    """
    torch.set_num_threads(threads)
    os.environ.setdefault("CUDA_DEVICE_MAX_CONNECTIONS", "32")  # streams that a GPU really runs side by side; 8 unless said
    _keep_freed_memory()
    if torch.cuda.is_available():  # importing the switch takes seconds, which a CPU run would pay in vain
        torch.use_deterministic_algorithms(kernels == "repeatable", warn_only=True)
        torch.backends.cudnn.benchmark = kernels == "fastest"
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32


def instructions() -> str:
    """The widest instructions that torch uses on this CPU, as in 'AVX2'."""
    return torch.backends.cpu.get_cpu_capability()


def cores() -> int:
    """CPU cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _keep_freed_memory() -> None:
    """Makes glibc keep what is freed: else each large tensor is mapped, cleared and unmapped anew."""
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return  # another C library
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, -1)
    mallopt(M_TOP_PAD, 64 * 2**20)

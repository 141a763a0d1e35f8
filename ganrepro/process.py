"""Settings of the whole process: threads, memory, determinism."""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import warnings
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ganrepro import arithmetic

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
    if arithmetic.is_set():
        _exact_roots()
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


@functools.cache  # once in a process
def _exact_roots() -> torch.library.Library:
    """Square roots on a CPU are NumPy's from here on, which rounds them right.

    torch takes MKL's, which begin with the processor's own estimate, whose digits each maker of processors chooses, and do not
    reach the nearest number: of two processors a fifth of all roots differ in the last digit. So do arcs, decimal logarithms
    and `tensor ** 0.5`, which nothing here takes.
    """
    kept = torch.library.Library("aten", "IMPL")  # type: ignore[no-untyped-call]  # roots are MKL's again when it is gone

    def root(x: Tensor) -> Tensor:
        known = x if x.dtype in (torch.float32, torch.float64) or x.is_complex() else x.float()
        values = known.detach().numpy()
        found = torch.from_numpy(np.sqrt(values, out=np.empty_like(values)))
        return found.to(x.dtype) if x.is_floating_point() else found

    ways: dict[str, Callable[..., Tensor]] = {
        "sqrt": root,
        "sqrt_": lambda x: x.copy_(root(x)),
        "sqrt.out": lambda x, *, out: out.resize_(x.shape).copy_(root(x)),
    }
    with warnings.catch_warnings():  # that one of torch's own is replaced
        warnings.simplefilter("ignore")
        for name, way in ways.items():
            kept.impl(name, way, "CPU")  # type: ignore[no-untyped-call]
    return kept


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

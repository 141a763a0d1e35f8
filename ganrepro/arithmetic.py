"""Arithmetic that gives the same bytes on every x86-64 CPU with AVX2, of all but wide U-Nets (docs/speed.md). No torch.

Libraries choose their kernels by the CPU that they find, and kernels of other widths or makers add in another order. What is
set here makes them choose the same ones everywhere; it has to be set before they are loaded.
"""

from __future__ import annotations

import functools
import os
import platform
import sys
from pathlib import Path
from typing import Literal

from ganrepro.errors import UserError

Arithmetic = Literal["usual", "portable"]
PORTABLE = {
    "ATEN_CPU_CAPABILITY": "avx2",  # torch's own kernels
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # its convolutions
    "MKL_CBWR": "COMPATIBLE",  # its matrix products, exponentials and logarithms: with AVX2 here, Intel and AMD stay apart
    "OPENBLAS_CORETYPE": "Haswell",  # NumPy's and SciPy's linear algebra
    "OPENBLAS_NUM_THREADS": "1",
    # NumPy's own kernels; a name that a version of NumPy does not know is passed over
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR",
}
VERSION = 2  # of portable arithmetic: what else is done for it (ganrepro/process.py) counts too, and keys hold it
BFLOAT16 = ("avx512_bf16", "amx_bf16")  # what Linux calls a CPU's instructions for it


def is_set() -> bool:
    """Whether this process was started with portable arithmetic."""
    return all(os.environ.get(name) == value for name, value in PORTABLE.items())


def available() -> bool:
    """Whether this machine has portable arithmetic."""
    return sys.platform == "linux" and "avx2" in instructions()


def ensure(arithmetic: Arithmetic) -> None:
    """Starts a stage anew where its arithmetic is not that which is wanted. Returns where it is.

    UserError where this machine has no portable arithmetic, or where the process is no stage (`python -m pipeline.…`).
    """
    if arithmetic == "usual":
        if is_set():
            raise UserError(f"arithmetic: usual, and this process has portable's; start it without {', '.join(PORTABLE)}")
        return
    if is_set():
        return
    if not available():
        have = ", ".join(sorted(instructions() & {"avx", "sse4_2"})) or platform.machine()
        raise UserError(f"arithmetic: portable needs Linux and a CPU with AVX2; this one has {have}; say `arithmetic: usual`")
    spec = sys.modules["__main__"].__spec__
    package, _, stage = (spec.name if spec else "").rpartition(".")
    if package != "pipeline":
        names = " ".join(f"{name}='{value}'" for name, value in PORTABLE.items())
        raise UserError(f"arithmetic: portable is set before Python starts; start it with: env {names}")
    sys.stdout.flush()
    alone = {"GANREPRO_START": ""}  # a copy of a process that has loaded its libraries would come out as this one
    os.execve(sys.executable, [sys.executable, "-m", "pipeline.start", stage, *sys.argv[1:]], os.environ | PORTABLE | alone)


def check_precision(precision: str, device: str, arithmetic: Arithmetic) -> None:
    """UserError where a training asks for numbers that this machine computes hundreds of times more slowly, if at all."""
    if precision != "bfloat16" or device != "cpu":
        return
    if arithmetic == "portable":
        raise UserError("precision: bfloat16 is no portable arithmetic; say `arithmetic: usual` or `precision: float32`")
    if sys.platform == "linux" and platform.machine() == "x86_64" and not instructions() & {*BFLOAT16}:
        raise UserError(
            f"precision: bfloat16 needs a CPU with {' or '.join(BFLOAT16)}, or a GPU; this CPU has none; say `precision: float32`"
        )


@functools.cache
def instructions() -> frozenset[str]:
    """What Linux lists of the instructions of this CPU; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.split(":", 1)[1].split() for line in lines if line.startswith("flags")), ()))

"""Speed and memory, one command each; every figure is a ratio taken within one run."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path
from typing import Any

import torch

from ganrepro import process, provenance
from ganrepro.store.files import write_json


def machine(device: torch.device, threads: int) -> dict[str, object]:
    """What the figures were taken on."""
    beside = {"instructions": process.instructions(), "allocator": provenance.allocator()}
    return provenance.machine(device.type, threads) | beside


def peak_memory(device: torch.device) -> int:
    """Most bytes this process has held: of the device on a GPU, else of its own memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved()  # with what recorded graphs keep for themselves
    with contextlib.suppress(OSError, StopIteration):  # Linux
        # since the process was started as it is: ru_maxrss knows what the one held that it was forked from, too
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def finished() -> None:
    """Waits for the GPU, where there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def save(path: Path, settings: dict[str, Any], where: dict[str, object], results: Any) -> None:
    """Writes one result file and says where."""
    write_json(path, {"settings": settings, "machine": where, "results": results})
    print(f"-> {path}")

"""Who made a result, from what: commit, versions, machine."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import subprocess
from importlib import metadata


@functools.cache  # of the start of the process, whatever is committed while it runs
def git_commit() -> str:
    """Commit of the working tree, 'unknown' outside a repository.

    '-dirty' where tracked files were edited, apart from params.yaml, whose digest is recorded beside, and reports, or where
    the code holds a file that is in no commit.
    """
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", ":!params.yaml", ":!reports")
        new = _git("status", "--porcelain", "--", "ganrepro", "pipeline", "Snakefile")
        return commit + ("-dirty" if changed or new else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], capture_output=True, text=True, check=True, timeout=20).stdout.strip()


def machine(device: str, threads: int) -> dict[str, object]:
    """What a training ran on: device, threads, library versions."""
    name = platform.processor() or platform.machine()
    if device == "cuda":
        import torch

        name = torch.cuda.get_device_name()
    else:
        try:
            with open("/proc/cpuinfo", encoding="utf-8") as file:
                name = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), name)
        except OSError:
            pass  # not Linux: the platform's own word stays
    return {
        "device": device,
        "device_name": name,
        "cores": os.cpu_count(),
        "threads": threads,
        "commit": git_commit(),
        "versions": versions(),
    }


def allocator() -> str:
    """Whose memory this process asks for, as in 'glibc 2.36' or 'libtcmalloc_minimal.so.4'."""
    loaded: set[str] = set()
    with contextlib.suppress(OSError), open("/proc/self/maps", encoding="utf-8") as lines:  # Linux
        loaded = {os.path.basename(line.split()[-1]) for line in lines}
    return (
        ", ".join(sorted(name for name in loaded if "malloc" in name))
        or " ".join(platform.libc_ver()).strip()
        or "the system's own"
    )


def versions() -> dict[str, str]:
    """Python and the libraries a result depends on."""
    names = ("torch", "numpy", "pillow", "snakemake", "dvc", "mlflow")
    versions_of = {"python": platform.python_version()}
    for name in names:
        with contextlib.suppress(metadata.PackageNotFoundError):  # a bundled study runs without Snakemake, DVC and MLflow
            versions_of[name] = metadata.version(name)
    return versions_of

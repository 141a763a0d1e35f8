"""What this machine and this project are, for a report of a fault: `ganrepro doctor`."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from pathlib import Path

from ganrepro import arithmetic, provenance, settings
from ganrepro.errors import UserError, without_secrets
from ganrepro.plan import paths
from ganrepro.plan.superseded import superseded
from ganrepro.tracking.client import tracking_uri
from ganrepro.version import __version__

WANTED = ("avx2", "avx512f", *arithmetic.BFLOAT16)
PAYS = 0.75  # share of a convolution's time, below which bfloat16 saves enough of a training's to be told


def lines(params_file: Path) -> list[tuple[str, str]]:
    """What there is, and what to know of it. Nothing is changed, and nothing secret is told."""
    machine = provenance.machine("cpu", 1)
    has = [name for name in WANTED if name in arithmetic.instructions()]
    free = shutil.disk_usage(params_file.resolve().parent).free
    found = [
        ("ganrepro", f"{__version__}, commit {provenance.git_commit()}"),
        ("system", f"{platform.platform()}, Python {platform.python_version()} in {sys.prefix}"),
        ("libraries", ", ".join(f"{name} {version}" for name, version in provenance.versions().items())),
        ("CPU", f"{machine['device_name']}, {os.cpu_count()} cores, {', '.join(has) or 'none of ' + ', '.join(WANTED)}"),
        ("memory", _memory()),
        ("GPU", _gpu()),
        ("disk", f"{free / 1e9:.1f} GB free" + ("; make gc lists what no study needs" if free < 5e9 else "")),
        ("MLflow", "off" if os.environ.get("GANREPRO_MLFLOW") == "off" else without_secrets(tracking_uri())),
    ]
    try:
        params = settings.load(params_file)
    except UserError as error:
        return [*found, (str(params_file), f"error: {error}")]
    mirror = os.environ.get("GANREPRO_MIRROR") or params.mirror
    found.append((str(params_file), f"{len(params.studies)} studies, {len(params.reports)} reports"))
    lacking = params.arithmetic == "portable" and not arithmetic.available()
    remedy = ": not on this machine, say `arithmetic: usual`" * lacking
    if not paths.gpu_slots(params.device) and (share := _bfloat16()) < PAYS:
        needed = "with `arithmetic: usual` " * (params.arithmetic == "portable")
        remedy = f"; {needed}a convolution takes {share:.0%} of its time by `precision: bfloat16`"
    found.append(("arithmetic", params.arithmetic + remedy))
    found.append(("mirror", without_secrets(mirror) if mirror else "none: downloads come from their authors"))
    for name, study in params.reports.items():
        runs = paths.trained(params, params.studies[study])
        made = sum((run.folder / "checkpoint.pt").exists() for run in runs)
        page = "page made" if paths.report_page(name).exists() else "no page yet"
        found.append((f"report {name}", f"{made} of {len(runs)} trainings, {page}"))
    old = superseded(params)
    found.append(("superseded", f"{len(old)} result folders of no study" + ("; make gc removes them" if old else "")))
    return found


def _bfloat16() -> float:
    """Time of a convolution in bfloat16 over that in float32; 1 on a CPU that has no instructions for it."""
    if not arithmetic.instructions() & {*arithmetic.BFLOAT16}:
        return 1.0
    import torch

    threads, shortest = torch.get_num_threads(), []
    torch.set_num_threads(1)  # a second one may have to wait for somebody's
    for precision in (torch.float32, torch.bfloat16):
        layer = torch.nn.Conv2d(128, 128, 3, dtype=precision).to(memory_format=torch.channels_last)
        image, times = torch.randn(1, 128, 64, 64, dtype=precision).contiguous(memory_format=torch.channels_last), []
        with torch.inference_mode():
            for _ in range(20):
                start = time.perf_counter()
                layer(image)
                times.append(time.perf_counter() - start)
        shortest.append(min(times))
    torch.set_num_threads(threads)
    return shortest[1] / shortest[0]


def _memory() -> str:
    """How much there is, and who deals it out (docs/speed.md)."""
    allocator = provenance.allocator()
    known = os.sysconf_names if hasattr(os, "sysconf_names") else {}
    there = f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1e9:.0f} GB, " if "SC_PHYS_PAGES" in known else ""
    remedy = "; trainings at 256 pixels hold 6 to 21 % less with LD_PRELOAD=libtcmalloc_minimal.so.4 (libtcmalloc-minimal4)"
    return there + allocator + remedy * allocator.startswith("glibc")


def _gpu() -> str:
    import torch

    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        return f"{names} (CUDA {torch.version.cuda})"
    return "none that torch sees" + (
        "; nvidia-smi is there, so look at the driver's version" if shutil.which("nvidia-smi") else ""
    )

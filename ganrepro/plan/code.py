"""The kinds of jobs, and the code that each executes. No torch.

prepare/LAYOUT  edges  derived  reader/KIND  train/METHOD  images  measure/NAME
"""

from __future__ import annotations

from ganrepro import methods
from ganrepro.data import layouts
from ganrepro.evaluation.measures import NAMES
from ganrepro.evaluation.readers import KINDS
from ganrepro.store import code


def jobs() -> list[str]:
    """Every kind of job whose results have keys."""
    named = {"prepare": layouts.names(), "reader": KINDS, "train": methods.names(), "measure": NAMES}
    return ["edges", "derived", "images", *(f"{kind}/{name}" for kind, names in named.items() for name in names)]


def modules_of(job: str) -> tuple[str, ...]:
    """Where the code of a job begins. KeyError where there is no such kind of job."""
    kind, _, name = job.partition("/")
    return {
        "prepare": ("data.prepare", layouts.module_of(name)),
        "edges": ("data.edges",),
        "derived": ("data.derived",),
        "reader": ("process", f"evaluation.readers.{name}"),
        "train": ("process", "training.loop", f"methods.{name}"),
        "images": ("process", "evaluation.generation"),
        "measure": ("process", "evaluation.scoring", f"evaluation.measures.{name}"),
    }[kind]


def version(job: str, precision: str = "float32", device: str = "cpu") -> str:
    """What stands for the code of a job in keys.  device: as params.yaml states it; `auto` counts as a CPU."""
    own = "cpu" if device == "auto" else device.partition(":")[0]
    return code.version(job, *modules_of(job), precision=precision, device=own)

"""How the images of a source lie, one file for each layout. `find` gives its module; a file that is put here is found."""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from types import ModuleType

SHARED = ("__init__", "base")  # modules of this folder that are no layout


def names() -> list[str]:
    """Every layout, as the registry names it."""
    return sorted(path.stem.replace("_", "-") for path in Path(__file__).parent.glob("*.py") if path.stem not in SHARED)


def module_of(layout: str) -> str:
    """The module of a layout, below the package, as digests of code name it."""
    return f"data.layouts.{layout.replace('-', '_')}"


@functools.cache
def find(layout: str) -> ModuleType:
    """The module of a layout; `items` in it says which images there are. KeyError where there is no such file."""
    if layout not in names():
        raise KeyError(layout)
    return importlib.import_module(f"ganrepro.{module_of(layout)}")

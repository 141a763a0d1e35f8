"""One file for each method. `find` gives its class; a file that is put here is found without being named anywhere."""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from typing import Any

from ganrepro.methods.base import Method, ScheduleSettings

# modules of this folder that are no method
SHARED = ("__init__", "adversarial", "base", "each_target", "encodes", "noise", "one_way", "outputs", "several", "translation")


@functools.cache
def names() -> tuple[str, ...]:
    """Every method, as params.yaml names it."""
    return tuple(sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in SHARED))


@functools.cache
def find(name: str) -> type[Method[Any]]:
    """The class of a method. KeyError where there is no such file; TypeError where it holds no method."""
    if name not in names():
        raise KeyError(name)
    module = importlib.import_module(f"{__name__}.{name}")
    own = [c for c in vars(module).values() if isinstance(c, type) and c.__module__ == module.__name__]
    classes = [c for c in own if issubclass(c, Method)]
    if len(classes) != 1 or not issubclass(getattr(module, "Settings", object), ScheduleSettings):
        raise TypeError(f"methods/{name}.py: expected one subclass of Method and a class Settings(ScheduleSettings)")
    return classes[0]


@functools.cache
def settings_of(name: str) -> type[ScheduleSettings]:
    """The settings of a method."""
    find(name)
    model: type[ScheduleSettings] = importlib.import_module(f"{__name__}.{name}").Settings
    return model

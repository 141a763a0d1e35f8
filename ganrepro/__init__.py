"""Reproduces the tables of pix2pix, CycleGAN and the GANs around them: data, training, scores, report; and uses what was trained.

>>> import ganrepro
>>> "streets-tiny" in ganrepro.studies()
True

Everything below is imported when it is first used; `import ganrepro` alone waits for nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from ganrepro.version import __version__ as __version__

__all__ = ["fcn_score", "frechet_distance", "load", "results", "sample", "score", "studies"]

if TYPE_CHECKING:
    from ganrepro.use.library import fcn_score, frechet_distance, results, sample, studies
    from ganrepro.use.model import load
    from ganrepro.use.score import score

_PLACES = {"load": "ganrepro.use.model", "score": "ganrepro.use.score"}


def __dir__() -> list[str]:
    return [*globals(), *__all__]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'ganrepro' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_PLACES.get(name, "ganrepro.use.library")), name)

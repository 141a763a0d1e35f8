"""torch, imported when it is first used.

The file of a method holds its settings and its training step. Reading params.yaml needs the first alone, so such
files say `from ganrepro.lazy import torch`: a dry run then never waits for torch, and works where there is none.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch as torch
else:

    class _Torch:
        def __getattr__(self, name: str) -> object:
            return getattr(importlib.import_module("torch"), name)

    torch = _Torch()

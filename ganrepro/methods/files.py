"""For methods whose training reads files besides the images: published weights, or a network of their study.

Who runs such a method says where the files lie (`placed`), which are part of a training's key; the method only names
them.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from ganrepro.methods.base import Method, S

# the network that scores the study's photos; every other name is a source of the registry
SEGMENTER = "segmenter"


class ReadsFiles(Method[S]):
    """A method that names files in `reads`, and finds them in `files` once it is to train or generate."""

    files: Mapping[str, Path] = {}

    def reads(self) -> tuple[str, ...]:
        """Names: a source of the registry (its folder is given), SEGMENTER, or a .pth file of downloads/archives."""
        raise NotImplementedError

    def placed(self, files: Mapping[str, Path]) -> Self:
        """The same method, told where its files lie."""
        made = copy.copy(self)
        made.files = files
        return made

    def with_settings(self, **changes: Any) -> Self:
        return super().with_settings(**changes).placed(self.files)

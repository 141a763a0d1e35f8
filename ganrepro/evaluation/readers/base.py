"""What a kind of reader has to say: how it is trained or fetched, how it is loaded, and when it can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from ganrepro.data.spec import DataSpec, Size
from ganrepro.errors import UserError
from ganrepro.evaluation.segmentation import overflowing
from ganrepro.schema.readers import PublishedReaderSettings, ReaderSettings

if TYPE_CHECKING:
    import torch
    from torch import nn


class ReaderError(UserError):
    """A reader cannot be trained, or does not read as it should; the message says what to do."""


class Gate(NamedTuple):
    """How well a reader reads real test images that it never saw.

    what: of what, as in 'per-pixel accuracy'.  value: from 0 to 1.  required: below it no score that it reads can be trusted.
    """

    what: str
    value: float
    required: float

    @property
    def passed(self) -> bool:
        return self.value >= self.required


@dataclass(frozen=True)
class Reader:
    """A network that reads images (n, channels, h, w) in [-1, 1].

    network: to logits (n, outputs, h, w) of pixels, or (n, classes) of images.    outputs: of a segmentation network, where it
    has more than there are classes.    overflow: predictions beyond the classes are counted as `segmentation.overflowing` says.
    features: means of its features, (n, d); None where it has none that are compared.    digest: names it, so that features can
    be kept.
    """

    network: nn.Module
    outputs: int | None = None
    overflow: bool = False
    features: Callable[[torch.Tensor], torch.Tensor] | None = None
    digest: str = ""

    def counted(self, counts: np.ndarray, classes: int) -> np.ndarray:
        """The counts of each pass, (passes, images, classes, outputs), as they are scored."""
        if self.overflow and counts.shape[-1] > classes:
            return np.stack([overflowing(of_pass) for of_pass in counts])
        return counts


@dataclass(frozen=True)
class Task:
    """What a reader is made for.

    folder, manifest: the prepared dataset.  data: what it has.  recipe: of params.yaml.  pixels: size at which images are read.
    download: published weights, where the recipe names some.  resume, save: state of an unfinished training.
    """

    folder: Path
    manifest: Mapping[str, Any]
    data: DataSpec
    recipe: ReaderSettings | PublishedReaderSettings
    pixels: Size
    device: torch.device
    download: Path | None = None
    resume: dict[str, Any] | None = None
    save: Callable[[dict[str, Any]], None] = lambda state: None

    @property
    def domain(self) -> str:
        """Whose images are read."""
        assert self.data.readable is not None
        return self.data.readable

    def names(self, split: str) -> list[str]:
        """The images of a split."""
        names: list[str] = self.manifest["names"][split][self.domain]
        return names

    @property
    def trained(self) -> ReaderSettings:
        """The recipe of a network that is trained."""
        assert isinstance(self.recipe, ReaderSettings)
        return self.recipe


class ReaderKind:
    """One kind of network.  title: as in 'read by a classifier'."""

    title: ClassVar[str]

    def make(self, task: Task) -> tuple[nn.Module, list[dict[str, float]]]:
        """The network in eval mode, and a row for each epoch of its training. ReaderError where it cannot be made."""
        raise NotImplementedError

    def load(self, state: Mapping[str, torch.Tensor], recipe: Any, data: DataSpec) -> Reader:
        """The reader with the weights that `make` gave, on the CPU.  recipe: its settings, as in `make`."""
        raise NotImplementedError

    def gate(self, reader: Reader, task: Task) -> Gate:
        """How well it reads real test images."""
        raise NotImplementedError

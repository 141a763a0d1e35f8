"""What an evaluator has to say: its scores, which outputs it applies to, and how it measures. No torch at import.

An evaluator is one file of this folder that sets `EVALUATOR`, and one word in `scores.EVALUATORS`. Images on disk are
all that is read of an output, so anything that writes such folders can be scored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from ganrepro.outputs import Output

if TYPE_CHECKING:
    import numpy as np
    import torch

    from ganrepro.evaluation.readers import Reader


@dataclass(frozen=True)
class Job:
    """One output of one row, to be measured.

    folders: of its images NAME.png, one for each pass over the test set.  data, manifest: the prepared dataset.
    row: of a reference row its name, else None.  pixels: size of the images.  reader: loads the network that reads
    photos, where the dataset has label maps.  distance: whose features are compared (`distance` in params.yaml).
    inception: folder of Inception's weights.  kept: folder for features of real photos.  digest: names the reader.
    """

    output: Output
    folders: list[Path]
    data: Path
    manifest: Mapping[str, Any]
    pixels: int
    device: torch.device
    row: str | None
    reader: Callable[[], Reader]
    distance: str
    inception: Path
    kept: Path
    digest: str

    @property
    def names(self) -> list[str]:
        """Files of each folder: those of the test images that they are made from, or whatever was made from noise."""
        if self.output.source is None:
            return sorted(path.name for path in self.folders[0].glob("*.png"))
        names: list[str] = self.manifest["names"]["test"][self.output.source]
        return names

    @property
    def palette(self) -> dict[str, list[int]]:
        """Classes of the label maps and their colours."""
        return dict(self.manifest["classes"])


class Measured(NamedTuple):
    """counts: by pass and image, (passes, images, ...), where scores follow from sums over images.

    values: whatever else is known, as plain values; where there are no counts, the scores themselves, with their
    standard errors under the same name and `_error`.
    """

    counts: np.ndarray | None
    values: dict[str, Any]


class Evaluator:
    """One way to measure an output. `reads` names what it needs beside the images."""

    scores: ClassVar[Mapping[str, str]]  # name -> heading in tables
    reads: ClassVar[tuple[Literal["reader", "features"], ...]] = ()
    over_training: ClassVar[bool] = False  # epochs that are looked back at are measured too

    @property
    def name(self) -> str:
        """The name of its file."""
        return type(self).__module__.rsplit(".", 1)[-1]

    def applies(self, output: Output, classes: bool) -> bool:
        """Whether it can measure an output of a dataset.  classes: whether the dataset has label maps."""
        raise NotImplementedError

    def measure(self, job: Job) -> Measured:
        """Reads the images of a job."""
        raise NotImplementedError

    def statistic(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """The scores of counts that are summed over images: (..., k) -> (...) each; others, by class say, (..., m)."""
        raise NotImplementedError

    def images_of(self, counts: np.ndarray) -> dict[str, int]:
        """Scores that fewer images tell than there are: in how many the rarest class occurs, say.  counts: (images, ...)."""
        return {}

"""What a measure has to say: its scores, what it needs, which outputs it applies to, how it measures. No torch at import.

A measure is one file of this folder that sets `MEASURE`, and one word in `measures.NAMES`. Images on disk are all that is
read of an output, so anything that writes such folders can be measured. Tables, intervals, verdicts, figures and model
cards follow from what a measure says of itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from ganrepro.data.spec import DataSpec, Size
from ganrepro.errors import UserError
from ganrepro.methods.outputs import Output

if TYPE_CHECKING:
    import numpy as np
    import torch

    from ganrepro.evaluation.readers.base import Reader

GROUPS = 10  # of a jackknife over images
OWN_FEATURES = "reader"  # whose features are compared unless params.yaml says otherwise: those of the study's reader
MORE_CHANNELS = "that needs images of at most four channels"  # of what lacks where there are more than MOST_NAMED
# Reference rows, which need no training: real images of the target, the untouched input, and what networks make before training
GROUND_TRUTH, IDENTITY, UNTRAINED = "ground-truth", "identity", "untrained"


@dataclass(frozen=True)
class Score:
    """A number that a measure gives.

    heading: in tables.  better: which way.  low, high: bounds that intervals are cut to; None: there is none.  digits: printed
    after the point.
    """

    heading: str
    better: Literal["higher", "lower", "nearer 1"] = "higher"
    low: float | None = 0.0
    high: float | None = 1.0
    digits: int = 2


@dataclass(frozen=True)
class Limits:
    """When a training counts as collapsed (`collapsed_...` of a study in params.yaml): a rule that stands before any result.

    above: scores by label maps have to lie this much above those of untrained networks and of the untouched input.
    classes: samples have to show this share of the classes.
    """

    above: float
    classes: float


class Needs(NamedTuple):
    """What is there to measure with.

    data: what the dataset has.  reader: the kind of network that reads its images, None where there is none.  features: whose are
    compared, OWN_FEATURES or another's.
    """

    data: DataSpec
    reader: str | None
    features: str


@dataclass(frozen=True)
class Job:
    """One output of one row, to be measured.

    folders: of its images NAME.png, one for each pass over the test set.    folder, manifest: the prepared dataset.   data: what
    it has.   row: of a reference row its name, else None.    pixels: size of the images.    reader: loads the network that reads
    images.   features: whose are compared (`features` in params.yaml).   weights: folders of downloads, by their source.
    kept: folder for features of real images.
    """

    output: Output
    folders: list[Path]
    folder: Path
    manifest: Mapping[str, Any]
    data: DataSpec
    pixels: Size
    device: torch.device
    row: str | None
    reader: Callable[[], Reader]
    features: str
    weights: Mapping[str, Path]
    kept: Path

    @property
    def names(self) -> list[str]:
        """Files of each folder: those of the test images that they are made from, or whatever was made from noise.

        The ground truth is made from nothing: its names are the target's, which in unpaired data are others.
        """
        if self.output.source is None:
            return sorted(path.name for path in self.folders[0].glob("*.png"))
        names: list[str] = self.manifest["names"]["test"][self.output.target if self.row == GROUND_TRUTH else self.output.source]
        return names

    def expect_all(self) -> None:
        """UserError unless of images from noise there are as many as test images (`generation.generate` makes so many)."""
        if self.output.source is None and not self.output.picture:
            made, wanted = len(self.names), len(self.manifest["names"]["test"][self.output.target])
            if made != wanted:
                where = f"remove {self.folders[0].parent} and run snakemake again"
                raise UserError(f"{self.folders[0]}: {made} images, expected {wanted}; {where}")

    def real(self, split: str) -> tuple[Path, list[str]]:
        """Real images of the output's target: their folder, and their names."""
        return self.folder / split / self.output.target, self.manifest["names"][split][self.output.target]

    @property
    def channels(self) -> int:
        """Of the output's images."""
        return self.data.channels(self.output.target)

    @property
    def most(self) -> int:
        """The highest level that they can have."""
        return int(2**self.data.depth - 1)


class Measured(NamedTuple):
    """What a measure found.

    counts: by pass and image, (passes, images, ...), where scores follow from sums over images (`statistic`).    values: where
    there are no counts, the scores themselves.    errors: their standard errors, by a jackknife of GROUPS.    more: whatever else
    is known, as plain values.
    """

    counts: np.ndarray | None = None
    values: Mapping[str, float] = {}
    errors: Mapping[str, float | None] = {}
    more: Mapping[str, Any] = {}


def mean_of(values: Sequence[float] | np.ndarray, unit: float = 1.0) -> Measured:
    """Counts of a measure whose only score is the mean of one value for each image, (images,), over a unit."""
    import numpy as np

    return Measured(np.stack([np.asarray(values, np.float64), np.full(len(values), unit)], 1)[None])


class Measure:
    """One way to measure an output.

    scores: by name, in the order of columns.       table: those that a table prints unless it names others.       reader: the
    kinds of readers that read images for it; () where it needs none.       over_training: epochs that are looked back at are
    measured too, and drawn by the score `headline`.       by_class: where counts give a score for each class of pixels, its
    name in `statistic`.       by_image: the score that ranks single images.       section: heading of a part of the page where
    its scores stand for all rows, of measures that tables do not print by themselves.      last_resort: it
    tells collapsed trainings only where no other measure does.      of_reading: of how well a method itself reads images, not of
    those it makes.      reading: a sentence for the page: what
    the scores mean.
    """

    scores: ClassVar[Mapping[str, Score]]
    table: ClassVar[tuple[str, ...]] = ()
    reader: ClassVar[tuple[str, ...]] = ()
    over_training: ClassVar[bool] = False
    headline: ClassVar[str] = ""
    section: ClassVar[str] = ""
    last_resort: ClassVar[bool] = False
    of_reading: ClassVar[bool] = False
    by_class: ClassVar[str] = ""
    by_image: ClassVar[str] = ""
    reading: ClassVar[str] = ""

    @property
    def name(self) -> str:
        """The name of its file."""
        return type(self).__module__.rsplit(".", 1)[-1]

    def applies(self, output: Output, data: DataSpec) -> bool:
        """Whether it is a measure of such an output."""
        raise NotImplementedError

    def lacks(self, output: Output, needs: Needs) -> str:
        """Why it cannot measure an output that it applies to; '' where it can."""
        if self.reader and needs.reader not in self.reader:
            return "there is no reader: that needs label maps or image classes to learn from"
        return ""

    def uses_reader(self, needs: Needs) -> bool:
        """Whether the study's own reader is part of what it measures with."""
        return bool(self.reader)

    def uses_features(self, needs: Needs) -> bool:
        """Whether the network of `features` in params.yaml is, with weights of somebody else's."""
        return False

    def measure(self, job: Job) -> Measured:
        """Reads the images of a job."""
        raise NotImplementedError

    def statistic(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """The scores of counts that are summed over images: (..., k) -> (...) each; others, by class say, (..., m).

        Unless a measure says otherwise: of counts of `mean_of`.
        """
        (score,) = self.scores
        return {score: counts[..., 0] / counts[..., 1]}

    def collapsed(
        self, scores: Mapping[str, float], floors: Mapping[str, Mapping[str, float]], limits: Limits, data: DataSpec
    ) -> bool:
        """Whether a training with these scores learned nothing, or fell.  floors: of reference rows, those that it has.

        Of a measure that has a rule for it, which `fallen` says in words.
        """
        return False

    def fallen(self, limits: Limits) -> str:
        """What `collapsed` asks, behind 'a training counts as collapsed whose images ...'; '' where it has no rule."""
        return ""

    def columns(self, more: Mapping[str, Any]) -> dict[str, str]:
        """Further columns of its section, by heading.  more: of one row's first seed."""
        return {}

    def note(self, more: Mapping[str, Any]) -> str:
        """What the page says of how it was measured, below its section.  more: of some row."""
        return self.reading

    def images_of(self, counts: np.ndarray) -> dict[str, int]:
        """Scores that fewer images tell than there are: in how many the rarest class occurs, say.  counts: (images, ...)."""
        return {}

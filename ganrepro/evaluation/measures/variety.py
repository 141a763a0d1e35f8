"""Whether translations of different inputs differ: CycleGAN's rows without a cycle give the same labels for any photo (5.1.4)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganrepro.data.spec import DataSpec
from ganrepro.evaluation.measures.base import Job, Measure, Measured, Score, mean_of
from ganrepro.methods.outputs import Output

if TYPE_CHECKING:
    import numpy as np


class Variety(Measure):
    """Mean squared difference between the translations of two inputs, over that between two real images of the target.

    0: the same image whatever the input; 1: as different as real images. Each test image is compared with the one half of the
    test set away, so that neighbours in a film are not compared with each other. Blur makes images more alike.

    DEVIATION(variety): the paper shows this collapse in a figure and measures nothing; the number is ours.
    """

    scores = {"variety": Score("Variety", better="nearer 1", high=None)}
    section = "How much translations of different inputs differ"
    reading = (
        "squared difference between the translations of two inputs, over that between two real images of the target; 0 where "
        "every input gives the same image, 1 where they differ as real images do. Blur lowers it."
    )

    def applies(self, output: Output, data: DataSpec) -> bool:
        return output.translates

    def measure(self, job: Job) -> Measured:
        import numpy as np

        real = between(*job.real("test"), job).mean()
        if real == 0:
            return Measured()  # of real images that are all the same
        passes = [mean_of(between(place, job.names, job), real).counts for place in job.folders]
        return Measured(np.concatenate([counts for counts in passes if counts is not None]))


def between(folder: Path, names: Sequence[str], job: Job) -> np.ndarray:
    """Mean squared difference of each image from the one half of the set further on, around its end: (n,), levels from 0 to 1."""
    import numpy as np

    from ganrepro.evaluation.images import load_levels

    levels = load_levels(folder, names, job.channels, job.pixels, job.data.depth).numpy()
    others = np.roll(np.arange(len(levels)), -(len(levels) // 2))
    pairs = ((levels[i].astype(np.float32), levels[other].astype(np.float32)) for i, other in enumerate(others))
    return np.array([np.square((one - other) / job.most).mean(dtype=np.float64) for one, other in pairs])


MEASURE = Variety()

"""Whether translations of different inputs differ: CycleGAN's rows without a cycle give the same labels for any photo (5.1.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganrepro.data.spec import DataSpec
from ganrepro.evaluation.measures.base import GROUND_TRUTH, Job, Measure, Measured, Score, mean_of
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

        from ganrepro.evaluation.images import lines

        real = between(lines(*job.real("test"), job.channels, job.pixels)).mean()
        if real == 0:
            return Measured()  # of real images that are all the same
        names = job.real("test")[1] if job.row == GROUND_TRUTH else job.names  # unpaired images have other names
        passes = [mean_of(between(lines(folder, names, job.channels, job.pixels)), real).counts for folder in job.folders]
        return Measured(np.concatenate([counts for counts in passes if counts is not None]))


def between(images: np.ndarray) -> np.ndarray:
    """Mean squared difference of each image from the one half of the set further on, around its end: (n, values) -> (n,)."""
    import numpy as np

    others = np.roll(images, -(len(images) // 2), 0)
    squares: np.ndarray = np.square(images - others).mean(1, dtype=np.float64)
    return squares


MEASURE = Variety()

"""Whether samples repeat training images: how far each is from the nearest of them."""

from __future__ import annotations

from ganrepro.data.spec import DataSpec
from ganrepro.evaluation.measures.base import Job, Measure, Measured, Score, mean_of
from ganrepro.methods.outputs import Output


class Novelty(Measure):
    """Mean distance to the nearest training image, Euclidean over pixels, over that of real test images.

    0: copies; 1: as new as images that were held out. Blurred samples lie between images, near to many, and noise is far.
    """

    scores = {"novelty": Score("Novelty", better="nearer 1", high=None)}
    table = tuple(scores)
    reading = (
        "mean distance to the nearest training image, over that of test images; 0 for copies, 1 for images as new as held-out "
        "ones. Blurred samples are near to many images."
    )

    def applies(self, output: Output, data: DataSpec) -> bool:
        return output.source is None and output.asked is None

    def measure(self, job: Job) -> Measured:
        from ganrepro.evaluation.images import lines, nearest

        known = lines(*job.real("train"), job.channels, job.pixels)
        _, held_out = nearest(lines(*job.real("test"), job.channels, job.pixels), known)
        _, distances = nearest(lines(job.folders[0], job.names, job.channels), known)
        return mean_of(distances, held_out.mean())


MEASURE = Novelty()

"""Whether samples repeat training digits: how far each is from the nearest of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganrepro.evaluation.base import Evaluator, Job, Measured
from ganrepro.outputs import SAMPLES, Output

if TYPE_CHECKING:
    import numpy as np


class Novelty(Evaluator):
    """Mean distance to the nearest training digit, Euclidean over pixels, over that of real test digits.

    0: copies; 1: as new as digits that were held out. Blurred samples lie between digits, near to many, and noise is far.
    """

    scores = {"novelty": "Novelty"}

    def applies(self, output: Output, classes: bool) -> bool:
        return output == SAMPLES

    def measure(self, job: Job) -> Measured:
        import numpy as np

        from ganrepro.evaluation.digit_images import nearest, pixels

        names = job.manifest["names"]
        known = pixels(job.data / "train" / "b", names["train"]["b"])
        _, held_out = nearest(pixels(job.data / "test" / "b", names["test"]["b"]), known)
        _, made = nearest(pixels(job.folders[0], job.names), known)
        return Measured(np.stack([made, np.full(len(made), held_out.mean())], 1)[None], {})

    def statistic(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        return {"novelty": counts[..., 0] / counts[..., 1]}


EVALUATOR = Novelty()

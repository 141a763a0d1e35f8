"""Whether a conditional generator makes the class that it is asked for, as the digit classifier reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganrepro.evaluation.base import Evaluator, Job, Measured
from ganrepro.outputs import BY_CLASS, Output

if TYPE_CHECKING:
    import numpy as np


class DigitAsked(Evaluator):
    """The share of samples that are read as the class asked for, each class equally often."""

    scores = {"asked": "Read as asked"}
    reads = ("reader",)

    def applies(self, output: Output, classes: bool) -> bool:
        return output == BY_CLASS

    def measure(self, job: Job) -> Measured:
        import numpy as np

        from ganrepro.evaluation.digit_classes import read_classes
        from ganrepro.evaluation.digit_images import asked_class

        if job.row is not None:
            return Measured(None, {})  # nobody asked for the real digits
        read = read_classes(job)
        right = [one[asked_class(name, read.shape[1])] for one, name in zip(read, job.names, strict=True)]
        return Measured(np.stack([right, np.ones(len(read))], 1)[None], {})

    def statistic(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        return {"asked": counts[..., 0] / counts[..., 1]}


EVALUATOR = DigitAsked()

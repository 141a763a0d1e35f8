"""Which classes samples are of, as the digit classifier reads them: a generator that collapsed makes few, or one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganrepro.evaluation.base import Evaluator, Job, Measured
from ganrepro.outputs import SAMPLES, Output

if TYPE_CHECKING:
    import numpy as np

COVERED = 0.1  # of its equal share of the samples: a class that has less counts as missed


class DigitClasses(Evaluator):
    """Classes covered, and the total variation distance of their histogram from equal shares: 0 to 0.9 (one class alone)."""

    scores = {"classes_covered": "Classes covered", "class_imbalance": "Imbalance of classes"}
    reads = ("reader",)

    def applies(self, output: Output, classes: bool) -> bool:
        return output == SAMPLES

    def measure(self, job: Job) -> Measured:
        return Measured(read_classes(job)[None], {})

    def statistic(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        import numpy as np

        shares, equal = counts / counts.sum(-1, keepdims=True), 1 / counts.shape[-1]
        imbalance = 0.5 * np.abs(shares - equal).sum(-1)
        return {"classes_covered": (shares >= COVERED * equal).sum(-1).astype(float), "class_imbalance": imbalance}


def read_classes(job: Job) -> np.ndarray:
    """The class of each image as the classifier reads it, one-hot, (images, classes)."""
    import numpy as np

    from ganrepro.evaluation.digit_classifier import CLASSES, readings
    from ganrepro.evaluation.digit_images import load_digits

    read = readings(job.reader().network, load_digits(job.folders[0], job.names), job.device).argmax(1)
    return np.eye(CLASSES)[read.numpy()]


EVALUATOR = DigitClasses()

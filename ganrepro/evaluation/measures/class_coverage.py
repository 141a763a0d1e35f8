"""Which classes samples are of, as the classifier reads them: a generator that collapsed makes few, or one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ganrepro.data.spec import DataSpec
from ganrepro.evaluation.measures.base import Job, Limits, Measure, Measured, Score
from ganrepro.methods.outputs import Output

if TYPE_CHECKING:
    import numpy as np

COVERED = 0.1  # of its equal share of the samples: a class that has less counts as missed


class ClassCoverage(Measure):
    """Classes covered, and the total variation distance of their histogram from equal shares: 0, to 1 less a share."""

    scores = {
        "classes_covered": Score("Classes covered", high=None),
        "class_imbalance": Score("Imbalance of classes", better="lower"),
    }
    table = tuple(scores)
    reader = ("classifier",)
    reading = (
        "classes with at least a tenth of an equal share of the samples, as the classifier reads them. *Imbalance*: total "
        "variation distance of the classes' histogram from equal shares; for ten classes 0.9 where all samples are of one."
    )

    def applies(self, output: Output, data: DataSpec) -> bool:
        return output.source is None and output.asked is None

    def measure(self, job: Job) -> Measured:
        return Measured(read_classes(job)[None])

    def collapsed(
        self, scores: Mapping[str, float], floors: Mapping[str, Mapping[str, float]], limits: Limits, data: DataSpec
    ) -> bool:
        return scores["classes_covered"] < limits.classes * len(data.classes)

    def fallen(self, limits: Limits) -> str:
        return f"show less than {100 * limits.classes:g} % of the classes"

    def statistic(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        import numpy as np

        shares, equal = counts / counts.sum(-1, keepdims=True), 1 / counts.shape[-1]
        imbalance = 0.5 * np.abs(shares - equal).sum(-1)
        return {"classes_covered": (shares >= COVERED * equal).sum(-1).astype(float), "class_imbalance": imbalance}


def read_classes(job: Job) -> np.ndarray:
    """The class of each image as the classifier reads it, one-hot, (images, classes)."""
    import numpy as np

    from ganrepro.evaluation.images import load_levels
    from ganrepro.evaluation.readers.classifier import readings

    images = load_levels(job.folders[0], job.names, job.channels)
    read = readings(job.reader().network, images, job.device).argmax(1)
    return np.eye(len(job.data.classes))[read.numpy()]


MEASURE = ClassCoverage()

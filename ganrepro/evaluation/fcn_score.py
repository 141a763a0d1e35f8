"""FCN-score: a segmentation network reads generated photos, and its reading is compared with the label maps they were
made from (pix2pix 3.3, CycleGAN 5.1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganrepro.evaluation.base import Evaluator, Job, Measured
from ganrepro.outputs import Output

if TYPE_CHECKING:
    import numpy as np


class FCNScore(Evaluator):
    """Pixels that the network takes for none of the classes are wrong; `beyond_classes` says how many."""

    scores = {"pixel_accuracy": "Per-pixel acc.", "class_accuracy": "Per-class acc.", "class_iou": "Class IoU"}
    reads = ("reader",)
    over_training = True

    def applies(self, output: Output, classes: bool) -> bool:
        return classes and (output.source, output.target) == ("a", "b")

    def measure(self, job: Job) -> Measured:
        import numpy as np

        from ganrepro.evaluation.readers import read_photos

        reader, classes = job.reader(), len(job.palette)
        counts = np.stack([read_photos(reader, folder, job.names, job.data, classes, job.device) for folder in job.folders])
        return Measured(reader.counted(counts, classes), {"beyond_classes": int(counts[..., classes:].sum())})

    def statistic(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        from ganrepro.evaluation.segmentation import rates

        return rates(counts)

    def images_of(self, counts: np.ndarray) -> dict[str, int]:
        from ganrepro.evaluation.segmentation import images_of_means

        return images_of_means(counts)


EVALUATOR = FCNScore()

"""Photo -> labels: every generated pixel becomes the class of the nearest label colour (CycleGAN 5.1.2; pix2pix 4.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganrepro.evaluation.base import Evaluator, Job, Measured
from ganrepro.outputs import Output

if TYPE_CHECKING:
    import numpy as np


class LabelColours(Evaluator):
    """The same three scores as the FCN-score's, without a network."""

    scores = {"pixel_accuracy": "Per-pixel acc.", "class_accuracy": "Per-class acc.", "class_iou": "Class IoU"}
    over_training = True

    def applies(self, output: Output, classes: bool) -> bool:
        return classes and (output.source, output.target) == ("b", "a")

    def measure(self, job: Job) -> Measured:
        import numpy as np

        from ganrepro.evaluation.label_maps import confusion
        from ganrepro.evaluation.segmenter import classify_colours

        palette, labels = job.palette, job.data / "test" / "labels"
        many = len(palette)
        counts = [
            confusion(
                folder, job.names, labels, many, many, lambda *image: classify_colours(image[0], palette, *image[1:]),
                lambda maps: maps, job.device,
            )
            for folder in job.folders
        ]  # fmt: skip
        return Measured(np.stack(counts), {})

    def statistic(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        from ganrepro.evaluation.segmentation import rates

        return rates(counts)

    def images_of(self, counts: np.ndarray) -> dict[str, int]:
        from ganrepro.evaluation.segmentation import images_of_means

        return images_of_means(counts)


EVALUATOR = LabelColours()

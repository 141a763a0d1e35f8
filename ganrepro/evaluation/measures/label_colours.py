"""Photo -> labels: every generated pixel becomes the class of the nearest label colour (CycleGAN 5.1.2; pix2pix 4.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganrepro.data.spec import DataSpec
from ganrepro.evaluation.measures.base import Job, Measure, Measured, Score
from ganrepro.methods.outputs import Output

if TYPE_CHECKING:
    import numpy as np


class LabelColours(Measure):
    """The same three scores as the FCN-score's, without a network."""

    scores = {
        "pixel_accuracy": Score("Per-pixel acc."),
        "class_accuracy": Score("Per-class acc."),
        "class_iou": Score("Class IoU"),
    }
    table = tuple(scores)
    over_training = True
    headline, by_class, by_image, floors = "class_iou", "class_ious", "pixel_accuracy", 0.02
    reading = "each generated pixel becomes the class of the nearest label colour."

    def applies(self, output: Output, data: DataSpec) -> bool:
        return data.paired and output.translates and output.target == data.label_maps

    def measure(self, job: Job) -> Measured:
        import numpy as np

        from ganrepro.evaluation.label_maps import classify_colours, confusion

        palette, labels = job.data.palette, job.folder / "test" / "labels"
        many = len(palette)
        counts = [
            confusion(
                folder, job.names, labels, many, many, lambda *image: classify_colours(image[0], palette, *image[1:]),
                lambda maps: maps, job.device,
            )
            for folder in job.folders
        ]  # fmt: skip
        return Measured(np.stack(counts))

    def statistic(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        from ganrepro.evaluation.segmentation import rates

        return rates(counts)

    def images_of(self, counts: np.ndarray) -> dict[str, int]:
        from ganrepro.evaluation.segmentation import images_of_means

        return images_of_means(counts)


MEASURE = LabelColours()

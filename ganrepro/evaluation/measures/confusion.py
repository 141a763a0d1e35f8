"""What measures by label maps share: counts are confusion matrices of pixels, image by image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganrepro.evaluation.measures.base import Measure, Score

if TYPE_CHECKING:
    import numpy as np


class Confusion(Measure):
    """The three scores of the FCN-score's protocol, from counts (..., classes, classes or more)."""

    scores = {
        "pixel_accuracy": Score("Per-pixel acc."),
        "class_accuracy": Score("Per-class acc."),
        "class_iou": Score("Class IoU"),
    }
    table = tuple(scores)
    over_training = True
    headline, by_class, by_image, floors = "class_iou", "class_ious", "pixel_accuracy", 0.02

    def statistic(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        from ganrepro.evaluation.segmentation import rates

        return rates(counts)

    def images_of(self, counts: np.ndarray) -> dict[str, int]:
        from ganrepro.evaluation.segmentation import images_of_means

        return images_of_means(counts)

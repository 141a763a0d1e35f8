"""What measures by label maps share: counts are confusion matrices of pixels, image by image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ganrepro.data.spec import DataSpec
from ganrepro.evaluation.measures.base import IDENTITY, UNTRAINED, Limits, Measure, Score

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
    headline, by_class, by_image = "class_iou", "class_ious", "pixel_accuracy"

    def statistic(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        from ganrepro.evaluation.segmentation import rates

        return rates(counts)

    def collapsed(
        self, scores: Mapping[str, float], floors: Mapping[str, Mapping[str, float]], limits: Limits, data: DataSpec
    ) -> bool:
        known = [floors[row][self.headline] for row in (UNTRAINED, IDENTITY) if row in floors]
        return bool(known) and scores[self.headline] <= max(known) + limits.above

    def fallen(self, limits: Limits) -> str:
        return f"score no more than {limits.above:g} above networks before training or the untouched input (class IoU)"

    def images_of(self, counts: np.ndarray) -> dict[str, int]:
        from ganrepro.evaluation.segmentation import images_of_means

        return images_of_means(counts)

"""Scores one folder of translations: labels -> photo by FCN-score, photo -> labels by colour.

PNG images on disk are all that is read of a translation, so anything that writes such folders can
be scored.
"""

from __future__ import annotations

from pathlib import Path

import torch

from ganrepro.data.images import ImageError, read_labels, read_rgb
from ganrepro.evaluation.confusion import confusion_matrix, scores
from ganrepro.evaluation.segmenter import Segmenter, classify_colours, segment


def score_translations(
    translations: Path, labels: Path, names: list[str], palette: dict[str, list[int]], network: Segmenter, device: torch.device
) -> dict[str, dict[str, object]]:
    """Scores by direction, from one confusion matrix each over all test images.

    translations: holds labels2photo/NAME and photo2labels/NAME.  labels: class maps at native size,
    named alike. ImageError names a missing or unreadable image.
    """
    classes = len(palette)
    matrices = {d: torch.zeros(classes, classes, dtype=torch.int64) for d in ("labels2photo", "photo2labels")}
    for name in names:
        truth = torch.from_numpy(read_labels(labels / name))
        height, width = truth.shape
        for direction, matrix in matrices.items():
            image = read_rgb(translations / direction / name)
            if direction == "labels2photo":
                prediction = segment(network, image, height, width, device)
            else:
                prediction = classify_colours(image, palette, height, width)
            try:
                matrix += confusion_matrix(truth, prediction, classes)
            except ValueError as error:
                raise ImageError(f"{labels / name}: {error}") from None
    return {
        direction: scores(matrix) | {"confusion": matrix.tolist(), "images": len(names)} for direction, matrix in matrices.items()
    }

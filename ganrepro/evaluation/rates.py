"""The three scores read off a confusion matrix, as the published evaluation reads them. No torch."""

from __future__ import annotations

import numpy as np


def overflowing(counts: np.ndarray) -> np.ndarray:
    """The matrices that the published evaluation computes where a prediction is the output after the last class.

    counts: (n, classes, classes + 1) -> (n, classes, classes).  Its histogram is flat, so such a pixel of truth g counts
    as truth g + 1 predicted as class 0; in the last class it makes the histogram too long, and the whole image is left out.
    Source: phillipi/pix2pix scripts/eval_cityscapes/util.py (fast_hist, and the shape check of its caller).
    """
    inside, beyond = counts[..., :-1].copy(), counts[..., -1]
    inside[:, 1:, 0] += beyond[:, :-1]
    inside[beyond[:, -1] > 0] = 0
    return inside


def rates(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Pixel accuracy, class accuracy and class IoU, each in 0..1 (...), and both latter ones by class (..., classes).

    counts: [truth, prediction] of a whole test set, (..., classes, outputs).  A prediction beyond the classes is wrong.
    As in the reference evaluation, denominators carry 1e-12, so a class that never occurs scores 0 and still counts
    in the mean.  Source: phillipi/pix2pix scripts/eval_cityscapes/util.py (get_scores).
    """
    counts = np.asarray(counts, np.float64)
    classes = counts.shape[-2]
    hits, rows, columns = counts.diagonal(axis1=-2, axis2=-1), counts.sum(-1), counts.sum(-2)[..., :classes]
    accuracy = hits / (rows + 1e-12)
    iou = hits / (rows + columns - hits + 1e-12)
    return {
        "pixel_accuracy": hits.sum(-1) / (rows.sum(-1) + 1e-12),
        "class_accuracy": accuracy.mean(-1),
        "class_iou": iou.mean(-1),
        "class_accuracies": accuracy,
        "class_ious": iou,
    }

"""One dataset-wide confusion matrix, and the three scores read off it (protocol of the FCN-score)."""

from __future__ import annotations

import torch
from torch import Tensor

from ganrepro.data.images import VOID


def confusion_matrix(truth: Tensor, prediction: Tensor, classes: int) -> Tensor:
    """Counts [truth, prediction] over all pixels whose truth is not 255, int64 (classes, classes).

    truth, prediction: integer maps of one shape.  Matrices of several images add up.
    ValueError if shapes differ or a value is neither a class nor (in truth) 255.
    """
    if truth.shape != prediction.shape:
        raise ValueError(f"confusion: truth is {tuple(truth.shape)}, prediction {tuple(prediction.shape)}")
    counted = truth != VOID
    true, predicted = truth[counted].long(), prediction[counted].long()
    for name, values in (("truth", true), ("prediction", predicted)):
        if len(values) and not (int(values.min()) >= 0 and int(values.max()) < classes):
            raise ValueError(f"confusion: {name} holds values outside 0..{classes - 1}")
    return torch.bincount(true * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def scores(matrix: Tensor) -> dict[str, object]:
    """Pixel accuracy, class accuracy and class IoU, each in 0..1, and both latter ones by class.

    matrix: counts [truth, prediction] of the whole test set.  As in the reference evaluation,
    denominators carry 1e-12, so a class that never occurs scores 0 and still counts in the mean.
    Source: phillipi/pix2pix scripts/eval_cityscapes/util.py (get_scores).
    """
    counts = matrix.double()
    hits, rows, columns = counts.diag(), counts.sum(1), counts.sum(0)
    accuracy = hits / (rows + 1e-12)
    iou = hits / (rows + columns - hits + 1e-12)
    return {
        "pixel_accuracy": float(hits.sum() / (rows.sum() + 1e-12)),
        "class_accuracy": float(accuracy.mean()),
        "class_iou": float(iou.mean()),
        "class_accuracies": accuracy.tolist(),
        "class_ious": iou.tolist(),
    }

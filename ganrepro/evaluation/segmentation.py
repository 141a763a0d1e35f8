"""Confusion matrices, one for each test image, and the three scores read off their sum (protocol of the FCN-score)."""

from __future__ import annotations

import numpy as np

from ganrepro.lazy import torch

UNSCORED = 255  # value of a label-map pixel that does not count


def confusion_matrix(truth: torch.Tensor, prediction: torch.Tensor, classes: int, outputs: int | None = None) -> torch.Tensor:
    """Counts [image, truth, prediction] over all pixels whose truth is not 255, int64 (n, classes, outputs).

    truth, prediction: integer maps (n, h, w).  outputs: how many values a prediction may take (None: the classes);
    the papers' FCN-8s has one more output than there are classes.
    ValueError if shapes differ or a value is neither a class nor (in truth) 255.
    """
    outputs = classes if outputs is None else outputs
    if truth.shape != prediction.shape:
        raise ValueError(f"confusion: truth is {tuple(truth.shape)}, prediction {tuple(prediction.shape)}")
    counted = truth != UNSCORED
    true, predicted = truth.long()[counted], prediction.long()[counted]
    for name, values, many in (("truth", true, classes), ("prediction", predicted, outputs)):
        if len(values) and not (int(values.min()) >= 0 and int(values.max()) < many):
            strange = sorted(set(values.tolist()) - set(range(many)))
            raise ValueError(f"{name} holds ids outside 0..{many - 1}: {', '.join(map(str, strange[:5]))}")
    image = torch.arange(len(truth), device=truth.device)[:, None, None].expand(truth.shape)[counted]
    cells = (image * classes + true) * outputs + predicted
    return torch.bincount(cells, minlength=len(truth) * classes * outputs).reshape(len(truth), classes, outputs)


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


def images_of_means(counts: np.ndarray) -> dict[str, int]:
    """Means over classes are told by the images of the rarest class that occurs.  counts: (images, classes, outputs)."""
    holding = (counts.sum(-1) > 0).sum(0)
    return dict.fromkeys(("class_accuracy", "class_iou"), int(holding[holding > 0].min(initial=len(counts))))

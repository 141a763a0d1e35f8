"""Confusion matrices, one for each test image (protocol of the FCN-score)."""

from __future__ import annotations

import torch
from torch import Tensor

from ganrepro.data.images import VOID


def confusion_matrix(truth: Tensor, prediction: Tensor, classes: int, outputs: int | None = None) -> Tensor:
    """Counts [image, truth, prediction] over all pixels whose truth is not 255, int64 (n, classes, outputs).

    truth, prediction: integer maps (n, h, w).  outputs: how many values a prediction may take (None: the classes);
    the papers' FCN-8s has one more output than there are classes.
    ValueError if shapes differ or a value is neither a class nor (in truth) 255.
    """
    outputs = classes if outputs is None else outputs
    if truth.shape != prediction.shape:
        raise ValueError(f"confusion: truth is {tuple(truth.shape)}, prediction {tuple(prediction.shape)}")
    counted = truth != VOID
    true, predicted = truth.long()[counted], prediction.long()[counted]
    for name, values, many in (("truth", true, classes), ("prediction", predicted, outputs)):
        if len(values) and not (int(values.min()) >= 0 and int(values.max()) < many):
            strange = sorted(set(values.tolist()) - set(range(many)))
            raise ValueError(f"{name} holds ids outside 0..{many - 1}: {', '.join(map(str, strange[:5]))}")
    image = torch.arange(len(truth), device=truth.device)[:, None, None].expand(truth.shape)[counted]
    cells = (image * classes + true) * outputs + predicted
    return torch.bincount(cells, minlength=len(truth) * classes * outputs).reshape(len(truth), classes, outputs)

"""What each pixel counts in the loss of a segmentation (U-Net, arXiv:1505.04597, section 3, equation 2)."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

SIGMA = 5.0  # pixels
FAR = 25  # pixels from an object beyond which it adds less than 4e-6 of the weight


def class_weights(classes: np.ndarray, many: int, void: int = 255) -> np.ndarray:
    """A weight for each class with which all of them count the same in sum, (many,).  classes: of all pixels, uint8.

    ValueError names the number of a class that has no pixel.
    """
    counts = np.bincount(classes.ravel(), minlength=256)[:many].astype(np.float64)
    if (empty := np.flatnonzero(counts == 0)).size:
        raise ValueError(str(empty[0]))
    return np.asarray(counts.sum() / (many * counts))


def border_weights(objects: np.ndarray, weight: float, sigma: float = SIGMA) -> np.ndarray:
    """What pixels between objects count besides: weight * exp(-(d1 + d2)^2 / (2 sigma^2)), float32 (h, w).

    objects: bool (h, w); each connected piece (side by side) is one.  d1, d2: distances to the nearest and to the second nearest
    object.  Objects themselves get nothing: UNCONFIRMED, the paper shows it so (Figure 3d) and does not say it.
    """
    labelled, _ = ndimage.label(objects)
    nearest = np.full((2, *objects.shape), np.inf, np.float32)
    for number, box in enumerate(ndimage.find_objects(labelled), 1):
        around = tuple(slice(max(0, s.start - FAR), s.stop + FAR) for s in box)
        distance = ndimage.distance_transform_edt(labelled[around] != number).astype(np.float32)
        first, second = nearest[0][around], nearest[1][around]
        np.minimum(second, np.maximum(first, distance), out=second)
        np.minimum(first, distance, out=first)
    with np.errstate(over="ignore"):
        between = weight * np.exp(-((nearest[0] + nearest[1]) ** 2) / (2 * sigma**2))
    return np.where(objects, 0, between).astype(np.float32)

"""Colour statistics: how well the histograms of generated photos fit those of real ones."""

from __future__ import annotations

import numpy as np
from PIL import Image
from skimage.color import rgb2lab

# Channel -> bins of width 1 over all that 8-bit sRGB can take (white point D65). The paper states no bins (UNCONFIRMED).
BINS = {"l": np.arange(0, 102), "a": np.arange(-87, 100), "b": np.arange(-108, 96)}


def colour_counts(image: Image.Image) -> np.ndarray:
    """Pixels of an RGB image in the marginal histograms over L, a and b, one after the other; int64 (bins,)."""
    lab = rgb2lab(np.asarray(image))
    return np.concatenate([np.histogram(lab[..., i], bins)[0] for i, bins in enumerate(BINS.values())])


def intersections(made: np.ndarray, real: np.ndarray) -> dict[str, np.ndarray]:
    """Shared area of the normalised histograms by channel, 0 (disjoint) to 1 (equal); (...).

    made, real: sums of `colour_counts` over images, (..., bins).  Source: pix2pix, figure 7 (d).
    """
    ends = np.cumsum([len(bins) - 1 for bins in BINS.values()])[:-1]
    shared = {}
    for channel, mine, theirs in zip(BINS, np.split(made, ends, -1), np.split(real, ends, -1), strict=True):
        parts = mine / mine.sum(-1, keepdims=True), theirs / theirs.sum(-1, keepdims=True)
        shared[f"intersection_{channel}"] = np.minimum(*parts).sum(-1)
    return shared

"""Colour statistics: how well the histograms of generated photos fit those of real ones."""

from __future__ import annotations

import numpy as np
from PIL import Image
from skimage.color import rgb2lab

# Channel -> bins of width 1 over all that 8-bit sRGB can take (white point D65). The paper states no bins (UNCONFIRMED).
BINS = {"l": np.arange(0, 102), "a": np.arange(-87, 100), "b": np.arange(-108, 96)}


class ColourHistograms:
    """Marginal histograms of a set of images over L, a and b, added up image by image."""

    def __init__(self) -> None:
        self.counts = {channel: np.zeros(len(bins) - 1, np.int64) for channel, bins in BINS.items()}

    def add(self, image: Image.Image) -> None:
        """Counts the pixels of an RGB image."""
        lab = rgb2lab(np.asarray(image))
        for i, (channel, bins) in enumerate(BINS.items()):
            self.counts[channel] += np.histogram(lab[..., i], bins)[0]

    def intersection(self, other: ColourHistograms) -> dict[str, float]:
        """Shared area of the normalised histograms by channel, 0 (disjoint) to 1 (equal).

        Source: pix2pix, figure 7 (d).
        """
        shared = {}
        for channel, mine in self.counts.items():
            theirs = other.counts[channel]
            shared[f"intersection_{channel}"] = float(np.minimum(mine / mine.sum(), theirs / theirs.sum()).sum())
        return shared

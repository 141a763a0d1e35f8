"""Colour statistics: how well the histograms of generated photos fit those of real ones."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.color import rgb2lab

from ganrepro.data.images import read_rgb, resize

WORKERS = 2  # threads; NumPy lets others run while it counts

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


def score_colours(made: Sequence[Path], real: Path, names: Sequence[str]) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Intersections of photos of the same names, and the counts behind them, `colours` and `real_colours` (images, bins).

    made: folders, one for each pass; their counts are summed.  real: brought to the size of the first one generated.
    """
    pixels = read_rgb(made[0] / names[0]).width

    def count(path: Path) -> np.ndarray:
        return colour_counts(resize(read_rgb(path), pixels))

    with ThreadPoolExecutor(WORKERS) as pool:
        folders = [np.stack(list(pool.map(count, [folder / name for name in names]))) for folder in (*made, real)]
    counts = {"colours": np.sum(folders[:-1], 0), "real_colours": folders[-1]}
    shared = intersections(counts["colours"].sum(0), counts["real_colours"].sum(0))
    return {name: float(value) for name, value in shared.items()}, counts

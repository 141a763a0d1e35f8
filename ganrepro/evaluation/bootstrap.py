"""95 % intervals: the test images, and the seeds of the trainings, drawn again with replacement.

All rows of a study meet the same draws, so that the difference of two rows is of pairs. A bootstrap over few seeds is
too narrow: over three it reaches about from the lowest to the highest, and three draws of anything lie all on one side
of its median one time in four. With one seed an interval knows nothing of what another training would have given. A
class that a draw of images happens to lack scores 0 in it, as everywhere: where classes are rare, intervals reach low.
Source: Efron and Tibshirani 1993, chapters 8 and 13 (percentile interval).
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

REPLICATES = 2000
Statistic = Callable[[np.ndarray], dict[str, np.ndarray]]  # counts summed over images (..., k) -> scores (...)


@functools.cache  # every row of a study asks for the same
def draws(of: int, purpose: str) -> np.ndarray:
    """How often each of `of` things is drawn in each replicate, int64 (REPLICATES, of). The same for the same purpose."""
    random = np.random.default_rng([*purpose.encode(), of])
    return random.multinomial(of, np.full(of, 1 / of), REPLICATES)


def replicates(counts: np.ndarray, statistic: Statistic) -> dict[str, np.ndarray]:
    """Scores of every replicate: the mean over the seeds drawn, each over the images drawn; (REPLICATES,).

    counts: (seeds, images, k), what the statistic is a function of once it is summed over images.
    """
    seeds, images = counts.shape[:2]
    by_seed = [statistic(draws(images, "images").astype(np.float64) @ one) for one in counts.astype(np.float64)]
    weights = draws(seeds, "seeds") / seeds
    return {
        name: (np.stack([scores[name] for scores in by_seed], 1) * weights).sum(1)
        for name, values in by_seed[0].items()
        if values.ndim == 1
    }


def interval(values: np.ndarray) -> tuple[float, float]:
    """The central 95 % of the replicates."""
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)

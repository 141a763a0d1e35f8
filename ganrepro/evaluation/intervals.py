"""How sure a score is: of the trainings, which are few, and of the test images, which all trainings share.

A score is a mean over S trainings. Its variance has two parts. Trainings: the variance of the S scores over S. Images:
the variance of that mean when the test images are drawn again with replacement (bootstrap; all rows of a study meet the
same draws, so that what two rows share falls out of their difference). The interval is Student's, with the degrees of
freedom of the trainings alone (S - 1; for a difference of two rows Welch's, between S - 1 and 2 (S - 1)). That is exact
where trainings vary much and images little, and wider than it need be the other way round.

With one training an interval is of the images alone. A score that averages over classes knows a class by the images it
occurs in: these limit its degrees of freedom, and below FEWEST_IMAGES there is no interval.

How often such intervals and the verdicts that follow are wrong, and how many trainings a difference needs, is simulated
with these very functions: docs/verdicts.md.
Source: Efron and Tibshirani 1993, chapter 6; Welch 1947.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

REPLICATES = 2000
LEVEL = 0.95
FEWEST_IMAGES = 10  # in which a class must occur, for a mean over classes to have an interval
Statistic = Callable[[np.ndarray], dict[str, np.ndarray]]  # counts summed over images (..., k) -> scores (...)


class Estimate(NamedTuple):
    """A score of one row.

    trainings: of each training, (S,).  drawn: mean over trainings, over images drawn again, (REPLICATES,).
    images: how many images tell it at least.
    """

    trainings: np.ndarray
    drawn: np.ndarray
    images: int

    @property
    def mean(self) -> float:
        return float(self.trainings.mean())


class Difference(NamedTuple):
    """Of two rows: mean, standard error, degrees of freedom."""

    mean: float
    error: float
    freedom: float


@functools.cache  # every row of a study asks for the same
def draws(of: int, purpose: str) -> np.ndarray:
    """How often each of `of` things is drawn in each replicate, int64 (REPLICATES, of). The same for the same purpose."""
    random = np.random.default_rng([*purpose.encode(), of])
    return random.multinomial(of, np.full(of, 1 / of), REPLICATES)


def estimates(counts: np.ndarray, statistic: Statistic, images_of: dict[str, int] | None = None) -> dict[str, Estimate]:
    """Every score of one row.

    counts: (S, images, k), what the statistic is a function of once it is summed over images.  images_of: of scores that
    fewer images tell than there are, how many.
    """
    count: int = counts.shape[1]
    known = images_of or {}
    counts = counts.astype(np.float64)
    scores = [statistic(of_seed.sum(0)[None]) for of_seed in counts]
    drawn = [statistic(draws(count, "images").astype(np.float64) @ of_seed) for of_seed in counts]
    return {
        name: Estimate(
            np.array([of_seed[name][0] for of_seed in scores]),
            np.mean([of_seed[name] for of_seed in drawn], 0),
            known.get(name, count),
        )
        for name, values in drawn[0].items()
        if values.ndim == 1
    }


def of_errors(values: Sequence[float], errors: Sequence[float | None], images: int, purpose: str) -> Estimate:
    """The estimate of a score that is no function of sums over images: its trainings, each with a standard error of images.

    errors: None where none is known; then there is no interval. What the trainings share is not known then: normal draws of the
    mean error, for each purpose (a row, say) others, so that a difference of two rows counts the images of both.
    """
    trainings, drawn = np.array(values, float), np.random.default_rng([*purpose.encode()]).standard_normal(REPLICATES)
    error = float(np.sqrt(np.mean(np.square(np.array(errors, float)))))
    drawn = (drawn - drawn.mean()) / drawn.std(ddof=1)  # of the very error that is known
    return Estimate(trainings, trainings.mean() + error * drawn, images)


def interval(estimate: Estimate) -> tuple[float, float]:
    """95 % of a score; (nan, nan) where too few images tell it."""
    if estimate.images < FEWEST_IMAGES:
        return float("nan"), float("nan")
    count = len(estimate.trainings)
    trainings = estimate.trainings.var(ddof=1) / count if count > 1 else 0.0
    freedom = min(count - 1, estimate.images - 1) if count > 1 else estimate.images - 1
    reach = float(student.ppf((1 + LEVEL) / 2, freedom) * np.sqrt(trainings + estimate.drawn.var(ddof=1)))
    return estimate.mean - reach, estimate.mean + reach


def difference(better: Estimate, than: Estimate, same: bool = False) -> Difference:
    """Of two rows of a study, paired by their test images. The error is NaN where too few images tell the score.

    same: both rows use the same trainings, seed by seed, so that these are paired too.
    """
    images = float((better.drawn - than.drawn).var(ddof=1))
    known = min(better.images, than.images) >= FEWEST_IMAGES
    if same:
        apart, count = better.trainings - than.trainings, len(better.trainings)
        part = float(apart.var(ddof=1)) / count if count > 1 else 0.0
        error = float(np.sqrt(part + images)) if known else float("nan")
        return Difference(better.mean - than.mean, error, min([better.images, than.images, *([count] if count > 1 else [])]) - 1)
    parts = [e.trainings.var(ddof=1) / len(e.trainings) if len(e.trainings) > 1 else 0.0 for e in (better, than)]
    least = min(len(e.trainings) for e in (better, than)) - 1
    freedom: float = min(better.images, than.images) - 1
    if least > 0:
        most = len(better.trainings) + len(than.trainings) - 2
        squares = sum(part**2 / (len(e.trainings) - 1) for part, e in zip(parts, (better, than), strict=True))
        welch = sum(parts) ** 2 / squares if squares > 0 else least
        freedom = min(freedom, max(least, min(most, welch)))
    return Difference(better.mean - than.mean, float(np.sqrt(sum(parts) + images)) if known else float("nan"), freedom)


def reach(difference: Difference) -> float:
    """Half of the 95 % interval of a difference."""
    return float(student.ppf((1 + LEVEL) / 2, difference.freedom) * difference.error)


def p_value(difference: Difference, margin: float = 0.0) -> float:
    """Two-sided, of the difference being `margin`."""
    away = abs(difference.mean - margin)
    if difference.error == 0:
        return 1.0 if away == 0 else 0.0
    return float(2 * student.sf(away / difference.error, difference.freedom))


def p_smaller(difference: Difference, least: float) -> float:
    """Of the difference being `least` or more: below 0.05 where the 95 % interval lies below it."""
    if difference.error == 0:
        return 0.0 if difference.mean < least else 1.0
    return min(1.0, float(2 * student.cdf((difference.mean - least) / difference.error, difference.freedom)))


def corrected(values: np.ndarray) -> np.ndarray:
    """p-values of several claims, so that one wrong verdict in all of them is as rare as in one alone.

    values: (..., claims).  Source: Holm 1979.
    """
    order = np.argsort(values, -1)
    rising = np.take_along_axis(values, order, -1) * (values.shape[-1] - np.arange(values.shape[-1]))
    adjusted = np.minimum(1.0, np.maximum.accumulate(rising, -1))
    in_order = np.empty_like(adjusted)
    np.put_along_axis(in_order, order, adjusted, -1)
    return in_order

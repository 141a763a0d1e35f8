"""How often the rule of claims errs, and what it can see: simulated studies, judged by the rule itself.

    python -m ganrepro.reporting.verdict_errors      # writes docs/verdicts.md; some minutes

A study has five rows that ten claims compare, as CycleGAN's ablation has. A score is the row's true value plus what each
training adds (as MODELS say) plus what each test image adds to the row (the same for all its trainings).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from ganrepro.evaluation.intervals import Estimate, difference, draws
from ganrepro.reporting.claims import FEWEST_SEEDS, NO_DIFFERENCE, Question, judge
from ganrepro.reporting.markdown import markdown
from ganrepro.reporting.templates import render

ROWS, IMAGES = 5, 60
IMAGE_SPREAD = 0.08  # of the accuracy of single images, once what all rows share is taken off (streets-tiny: 0.05 to 0.10)
SPREADS = (0.009, 0.037, 0.07, 0.14)  # of trainings; streets-tiny has 0.016 to 0.10
SPREAD = 0.05  # of MODELS
UNEVEN = np.array([0.2, 0.6, 1.2, 2.0, 2.0])  # times SPREAD, by row
FALL, FALLING = 0.3, 0.2  # by how much a training collapses, and in which share of them
SEEDS = (3, 5, 7, 10, 20)
LOOKS, LITTLE_OF_IMAGES = (3, 5, 10), 0.02  # numbers of trainings at which kept studies were judged; a small IMAGE_SPREAD
DIFFERENCES = (0.05, 0.1, 0.2, 0.4)
LOOKED_FOR = 0.1  # the difference that the paper prints, where a true one is half of it or none

Model = Callable[[np.random.Generator, int], np.ndarray]  # what trainings add, (rows, seeds)
DECIDED = ("reproduced", "contradicted")


def normal(spread: float) -> Model:
    """Normal, of one spread in all rows."""
    return lambda random, seeds: spread * random.standard_normal((ROWS, seeds))


def _skewed(random: np.random.Generator, seeds: int) -> np.ndarray:
    """Lognormal, of mean 0 and deviation 1, its tail below."""
    values = np.exp(random.standard_normal((ROWS, seeds)) * 0.8)
    mean, deviation = np.exp(0.32), np.sqrt((np.exp(0.64) - 1) * np.exp(0.64))
    return np.asarray((mean - values) / deviation)


def _falls(random: np.random.Generator, seeds: int, rows: int) -> np.ndarray:
    """What collapses take from the first rows."""
    return np.asarray(-FALL * (random.random((ROWS, seeds)) < FALLING) * (np.arange(ROWS) < rows)[:, None])


# of these the typical training of each row is equal
MODELS: dict[str, Model] = {
    "normal": normal(SPREAD),
    "lognormal": lambda random, seeds: SPREAD * _skewed(random, seeds),
    "Student's t of 3 degrees": lambda random, seeds: SPREAD / np.sqrt(3) * random.standard_t(3, (ROWS, seeds)),
    "unequal by row": lambda random, seeds: SPREAD * UNEVEN[:, None] * random.standard_normal((ROWS, seeds)),
    "unequal by row, lognormal": lambda random, seeds: SPREAD * UNEVEN[:, None] * _skewed(random, seeds),
    "one row collapses": lambda random, seeds: normal(0.02)(random, seeds) + _falls(random, seeds, 1),
    "every row collapses": lambda random, seeds: normal(0.02)(random, seeds) + _falls(random, seeds, ROWS),
}


def verdicts(
    seeds: int, model: Model, true: Sequence[float], random: np.random.Generator, least: float | None = None
) -> list[str]:
    """The words on all pairs of rows of one simulated study.  true: of each row.  least: as in `claims.Question`."""
    return _judged(_rows(seeds, model, true, random), seeds, least)


def _rows(
    seeds: int, model: Model, true: Sequence[float], random: np.random.Generator, image_spread: float = IMAGE_SPREAD
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each row what its trainings score on endlessly many images, and what the test images add."""
    added = model(random, seeds)
    return [(value + of_row, random.normal(0, image_spread, IMAGES)) for value, of_row in zip(true, added, strict=True)]


def _judged(rows: Sequence[tuple[np.ndarray, np.ndarray]], seeds: int, least: float | None = None) -> list[str]:
    """The words on all pairs, by the first trainings of each row."""
    weights = draws(IMAGES, "images") / IMAGES
    estimates = []
    for scores, of_images in rows:
        trainings = scores[:seeds] + of_images.mean()
        estimates.append(Estimate(trainings, trainings.mean() + weights @ of_images - of_images.mean(), IMAGES))
    pairs = combinations(estimates, 2)
    return [verdict.word for verdict in judge([Question(difference(better, than), least=least) for better, than in pairs])]


def error(seeds: int, model: Model, studies: int, true: Sequence[float] = (0.5,) * ROWS) -> float:
    """Share of studies that say of some pair that one row is better, where none is."""
    random = np.random.default_rng(seeds)
    words = (verdicts(seeds, model, true, random) for _ in range(studies))
    return float(np.mean([any(word in DECIDED for word in study) for study in words]))


def error_of_looks(looks: Sequence[int], image_spread: float, studies: int) -> float:
    """The same where a study is judged after so many trainings of each row in turn, and the first verdict on a claim is kept."""
    random, wrong = np.random.default_rng(max(looks)), 0
    for _ in range(studies):
        rows = _rows(max(looks), MODELS["normal"], (0.5,) * ROWS, random, image_spread)
        wrong += any(word in DECIDED for seeds in looks for word in _judged(rows, seeds))
    return wrong / studies


def error_of_means(seeds: int, studies: int) -> float:
    """The same where all rows have one mean over all trainings, collapsed ones included: the first is better but collapses."""
    return error(seeds, MODELS["one row collapses"], studies, [0.5 + FALL * FALLING] + [0.5] * (ROWS - 1))


def power(seeds: int, spread: float, true_difference: float, studies: int) -> float:
    """Share of studies that see one row which is that much better than another, the rest being equal."""
    random, true = np.random.default_rng(seeds), [0.5 + true_difference] + [0.5] * (ROWS - 1)
    return float(np.mean([verdicts(seeds, normal(spread), true, random)[0] == "reproduced" for _ in range(studies)]))


def says_none(seeds: int, spread: float, true_difference: float, studies: int) -> tuple[float, float]:
    """Where one row is that much better than the rest: how often any claim of it, and how often one, says no such difference."""
    random, true = np.random.default_rng(seeds), [0.5 + true_difference] + [0.5] * (ROWS - 1)
    of_first = [verdicts(seeds, normal(spread), true, random, LOOKED_FOR / 2)[: ROWS - 1] for _ in range(studies)]
    return float(np.mean([NO_DIFFERENCE in words for words in of_first])), float(
        np.mean([w[0] == NO_DIFFERENCE for w in of_first])
    )


def page(studies: int = 1000) -> str:
    """docs/verdicts.md."""
    heads = [f"{n} seeds" for n in SEEDS]
    errors = [[name, *(f"{error(n, model, studies):.1%}" for n in SEEDS)] for name, model in MODELS.items()]
    looks = [
        [f"{spread:g}", *(f"{error_of_looks(at, spread, studies):.1%}" for at in (LOOKS[-1:], LOOKS))]
        for spread in (LITTLE_OF_IMAGES, IMAGE_SPREAD)
    ]
    of_means = [["one row is better and collapses", *(f"{error_of_means(n, studies):.1%}" for n in SEEDS)]]
    few = studies // 4
    powers = [
        [f"{spread:g}", f"{true:g}", *(f"{power(n, spread, true, few):.0%}" for n in SEEDS)]
        for spread in SPREADS
        for true in DIFFERENCES
    ]
    nothing = [
        [
            f"{spread:g}",
            *(f"{says_none(n, spread, LOOKED_FOR / 2, few)[0]:.1%} / {says_none(n, spread, 0, few)[1]:.0%}" for n in SEEDS),
        ]
        for spread in SPREADS
    ]
    head = "what trainings add"
    return render(
        "verdicts.md.j2",
        studies=studies, few=few, fewest=FEWEST_SEEDS, images=IMAGES, fall=FALL, falling=FALLING, looked_for=LOOKED_FOR,
        errors=markdown([head, *heads], errors),
        looks=markdown(["what images add", f"judged at {LOOKS[-1]} seeds", f"at {', '.join(map(str, LOOKS))}"], looks, left=0),
        of_means=markdown([head, *heads], of_means),
        powers=markdown(["spread", "true difference", *heads], powers, left=0),
        nothing=markdown(["spread", *heads], nothing, left=0),
    )  # fmt: skip


if __name__ == "__main__":
    Path("docs/verdicts.md").write_text(page(), encoding="utf-8")

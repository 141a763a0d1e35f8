"""How often the rule of claims errs, and what it can see: simulated studies, judged by the rule itself.

    python -m ganrepro.reporting.verdict_errors      # writes docs/verdicts.md; a minute or two

A study has five rows that ten claims compare, as CycleGAN's ablation has. A score is the row's true value plus what each
training adds (normal, of a given spread) plus what each test image adds to the row (the same for all its trainings).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from ganrepro.evaluation.intervals import Estimate, difference, draws
from ganrepro.reporting.claims import FEWEST_SEEDS, judge
from ganrepro.reporting.markdown import markdown
from ganrepro.reporting.templates import render

ROWS, IMAGES = 5, 60
IMAGE_SPREAD = 0.08  # of the accuracy of single images, once what all rows share is taken off (streets-tiny: 0.05 to 0.10)
SPREADS = (0.0, 0.009, 0.037, 0.07, 0.14)  # of trainings; streets-tiny has 0.016 to 0.10
SEEDS = (3, 5, 10)
DIFFERENCES = (0.05, 0.1, 0.2, 0.4)


def verdicts(seeds: int, spreads: Sequence[float], true: Sequence[float], random: np.random.Generator) -> list[str]:
    """The words on all pairs of rows of one simulated study.  spreads, true: of each row."""
    weights = draws(IMAGES, "images") / IMAGES
    estimates = []
    for spread, value in zip(spreads, true, strict=True):
        of_images = random.normal(0, IMAGE_SPREAD, IMAGES)
        trainings = value + random.normal(0, spread, seeds) + of_images.mean()
        estimates.append(Estimate(trainings, trainings.mean() + weights @ of_images - of_images.mean(), IMAGES))
    differences = [(difference(better, than), 0.0) for better, than in combinations(estimates, 2)]
    return [verdict.word for verdict in judge(differences, [""] * len(differences))]


def error(seeds: int, spreads: Sequence[float], studies: int) -> float:
    """Share of studies with a wrong verdict where no two rows differ."""
    random = np.random.default_rng(seeds)
    words = (verdicts(seeds, spreads, [0.5] * len(spreads), random) for _ in range(studies))
    return float(np.mean([any(word != "undecided" for word in study) for study in words]))


def power(seeds: int, spread: float, true_difference: float, studies: int) -> float:
    """Share of studies that see one row which is that much better than another, the rest being equal."""
    random = np.random.default_rng(seeds)
    true = [0.5 + true_difference] + [0.5] * (ROWS - 1)
    return float(np.mean([verdicts(seeds, [spread] * ROWS, true, random)[0] == "reproduced" for _ in range(studies)]))


def page(studies: int = 1000) -> str:
    """docs/verdicts.md."""
    uneven = [0.014, 0.042, 0.084, 0.14, 0.14]
    settings = [(f"{spread:g}", [spread] * ROWS) for spread in SPREADS]
    settings.append((" to ".join((f"{uneven[0]:g}", f"{uneven[-1]:g}")) + ", by row", uneven))
    errors = [[name, *(f"{error(n, spreads, studies):.1%}" for n in SEEDS)] for name, spreads in settings]
    heads = [f"{n} seeds" for n in SEEDS]
    powers = [
        [f"{spread:g}", f"{true:g}", *(f"{power(n, spread, true, studies // 4):.0%}" for n in SEEDS)]
        for spread in SPREADS[1:]
        for true in DIFFERENCES
    ]
    return render(
        "verdicts.md.j2",
        studies=studies,
        fewest=FEWEST_SEEDS,
        images=IMAGES,
        errors=markdown(["spread of a row's trainings (standard deviation)", *heads], errors),
        powers=markdown(["spread", "true difference", *heads], powers, left=0),
    )


if __name__ == "__main__":
    Path("docs/verdicts.md").write_text(page(), encoding="utf-8")

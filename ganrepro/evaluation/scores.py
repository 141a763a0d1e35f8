"""All evaluators by name, and all scores: what a table may print, and under which heading. No torch."""

from __future__ import annotations

import importlib

from ganrepro.evaluation.base import Evaluator
from ganrepro.outputs import SAMPLES, Output

# In the order of the columns.
EVALUATORS: dict[str, Evaluator] = {
    name: importlib.import_module(f"ganrepro.evaluation.{name}").EVALUATOR
    for name in (
        *("fcn_score", "label_colours", "colour_histograms", "distance", "inversion"),
        *("digit_distance", "digit_classes", "novelty", "digit_asked", "digit_code", "digit_codes_nearest", "likelihood_bound"),
    )
}
# They read images one by one, by the class of each; the others compare them with label maps or with their inputs.
OF_DIGITS = tuple(EVALUATORS)[5:]
SCORES = {score: heading for evaluator in EVALUATORS.values() for score, heading in evaluator.scores.items()}
# Scores that follow from counts per image, and so have an interval by bootstrap.
COUNTED = tuple(dict.fromkeys(s for e in EVALUATORS.values() if type(e).statistic is not Evaluator.statistic for s in e.scores))
# Scores that are better the lower they are, and those that are no share between 0 and 1.
LOWER_IS_BETTER = ("frechet", "kernel", "inversion_error", "digit_frechet", "class_imbalance")
UNBOUNDED = ("frechet", "kernel", "inception_score", "digit_frechet", "classes_covered", "novelty", "bound")
OF_SAMPLES = ("digit_frechet", "classes_covered", "class_imbalance", "novelty")  # of whatever is made from noise
SEGMENTATION = tuple(EVALUATORS["fcn_score"].scores)


def evaluators_of(output: Output, classes: bool, digits: bool = False) -> list[Evaluator]:
    """Those that apply to an output.  classes: whether the dataset has label maps.  digits: whether its images have classes.

    An output that renders its own input is compared with that, and its codes are read; nothing else.
    """
    read = [EVALUATORS[name] for name in OF_DIGITS if digits and EVALUATORS[name].applies(output, classes)]
    if output.source == output.target:
        return [EVALUATORS["inversion"], *read]
    if digits and output != SAMPLES:
        return read  # of as few or as odd images a distance says nothing
    others = [one for name, one in EVALUATORS.items() if name not in OF_DIGITS and one.applies(output, classes)]
    return [*others, *read]

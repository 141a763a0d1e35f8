"""All evaluators by name, and all scores: what a table may print, and under which heading. No torch."""

from __future__ import annotations

import importlib

from ganrepro.evaluation.base import Evaluator
from ganrepro.outputs import Output

# In the order of the columns.
EVALUATORS: dict[str, Evaluator] = {
    name: importlib.import_module(f"ganrepro.evaluation.{name}").EVALUATOR
    for name in ("fcn_score", "label_colours", "colour_histograms", "distance", "inversion")
}
SCORES = {score: heading for evaluator in EVALUATORS.values() for score, heading in evaluator.scores.items()}
# Scores that follow from counts per image, and so have an interval by bootstrap.
COUNTED = tuple(dict.fromkeys(s for e in EVALUATORS.values() if type(e).statistic is not Evaluator.statistic for s in e.scores))
SEGMENTATION = tuple(EVALUATORS["fcn_score"].scores)


def evaluators_of(output: Output, classes: bool) -> list[Evaluator]:
    """Those that apply to an output.  classes: whether the dataset has label maps.

    An output that renders its own input is compared with that, and with nothing else.
    """
    if output.source == output.target:
        return [EVALUATORS["inversion"]]
    return [evaluator for evaluator in EVALUATORS.values() if evaluator.applies(output, classes)]

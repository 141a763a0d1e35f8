"""All measures by name, and all scores: what a table may print, and under which heading. No torch."""

from __future__ import annotations

import importlib

from ganrepro.evaluation.measures.base import Measure, Needs, Score
from ganrepro.methods.outputs import Output

# In the order of the columns. A new measure is a file of this folder, and a word here.
NAMES = (
    "fcn_score",
    "label_colours",
    "segments",
    "colour_histograms",
    "domain_error",
    "likeness",
    "perceptual",
    "cycle",
    "distance",
    "inversion",
    "variety",
    "classifier_distance",
    "class_coverage",
    "places_hit",
    "novelty",
    "class_asked",
    "class_of_code",
    "nearest_code",
    "linear_probe",
    "likelihood_bound",
    "own_reading",
)
MEASURES: dict[str, Measure] = {name: importlib.import_module(f"{__name__}.{name}").MEASURE for name in NAMES}
SCORES: dict[str, Score] = {score: about for measure in MEASURES.values() for score, about in measure.scores.items()}


def measures_of(output: Output, needs: Needs) -> list[Measure]:
    """Those that measure an output."""
    return (
        [] if output.picture else [m for m in MEASURES.values() if m.applies(output, needs.data) and not m.lacks(output, needs)]
    )


def left_out(output: Output, needs: Needs) -> dict[str, str]:
    """Those that apply to an output and lack something, by their headings, and what."""
    applying = [m for m in MEASURES.values() if not output.picture and m.applies(output, needs.data)]
    named = {" and ".join(score.heading for score in m.scores.values()): m.lacks(output, needs) for m in applying}
    return {heading: why for heading, why in named.items() if why}


def printed(output: Output, needs: Needs) -> list[str]:
    """The scores that a table of an output prints unless it names others."""
    return list(dict.fromkeys(score for measure in measures_of(output, needs) for score in measure.table))

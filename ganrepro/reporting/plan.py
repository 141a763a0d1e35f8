"""Which figures a report has, and whether the one on disk is current: what the workflow asks before any is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ganrepro.artifacts import datasets, paths
from ganrepro.artifacts.fingerprint import PACKAGE, code_digest, key_of
from ganrepro.evaluation.scores import SEGMENTATION
from ganrepro.outputs import SAMPLES, Output
from ganrepro.reporting.deviations import deviations
from ganrepro.settings import Params, Study, find_study

T = TypeVar("T")


def shown(names: Sequence[T], images: int = 4) -> list[T]:
    """A few names of all, evenly from the first to the last."""
    last, count = len(names) - 1, min(images, len(names))
    return [names[round(last * i / max(1, count - 1))] for i in range(count)]


def grids(study: Study) -> list[str]:
    """Names of the tables that a picture is shown of: those of the first table's scores, and of outputs that have none such."""
    if study.from_noise:  # samples are the same in every table: once for each set of rows
        of_samples = {name: table for name, table in study.tables.items() if table.output == SAMPLES.name}
        first = {tuple(table.rows): name for name, table in reversed(of_samples.items())}
        return [name for name in study.tables if name in first.values()]
    main = next(iter(study.tables.values())).scores
    shown = {table.output for table in study.tables.values() if table.scores == main}
    return [name for name, table in study.tables.items() if table.scores == main or table.output not in shown]


def renderings(study: Study) -> list[Output]:
    """The outputs that render their own input, on the way to a translation."""
    return [output for output in study.outputs if output.source == output.target]


def pictures(study: Study) -> list[tuple[str, Output]]:
    """What rows make besides samples: a picture of each."""
    return [(row, output) for row, one in study.rows.items() for output in one.method.outputs() if output != SAMPLES]


def measuring_slopes(study: Study) -> list[str]:
    """Rows whose training measured the slope of both of G's losses."""
    return [row for row, one in study.rows.items() if any(loss.name == "slope_minimax" for loss in one.method.losses())]


def closer_looks(params: Params, study: Study) -> list[str]:
    """Figures of a report that only some datasets and methods can have: with classes, with renderings of the input."""
    if study.from_noise:
        files = ["training.png", "neighbours.png", "curves.svg", *(f"{row}-{output.name}.png" for row, output in pictures(study))]
        return [*files, "oscillation.svg", *(["saturation.svg"] if measuring_slopes(study) else [])]
    measured = [e for output in study.outputs for e in paths.evaluators_for(params, study, output)]
    scored = any(SEGMENTATION[0] in e.scores for e in measured)
    return [
        *(["classes.svg", "curves.svg", "extremes.png"] if scored else []),
        *(["renderings.png"] if renderings(study) else []),
    ]


def deviations_of(params: Params, study: Study) -> tuple[str, ...]:
    """The deviations in the code that a study runs."""
    made = "data.digits" if datasets.has_image_classes(params, study.dataset) else "data.prepare"
    modules = {made, "training.loop", "evaluation.generation"}
    modules |= {f"methods.{row.method.name}" for row in study.rows.values()}
    modules |= {f"evaluation.{e.name}" for output in study.outputs for e in paths.evaluators_for(params, study, output)}
    modules |= {"evaluation.samples", "evaluation.digit_classifier"} if study.from_noise else set()
    modules |= {"data.edges"} if params.datasets[study.dataset].edges else set()
    # distances can be of a segmentation network's features, which digits have none of
    return deviations(*sorted(modules), without="evaluation.segmenter" if study.from_noise else "")


def report_key(params: Params, study: Study) -> str:
    """Key of the report, printed in its footer: stale when it differs."""
    scores = [str(run.scores) for run in paths.runs(params, study)]
    titles = [
        study.variants,
        study.title,
        *(row.title for row in study.rows.values()),
        *(output.title for output in study.outputs),
    ]
    tables = [[name, table.model_dump()] for name, table in study.tables.items()]
    files = [PACKAGE / "reporting/claims.yaml", *sorted((PACKAGE / "reporting/templates").glob("*.j2"))]
    page = "reporting.noise_page" if study.from_noise else "reporting.page"
    texts = [file.read_text(encoding="utf-8") for file in files]
    return key_of("report", scores, titles, tables, texts, deviations_of(params, study), code_digest(page))


def report_is_current(params: Params, name: str) -> bool:
    """Whether the report on disk carries the current key."""
    key = report_key(params, find_study(params, params.reports[name]))
    try:
        return f"`{key}`" in paths.report_page(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False

"""Which figures a report has, and whether the one on disk is current: what the workflow asks before any is made."""

from __future__ import annotations

from ganrepro.artifacts import paths
from ganrepro.artifacts.fingerprint import PACKAGE, code_digest, key_of
from ganrepro.evaluation.scores import SEGMENTATION, evaluators_of
from ganrepro.outputs import Output
from ganrepro.reporting.deviations import deviations
from ganrepro.settings import Params, Study, find_study


def grids(study: Study) -> list[str]:
    """Names of the tables that a picture is shown of: those of the first table's scores, and of outputs that have none such."""
    main = next(iter(study.tables.values())).scores
    shown = {table.output for table in study.tables.values() if table.scores == main}
    return [name for name, table in study.tables.items() if table.scores == main or table.output not in shown]


def renderings(study: Study) -> list[Output]:
    """The outputs that render their own input, on the way to a translation."""
    return [output for output in study.outputs if output.source == output.target]


def closer_looks(params: Params, study: Study) -> list[str]:
    """Figures of a report that only some datasets and methods can have: with classes, with renderings of the input."""
    classes = paths.has_classes(params, study.dataset)
    scored = any(SEGMENTATION[0] in e.scores for output in study.outputs for e in evaluators_of(output, classes))
    return [
        *(["classes.svg", "curves.svg", "extremes.png"] if scored else []),
        *(["renderings.png"] if renderings(study) else []),
    ]


def deviations_of(params: Params, study: Study) -> tuple[str, ...]:
    """The deviations in the code that a study runs."""
    modules = {"data.prepare", "training.loop", "evaluation.generation"}
    modules |= {f"methods.{row.method.name}" for row in study.rows.values()}
    classes = paths.has_classes(params, study.dataset)
    modules |= {f"evaluation.{e.name}" for output in study.outputs for e in evaluators_of(output, classes)}
    modules |= {"data.edges"} if params.datasets[study.dataset].edges else set()
    return deviations(*sorted(modules))


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
    texts = [file.read_text(encoding="utf-8") for file in files]
    return key_of("report", scores, titles, tables, texts, deviations_of(params, study), code_digest("reporting.page"))


def report_is_current(params: Params, name: str) -> bool:
    """Whether the report on disk carries the current key."""
    key = report_key(params, find_study(params, params.reports[name]))
    try:
        return f"`{key}`" in paths.report_page(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False

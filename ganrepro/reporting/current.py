"""Which figures a report has, and whether the one on disk is current: what the workflow asks before any is made."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TypeVar

from ganrepro.data import layouts
from ganrepro.data.own import entry_of
from ganrepro.data.spots import shown_by
from ganrepro.errors import SourceError
from ganrepro.evaluation.readers import KINDS
from ganrepro.methods.outputs import Output
from ganrepro.plan import code, paths
from ganrepro.reporting.deviations import deviations
from ganrepro.settings import Params, Study, find_study
from ganrepro.store.code import PACKAGE, code_digest
from ganrepro.store.digests import key_of

T = TypeVar("T")


def shown(names: Sequence[T], images: int = 4) -> list[T]:
    """A few names of all, evenly from the first to the last."""
    last, count = len(names) - 1, min(images, len(names))
    return [names[round(last * i / max(1, count - 1))] for i in range(count)]


def grids(study: Study) -> list[str]:
    """Names of the tables that a picture is shown of; the pictures of others show the rows of those that are left out."""
    kept = list(study.tables)
    for name in reversed(list(study.tables)):
        beside = [
            study.tables[other] for other in kept if other != name and study.tables[other].output == study.tables[name].output
        ]
        if {*study.tables[name].rows} & {*study.rows} <= {row for table in beside for row in table.rows}:
            kept.remove(name)
    return kept


def renderings(study: Study) -> list[Output]:
    """The outputs that render their own input on the way to a translation."""
    onward = {output.source for output in study.outputs if output.translates}
    return [output for output in study.outputs if output.renders_input and output.source in onward]


def pictures(study: Study) -> list[tuple[str, Output]]:
    """What rows make besides translations and plain samples: a picture of each."""
    apart = renderings(study)
    outputs = ((row, output) for row, settings in study.rows.items() for output in settings.method.outputs())
    return [(row, o) for row, o in outputs if o not in apart and (o.asked or o.picture or o.renders_input)]


def sampled(study: Study) -> list[Output]:
    """Plain samples from noise."""
    return [output for output in study.outputs if output.source is None and not output.asked and not output.picture]


def points(study: Study) -> bool:
    """Whether plain samples show a point each, so that many of them fit on one picture."""
    return any(shown_by(study.data.domains[output.target]) for output in sampled(study))


def moments(params: Params, study: Study) -> dict[str, list[Output]]:
    """Rows whose generators are looked back at, with what they translate."""
    kept = {run.row: [o for o in run.outputs if o.translates] for run in paths.trained(params, study) if run.looks_back}
    return {row: outputs for row, outputs in kept.items() if outputs}


def copied(study: Study) -> dict[str, list[Output]]:
    """Rows whose translations may be training images: all but those that make label maps, which have none of their own."""
    kept = {
        name: [o for o in row.method.outputs() if o.translates and o.target != study.data.label_maps]
        for name, row in study.rows.items()
    }
    return {row: outputs for row, outputs in kept.items() if outputs}


def compared(study: Study, figure: str) -> list[str]:
    """Rows with losses that a figure compares."""
    return [name for name, row in study.rows.items() if any(loss.figure == figure for loss in row.method.losses())]


def scored(params: Params, study: Study) -> bool:
    """Whether some table prints scores."""
    return any(run.used for run in paths.trained(params, study)) and any(table.scores for table in study.tables.values())


def over_training(params: Params, study: Study) -> bool:
    """Whether some score is known over the training, of an output that is shown."""
    kept, shown = (
        any(run.looks_back for run in paths.trained(params, study)),
        {study.tables[name].output for name in grids(study)},
    )
    measured = [
        m for run in paths.runs(params, study)[:1] for output, of in run.measures.items() if output.name in shown for m in of
    ]
    return kept and any(m.headline for m in measured)


def by_class(params: Params, study: Study) -> bool:
    """Whether some score is known class by class."""
    return any(m.by_class for run in paths.runs(params, study)[:1] for of in run.measures.values() for m in of)


def figures(params: Params, study: Study) -> list[str]:
    """Figures of a report that only some datasets and methods can have, besides grids and losses."""
    files = [f"{row}-{output.name}.png" for row, output in pictures(study)]
    files += ["trainings.svg"] if scored(params, study) else []
    files += ["curves.svg"] if over_training(params, study) else []
    files += ["classes.svg", "extremes.png"] if by_class(params, study) else []
    files += ["renderings.png"] if renderings(study) else []
    files += ["training.png", "neighbours.png", "oscillation.svg"] if sampled(study) else []
    files += ["moments.png"] if moments(params, study) else []
    files += ["nearest.png"] if copied(study) else []
    files += ["saturation.svg"] if compared(study, "saturation") else []
    return files


def deviations_of(params: Params, study: Study) -> tuple[str, ...]:
    """The deviations in the code that a study runs."""
    jobs = {"images"} | {f"train/{row.method.name}" for row in study.rows.values()}
    measured = [m for run in paths.runs(params, study)[:1] for of in run.measures.values() for m in of]
    jobs |= {f"measure/{measure.name}" for measure in measured}
    dataset = params.datasets[study.dataset]
    jobs |= {"edges"} if dataset.edges else {"derived"} if dataset.derived else set()
    kind = paths.reader_kind(params, study)
    read = kind is not None and paths.read(params, study)
    jobs |= {f"reader/{kind}"} if read else set()
    modules = {module for job in jobs for module in code.modules_of(job)}
    with contextlib.suppress(SourceError):  # of a folder that is not here
        modules |= {"data.prepare", layouts.module_of(entry_of(params.datasets[study.dataset])["layout"])}
    # measures that can read with several kinds of network import them all
    others = [f"evaluation.readers.{name}" for name in KINDS if not (read and name == kind)]
    return deviations(*sorted(modules), without=tuple(others))


def report_key(params: Params, study: Study) -> str:
    """Key of the report, printed in its footer: stale when it differs."""
    scores = [str(run.scores) for run in paths.runs(params, study)]
    titles = [study.heading, study.title, *(row.title for row in study.rows.values()), *(o.title for o in study.outputs)]
    rows = [[row.method.title, row.method.paper, *map(list, row.method.losses())] for row in study.rows.values()]
    data = study.data.as_values()
    tables = [[name, table.model_dump()] for name, table in study.tables.items()]
    claims = [claim.model_dump() for claim in study.claims]
    files = [PACKAGE / "reporting/templates/report.md.j2", PACKAGE / "evaluation/measures/__init__.py"]
    texts = [file.read_text(encoding="utf-8") for file in files]
    used = sorted({measure.name for run in paths.runs(params, study) for measure in run.used})
    measures = code_digest(*(f"evaluation.measures.{name}" for name in used))
    return key_of(
        "report",
        scores,
        titles,
        rows,
        data,
        tables,
        claims,
        [study.limits.above, study.limits.classes],
        texts,
        deviations_of(params, study),
        code_digest("reporting.page"),
        measures,
    )


def report_is_current(params: Params, name: str) -> bool:
    """Whether the report on disk carries the current key."""
    key = report_key(params, find_study(params, params.reports[name]))
    try:
        return f"`{key}`" in paths.report_page(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False

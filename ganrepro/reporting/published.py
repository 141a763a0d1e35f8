"""The published tables, the paper's numbers beside those of every kept study: docs/tables.md."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd

from ganrepro.evaluation.measures import SCORES
from ganrepro.reporting.markdown import markdown, plain
from ganrepro.reporting.results import kept_table, kept_unlearned
from ganrepro.reporting.tables import UNLEARNED, cell
from ganrepro.settings import REFERENCE_ROWS, Params, Study
from ganrepro.store.files import replacing

PAGE = Path("docs/tables.md")
HEAD = """# Published tables

The papers' numbers beside ours, of all studies whose report is kept: a column for each, its mean over seeds and 95 % interval.
The data, sizes and lengths of training differ from the papers' and from one another; what each study is, its report says.
‡: has not learned, most of its trainings collapsed. Made from `reports/` by `make pages`; a test keeps it current.
"""


def published(params: Params, reports: Path) -> str:
    """The page, of the studies with a kept report."""
    studies = params.studies
    scores = {name: kept_table(file) for name in studies if (file := reports / name / "intervals.csv").exists()}
    kept = {name: studies[name] for name in scores}
    unlearned = {(name, *at) for name, study in kept.items() for at in kept_unlearned(params, study, reports / name)}
    parts = [HEAD]
    for experiment in dict.fromkeys(study.experiment for study in kept.values()):
        of = {name: study for name, study in kept.items() if study.experiment == experiment}
        numbers = dict.fromkeys(key for study in of.values() for key, table in study.tables.items() if any(table.rows.values()))
        parts += [f"## {next(iter(of.values())).heading}\n"] if numbers else []
        for number in numbers:
            parts += _table(
                number, {name: study for name, study in of.items() if number in study.tables}, scores, unlearned, reports
            )
    return "\n".join(parts)


def write(params: Params, reports: Path) -> None:
    """Writes PAGE."""
    with replacing(PAGE) as temporary:
        temporary.write_text(published(params, reports), encoding="utf-8")


def _table(
    number: str,
    studies: Mapping[str, Study],
    scores: Mapping[str, pd.DataFrame],
    unlearned: Collection[tuple[str, str, str]],
    reports: Path,
) -> list[str]:
    """Heading, source, and a table for each score of one published table."""
    table = next(iter(studies.values())).tables[number]
    titles = {row: settings.title for study in studies.values() for row, settings in study.rows.items()} | REFERENCE_ROWS
    rows = list(dict.fromkeys(row for study in studies.values() for row in study.tables[number].rows))
    parts = [f"### {table.title}\n", *([f"{plain(table.source)}\n"] if table.source else [])]
    for place, score in enumerate(table.scores or []):
        heads = [f"[{name}](../{(reports / name).as_posix()}/README.md)" for name in studies]
        lines = []
        for row in rows:
            theirs = next(
                (study.tables[number].rows[row] for study in studies.values() if study.tables[number].rows.get(row)), []
            )
            paper = f"{theirs[place]:.{SCORES[score].digits}f}" if len(theirs) > place else "–"
            ours = []
            for name, study in studies.items():
                output = study.tables[number].output
                mark = f" {UNLEARNED}" * ((name, output, row) in unlearned)
                ours.append(f"{cell(scores[name], output, row, score)}{mark}")
            lines.append([plain(titles.get(row, row)), paper, *ours])
        parts += [f"**{SCORES[score].heading}**\n", markdown(["Row", "paper", *heads], lines), ""]
    return parts

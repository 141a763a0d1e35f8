"""Tables of scores."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
import pandas as pd

from ganrepro.evaluation.intervals import difference, reach
from ganrepro.evaluation.measures import MEASURES, SCORES
from ganrepro.reporting.markdown import markdown, plain
from ganrepro.reporting.results import Results, intervals, share_collapsed, title, unlearned
from ganrepro.settings import ALL, REFERENCE_ROWS, Study, TableSettings


def number(mean: float, low: float, high: float, digits: int = 2) -> str:
    """'**0.52** <sub>0.48–0.55</sub>': a mean and its 95 % interval, where it has one."""
    bounds = f" <sub>{low:.{digits}f}–{high:.{digits}f}</sub>" if math.isfinite(low + high) else ""
    return f"**{mean:.{digits}f}**{bounds}"


def cell(scores: pd.DataFrame, output: str, row: str, score: str) -> str:
    """Mean over seeds and 95 % interval.  scores: as from `intervals`."""
    line = scores[(scores.output == output) & (scores.row == row) & (scores.score == score)]
    if line.empty:
        return "–"
    mean, low, high = (float(value) for value in line[["mean", "low", "high"]].to_numpy()[0])
    return number(mean, low, high, SCORES[score].digits)


def of_scores(results: Results, table: TableSettings) -> str:
    """Per row and score the paper's value and ours, mean over seeds and 95 % interval."""
    published, measured, scores = any(table.rows.values()), intervals(results), table.scores or []
    sides = ("paper", "**ours**") if published else ("",)
    head = ["Row", *(f"{SCORES[s].heading}<br>{side}".removesuffix("<br>") for s in scores for side in sides)]
    weighed = table.output == ALL  # of several domains, where methods differ in how many networks these take
    head += [*(["Parameters"] if weighed else []), "n", "Training", "Per image"]
    lines = []
    for row in [*(r for r in table.rows if r not in REFERENCE_ROWS), *results.study.references]:
        cells = [plain(title(results, row, table))]
        for i, score in enumerate(scores):
            cells += [f"{table.rows[row][i]:.{SCORES[score].digits}f}" if table.rows.get(row) else "–"] if published else []
            cells.append(cell(measured, table.output, row, score))
        if row in REFERENCE_ROWS and all(cell(measured, table.output, row, score) == "–" for score in scores):
            continue  # real images have no codes
        seconds = [t["seconds"] for (of, _), t in results.timing.items() if of == row]
        each = [took for (of, _), took in results.pace.items() if of == row]
        seeds = measured.query("output == @table.output and row == @row").seeds.max()
        count = f"{seeds:.0f}" if seeds > 0 else str(len(seconds))
        fell = share_collapsed(results, table.output, row) if any(results.collapsed.get((table.output, row), ())) else ""
        if weighed:
            known = [t["parameters"] for (of, _), t in results.timing.items() if of == row and t.get("parameters")]
            cells.append(f"{known[0] / 1e6:.2f} M" if known else "–")
        cells += [f"{count}<br><sub>{fell}</sub>" if fell else count, f"{np.mean(seconds) / 60:.1f} min" if seconds else "–"]
        pace = 1000 * float(np.mean(each)) if each else float("nan")
        lines.append([*cells, "–" if not each else f"{pace:.0f} ms" if pace >= 0.5 else "< 1 ms"])
    return markdown(head, lines)


def unlearned_of(results: Results, table: TableSettings) -> str:
    """A sentence that names the rows of a table that have not learned; '' where there is none."""
    rows = {row: why for row in table.rows if row not in REFERENCE_ROWS and (why := unlearned(results, table.output, row))}
    named = "; ".join(dict.fromkeys(f"{plain(title(results, row, table))} ({why})" for row, why in rows.items()))
    return f"**Has not learned**, and decides no claim but one that says so: {named}." if named else ""


def of_differences(results: Results, table: TableSettings) -> str:
    """Every trained row of a table less the row it is held `against`: mean over seeds and 95 % interval of the difference."""
    base = results.estimates.get((table.output, str(table.against)), {})
    lines, scores = [], [score for score in table.scores or [] if score in base]
    for row in (r for r in table.rows if r not in (*REFERENCE_ROWS, table.against)):
        own, cells = results.estimates[table.output, row], [plain(title(results, row, table))]
        for score in scores:
            if score not in own:
                cells.append("–")
                continue
            measured = difference(own[score], base[score], results.same_trainings(row, str(table.against)))
            about = reach(measured)
            bounds = f" <sub>{measured.mean - about:+.3f} to {measured.mean + about:+.3f}</sub>" if math.isfinite(about) else ""
            cells.append(f"**{measured.mean:+.3f}**{bounds}")
        lines.append(cells)
    heads = [f"Less {plain(title(results, str(table.against), table))}", *(SCORES[s].heading for s in scores)]
    return markdown(heads, lines) if scores else ""


def of_section(results: Results, section: str) -> tuple[str, list[str]]:
    """All rows by the scores of the measures that have a section of the page, and the notes on these; '' where there is none.

    An output that only some row makes besides others is told in brackets.
    """
    of = {name: measure for name, measure in MEASURES.items() if measure.section == section}
    used = [name for name in of if any(measure == name for _, _, measure in results.more)]
    measured = intervals(results)
    # a reference row renders its input as it is, and has no codes
    own = {o.name for o in results.study.outputs if not o.renders_input}
    measured = measured[measured.row.isin(results.study.rows) | measured.output.isin(own)]
    measured = measured[measured.score.isin([score for name in used for score in of[name].scores])]
    if measured.empty:
        return "", []
    scores = [score for name in used for score in of[name].scores if score in set(measured.score)]
    extra: dict[tuple[str, str], dict[str, str]] = {}
    for (output, row, measure), more in results.more.items():
        if measure in used and more:  # of all translations together nothing more is known
            extra.setdefault((output, row), {}).update(of[measure].columns(more))
    heads = list(dict.fromkeys(head for columns in extra.values() for head in columns))
    several = measured.output.nunique() > 1
    lines = []
    order = [*results.study.rows, *results.study.references]
    for output, row in sorted(dict.fromkeys(zip(measured.output, measured.row, strict=True)), key=lambda at: order.index(at[1])):
        name = plain(title(results, row)) + (f" ({results.study.output(output).title})" if several else "")
        columns_of_row = extra.get((output, row), {})
        lines.append(
            [name, *(cell(measured, output, row, score) for score in scores), *(columns_of_row.get(head, "–") for head in heads)]
        )
    notes = []
    for name in used:
        more = next((more for (_, _, measure), more in results.more.items() if measure == name and more), {})
        headings = " and ".join(score.heading for key, score in of[name].scores.items() if key in scores)
        notes.append(f"*{headings}*: {of[name].note(more)}")
    return markdown(["Row", *(SCORES[score].heading for score in scores), *heads], lines), notes


UNLEARNED = "‡"  # beside the scores of a row that has not learned
LEGEND = f"<sub>{UNLEARNED} has not learned: most of its trainings collapsed.</sub>"


def of_front_page(measured: pd.DataFrame, study: Study, unlearned: Collection[tuple[str, str]] = ()) -> str:
    """The first table, and those with the same rows, in one small table for a front page.

    The scores by which images are ranked and rows compared.  measured: as from `intervals`, or read back from intervals.csv.
    unlearned: outputs and rows that are marked as not having learned.
    """
    first = next(iter(study.tables.values()))
    titles = {row: settings.title for row, settings in study.rows.items()} | REFERENCE_ROWS
    names = [titles[row] for row in first.rows if row not in REFERENCE_ROWS]
    # by table the rows of each title: a method of one direction has a row in each table
    by_title = [(t, {titles[row]: row for row in (*t.rows, *REFERENCE_ROWS)}) for t in study.tables.values()]
    tables = [(t, rows) for t, rows in by_title if set(names) <= set(rows) and t.scores == first.scores]
    ranked = [score for m in MEASURES.values() for score in (m.by_image, m.headline) if score in (first.scores or [])]
    kept = list(dict.fromkeys(ranked)) or (first.scores or [])[:2]
    headings = [f"{study.output(t.output).title}<br>{SCORES[s].heading}: paper / **ours**" for t, _ in tables for s in kept]
    lines = []
    for name in (*names, *REFERENCE_ROWS.values()):
        cells = [plain(name)]
        for t, rows in tables:
            row = rows[name]
            published = t.rows.get(row)
            for score in kept:
                theirs = f"{published[(t.scores or []).index(score)]:.{SCORES[score].digits}f}" if published else "–"
                mark = f" {UNLEARNED}" * ((t.output, row) in unlearned)
                cells.append(f"{theirs} / {cell(measured, t.output, row, score)}{mark}")
        lines.append([*cells, str(measured.query("row == @row").seeds.max())])
    table = markdown(["Row", *headings, "n"], lines)
    return f"{table}\n\n{LEGEND}" if UNLEARNED in table else table

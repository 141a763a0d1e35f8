"""Tables of scores."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from ganrepro.evaluation.intervals import difference, reach
from ganrepro.evaluation.scores import EVALUATORS, SCORES, SEGMENTATION
from ganrepro.reporting.markdown import markdown, plain
from ganrepro.reporting.plan import renderings
from ganrepro.reporting.results import Results, at_floor, intervals, spread, title
from ganrepro.settings import REFERENCE_ROWS, Study, TableSettings


def number(mean: float, low: float, high: float, digits: int = 2) -> str:
    """'**0.52** <sub>0.48–0.55</sub>': a mean and its 95 % interval, where it has one."""
    told = f" <sub>{low:.{digits}f}–{high:.{digits}f}</sub>" if math.isfinite(low + high) else ""
    return f"**{mean:.{digits}f}**{told}"


def cell(found: pd.DataFrame, output: str, row: str, score: str) -> str:
    """Mean over seeds and 95 % interval.  found: as from `intervals`."""
    one = found.query("output == @output and row == @row and score == @score")
    return "–" if one.empty else number(*one[["mean", "low", "high"]].to_numpy()[0])


def of_scores(results: Results, table: TableSettings) -> str:
    """Per row and score the paper's value and ours, mean over seeds and 95 % interval."""
    published, found = any(table.rows.values()), intervals(results)
    sides = ("paper", "**ours**") if published else ("",)
    head = ["Row", *(f"{SCORES[s]}<br>{side}".removesuffix("<br>") for s in table.scores for side in sides)]
    head += ["n", "Training", "Per image"]
    lines = []
    for row in [*(r for r in table.rows if r not in REFERENCE_ROWS), *results.study.references]:
        cells = [plain(title(results, row, table))]
        for i, score in enumerate(table.scores):
            cells += [f"{table.rows[row][i]:.2f}" if table.rows.get(row) else "–"] if published else []
            cells.append(cell(found, table.output, row, score))
        if row in REFERENCE_ROWS and all(cell(found, table.output, row, score) == "–" for score in table.scores):
            continue  # real digits have no codes
        seconds = [t["seconds"] for (of, _), t in results.timing.items() if of == row]
        each = [took for (of, _), took in results.pace.items() if of == row]
        seeds = found.query("output == @table.output and row == @row").seeds.max()
        cells += [f"{seeds:.0f}" if seeds > 0 else "0", f"{np.mean(seconds) / 60:.1f} min" if seconds else "–"]
        pace = 1000 * float(np.mean(each)) if each else float("nan")
        lines.append([*cells, "–" if not each else f"{pace:.0f} ms" if pace >= 0.5 else "< 1 ms"])
    return markdown(head, lines)


def floor_of(results: Results, table: TableSettings) -> str:
    """A sentence that names the rows of a table that have done nothing; '' where there is none."""
    rows = [row for row in table.rows if row not in REFERENCE_ROWS and at_floor(results, table.output, row)]
    named = ", ".join(dict.fromkeys(plain(title(results, row, table)) for row in rows))
    return f"**At the floor**, no better than the input passed through unchanged: {named}." if named else ""


def of_differences(results: Results, table: TableSettings) -> str:
    """Every trained row of a table less the row it is held `against`: mean over seeds and 95 % interval of the difference."""
    base = results.estimates.get((table.output, str(table.against)), {})
    lines = []
    for row in (r for r in table.rows if r not in (*REFERENCE_ROWS, table.against)):
        own, cells = results.estimates[table.output, row], [plain(title(results, row, table))]
        for score in table.scores:
            one = difference(own[score], base[score])
            about = reach(one)
            told = f" <sub>{one.mean - about:+.3f} to {one.mean + about:+.3f}</sub>" if math.isfinite(about) else ""
            cells.append(f"**{one.mean:+.3f}**{told}")
        lines.append(cells)
    return markdown([f"Less {plain(title(results, str(table.against), table))}", *(SCORES[s] for s in table.scores)], lines)


def of_codes(results: Results) -> str:
    """What codes tell, of the rows that have any; '' where there is none."""
    names = ("asked", "code_tells_class", "nearest_code", "bound", "inversion_error")
    found = intervals(results)
    found = found[found.row.isin(results.study.rows) & found.score.isin(names)]
    scores = [name for name in names if name in set(found.score)]
    lines = []
    for row in dict.fromkeys(found.row):
        outputs = {one.score: one.output for one in found.query("row == @row").itertuples()}
        lines.append([plain(title(results, row)), *(cell(found, outputs.get(name, ""), row, name) for name in scores)])
    return markdown(["Row", *(SCORES[name] for name in scores)], lines) if lines else ""


def of_renderings(results: Results) -> str:
    """How near the rows that translate by rendering their input come to it."""
    found, lines, scores = intervals(results), [], EVALUATORS["inversion"].scores
    for output in renderings(results.study):
        for row in (r for r, variant in results.study.rows.items() if output in variant.method.outputs()):
            cells = [cell(found, output.name, row, score) for score in scores]
            lines.append([f"{plain(title(results, row))}: {output.title}", *cells])
    return markdown(["Row", *scores.values()], lines)


def of_front_page(found: pd.DataFrame, study: Study) -> str:
    """The first table, and those with the same rows, in one small table for a front page.

    Per-pixel accuracy and class IoU.  found: as from `intervals`, or read back from intervals.csv.
    """
    first = next(iter(study.tables.values()))
    titles = {row: variant.title for row, variant in study.rows.items()} | REFERENCE_ROWS
    names = [titles[row] for row in first.rows if row not in REFERENCE_ROWS]
    # by table the rows of each title: a method of one direction has a row in each table
    by_title = [(t, {titles[row]: row for row in (*t.rows, *REFERENCE_ROWS)}) for t in study.tables.values()]
    tables = [(t, rows) for t, rows in by_title if set(names) <= set(rows) and t.scores == list(SEGMENTATION)]
    kept = ("pixel_accuracy", "class_iou")
    headings = [f"{study.output(t.output).title}<br>{SCORES[s]}: paper / **ours**" for t, _ in tables for s in kept]
    lines = []
    for name in (*names, *REFERENCE_ROWS.values()):
        cells = [plain(name)]
        for t, rows in tables:
            row = rows[name]
            published = t.rows.get(row)
            for score in kept:
                theirs = f"{published[t.scores.index(score)]:.2f}" if published else "–"
                cells.append(f"{theirs} / {cell(found, t.output, row, score)}")
        lines.append([*cells, str(found.query("row == @row").seeds.max())])
    return markdown(["Row", *headings, "n"], lines)


def of_distances(results: Results) -> str:
    """Fréchet and kernel distances of every row, and the Inception Score where there is one."""
    found = results.distances
    scored = "inception_score" in found
    names = ("Fréchet, segmenter", "kernel × 1000, segmenter") if found.of.iloc[0] == "segmenter" else ("FID", "KID × 1000")
    head = ["Row", names[0], "at n → ∞", names[1], *(["Inception Score"] if scored else []), "n"]
    lines = []
    several = found.output.nunique() > 1
    for (output, row), one in found.groupby(["output", "row"], sort=False):
        name = plain(title(results, str(row))) if row != "ground-truth" else "Real training photos"
        name += f" ({results.study.output(str(output)).title})" if several else ""
        limit = one.frechet_infinite.astype(float).mean()
        cells = [
            name,
            _distance(one, "frechet"),
            f"{limit:.2f}" if np.isfinite(limit) else "–",
            _distance(one, "kernel", 1000, 1),
        ]
        cells += [_distance(one, "inception_score")] if scored else []
        lines.append([*cells, f"{one.made.iloc[0]} and {one.real.iloc[0]}"])
    return markdown(head, lines)


def _distance(one: pd.DataFrame, name: str, scale: float = 1, digits: int = 2) -> str:
    mean, reach = spread(one, name)
    return number(scale * mean, scale * (mean - reach), scale * (mean + reach), digits)

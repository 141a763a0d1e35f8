"""The plots of a report, which read well on white and on dark pages. SVG."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from ganrepro.evaluation.measures import SCORES
from ganrepro.methods.base import Loss
from ganrepro.reporting.claims import SETTLED
from ganrepro.reporting.current import compared, grids
from ganrepro.reporting.results import Results, headline, images_per_epoch, intervals, segmented, title
from ganrepro.settings import REFERENCE_ROWS, Study, TableSettings

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

WIDE = 10.2  # inches of 96 pixels: a page of text is no wider
INK = "#7d8590"  # readable on a white and on a dark page
# Okabe and Ito's palette, told apart by colour-blind readers, and eight of Tol's where there are more rows
COLOURS = (
    "#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#F0E442", "#882255", "#999933", "#AA4499", "#44AA99",
    "#332288", "#117733", "#CC6677", "#661100",
)  # fmt: skip
MARKERS = "osD^vP*"
OUT_OF_SCALE = 8  # a panel of losses is logarithmic further out where one of its rows goes so many times as far as most
STEP, STEPS = 0.1, 200  # of the game x · y
STYLE: dict[str, Any] = {
    "svg.hashsalt": "ganrepro", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
}  # fmt: skip


def panels(study: Study, rows: Iterable[str]) -> dict[str, list[Loss]]:
    """The losses of some rows of a study by the heading they are drawn under, in the methods' order."""
    by_panel: dict[str, list[Loss]] = {}
    for loss in dict.fromkeys(loss for row in rows for loss in study.rows[row].method.losses()):
        by_panel.setdefault(loss.panel, []).append(loss)
    return by_panel


def colour_of(study: Study, row: str) -> str:
    """The colour of a row, the same in all figures of a report, and of rows of one title (the two ways of a method)."""
    titles = list(dict.fromkeys(settings.title for settings in study.rows.values()))
    return COLOURS[titles.index(study.rows[row].title) % len(COLOURS)]


def by_epoch(axis: Any) -> None:
    """Names the axis of epochs, which are whole."""
    axis.set_xlabel("epoch")
    axis.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))


def _scaled(axis: Any, heading: str, width: int) -> None:
    """Its heading, in lines of so many letters; where one curve goes far beyond the others, a scale on which all can be seen."""
    values = [np.abs(np.asarray(line.get_ydata(), float)) for line in axis.get_lines()]
    reaches = sorted(float(known.max()) for of in values if (known := of[np.isfinite(of)]).size)
    middle = reaches[(len(reaches) - 1) // 2] if reaches else 0.0
    if middle > 0 and reaches[-1] > OUT_OF_SCALE * middle:
        axis.set_yscale("symlog", linthresh=10 ** np.ceil(np.log10(middle)))  # a power of ten, which has a tick
        heading += ", scaled to show all"
    axis.set_title(textwrap.fill(heading, width), fontsize=9, color=INK)


def dash_of(study: Study, loss: Loss) -> str:
    """How a loss is drawn, in all rows alike: the first of a panel solid, the second dotted, and so on."""
    every = (other for row in study.rows.values() for other in row.method.losses())
    beside = list(dict.fromkeys(other.name for other in every if other.panel == loss.panel))
    return ("-", ":", "--", "-.")[beside.index(loss.name) % 4]


def losses(results: Results, path: Path) -> None:
    """Mean loss per epoch, by term and row, a line of panels for each set of rows; bands span the seeds. SVG."""
    study, sets = results.study, _sets(results.study)
    # of each set of rows, the panels that some of them have a loss for
    headings = {names: panels(study, names) for names in sets}
    most = max(map(len, headings.values()))
    across = max(1, most if most < 5 else 3)
    down = {names: max(1, -(-len(drawn) // across)) for names, drawn in headings.items()}
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        shape = (sum(down.values()), across)
        figure, grid = plt.subplots(*shape, figsize=(WIDE, 2.6 * shape[0]), layout="constrained", squeeze=False)
        for axis in grid.flat:
            axis.set_visible(False)
        parts = np.split(grid, np.cumsum(list(down.values()))[:-1])
        for part, (names, table) in zip(parts, sets.items(), strict=True):
            axes = list(part.flat)[: len(headings[names])]
            for axis, (heading, terms) in zip(axes, headings[names].items(), strict=True):
                axis.set_visible(True)
                for name in names:
                    colour = colour_of(study, name)
                    rows = results.losses[results.losses.row == name]
                    for term in (loss for loss in terms if loss in study.rows[name].method.losses()):
                        dash = dash_of(study, term)
                        of_epoch = rows.groupby("epoch")[term.name]
                        mean, low, high = of_epoch.mean(), of_epoch.min(), of_epoch.max()
                        label = words(title(results, name, table)) if dash == "-" else None
                        axis.plot(mean.index, mean, dash, color=colour, linewidth=1.4, label=label)
                        axis.fill_between(mean.index, low, high, color=colour, alpha=0.2, linewidth=0)
                by_epoch(axis)
                axis.set_ylim(bottom=min(0, axis.get_ylim()[0]))
                _scaled(axis, heading, 112 // across)
                axis.patch.set_alpha(0)
            drawn = _labelled(axes)
            handles = {label: drawn[label] for label in (words(title(results, name, table)) for name in names) if label in drawn}
            legend = part[0, -1].legend(handles.values(), handles.keys(), loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
            if len(sets) > 1:
                legend.set_title(textwrap.fill(words(table.title), 30), {"size": 9})
                legend.set_alignment("left")
        save(figure, path)


def _labelled(axes: Iterable[Any]) -> dict[str, Any]:
    """What is drawn in some axes, by its label: a legend names each once."""
    return {label: h for axis in axes for h, label in zip(*axis.get_legend_handles_labels(), strict=True)}


def _sets(study: Study) -> dict[tuple[str, ...], TableSettings]:
    """Rows that are shown together, once where several tables have the same ones, with the first such table."""
    sets: dict[tuple[str, ...], TableSettings] = {}
    for table in _tables(study):
        sets.setdefault(tuple(row for row in table.rows if row in study.rows), table)
    return sets


def _tables(study: Study) -> list[TableSettings]:
    """The tables that a picture is shown of."""
    return [study.tables[name] for name in grids(study)]


def _segmented(results: Results) -> list[TableSettings]:
    """Of these, those of outputs that are scored class by class."""
    names = [output.name for output in segmented(results)]
    return [table for table in _tables(results.study) if table.output in names]


def words(text: str) -> str:
    """Somebody's words in a figure: matplotlib would take dollars for mathematics."""
    return text.replace("$", r"\$")


def save(figure: Any, path: Path) -> None:
    """Writes an SVG that is the same whenever it is drawn."""
    figure.savefig(path, format="svg", transparent=True, metadata={"Date": None})
    plt.close(figure)


def classes(results: Results, path: Path) -> None:
    """The score of every class of pixels, mean over seeds, a panel for each table; real images as a line above the bars. SVG."""
    study, tables = results.study, _segmented(results)
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure, axes = plt.subplots(len(tables), 1, figsize=(WIDE, 2.4 * len(tables)), layout="constrained", squeeze=False)
        for axis, table in zip(axes[:, 0], tables, strict=True):
            names = list(results.study.data.palette)
            rows = [row for row in table.rows if row in study.rows]
            scores = results.classes.query("output == @table.output").groupby(["row", "class"]).value.mean()
            places, width = np.arange(len(names)), 0.8 / len(rows)
            for i, row in enumerate(rows):
                colour = colour_of(study, row)
                heights = [scores[row, name] for name in names]
                axis.bar(places - 0.4 + (i + 0.5) * width, heights, width, color=colour, label=words(title(results, row, table)))
            if "ground-truth" in scores:
                real = [scores["ground-truth", name] for name in names]
                axis.hlines(real, places - 0.45, places + 0.45, INK, label=REFERENCE_ROWS["ground-truth"], linewidth=1.2)
            axis.set_xticks(places, names)
            axis.set_ylim(0, 1)
            axis.set_ylabel(SCORES[str(headline(results, table.output))].heading)
            axis.set_title(words(table.title), fontsize=9, color=INK)
            axis.patch.set_alpha(0)
            axis.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
        save(figure, path)


def trainings(results: Results, path: Path) -> None:
    """Every training as a dot (hollow: collapsed) beside the mean and the 95 % interval of its row, a panel for each table. SVG.

    Lines: reference rows. Bars: the paper's values.
    """
    study, summed = results.study, intervals(results)
    tables = [(table, score) for table in _tables(study) if (score := _main_score(results, table))]
    across = max(1, min(2, len(tables)))
    tallest = max(len(table.rows) for table, _ in tables)
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        down = -(-len(tables) // across)
        size = (WIDE, down * (0.9 + 0.26 * tallest))
        figure, axes = plt.subplots(down, across, figsize=size, layout="constrained", squeeze=False)
        for axis in axes.flat[len(tables) :]:
            axis.set_visible(False)
        for axis, (table, score) in zip(axes.flat, tables, strict=False):
            rows = [row for row in table.rows if row in study.rows]
            for y, row in enumerate(rows):
                known = summed.query("output == @table.output and row == @row and score == @score")
                if known.empty:
                    continue
                mean, low, high = known[["mean", "low", "high"]].to_numpy()[0]
                dots = results.estimates[table.output, row][score].trainings
                fell = results.collapsed.get((table.output, row), [False] * len(dots))
                axis.plot([low, high], [y, y], color=COLOURS[4], linewidth=6, alpha=0.25, solid_capstyle="butt", zorder=1)
                axis.plot(mean, y, "|", color=COLOURS[4], markersize=13, markeredgewidth=2, zorder=2)
                fills = ["none" if collapsed else COLOURS[4] for collapsed in fell]
                axis.scatter(dots, [y] * len(dots), 26, fills, edgecolors=COLOURS[4], linewidths=1, zorder=3)
                if table.rows[row] and score in (table.scores or []):
                    paper = table.rows[row][(table.scores or []).index(score)]
                    axis.plot(paper, y, "|", color=COLOURS[0], markersize=9, markeredgewidth=2, zorder=2)
            for row, dash in zip(REFERENCE_ROWS, ("-", ":", "--"), strict=True):
                if score in results.estimates.get((table.output, row), {}):
                    where = results.estimates[table.output, row][score].mean
                    axis.axvline(where, color=INK, linewidth=0.9, linestyle=dash, label=REFERENCE_ROWS[row])
            axis.set_yticks(range(len(rows)), [words(title(results, row, table)) for row in rows])
            axis.set_ylim(len(rows) - 0.4, -0.6)
            if SCORES[score].high is None:
                axis.set_xscale("log")
            axis.set_xlabel(SCORES[score].heading)
            axis.set_title(textwrap.fill(words(table.title), 60), fontsize=9, color=INK)
            axis.patch.set_alpha(0)
        axes.flat[0].plot([], [], "o", color=COLOURS[4], markersize=5, label="one training (hollow: collapsed)")
        if any(any(table.rows.values()) for table, _ in tables):
            axes.flat[0].plot([], [], "|", color=COLOURS[0], markersize=9, markeredgewidth=2, label="paper")
        handles, labels = axes.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
        save(figure, path)


def _main_score(results: Results, table: TableSettings) -> str | None:
    """The score that stands for a table in figures: the headline of its output, else the first that it prints."""
    main = headline(results, table.output)
    return main if main is not None else next(iter(table.scores or []), None)


def curves(results: Results, path: Path) -> None:
    """The headline of each table's output against training steps, first seed; the last point is of the whole training."""
    study = results.study
    tables = [table for table in _tables(study) if table.output in set(results.curves.output)]
    across = max(1, min(3, len(tables)))
    down = max(1, -(-len(tables) // across))
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure, axes = plt.subplots(down, across, figsize=(WIDE, 3.1 * down), layout="constrained", squeeze=False)
        for axis in axes.flat[len(tables) :]:
            axis.set_visible(False)
        for axis, drawn in zip(axes.flat, tables, strict=False):
            score = SCORES[str(headline(results, drawn.output))]
            for row in (row for row in drawn.rows if row in study.rows):
                colour = colour_of(study, row)
                marker = MARKERS[COLOURS.index(colour) % len(MARKERS)]
                scores = results.curves.query("output == @drawn.output and row == @row").sort_values("epoch")
                steps = scores.epoch * (images_per_epoch(results, row) // study.rows[row].settings.batch_images)
                axis.plot(steps, scores.value, color=colour, marker=marker, markersize=4, label=words(title(results, row, drawn)))
            axis.set_title(textwrap.fill(words(drawn.title), 44), fontsize=9, color=INK)
            axis.set_xlabel("training steps")
            axis.set_ylabel(score.heading)
            axis.set_xlim(left=0)
            if score.high is None:  # a distance, which falls by orders of magnitude
                axis.set_yscale("log")
            else:
                axis.set_ylim(bottom=0)
            axis.patch.set_alpha(0)
        named = _labelled(axes.flat)
        across = max(1, min(5, 120 // (10 + max(map(len, named)))))  # columns that the figure is wide enough for
        figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=across, frameon=False, fontsize=8)
        save(figure, path)


def verdicts(lines: Sequence[Any], path: Path) -> None:
    """Difference and 95 % interval of every claim, as from claims.json; the paper's difference as a bar. SVG."""
    looks = {
        "reproduced": ("#009E73", "o"), "contradicted": ("#D55E00", "X"), "no such difference": ("#CC79A7", "D"),
        "undecided": (INK, "s"), "not judged": (INK, "."),
    }  # fmt: skip
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure, axis = plt.subplots(figsize=(8.5, 0.6 + 0.27 * len(lines)), layout="constrained")
        for y, line in enumerate(lines):
            colour, marker = looks[line["verdict"]]
            if line["low"] is not None:
                width = 0.8 if line["verdict"] == "not judged" else 1.8
                axis.plot([line["low"], line["high"]], [y, y], color=colour, linewidth=width, zorder=2)
            axis.plot(line["difference"], y, marker, color=colour, markersize=6, zorder=3)
            if line["paper"] is not None:
                axis.plot(line["paper"], y, "|", color=COLOURS[1], markersize=10, markeredgewidth=2, zorder=1)
            if line["within"]:
                axis.plot([-line["within"], line["within"]], [y, y], "|", color=INK, markersize=10, zorder=1)
        for name, (colour, marker) in looks.items():
            if not any(line["verdict"] == name for line in lines):
                continue
            axis.plot([], [], marker, color=colour, linestyle="-", label=name)
        if any(line["paper"] is not None for line in lines):
            axis.plot([], [], "|", color=COLOURS[1], markersize=10, markeredgewidth=2, linestyle="", label="paper")
        if any(line["within"] for line in lines):
            axis.plot([], [], "|", color=INK, markersize=10, linestyle="", label="bounds")
        axis.axvline(0, color=INK, linewidth=0.8, linestyle=":")
        axis.set_yticks(range(len(lines)), [words(line["text"]) for line in lines])
        axis.set_ylim(len(lines) - 0.5, -0.5)
        axis.locator_params("x", nbins=6)
        axis.set_xlabel("difference of the two rows, 95 % interval")
        axis.patch.set_alpha(0)
        axis.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
        save(figure, path)


def forest(panels: Mapping[str, Sequence[tuple[str, Mapping[str, Any]]]], path: Path) -> None:
    """Claims as in claims.json, each with the name of its study, by the heading of their panel. SVG."""
    studies = list(dict.fromkeys(study for of in panels.values() for study, _ in of))
    colours = dict(zip(studies, COLOURS * 3, strict=False))
    texts = {heading: list(dict.fromkeys(claim["text"] for _, claim in of)) for heading, of in panels.items()}
    lines = {heading: sum(_tall(of, text) for text in texts[heading]) for heading, of in panels.items()}
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure, axes = plt.subplots(
            len(panels), 1, figsize=(WIDE, 0.2 * sum(lines.values()) + 0.7 * len(panels)), layout="constrained", squeeze=False,
            sharex=True, gridspec_kw={"height_ratios": [lines[heading] + 1.5 for heading in panels]},
        )  # fmt: skip
        for axis, (heading, of) in zip(axes.flat, panels.items(), strict=True):
            top, ticks = 0.0, []
            for text in texts[heading]:
                claims = [(study, claim) for study, claim in of if claim["text"] == text]
                ticks.append(top + (len(claims) - 1) / 2)
                for y, (study, claim) in enumerate(claims):
                    settled = claim["verdict"] in SETTLED
                    look = {"color": colours[study], "alpha": 1.0 if settled else 0.55}
                    if claim["low"] is not None:
                        axis.plot(
                            [claim["low"], claim["high"]], [top + y] * 2, linewidth=2.2 if settled else 1.0, zorder=2, **look
                        )
                    axis.plot(claim["difference"], top + y, "o" if settled else ".", markersize=6, zorder=3, **look)
                    if claim["paper"] is not None:
                        axis.plot(claim["paper"], top + y, "|", color=INK, markersize=9, markeredgewidth=1.6, zorder=1)
                top += _tall(of, text)
            axis.axvline(0, color=INK, linewidth=0.8, linestyle=":")
            axis.set_yticks(ticks, [textwrap.shorten(words(text), 64, placeholder=" …") for text in texts[heading]], fontsize=8)
            axis.set_ylim(top - 0.5, -1)
            axis.set_title(textwrap.shorten(words(heading), 90, placeholder=" …"), fontsize=9, color=INK, loc="left")
            axis.tick_params(labelbottom=True)
            axis.patch.set_alpha(0)
        marks = [Line2D([], [], marker="o", color=colour, label=study) for study, colour in colours.items()]
        marks += [
            Line2D([], [], marker=".", color=INK, alpha=0.55, linewidth=1.0, label="undecided, or not judged"),
            Line2D(
                [], [], marker="|", color=INK, markersize=9, markeredgewidth=1.6, linestyle="", label="the paper's difference"
            ),
        ]
        figure.legend(handles=marks, frameon=False, fontsize=8, loc="outside upper left", ncols=4)
        axes.flat[-1].set_xlabel("difference of the two rows and its 95 % interval; right of 0: as claimed")
        save(figure, path)


def _tall(of: Sequence[tuple[str, Mapping[str, Any]]], text: str) -> float:
    """Lines that a claim takes: one for each study, and room below."""
    return sum(claim["text"] == text for _, claim in of) + 0.5


def saturation(results: Results, path: Path) -> None:
    """What G gets of a sure D: both losses over D(G(z)), and their slopes in G's weights as trainings measured them. SVG."""
    rows = compared(results.study, "saturation")
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure, axes = plt.subplots(1, 1 + len(rows), figsize=(WIDE, 3.0), layout="constrained", squeeze=False)
        logit = np.linspace(-6, 6, 241)
        named = {
            "minimax": (-np.logaddexp(0, logit), "log(1 - D)"),
            "non_saturating": (np.logaddexp(0, -logit), "-log D"),
        }
        for (loss, (values, label)), colour in zip(named.items(), COLOURS, strict=False):
            axes[0, 0].plot(logit, values, color=colour, label=label)
            for axis, row in zip(axes[0, 1:], rows, strict=True):
                of_epoch = results.losses[results.losses.row == row].groupby("epoch")[f"slope_{loss}"]
                axis.plot(of_epoch.mean().index, of_epoch.mean(), color=colour, label=label, marker="o", markersize=3)
                axis.fill_between(of_epoch.mean().index, of_epoch.min(), of_epoch.max(), color=colour, alpha=0.2, linewidth=0)
                axis.set(ylabel="length of G's gradient", yscale="log")
                by_epoch(axis)
                axis.set_title(f"measured: {words(title(results, row))}")
        axes[0, 0].set(title="the losses of one sample", xlabel="logit of D(G(z)), low while D is sure", ylabel="loss of G")
        axes[0, 0].legend(frameon=False)
        for axis in axes.flat:
            axis.title.set_fontsize(9)
            axis.patch.set_alpha(0)
        save(figure, path)


def oscillation(path: Path) -> None:
    """The game min over x, max over y of x · y, whose solution is (0, 0): steps that both take at once go away from it. SVG."""
    once, turns = play(STEP, STEPS)
    angle = np.linspace(0, STEP * STEPS, 400)
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure, axes = plt.subplots(1, 2, figsize=(WIDE * 0.8, 3.4), layout="constrained")
        circle = np.stack([np.cos(angle), np.sin(angle)], 1)
        drawn = {"both at once": once, "by turns": turns, "endlessly small steps (exact)": circle}
        for (label, at), colour in zip(drawn.items(), COLOURS, strict=False):
            axes[0].plot(*at.T, color=colour, linewidth=1.2, label=label)
            axes[1].plot(np.linspace(0, STEPS, len(at)), np.hypot(*at.T), color=colour, label=label)
        exact = (1 + STEP**2) ** (np.arange(STEPS + 1) / 2)
        axes[1].plot(exact, ":", color=INK, label=r"$(1 + \eta^2)^{t/2}$, exact for both at once")
        axes[0].set(xlabel="x", ylabel="y", aspect="equal")
        axes[1].set(xlabel="step", ylabel="distance from the solution")
        axes[1].legend(frameon=False, fontsize=8)
        for axis in axes:
            axis.patch.set_alpha(0)
        save(figure, path)


def play(step: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Gradient steps of x · y from (1, 0), x down and y up: both at once, and by turns; (steps + 1, 2) each."""
    once, turns = [(1.0, 0.0)], [(1.0, 0.0)]
    for _ in range(steps):
        x, y = once[-1]
        once.append((x - step * y, y + step * x))
        x, y = turns[-1]
        x -= step * y
        turns.append((x, y + step * x))
    return np.array(once), np.array(turns)

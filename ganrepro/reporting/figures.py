"""The figures of a report: images side by side, and plots that read well on white and on dark pages."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ganrepro.methods.base import Loss
from ganrepro.reporting.plan import grids, renderings, shown
from ganrepro.reporting.results import Results, images_per_epoch, segmented, title
from ganrepro.settings import REFERENCE_ROWS, Study, TableSettings

matplotlib.use("Agg")
import matplotlib.pyplot as plt

WIDE = 10.2  # inches of 96 pixels: a page of text is no wider
INK = "#7d8590"  # readable on a white and on a dark page
# Okabe and Ito's palette, told apart by colour-blind readers, and three of Tol's where there are more rows
COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#F0E442", "#882255", "#999933", "#AA4499")
STYLE: dict[str, Any] = {
    "svg.hashsalt": "ganrepro", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
}  # fmt: skip


def grid(results: Results, table: TableSettings) -> Image.Image:
    """Input, every row of a table (first seed) and truth, side by side; one line per test image."""
    study, output = results.study, results.study.output(table.output)
    columns = [] if output.source is None else [("Input", results.images["identity", 0])]
    trained = [row for row in table.rows if row not in REFERENCE_ROWS]
    columns += [(title(results, row, table), results.images[row, study.seeds[0]]) for row in trained]
    if results.manifest["paired"] and output.source is not None:
        columns.append(("Real photo" if output.target == "b" else "Truth", results.images["ground-truth", 0]))
    titles = [words.replace(" cycle", "").replace("Encoder-decoder", "Enc-dec").replace("×", "x") for words, _ in columns]
    chosen = shown(_names(results, output.source, columns[-1][1] / output.name))
    return sheet(titles, [[folder / output.name / name for _, folder in columns] for name in chosen], 96)


def renderings_of(results: Results) -> Image.Image:
    """What rows that translate by rendering their input make of it: input, rendering, translation. First seed."""
    study, titles, columns = results.study, [], []
    for output in renderings(study):
        (onward,) = [o for o in study.outputs if o.source == output.source != o.target]
        names = shown(results.manifest["names"]["test"][output.source])
        for row in (r for r, variant in study.rows.items() if output in variant.method.outputs()):
            titles += ["Input", "Rendered", onward.title.split(" → ")[-1].capitalize()]
            made = results.images[row, study.seeds[0]]
            columns += [[results.images["identity", 0] / output.name / name for name in names]]
            columns += [[made / of.name / name for name in names] for of in (output, onward)]
    return sheet(titles, [list(line) for line in zip(*columns, strict=True)], 112)


def _names(results: Results, source: str | None, folder: Path) -> list[str]:
    """The test images that an output is made from, or its own files where it is made from noise."""
    if source is None:
        return sorted(path.name for path in folder.glob("*.png"))
    names: list[str] = results.manifest["names"]["test"][source]
    return names


def sheet(titles: list[str], lines: Sequence[Sequence[Path | Image.Image]], side: int) -> Image.Image:
    """Images in lines of equal squares, under the titles of their columns."""
    names = [textwrap.wrap(words, max(8, side // 6)) for words in titles]
    gap, header = 4, 8 + 14 * max(map(len, names))
    canvas = Image.new("RGB", (len(titles) * (side + gap) - gap, header + len(lines) * (side + gap) - gap), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(12)
    for x, name in enumerate(names):
        draw.multiline_text((x * (side + gap) + side / 2, header / 2), "\n".join(name), INK, font, "mm", 2, "center")
        for y, line in enumerate(lines):
            canvas.paste(_square(line[x], side), (x * (side + gap), header + y * (side + gap)))
    # 256 colours keep a grid of photos under 200 KB; flat label colours stay exact to the eye
    return canvas.quantize(256, method=Image.Quantize.MEDIANCUT, kmeans=1)


def _square(image: Path | Image.Image, side: int) -> Image.Image:
    if isinstance(image, Path):
        with Image.open(image) as opened:
            image = opened.convert("RGB")
    return image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)


def samples(results: Results, row: str, seed: int, images: int = 6) -> Image.Image:
    """All outputs of one run: input above output, a few test images."""
    lines = []
    for output in results.study.rows[row].method.outputs():
        folder = results.images[row, seed]
        names = _names(results, output.source, folder / output.name)[:images]
        above = [] if output.source is None else [results.images[results.study.references[-1], 0]]
        lines += [[place / output.name / name for name in names] for place in (*above, folder)]
    side = 96
    canvas = Image.new("RGB", (side * max(map(len, lines)), side * len(lines)), "white")
    for y, line in enumerate(lines):
        for x, path in enumerate(line):
            canvas.paste(_square(path, side), (x * side, y * side))
    return canvas


def panels(study: Study, rows: Iterable[str]) -> dict[str, list[Loss]]:
    """The losses of some rows of a study by the heading they are drawn under, in the methods' order."""
    found: dict[str, list[Loss]] = {}
    for loss in dict.fromkeys(loss for row in rows for loss in study.rows[row].method.losses()):
        found.setdefault(loss.panel, []).append(loss)
    return found


def dash_of(study: Study, row: str, loss: Loss) -> str:
    """How a loss is drawn: the first of its method in a panel solid, the second dotted, and so on."""
    beside = [one for one in study.rows[row].method.losses() if one.panel == loss.panel]
    return ("-", ":", "--", "-.")[beside.index(loss) % 4]


def losses(results: Results, path: Path) -> None:
    """Mean loss per epoch, by term and row, a line of panels for each set of rows; bands span the seeds. SVG."""
    study, sets = results.study, _sets(results.study)
    # of each set of rows, the panels that some of them have a loss for
    headings = {names: panels(study, names) for names in sets}
    most = max(map(len, headings.values()))
    across = max(1, most if most < 5 else 3)
    down = {names: max(1, -(-len(found) // across)) for names, found in headings.items()}
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        shape = (sum(down.values()), across)
        figure, grid = plt.subplots(*shape, figsize=(WIDE, 2.6 * shape[0]), layout="constrained", squeeze=False)
        for axis in grid.flat:
            axis.set_visible(False)
        parts = np.split(grid, np.cumsum(list(down.values()))[:-1])
        for part, (names, one) in zip(parts, sets.items(), strict=True):
            axes = list(part.flat)[: len(headings[names])]
            for axis, (heading, terms) in zip(axes, headings[names].items(), strict=True):
                axis.set_visible(True)
                for name, colour in zip(names, COLOURS * 3, strict=False):
                    rows = results.losses[results.losses.row == name]
                    for term in (loss for loss in terms if loss in study.rows[name].method.losses()):
                        dash = dash_of(study, name, term)
                        by_epoch = rows.groupby("epoch")[term.name]
                        mean, low, high = by_epoch.mean(), by_epoch.min(), by_epoch.max()
                        label = words(title(results, name, one)) if dash == "-" else None
                        axis.plot(mean.index, mean, dash, color=colour, linewidth=1.4, label=label)
                        axis.fill_between(mean.index, low, high, color=colour, alpha=0.2, linewidth=0)
                axis.set_title(heading, fontsize=9, color=INK)
                axis.set_xlabel("epoch")
                axis.set_ylim(bottom=min(0, axis.get_ylim()[0]))
                axis.patch.set_alpha(0)
            found = {label: h for axis in axes for h, label in zip(*axis.get_legend_handles_labels(), strict=True)}
            handles = {label: found[label] for label in (words(title(results, name, one)) for name in names) if label in found}
            legend = part[0, -1].legend(handles.values(), handles.keys(), loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
            if len(sets) > 1:
                legend.set_title(textwrap.fill(words(one.title), 30), {"size": 9})
                legend.set_alignment("left")
        save(figure, path)


def _sets(study: Study) -> dict[tuple[str, ...], TableSettings]:
    """Rows that are shown together, once where several tables have the same ones, with the first such table."""
    sets: dict[tuple[str, ...], TableSettings] = {}
    for one in _tables(study):
        sets.setdefault(tuple(row for row in one.rows if row in study.rows), one)
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
    """IoU of every class, mean over seeds, a panel for each table; real images as a line above the bars. SVG."""
    study, tables = results.study, _segmented(results)
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure, axes = plt.subplots(len(tables), 1, figsize=(WIDE, 2.4 * len(tables)), layout="constrained", squeeze=False)
        for axis, one in zip(axes[:, 0], tables, strict=True):
            names = list(dict(results.manifest["classes"]))
            rows = [row for row in one.rows if row in study.rows]
            found = results.classes.query("output == @one.output").groupby(["row", "class"]).iou.mean()
            places, width = np.arange(len(names)), 0.8 / len(rows)
            for i, (row, colour) in enumerate(zip(rows, COLOURS * 3, strict=False)):
                heights = [found[row, name] for name in names]
                axis.bar(places - 0.4 + (i + 0.5) * width, heights, width, color=colour, label=words(title(results, row, one)))
            if "ground-truth" in found:
                real = [found["ground-truth", name] for name in names]
                axis.hlines(real, places - 0.45, places + 0.45, INK, label=REFERENCE_ROWS["ground-truth"], linewidth=1.2)
            axis.set_xticks(places, names)
            axis.set_ylim(0, 1)
            axis.set_ylabel("class IoU")
            axis.set_title(words(one.title), fontsize=9, color=INK)
            axis.patch.set_alpha(0)
            axis.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
        save(figure, path)


def curves(results: Results, path: Path) -> None:
    """Class IoU against training steps, first seed, a panel for each table. SVG."""
    study, tables = results.study, _segmented(results)
    across = min(3, len(tables))
    down = -(-len(tables) // across)
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure, axes = plt.subplots(down, across, figsize=(WIDE, 3.1 * down), layout="constrained", squeeze=False)
        for axis in axes.flat[len(tables) :]:
            axis.set_visible(False)
        for axis, one in zip(axes.flat, tables, strict=False):
            for row, colour, marker in zip((r for r in one.rows if r in study.rows), COLOURS * 3, "osD^vP*" * 3, strict=False):
                found = results.curves.query("output == @one.output and row == @row").sort_values("epoch")
                steps = found.epoch * (images_per_epoch(results, row) // study.rows[row].settings.batch_images)
                axis.plot(
                    steps, found.class_iou, color=colour, marker=marker, markersize=4, label=words(title(results, row, one))
                )
            axis.set_title(textwrap.fill(words(one.title), 44), fontsize=9, color=INK)
            axis.set_xlabel("training steps")
            axis.set_ylabel("class IoU")
            axis.set_xlim(left=0)
            axis.set_ylim(bottom=0)
            axis.patch.set_alpha(0)
            axis.legend(frameon=False, fontsize=8)
        save(figure, path)


def extremes(results: Results) -> Image.Image:
    """Best, median and worst test image of the best row of each output, by per-pixel accuracy: input, output, truth."""
    titles, columns = [], []
    for output in [output.name for output in segmented(results)]:
        row = extreme_row(results, output)
        accuracy = results.by_image[output, row]
        order, names = np.argsort(-accuracy, kind="stable"), results.manifest["names"]["test"]["b"]
        folders = [results.images[at] for at in (("identity", 0), (row, results.study.seeds[0]), ("ground-truth", 0))]
        for word, index in (("Best", order[0]), ("Median", order[len(order) // 2]), ("Worst", order[-1])):
            titles.append(f"{word} {accuracy[index]:.2f}")
            columns.append([folder / output / names[index] for folder in folders])
    return sheet(titles, [list(line) for line in zip(*columns, strict=True)], 112)


def extreme_row(results: Results, output: str) -> str:
    """The row of the highest mean class IoU of an output."""
    made = results.scores[results.scores.row.isin(results.study.rows)].query("output == @output")
    found = made.groupby("row", sort=False).class_iou.mean()
    return str(found.idxmax())


def verdicts(lines: Sequence[Any], path: Path) -> None:
    """Difference and 95 % interval of every claim, as from claims.json; the paper's difference as a bar. SVG."""
    looks = {"reproduced": ("#009E73", "o"), "undecided": (INK, "s"), "contradicted": ("#D55E00", "X"), "not judged": (INK, ".")}
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure, axis = plt.subplots(figsize=(8.5, 0.6 + 0.27 * len(lines)), layout="constrained")
        for y, one in enumerate(lines):
            colour, marker = looks[one["verdict"]]
            if one["low"] is not None:
                width = 0.8 if one["verdict"] == "not judged" else 1.8
                axis.plot([one["low"], one["high"]], [y, y], color=colour, linewidth=width, zorder=2)
            axis.plot(one["difference"], y, marker, color=colour, markersize=6, zorder=3)
            if one["paper"] is not None:
                axis.plot(one["paper"], y, "|", color=COLOURS[1], markersize=10, markeredgewidth=2, zorder=1)
            if one["margin"]:
                axis.plot(one["margin"], y, ">", color=INK, markersize=4, zorder=1)
        for name, (colour, marker) in looks.items():
            if not any(one["verdict"] == name for one in lines):
                continue
            axis.plot([], [], marker, color=colour, linestyle="-", label=name)
        axis.plot([], [], "|", color=COLOURS[1], markersize=10, markeredgewidth=2, linestyle="", label="paper")
        if any(one["margin"] for one in lines):
            axis.plot([], [], ">", color=INK, markersize=4, linestyle="", label="margin")
        axis.axvline(0, color=INK, linewidth=0.8, linestyle=":")
        axis.set_yticks(range(len(lines)), [words(one["text"]) for one in lines])
        axis.invert_yaxis()
        axis.set_xlabel("difference of the two rows, 95 % interval")
        axis.patch.set_alpha(0)
        axis.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
        save(figure, path)

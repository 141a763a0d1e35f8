"""The figures of a report: images side by side, and plots that read well on white and on dark pages."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ganrepro import artifacts
from ganrepro.config import REFERENCE_ROWS, Study, Table
from ganrepro.reporting.results import DOMAINS, Results, images_per_epoch, title

matplotlib.use("Agg")
import matplotlib.pyplot as plt

INK = "#7d8590"  # readable on a white and on a dark page
# Okabe and Ito's palette, told apart by colour-blind readers
COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#F0E442")
STYLE: dict[str, Any] = {
    "svg.hashsalt": "ganrepro", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
}  # fmt: skip


def shown(names: list[str], images: int = 4) -> list[str]:
    """A few names, evenly from the first to the last."""
    return [names[i] for i in np.linspace(0, len(names) - 1, min(images, len(names))).round().astype(int)]


def grid(results: Results, study: Study, table: Table) -> Image.Image:
    """Input, every row of a table (first seed) and truth, side by side; one line per test image."""
    source, target = DOMAINS[table.direction]
    chosen = shown(results.manifest["names"]["test"][source])
    columns = [("Input", results.images["identity", 0])]
    trained = [row for row in table.rows if row not in REFERENCE_ROWS]
    columns += [(title(results, table, row), results.images[row, study.seeds[0]]) for row in trained]
    if results.manifest["paired"]:
        columns.append(("Real photo" if target == "b" else "Truth", results.images["ground-truth", 0]))
    titles = [words.replace(" cycle", "").replace("Encoder-decoder", "Enc-dec").replace("×", "x") for words, _ in columns]
    return sheet(titles, [[folder / table.direction / name for _, folder in columns] for name in chosen], 96)


def sheet(titles: list[str], lines: Sequence[Sequence[Path | Image.Image]], side: int) -> Image.Image:
    """Images in lines of equal squares, under the titles of their columns."""
    gap, header = 4, 22
    canvas = Image.new("RGB", (len(titles) * (side + gap) - gap, header + len(lines) * (side + gap) - gap), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(12)
    for x, words in enumerate(titles):
        draw.text((x * (side + gap) + side / 2, header / 2), words, INK, font, anchor="mm")
        for y, line in enumerate(lines):
            canvas.paste(_square(line[x], side), (x * (side + gap), header + y * (side + gap)))
    # 256 colours keep a grid of photos under 200 KB; flat label colours stay exact to the eye
    return canvas.quantize(256, method=Image.Quantize.MEDIANCUT, kmeans=1)


def _square(image: Path | Image.Image, side: int) -> Image.Image:
    if isinstance(image, Path):
        with Image.open(image) as opened:
            image = opened.convert("RGB")
    return image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)


def samples(results: Results, study: Study, row: str, seed: int, images: int = 6) -> Image.Image:
    """All directions of one run: input above output, a few test images."""
    lines = []
    for direction in study.variants[row].training.directions:
        names = results.manifest["names"]["test"][DOMAINS[direction][0]][:images]
        lines += [
            [folder / direction / name for name in names] for folder in (results.images["identity", 0], results.images[row, seed])
        ]
    side = 96
    canvas = Image.new("RGB", (side * max(map(len, lines)), side * len(lines)), "white")
    for y, line in enumerate(lines):
        for x, path in enumerate(line):
            canvas.paste(_square(path, side), (x * side, y * side))
    return canvas


def losses(results: Results, study: Study, path: Path) -> None:
    """Mean loss per epoch, by term and variant, a line of panels for each set of rows; bands span the seeds. SVG."""
    panels = {
        "Generator, adversarial loss": ("adversarial_b", "adversarial_a", "adversarial"),
        "Discriminator, loss on fakes": ("discriminator_b_fake", "discriminator_a_fake", "discriminator_fake"),
        "Cycle or L1 loss": ("cycle_forward", "cycle_backward", "l1"),
    }
    dashes = ("-", ":", "-")
    sets = _sets(study)
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure, grid = plt.subplots(len(sets), 3, figsize=(11.5, 2.7 * len(sets)), layout="constrained", squeeze=False)
        for axes, (names, one) in zip(grid, sets.items(), strict=True):
            for axis, (heading, terms) in zip(axes, panels.items(), strict=True):
                for name, colour in zip(names, COLOURS * 3, strict=False):
                    rows = results.losses[results.losses.variant == name]
                    for term, dash in zip(terms, dashes, strict=True):
                        if term not in rows or rows[term].isna().all():
                            continue
                        by_epoch = rows.groupby("epoch")[term]
                        mean, low, high = by_epoch.mean(), by_epoch.min(), by_epoch.max()
                        label = title(results, one, name) if dash == "-" else None
                        axis.plot(mean.index, mean, dash, color=colour, linewidth=1.4, label=label)
                        axis.fill_between(mean.index, low, high, color=colour, alpha=0.2, linewidth=0)
                axis.set_title(heading, fontsize=9, color=INK)
                axis.set_xlabel("epoch")
                axis.set_ylim(bottom=0)
                axis.patch.set_alpha(0)
            handles = {label: h for axis in axes for h, label in zip(*axis.get_legend_handles_labels(), strict=True)}
            legend = axes[-1].legend(handles.values(), handles.keys(), loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
            if len(sets) > 1:
                legend.set_title(textwrap.fill(one.title, 30), {"size": 9})
                legend.set_alignment("left")
        _save(figure, path)


def _sets(study: Study) -> dict[tuple[str, ...], Table]:
    """Rows that are shown together, once where several tables have the same ones, with the first such table."""
    sets: dict[tuple[str, ...], Table] = {}
    for one in _tables(study):
        sets.setdefault(tuple(row for row in one.rows if row in study.variants), one)
    return sets


def _tables(study: Study) -> list[Table]:
    """The tables of segmentation scores."""
    return [study.tables[name] for name in artifacts.grids(study)]


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, format="svg", transparent=True, metadata={"Date": None})
    plt.close(figure)


def classes(results: Results, study: Study, path: Path) -> None:
    """IoU of every class, mean over seeds, a panel for each table; real images as a line above the bars. SVG."""
    tables = _tables(study)
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure, axes = plt.subplots(len(tables), 1, figsize=(11.5, 2.4 * len(tables)), layout="constrained", squeeze=False)
        for axis, one in zip(axes[:, 0], tables, strict=True):
            names = list(dict(results.manifest["classes"]))
            rows = [row for row in one.rows if row in study.variants]
            found = results.classes.query("direction == @one.direction").groupby(["row", "class"]).iou.mean()
            places, width = np.arange(len(names)), 0.8 / len(rows)
            for i, (row, colour) in enumerate(zip(rows, COLOURS * 3, strict=False)):
                heights = [found[row, name] for name in names]
                axis.bar(places - 0.4 + (i + 0.5) * width, heights, width, color=colour, label=title(results, one, row))
            if "ground-truth" in found:
                real = [found["ground-truth", name] for name in names]
                axis.hlines(real, places - 0.45, places + 0.45, INK, label=REFERENCE_ROWS["ground-truth"], linewidth=1.2)
            axis.set_xticks(places, names)
            axis.set_ylim(0, 1)
            axis.set_ylabel("class IoU")
            axis.set_title(one.title, fontsize=9, color=INK)
            axis.patch.set_alpha(0)
            axis.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
        _save(figure, path)


def curves(results: Results, study: Study, path: Path) -> None:
    """Class IoU against training steps, first seed, a panel for each table. SVG."""
    tables = _tables(study)
    across = min(3, len(tables))
    down = -(-len(tables) // across)
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure, axes = plt.subplots(down, across, figsize=(11.5, 3.1 * down), layout="constrained", squeeze=False)
        for axis in axes.flat[len(tables) :]:
            axis.set_visible(False)
        for axis, one in zip(axes.flat, tables, strict=False):
            for row, colour, marker in zip(
                (r for r in one.rows if r in study.variants), COLOURS * 3, "osD^vP*" * 3, strict=False
            ):
                found = results.curves.query("direction == @one.direction and row == @row").sort_values("epoch")
                steps = found.epoch * (images_per_epoch(results, study) // study.variants[row].training.batch_images)
                axis.plot(steps, found.class_iou, color=colour, marker=marker, markersize=4, label=title(results, one, row))
            axis.set_title(textwrap.fill(one.title, 44), fontsize=9, color=INK)
            axis.set_xlabel("training steps")
            axis.set_ylabel("class IoU")
            axis.set_xlim(left=0)
            axis.set_ylim(bottom=0)
            axis.patch.set_alpha(0)
            axis.legend(frameon=False, fontsize=8)
        _save(figure, path)


def extremes(results: Results, study: Study) -> Image.Image:
    """Best, median and worst test image of the best row of each direction, by per-pixel accuracy: input, output, truth."""
    titles, columns = [], []
    for direction in study.directions:
        row = extreme_row(results, study, direction)
        accuracy = results.by_image[direction, row]
        order, names = np.argsort(-accuracy, kind="stable"), results.manifest["names"]["test"]["b"]
        folders = [results.images[at] for at in (("identity", 0), (row, study.seeds[0]), ("ground-truth", 0))]
        for word, index in (("Best", order[0]), ("Median", order[len(order) // 2]), ("Worst", order[-1])):
            titles.append(f"{word} {accuracy[index]:.2f}")
            columns.append([folder / direction / names[index] for folder in folders])
    return sheet(titles, [list(line) for line in zip(*columns, strict=True)], 112)


def extreme_row(results: Results, study: Study, direction: str) -> str:
    """The row of the highest mean class IoU in a direction."""
    found = results.scores.query("direction == @direction and row in @study.variants").groupby("row", sort=False).class_iou.mean()
    return str(found.idxmax())


def verdicts(lines: Sequence[Any], path: Path) -> None:
    """Difference and 95 % interval of every claim, as from claims.json; the paper's difference as a bar. SVG."""
    looks = {"reproduced": ("#009E73", "o"), "undecided": (INK, "s"), "contradicted": ("#D55E00", "X")}
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure, axis = plt.subplots(figsize=(8.5, 0.6 + 0.27 * len(lines)), layout="constrained")
        for y, one in enumerate(lines):
            colour, marker = looks[one["verdict"]]
            axis.plot([one["low"], one["high"]], [y, y], color=colour, linewidth=1.8, zorder=2)
            axis.plot(one["difference"], y, marker, color=colour, markersize=6, zorder=3)
            if one["paper"] is not None:
                axis.plot(one["paper"], y, "|", color=COLOURS[1], markersize=10, markeredgewidth=2, zorder=1)
            if one["margin"]:
                axis.plot(one["margin"], y, ">", color=INK, markersize=4, zorder=1)
        for name, (colour, marker) in looks.items():
            axis.plot([], [], marker, color=colour, linestyle="-", label=name)
        axis.plot([], [], "|", color=COLOURS[1], markersize=10, markeredgewidth=2, linestyle="", label="paper")
        if any(one["margin"] for one in lines):
            axis.plot([], [], ">", color=INK, markersize=4, linestyle="", label="margin")
        axis.axvline(0, color=INK, linewidth=0.8, linestyle=":")
        axis.set_yticks(range(len(lines)), [one["text"] for one in lines])
        axis.invert_yaxis()
        axis.set_xlabel("difference of the two rows, 95 % interval")
        axis.patch.set_alpha(0)
        axis.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
        _save(figure, path)

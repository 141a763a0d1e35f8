"""The report: Markdown tables with the paper's number beside ours, image grids, loss curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from ganrepro import artifacts
from ganrepro.config import REFERENCE_ROWS, SCORES, Params, Study, Table
from ganrepro.reporting.results import Results

matplotlib.use("Agg")
import matplotlib.pyplot as plt

GATE = 0.80  # pixel accuracy of real test photos below which no labels -> photo score can be trusted
DOMAINS = {"labels2photo": ("a", "b"), "photo2labels": ("b", "a")}
READING = """## How to read the scores

- *Labels → photo*: a segmentation network, trained on real training photos of this dataset, reads the generated photos; its
  reading is compared with the label maps they were made from (FCN-score). *Ground truth* is the same network on real test
  photos: the gate and the scale. *Identity* scores the input passed through unchanged: the floor.
- *Photo → labels*: each generated pixel becomes the class of the nearest label colour.
- *Colour histograms*: the shared area of the marginal histograms of generated and of real test photos over L, a and b, bins one
  unit wide (the paper does not state its bins).
- Label maps keep their native size; predictions are brought to it. One confusion matrix over all test images; a class that
  never occurs scores 0 and counts in the means, as in the reference evaluation.
- The paper's numbers are Cityscapes with its own FCN-8s: compare the order of the rows, not the values."""
INK = "#7d8590"  # readable on a white and on a dark page
# Okabe and Ito's palette, told apart by colour-blind readers
COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#F0E442")
STYLE: dict[str, Any] = {
    "svg.hashsalt": "ganrepro", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
}  # fmt: skip


def table(results: Results, study: Study, table: Table) -> str:
    """One Markdown table: per row and score the paper's value and ours (mean ± standard deviation)."""
    scores, published = SCORES[table.scores], any(table.rows.values())
    sides = ("paper", "**ours**") if published else ("",)
    head = ["Row"] + [f"{h}<br>{side}".removesuffix("<br>") for h in scores.values() for side in sides] + ["n", "Wall time"]
    lines = ["| " + " | ".join(head) + " |", "|" + " :-- |" + " :-: |" * (len(head) - 1)]
    for row in [*(r for r in table.rows if r not in REFERENCE_ROWS), *REFERENCE_ROWS]:
        found = results.scores.query("direction == @table.direction and row == @row")
        cells = [title(results, table, row)]
        for i, score in enumerate(scores):
            cells += [f"{table.rows[row][i]:.2f}" if table.rows.get(row) else "–"] if published else []
            cells.append(f"**{spread(found[score].to_numpy())}**")
        seconds = [t["seconds"] for (variant, _), t in results.timing.items() if variant == row]
        cells += [str(len(found)), f"{np.mean(seconds) / 60:.1f} min" if seconds else "–"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def title(results: Results, table: Table, row: str) -> str:
    """What a row is called in a table."""
    return table.titles.get(row, results.titles[row])


def front_table(scores: pd.DataFrame, study: Study) -> str:
    """The first table, and those with the same rows, in one small table for a front page.

    Per-pixel accuracy and class IoU.  scores: as in `Results`, or read back from scores.csv.
    """
    first = next(iter(study.tables.values()))
    rows = [row for row in first.rows if row not in REFERENCE_ROWS]
    tables = [t for t in study.tables.values() if set(rows) <= set(t.rows) and t.scores == "segmentation"]
    kept = ("pixel_accuracy", "class_iou")
    directions = {"labels2photo": "Labels → photo", "photo2labels": "Photo → labels"}
    headings = [f"{directions[t.direction]}<br>{SCORES['segmentation'][s]}: paper / **ours**" for t in tables for s in kept]
    head = ["Row", *headings, "n"]
    lines = ["| " + " | ".join(head) + " |", "|" + " :-- |" + " :-: |" * (len(head) - 1)]
    titles = {row: study.variants[row].title for row in rows} | REFERENCE_ROWS
    for row, name in titles.items():
        cells = [name]
        for t in tables:
            found, published = scores.query("direction == @t.direction and row == @row"), t.rows.get(row)
            for score in kept:
                theirs = f"{published[list(SCORES['segmentation']).index(score)]:.2f}" if published else "–"
                cells.append(f"{theirs} / **{spread(found[score].to_numpy())}**")
        lines.append("| " + " | ".join([*cells, str(scores.query("row == @row").seed.nunique())]) + " |")
    return "\n".join(lines)


def spread(values: np.ndarray) -> str:
    """'0.52' for one value, '0.52 ± 0.03' (sample standard deviation) for more."""
    if len(values) == 0:
        return "–"
    return f"{values.mean():.2f}" + (f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else "")


def shown(names: list[str], images: int = 4) -> list[str]:
    """A few names, evenly from the first to the last."""
    return [names[i] for i in np.linspace(0, len(names) - 1, min(images, len(names))).round().astype(int)]


def grid(results: Results, study: Study, table: Table) -> Image.Image:
    """Input, every row of a table (first seed) and truth, side by side; one line per test image."""
    source, target = DOMAINS[table.direction]
    side, lines = (96, 4) if artifacts.crop_pixels(study) < 128 else (112, 3)
    chosen = shown(results.manifest["names"]["test"][source], lines)
    columns = [("Input", results.images["identity", 0])]
    trained = [row for row in table.rows if row not in REFERENCE_ROWS]
    columns += [(title(results, table, row), results.images[row, study.seeds[0]]) for row in trained]
    if results.manifest["paired"]:
        columns.append(("Real photo" if target == "b" else "Truth", results.images["ground-truth", 0]))
    titles = [words.replace(" cycle", "").replace("Encoder-decoder", "Enc-dec").replace("×", "x") for words, _ in columns]
    return sheet(titles, [[folder / table.direction / name for _, folder in columns] for name in chosen], side)


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
    sets: dict[tuple[str, ...], Table] = {}
    for one in study.tables.values():
        if one.scores == "segmentation":
            sets.setdefault(tuple(row for row in one.rows if row in study.variants), one)
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
            axes[-1].legend(handles.values(), handles.keys(), loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
        figure.savefig(path, format="svg", transparent=True, metadata={"Date": None})
        plt.close(figure)


def page(params: Params, name: str, study: Study, results: Results, provenance: dict[str, str]) -> str:
    """The whole Markdown report; figures are linked from the folder of the same name."""
    training = next(iter(study.variants.values())).training
    counts, unpaired = results.manifest["counts"], results.manifest["unpaired"]
    seeds = f"{len(study.seeds)} seed{'s' if len(study.seeds) > 1 else ''}"
    scored = bool(results.manifest["classes"])
    edges = bool(params.datasets[study.dataset].edges)
    a, b = ("edges" if edges else "label maps", "photos") if scored or edges else ("images of domain A", "of domain B")
    if training.game == "cycle":
        per_epoch = training.epoch_images or max(len(unpaired["a"]), len(unpaired["b"]))
        disjoint = results.manifest["paired"] and params.datasets[study.dataset].unpaired == "disjoint"
        data = f"{len(unpaired['a'])} {a} and {len(unpaired['b'])} {b} of *{results.manifest['title']}* "
        data += "(disjoint halves: training never sees a pair) " if disjoint else ""
    else:
        per_epoch = training.epoch_images or counts["train"]["a"]
        data = f"{counts['train']['a']} pairs of {a} and {b} of *{results.manifest['title']}* "
    rows = f"{len(study.variants)} variant{'s' if len(study.variants) > 1 else ''}"
    parts = [
        f"# {study.ablation.replace('-', ' ').replace('cyclegan', 'CycleGAN')}: {study.title}",
        f"{rows} × {seeds}, trained on {data}for {training.epochs} epochs of {per_epoch} images at {training.crop_pixels} × "
        f"{training.crop_pixels}, and {'scored' if scored else 'shown'} on {counts['test']['b']} test images they never saw.",
    ]
    parts.append(
        _gate(results)
        if scored
        else "This dataset has no label maps, so there is nothing to score against; the images below are the result."
    )
    for key, one in study.tables.items():
        if not scored and key not in artifacts.grids(study):
            continue
        plain = {"labels2photo": "Edges → photo" if edges else "A → B", "photo2labels": "B → A"}[one.direction]
        heading = one.title if scored else plain
        parts.append(f"## {heading}")
        if scored:
            parts.append(table(results, study, one))
            source = f"Paper: {one.source}. " if one.source else ""
            parts.append(f"<sub>{source}Ours: mean over n seeds ± standard deviation.</sub>")
        if key in artifacts.grids(study):
            parts.append(f"![{heading}: input, each row, truth]({name}/{key}.png)")
    parts += [
        "## Losses",
        f"![Mean losses per epoch]({name}/losses.svg)",
        "<sub>"
        + (
            "Solid: domain B (photos) and the forward cycle, A → B → A. Dotted: domain A (labels) and the backward cycle. "
            if training.game == "cycle"
            else ""
        )
        + "Bands span the seeds.</sub>",
        *([READING, *_noise(results, study)] if scored else []),
        "## Deviations from the papers",
        "\n".join(f"- {line}" for line in artifacts.deviations()),
        "## Provenance",
        "| | |\n| :-- | :-- |\n" + "\n".join(f"| {k} | {v} |" for k, v in provenance.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _noise(results: Results, study: Study) -> list[str]:
    """What dropout at test time does to the scores, where it was looked at."""
    if study.test_passes == 1:
        return []
    spreads = results.passes.groupby(["direction", "row", "seed"]).pixel_accuracy.agg(["count", "std"]).query("count > 1")["std"]
    return [
        f"Dropout stays on at test time, so the test set is translated {study.test_passes} times; each score pools all of them. "
        f"From one time to the next, per-pixel accuracy differs by {spreads.mean():.4f} (mean standard deviation), "
        f"{spreads.max():.4f} at most."
    ]


def _gate(results: Results) -> str:
    truth = results.scores.query("direction == 'labels2photo' and row == 'ground-truth'").pixel_accuracy.mean()
    floor = results.scores.query("row == 'identity'").groupby("direction").pixel_accuracy.mean()
    verdict = (
        f"**Gate passed**: real test photos score {truth:.2f} per-pixel accuracy (at least {GATE:.2f} is required)"
        if truth >= GATE
        else f"> **Gate failed: do not trust the labels → photo table.** Real test photos score {truth:.2f} per-pixel accuracy, "
        f"{GATE:.2f} is required; train the segmentation network longer (`scorers` in params.yaml)"
    )
    floors = " and ".join(f"{floor[direction]:.2f}" for direction in DOMAINS if direction in floor)
    return f"{verdict}. Passing the input through unchanged scores {floors}."

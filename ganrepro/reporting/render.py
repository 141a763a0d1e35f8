"""The report: Markdown tables with the paper's number beside ours, image grids, loss curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from ganrepro import artifacts
from ganrepro.config import REFERENCE_ROWS, PaperTable, Params, Study
from ganrepro.reporting.results import SCORES, Results

matplotlib.use("Agg")
import matplotlib.pyplot as plt

GATE = 0.80  # pixel accuracy of real test photos below which no labels -> photo score can be trusted
HEADINGS = {"pixel_accuracy": "Per-pixel acc.", "class_accuracy": "Per-class acc.", "class_iou": "Class IoU"}
TITLES = {"labels2photo": "Labels → photo", "photo2labels": "Photo → labels"}
READING = """## How to read the scores

- *Labels → photo*: a segmentation network, trained on real training photos of this dataset, reads the generated photos; its
  reading is compared with the label maps they were made from (FCN-score). *Ground truth* is the same network on real test
  photos: the gate and the scale. *Identity* scores the input passed through unchanged: the floor.
- *Photo → labels*: each generated pixel becomes the class of the nearest label colour.
- Label maps keep their native size; predictions are brought to it. One confusion matrix over all test images; a class that
  never occurs scores 0 and counts in the means, as in the reference evaluation.
- The paper's numbers are Cityscapes with its own FCN-8s: compare the order of the rows, not the values."""
INK = "#7d8590"  # readable on a white and on a dark page
# Okabe and Ito's palette, told apart by colour-blind readers
COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#F0E442")


def table(results: Results, study: Study, direction: str, paper: PaperTable | None) -> str:
    """One Markdown table: per row and score the paper's value and ours (mean ± standard deviation)."""
    head = ["Row"] + [f"{h}<br>{side}" for h in HEADINGS.values() for side in ("paper", "**ours**")] + ["n", "Wall time"]
    lines = ["| " + " | ".join(head) + " |", "|" + " :-- |" + " :-: |" * (len(head) - 1)]
    for row in [*study.variants, *REFERENCE_ROWS]:
        found = results.scores.query("direction == @direction and row == @row")
        published = paper.rows.get(row) if paper else None
        cells = [results.titles[row]]
        for i, score in enumerate(SCORES):
            cells.append(f"{published[i]:.2f}" if published else "–")
            cells.append(f"**{spread(found[score].to_numpy())}**")
        seconds = [t["seconds"] for (variant, _), t in results.timing.items() if variant == row]
        cells += [str(len(found)), f"{np.mean(seconds) / 60:.1f} min" if seconds else "–"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def front_table(scores: pd.DataFrame, titles: dict[str, str], paper: dict[str, PaperTable]) -> str:
    """Both directions in one small table, per-pixel accuracy and class IoU, for a front page.

    scores: as in `Results`, or read back from scores.csv.
    """
    kept = ("pixel_accuracy", "class_iou")
    head = ["Row"] + [f"{TITLES[d]}<br>{HEADINGS[s]}: paper / **ours**" for d in TITLES for s in kept] + ["n"]
    lines = ["| " + " | ".join(head) + " |", "|" + " :-- |" + " :-: |" * (len(head) - 1)]
    for row, title in titles.items():
        cells = [title]
        for direction in TITLES:
            found = scores.query("direction == @direction and row == @row")
            published = paper[direction].rows.get(row) if direction in paper else None
            cells += [f"{published[SCORES.index(s)]:.2f}" if published else "–" for s in kept]
            cells[-2:] = [f"{p} / **{spread(found[s].to_numpy())}**" for p, s in zip(cells[-2:], kept, strict=True)]
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


def grid(results: Results, study: Study, direction: str, images: int = 4) -> Image.Image:
    """Input, every variant (first seed) and truth, side by side; one line per test image."""
    source, target = ("a", "b") if direction == "labels2photo" else ("b", "a")
    names = results.manifest["names"]["test"][source]
    chosen = shown(names, images)
    columns = [("Input", results.images["identity", 0])]
    columns += [(v.title, results.images[name, study.seeds[0]]) for name, v in study.variants.items()]
    if results.manifest["paired"]:
        columns.append(("Truth" if target == "a" else "Real photo", results.images["ground-truth", 0]))
    side, gap, header = 96, 4, 22
    canvas = Image.new("RGB", (len(columns) * (side + gap) - gap, header + len(chosen) * (side + gap) - gap), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(12)
    for x, (title, folder) in enumerate(columns):
        draw.text((x * (side + gap) + side / 2, header / 2), title.replace(" cycle", ""), INK, font, anchor="mm")
        for y, name in enumerate(chosen):
            with Image.open(folder / direction / name) as image:
                enlarged = image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
            canvas.paste(enlarged, (x * (side + gap), header + y * (side + gap)))
    # 256 colours keep a grid of photos under 200 KB; flat label colours stay exact to the eye
    return canvas.quantize(256, method=Image.Quantize.MEDIANCUT, kmeans=1)


def samples(results: Results, row: str, seed: int, images: int = 6) -> Image.Image:
    """Both directions of one run: input above output, a few test images."""
    lines = []
    for direction, source in (("labels2photo", "a"), ("photo2labels", "b")):
        names = results.manifest["names"]["test"][source][:images]
        lines += [
            [folder / direction / name for name in names] for folder in (results.images["identity", 0], results.images[row, seed])
        ]
    side = 96
    canvas = Image.new("RGB", (side * max(map(len, lines)), side * len(lines)), "white")
    for y, line in enumerate(lines):
        for x, path in enumerate(line):
            with Image.open(path) as image:
                canvas.paste(image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC), (x * side, y * side))
    return canvas


def losses(results: Results, study: Study, path: Path) -> None:
    """Mean loss per epoch, by term and variant; bands span the seeds. Written as SVG."""
    panels = {
        "Generators' adversarial loss": ("adversarial_b", "adversarial_a"),
        "Discriminators' loss on fakes": ("discriminator_b_fake", "discriminator_a_fake"),
        "Cycle loss": ("cycle_forward", "cycle_backward"),
    }
    style: dict[str, Any] = {
        "svg.hashsalt": "ganrepro", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
        "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
    }  # fmt: skip
    with matplotlib.rc_context(style):  # type: ignore[arg-type]
        figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.3), layout="constrained")
        for axis, (title, terms) in zip(axes, panels.items(), strict=True):
            for (name, variant), colour in zip(study.variants.items(), COLOURS * 3, strict=False):
                rows = results.losses[results.losses.variant == name]
                for term, dash in zip(terms, ("-", ":"), strict=True):
                    if term not in rows or rows[term].isna().all():
                        continue
                    by_epoch = rows.groupby("epoch")[term]
                    mean, low, high = by_epoch.mean(), by_epoch.min(), by_epoch.max()
                    label = variant.title if dash == "-" else None
                    axis.plot(mean.index, mean, dash, color=colour, linewidth=1.4, label=label)
                    axis.fill_between(mean.index, low, high, color=colour, alpha=0.2, linewidth=0)
            axis.set_title(title, fontsize=9, color=INK)
            axis.set_xlabel("epoch")
            axis.set_ylim(bottom=0)
            axis.patch.set_alpha(0)
        handles = {label: h for axis in axes for h, label in zip(*axis.get_legend_handles_labels(), strict=True)}
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncol=5, frameon=False)
        figure.savefig(path, format="svg", transparent=True, metadata={"Date": None})
        plt.close(figure)


def page(params: Params, study: Study, results: Results, provenance: dict[str, str]) -> str:
    """The whole Markdown report; figures are linked from the folder of the same name."""
    training = next(iter(study.variants.values())).training
    counts, unpaired = results.manifest["counts"], results.manifest["unpaired"]
    per_epoch = training.epoch_images or max(len(unpaired["a"]), len(unpaired["b"]))
    seeds = f"{len(study.seeds)} seed{'s' if len(study.seeds) > 1 else ''}"
    scored = bool(results.manifest["classes"])
    a, b = ("label maps", "photos") if scored else ("images of domain A", "of domain B")
    disjoint = results.manifest["paired"] and params.datasets[study.dataset].unpaired == "disjoint"
    parts = [
        f"# CycleGAN ablation: {study.title}",
        f"{len(study.variants)} variants × {seeds}, trained on {len(unpaired['a'])} {a} and {len(unpaired['b'])} {b} "
        f"of *{results.manifest['title']}* "
        + ("(disjoint halves: training never sees a pair) " if disjoint else "")
        + f"for {training.epochs} epochs of {per_epoch} images at {training.crop_pixels} × {training.crop_pixels}, and "
        f"{'scored' if scored else 'shown'} on {counts['test']['b']} test images they never saw.",
    ]
    if scored:
        parts.append(_gate(results))
        for direction in TITLES:
            paper = params.paper.get(direction)
            parts += [f"## {paper.title if paper else TITLES[direction]}", table(results, study, direction, paper)]
            if paper:
                parts.append(f"<sub>Paper: {paper.source}. Ours: mean over n seeds ± standard deviation.</sub>")
    else:
        parts.append("This dataset has no label maps, so there is nothing to score against; the images below are the result.")
    for direction, title in (TITLES if scored else {"labels2photo": "A → B", "photo2labels": "B → A"}).items():
        parts += [f"## {title}, test images", f"![{title}: input, each variant, truth](cyclegan_ablation/{direction}.png)"]
    parts += [
        "## Losses",
        "![Mean losses per epoch](cyclegan_ablation/losses.svg)",
        "<sub>Solid: domain B (photos) and the forward cycle, A → B → A. Dotted: domain A (labels) and the backward cycle. "
        "Bands span the seeds.</sub>",
        *([READING] if scored else []),
        "## Deviations from the papers",
        "\n".join(f"- {line}" for line in artifacts.deviations()),
        "## Provenance",
        "| | |\n| :-- | :-- |\n" + "\n".join(f"| {k} | {v} |" for k, v in provenance.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _gate(results: Results) -> str:
    truth = results.scores.query("direction == 'labels2photo' and row == 'ground-truth'").pixel_accuracy.mean()
    floor = results.scores.query("row == 'identity'").groupby("direction").pixel_accuracy.mean()
    verdict = (
        f"**Gate passed**: real test photos score {truth:.2f} per-pixel accuracy (at least {GATE:.2f} is required)"
        if truth >= GATE
        else f"> **Gate failed: do not trust the labels → photo table.** Real test photos score {truth:.2f} per-pixel accuracy, "
        f"{GATE:.2f} is required; train the segmentation network longer (`scorers` in params.yaml)"
    )
    return f"{verdict}. Passing the input through unchanged scores {floor['labels2photo']:.2f} and {floor['photo2labels']:.2f}."

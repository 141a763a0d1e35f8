"""The report as a Markdown page: tables with the paper's number beside ours, verdicts, provenance."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ganrepro import artifacts
from ganrepro.config import REFERENCE_ROWS, SCORES, Params, Study, Table
from ganrepro.evaluation.bootstrap import REPLICATES
from ganrepro.reporting import claims, figures
from ganrepro.reporting.results import DOMAINS, GATE, Results, gate, images_per_epoch, intervals, title, trusted

WAYS = {"labels2photo": "Labels → photo", "photo2labels": "Photo → labels"}
READERS = {False: "a segmentation network, trained on real training photos of this dataset,", True: "the papers' own FCN-8s"}
READING = """## How to read the scores

- *Labels → photo*: {reader} reads the generated photos; its
  reading is compared with the label maps they were made from (FCN-score). *Ground truth* is the same network on real test
  photos: the gate and the scale. *Identity* scores the input passed through unchanged: the floor.
- *Photo → labels*: each generated pixel becomes the class of the nearest label colour.
- *Colour histograms*: the shared area of the marginal histograms of generated and of real test photos over L, a and b, bins one
  unit wide (the paper does not state its bins).
- Label maps keep their native size; predictions are brought to it. One confusion matrix over all test images; a class that
  never occurs scores 0 and counts in the means, as in the reference evaluation.
- Intervals: 95 %, of a bootstrap over test images and seeds ({replicates} replicates; all rows meet the same draws). With one
  seed they say nothing of how another training would score.
- The paper's numbers are Cityscapes with its own FCN-8s: compare the order of the rows, not the values."""


def table(results: Results, study: Study, table: Table) -> str:
    """One Markdown table: per row and score the paper's value and ours, mean over seeds and 95 % interval."""
    scores, published, found = SCORES[table.scores], any(table.rows.values()), intervals(results)
    sides = ("paper", "**ours**") if published else ("",)
    head = ["Row"] + [f"{h}<br>{side}".removesuffix("<br>") for h in scores.values() for side in sides] + ["n", "Wall time"]
    lines = ["| " + " | ".join(head) + " |", "|" + " :-- |" + " :-: |" * (len(head) - 1)]
    for row in [*(r for r in table.rows if r not in REFERENCE_ROWS), *REFERENCE_ROWS]:
        cells = [title(results, table, row)]
        for i, score in enumerate(scores):
            cells += [f"{table.rows[row][i]:.2f}" if table.rows.get(row) else "–"] if published else []
            cells.append(cell(found, table.direction, row, score))
        seconds = [t["seconds"] for (variant, _), t in results.timing.items() if variant == row]
        seeds = len(results.scores.query("direction == @table.direction and row == @row"))
        cells += [str(seeds), f"{np.mean(seconds) / 60:.1f} min" if seconds else "–"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(found: pd.DataFrame, direction: str, row: str, score: str) -> str:
    """'**0.52** <sub>0.48–0.55</sub>': mean over seeds and 95 % interval.  found: as from `intervals`."""
    one = found.query("direction == @direction and row == @row and score == @score")
    if one.empty:
        return "–"
    mean, low, high = one[["mean", "low", "high"]].to_numpy()[0]
    return f"**{mean:.2f}** <sub>{low:.2f}–{high:.2f}</sub>"


def front_table(found: pd.DataFrame, study: Study) -> str:
    """The first table, and those with the same rows, in one small table for a front page.

    Per-pixel accuracy and class IoU.  found: as from `intervals`, or read back from intervals.csv.
    """
    first = next(iter(study.tables.values()))
    rows = [row for row in first.rows if row not in REFERENCE_ROWS]
    tables = [t for t in study.tables.values() if set(rows) <= set(t.rows) and t.scores == "segmentation"]
    kept = ("pixel_accuracy", "class_iou")
    headings = [f"{WAYS[t.direction]}<br>{SCORES['segmentation'][s]}: paper / **ours**" for t in tables for s in kept]
    head = ["Row", *headings, "n"]
    lines = ["| " + " | ".join(head) + " |", "|" + " :-- |" + " :-: |" * (len(head) - 1)]
    titles = {row: study.variants[row].title for row in rows} | REFERENCE_ROWS
    for row, name in titles.items():
        cells = [name]
        for t in tables:
            published = t.rows.get(row)
            for score in kept:
                theirs = f"{published[list(SCORES['segmentation']).index(score)]:.2f}" if published else "–"
                cells.append(f"{theirs} / {cell(found, t.direction, row, score)}")
        lines.append("| " + " | ".join([*cells, str(found.query("row == @row").seeds.max())]) + " |")
    return "\n".join(lines)


def page(params: Params, name: str, study: Study, results: Results, provenance: dict[str, str]) -> str:
    """The whole Markdown report; figures are linked from the folder of the same name."""
    training = next(iter(study.variants.values())).training
    counts, unpaired = results.manifest["counts"], results.manifest["unpaired"]
    seeds = f"{len(study.seeds)} seed{'s' if len(study.seeds) > 1 else ''}"
    scored = bool(results.manifest["classes"])
    edges = bool(params.datasets[study.dataset].edges)
    a, b = ("edges" if edges else "label maps", "photos") if scored or edges else ("images of domain A", "of domain B")
    if training.game == "cycle":
        disjoint = results.manifest["paired"] and params.datasets[study.dataset].unpaired == "disjoint"
        data = f"{len(unpaired['a'])} {a} and {len(unpaired['b'])} {b} of *{results.manifest['title']}* "
        data += "(disjoint halves: training never sees a pair) " if disjoint else ""
    else:
        data = f"{counts['train']['a']} pairs of {a} and {b} of *{results.manifest['title']}* "
    rows = f"{len(study.variants)} variant{'s' if len(study.variants) > 1 else ''}"
    parts = [
        f"# {study.ablation.replace('-', ' ').replace('cyclegan', 'CycleGAN')}: {study.title}",
        f"{rows} × {seeds}, trained on {data}for {training.epochs} epochs of {images_per_epoch(results, study)} images "
        f"at {training.crop_pixels} × {training.crop_pixels}, and {'scored' if scored else 'shown'} on "
        f"{counts['test']['b']} test images they never saw.",
    ]
    parts.append(
        _gate(results, study)
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
            parts.append(f"<sub>{source}Ours: mean over n seeds and 95 % interval.</sub>")
        if key in artifacts.grids(study):
            parts.append(f"![{heading}: input, each row, truth]({name}/{key}.png)")
    judged = claims.judged(results, study)
    if judged:
        parts += [
            "## Which claims hold here",
            f"{claims.tally(judged)}, judged by {seeds} of each row.",
            f"![Difference and interval of every claim]({name}/claims.svg)",
            claims.table(judged),
            f"<sub>{claims.RULE}</sub>",
        ]
    if "labels2photo" in study.directions:
        parts += ["## Distance of generated photos from real ones", *_distances(results)]
    if scored:
        best = ", ".join(f"{results.titles[figures.extreme_row(results, study, d)]} ({WAYS[d]})" for d in study.directions)
        parts += [
            "## A closer look",
            f"![Class IoU, class by class]({name}/classes.svg)",
            f"![Class IoU against training steps, first seed]({name}/curves.svg)",
            f"Best, median and worst test image of the row of the highest class IoU, {best}, by per-pixel accuracy (mean over "
            "seeds). Input, output (first seed), truth:",
            f"![Best, median and worst test image]({name}/extremes.png)",
        ]
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
        *([READING.format(replicates=REPLICATES, reader=READERS[results.published]), *_noise(results, study)] if scored else []),
        "## Deviations from the papers",
        "\n".join(f"- {line}" for line in artifacts.deviations()),
        "## Provenance",
        "| | |\n| :-- | :-- |\n" + "\n".join(f"| {k} | {v} |" for k, v in provenance.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _distances(results: Results) -> list[str]:
    """Table of Fréchet and kernel distances, and what they are distances of."""
    found = results.distances
    if not len(found):
        return ["Not measured: there is no segmentation network to take features from. `distance: inception-clean` makes FID."]
    backbone, scored = found.of.iloc[0], "inception_score" in found
    names = ("Fréchet, segmenter", "kernel × 1000, segmenter") if backbone == "segmenter" else ("FID", "KID × 1000")
    head = ["Row", names[0], "at n → ∞", names[1], *(["Inception Score"] if scored else []), "n"]
    lines = ["| " + " | ".join(head) + " |", "|" + " :-- |" + " :-: |" * (len(head) - 1)]
    for row, one in found.groupby("row", sort=False):
        cells = [results.titles[row] if row != "ground-truth" else "Real training photos", _reached(one, "frechet")]
        limit = one.frechet_infinite.astype(float).mean()
        cells += [f"{limit:.2f}" if np.isfinite(limit) else "–", _reached(one, "kernel", 1000, 1)]
        cells += [_reached(one, "inception_score")] if scored else []
        lines.append("| " + " | ".join([*cells, f"{one.made.iloc[0]} and {one.real.iloc[0]}"]) + " |")
    what = (
        f"Of {found.features.iloc[0]} features of the segmentation network, means over the image: **not FID**, which needs "
        "Inception's weights (91 MB; `distance: inception-clean` in params.yaml), and comparable within this table only."
        if backbone == "segmenter"
        else f"Inception of 2015-12-05, resize `{backbone.removeprefix('inception-')}`. KID: 100 subsets of 1000, or all at once."
    )
    return [
        "\n".join(lines),
        f"<sub>{what} Lower is nearer. Photos of the first translation of the test set, against its real photos. n: of both; so "
        "few make the Fréchet distance too large, and the column beside says what endlessly many would give (a line in 1 / n). "
        "95 % intervals: jackknife over images, spread over seeds.</sub>",
    ]


def _reached(one: pd.DataFrame, name: str, scale: float = 1, digits: int = 2) -> str:
    """'**5.00** <sub>3.04–6.96</sub>': mean over seeds and 95 % interval.

    All seeds are scored on the same images, so that only what differs between seeds shrinks with their number.
    """
    mean, between = scale * one[name].mean(), one[name].var() if len(one) > 1 else 0.0
    reach = 1.96 * scale * np.sqrt(np.square(one[f"{name}_error"].astype(float)).mean() + between / len(one))
    interval = f" <sub>{mean - reach:.{digits}f}–{mean + reach:.{digits}f}</sub>" if np.isfinite(reach) else ""
    return f"**{mean:.{digits}f}**{interval}"


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


def _gate(results: Results, study: Study) -> str:
    floor = results.scores.query("row == 'identity'").groupby("direction").pixel_accuracy.mean()
    floors = " and ".join(f"{floor[direction]:.2f}" for direction in DOMAINS if direction in floor)
    unchanged = f"Passing the input through unchanged scores {floors}."
    if "labels2photo" not in study.directions:
        return unchanged
    truth = gate(results)
    if results.published:
        return (
            "**Gate passed**: the papers' FCN-8s read these real photos as published before it scored anything; at this size "
            f"they score {truth:.2f} per-pixel accuracy. {unchanged}"
        )
    if trusted(results):
        required = f"(at least {GATE:.2f} is required)"
        return f"**Gate passed**: real test photos score {truth:.2f} per-pixel accuracy {required}. {unchanged}"
    return (
        f"> **Gate failed: do not trust the labels → photo table.** Real test photos score {truth:.2f} per-pixel accuracy, "
        f"{GATE:.2f} is required; train the segmentation network longer (`scorers` in params.yaml). {unchanged}"
    )

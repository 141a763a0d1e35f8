"""The figures of a report on methods that start from noise: samples, what training did to them, codes, and two lessons.

All images are of the first seed; the same place in two pictures of a row is the same code.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ganrepro.artifacts import datasets
from ganrepro.data.images import read_rgb
from ganrepro.methods.base import epochs
from ganrepro.outputs import RECONSTRUCTIONS, SAMPLES, Output
from ganrepro.reporting.figures import COLOURS, INK, STYLE, WIDE, save, words
from ganrepro.reporting.plan import measuring_slopes
from ganrepro.reporting.results import Results, title
from ganrepro.settings import REFERENCE_ROWS, TableSettings

matplotlib.use("Agg")
import matplotlib.pyplot as plt

SIDE = 44  # pixels of a digit in a picture
ACROSS, LABEL = 10, 150  # digits in a line; pixels for its name
STEP, STEPS = 0.1, 200  # of the game x · y


def grid(results: Results, table: TableSettings) -> Image.Image:
    """Samples of every row of a table, and real test digits, a line each."""
    rows = [row for row in table.rows if row not in REFERENCE_ROWS]
    lines = {title(results, row, table): _first(results, row) for row in rows}
    return _strips(lines | {"Real": _files(results.images["ground-truth", 0] / SAMPLES.name)})


def picture(results: Results, row: str, output: Output) -> Image.Image:
    """An output of one row as a square of images; of reconstructions, each test digit above what was made of it."""
    folder = results.images[row, results.study.seeds[0]] / output.name
    files = sorted(folder.glob("*.png"))[: ACROSS**2]
    if output == RECONSTRUCTIONS:
        real = results.images["ground-truth", 0] / output.name
        files = files[: ACROSS**2 // 2]
        lines = [files[i : i + ACROSS] for i in range(0, len(files), ACROSS)]
        return _mosaic([part for line in lines for part in ([real / file.name for file in line], line)])
    return _mosaic([files[i : i + ACROSS] for i in range(0, len(files), ACROSS)])


def over_training(results: Results) -> Image.Image:
    """The same four samples of every row after about each quarter of its training, from left to right."""
    lines: dict[str, list[Path]] = {}
    for row in results.study.rows:
        folder = results.images[row, results.study.seeds[0]]
        epochs = sorted(folder.glob("epoch-*"), key=lambda place: int(place.name.removeprefix("epoch-")))
        lines[title(results, row)] = [file for place in [*epochs, folder] for file in _files(place / SAMPLES.name, 4)]
    return _strips(lines)


def neighbours(results: Results) -> Image.Image:
    """Of every row ten samples, each above the training digit nearest to it (Euclidean, over pixels)."""
    data = datasets.dataset_dir(results.params, results.study.dataset) / "train" / "b"
    files = [data / name for name in results.manifest["names"]["train"]["b"]]
    known = np.stack([_levels(file) for file in files])
    squares, lines = np.square(known).sum(1), {}
    for row in results.study.rows:
        made = _first(results, row)
        lines[title(results, row)] = made
        lines[f"nearest to {title(results, row)}"] = [files[int((squares - 2 * known @ _levels(file)).argmin())] for file in made]
    return _strips(lines)


def curves(results: Results, path: Path) -> None:
    """Fréchet distance after each quarter of a row's training, first seed; the last point is of the whole. SVG."""
    study, found = results.study, results.over_training
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure, axis = plt.subplots(figsize=(WIDE * 0.7, 3.4), layout="constrained")
        for row, colour, marker in zip(study.rows, COLOURS * 3, "osD^vP*" * 3, strict=False):
            one = found.query("row == @row").sort_values("epoch")
            last = results.scores.query("row == @row and seed == @study.seeds[0] and output == 'samples'").digit_frechet
            y = [*one.digit_frechet, *last]
            x = [*(100 * one.epoch / epochs(study.rows[row].settings)), 100]
            label = words(title(results, row))
            axis.plot(x, y, color=colour, marker=marker, markersize=4, label=label)
        axis.set(xlabel="% of the training", ylabel="Fréchet, classifier", yscale="log", xticks=(25, 50, 75, 100))
        axis.patch.set_alpha(0)
        axis.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
        save(figure, path)


def saturation(results: Results, path: Path) -> None:
    """What G gets of a sure D: both losses over D(G(z)), and their slopes in G's weights as trainings measured them. SVG."""
    rows = [row for row in results.study.rows if row in measuring_slopes(results.study)]
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
                by_epoch = results.losses[results.losses.row == row].groupby("epoch")[f"slope_{loss}"]
                axis.plot(by_epoch.mean().index, by_epoch.mean(), color=colour, label=label, marker="o", markersize=3)
                axis.fill_between(by_epoch.mean().index, by_epoch.min(), by_epoch.max(), color=colour, alpha=0.2, linewidth=0)
                axis.set(xlabel="epoch", ylabel="length of G's gradient", yscale="log")
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


def _files(folder: Path, count: int = ACROSS) -> list[Path]:
    return sorted(folder.glob("*.png"))[:count]


def _first(results: Results, row: str) -> list[Path]:
    return _files(results.images[row, results.study.seeds[0]] / SAMPLES.name)


def _levels(file: Path) -> np.ndarray:
    """A digit as a line of numbers from 0 to 1."""
    return np.asarray(read_rgb(file).convert("L"), np.float32).ravel() / 255


def _mosaic(lines: Sequence[Sequence[Path]]) -> Image.Image:
    canvas = Image.new("L", (max(map(len, lines)) * SIDE, len(lines) * SIDE), 255)
    for y, line in enumerate(lines):
        for x, file in enumerate(line):
            canvas.paste(read_rgb(file).convert("L").resize((SIDE, SIDE), Image.Resampling.BICUBIC), (x * SIDE, y * SIDE))
    return canvas


def _strips(lines: Mapping[str, Sequence[Path]]) -> Image.Image:
    """Lines of digits behind their names."""
    digits, font = _mosaic(list(lines.values())), ImageFont.load_default(12)
    canvas = Image.new("RGB", (digits.width + LABEL, digits.height), "white")
    canvas.paste(digits.convert("RGB"), (LABEL, 0))
    for y, name in enumerate(lines):
        text = "\n".join(textwrap.wrap(name, 22))
        ImageDraw.Draw(canvas).multiline_text((LABEL - 8, (y + 0.5) * SIDE), text, INK, font, "rm", 2, "right")
    return canvas

"""The page of the boundary benchmark: scores beside the published ones, curves, pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from PIL import Image

from ganrepro.data.edges import edge_image
from ganrepro.data.images import read_rgb, write_png
from ganrepro.reporting.markdown import markdown
from ganrepro.reporting.plots import COLOURS, INK, STYLE
from ganrepro.reporting.sheet import sheet
from ganrepro.reporting.templates import render

matplotlib.use("Agg")
import matplotlib.pyplot as plt

# ODS on the 200 test photos. HED: Xie and Tu 2015 (.788 by its first printing, .790 by the released weights);
# Canny: Arbelaez et al. 2011.
PUBLISHED = {"HED": "0.78–0.79", "Canny": "0.60", "Sobel": "–"}


def page(scores: dict[str, dict[str, float]], facts: dict[str, Any]) -> str:
    """The whole Markdown page; figures lie beside it."""
    lines = [
        [name, PUBLISHED[name], f"**{s['ods']:.3f}**", f"{s['ois']:.3f}", f"{s['ap']:.3f}",
         f"{s['ods_recall']:.2f}, {s['ods_precision']:.2f}"]
        for name, s in scores.items()
    ]  # fmt: skip
    table = markdown(["Edges", "published ODS", "**ODS**", "OIS", "AP", "recall, precision at ODS"], lines)
    return render("boundaries.md.j2", table=table, facts=facts)


def picture(
    photos: list[Path],
    counts: dict[str, np.ndarray],
    methods: dict[str, Callable[[Image.Image], list[np.ndarray]]],
    strength: Callable[[Image.Image], np.ndarray],
    path: Path,
) -> None:
    """Three photos, their edges by each method at the best threshold of the dataset, and as pix2pix sees them."""
    lines: list[list[Path | Image.Image]] = []
    for photo in photos[:: max(1, len(photos) // 3)][:3]:
        image = read_rgb(photo)
        best = [best_map(methods[name](image), counts[name]) for name in methods]
        lines.append([image, *best, edge_image(strength(image), 256)])
    write_png(path, sheet(["Photo", *methods, "as pix2pix sees it"], lines, 180))


def curves(counts: dict[str, np.ndarray], scores: dict[str, dict[str, float]], path: Path) -> None:
    """Precision over recall, the best point marked. SVG, readable on white and dark pages."""
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure, axis = plt.subplots(figsize=(5, 4), layout="constrained")
        for (name, values), colour in zip(counts.items(), COLOURS, strict=False):
            total = values.sum(0).astype(float)
            drawn = total[:, 3] > 0
            axis.plot((total[:, 0] / total[:, 1])[drawn], total[drawn, 2] / total[drawn, 3], color=colour, linewidth=1.6)
            best = scores[name]
            axis.plot(best["ods_recall"], best["ods_precision"], "o", color=colour, label=f"{name}, F = {best['ods']:.3f}")
        recall = np.linspace(0.01, 1, 200)
        for f in (0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
            precision = f * recall / (2 * recall - f)
            kept = (precision > 0) & (precision <= 1)
            axis.plot(recall[kept], precision[kept], color=INK, linewidth=0.4, alpha=0.6)
        axis.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1))
        axis.patch.set_alpha(0)
        axis.legend(frameon=False, loc="lower left")
        figure.savefig(path, format="svg", transparent=True, metadata={"Date": None})
        plt.close(figure)


def best_map(maps: list[np.ndarray], counts: np.ndarray) -> Image.Image:
    """The edges at the best threshold of the whole dataset, black on white."""
    total = counts.sum(0).astype(float)
    recall, precision = total[:, 0] / total[:, 1], total[:, 2] / np.maximum(total[:, 3], 1)
    best = int(np.argmax(2 * recall * precision / np.maximum(recall + precision, 1e-9)))
    return Image.fromarray(np.where(maps[best], 0, 255).astype(np.uint8))

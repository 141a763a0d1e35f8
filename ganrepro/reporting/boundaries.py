"""The page of the boundary benchmark: scores beside the published ones, curves, pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from PIL import Image

from ganrepro.reporting.figures import COLOURS, INK, STYLE

matplotlib.use("Agg")
import matplotlib.pyplot as plt

# ODS on the 200 test photos. HED: Xie and Tu 2015 (.788 by its first printing, .790 by the released weights);
# Canny: Arbelaez et al. 2011.
PUBLISHED = {"HED": "0.78–0.79", "Canny": "0.60", "Sobel": "–"}


def page(scores: dict[str, dict[str, float]], facts: dict[str, Any]) -> str:
    """The whole Markdown page; figures lie beside it."""
    lines = ["| Edges | published ODS | **ODS** | OIS | AP | recall, precision at ODS |", "| :-- | :-: | :-: | :-: | :-: | :-: |"]
    for name, s in scores.items():
        lines.append(
            f"| {name} | {PUBLISHED[name]} | **{s['ods']:.3f}** | {s['ois']:.3f} | {s['ap']:.3f} | "
            f"{s['ods_recall']:.2f}, {s['ods_precision']:.2f} |"
        )
    seen = (
        "The published scores are on the test split. HED was trained on train **and val**, so its score here is on photos "
        "it has seen: put the archive with the test split into downloads/archives/ for a fair one."
        if facts["split"] != "test"
        else "HED was trained on train and val; these photos are new to it."
    )
    return "\n\n".join(
        [
            "# Edges: boundary benchmark on BSDS500",
            f"{facts['photos']} photos of the {facts['split']} split, {facts['thresholds']} thresholds, all annotators; pixels "
            f"matched one to one within 0.0075 of the diagonal. Same photos, same code for every line. {seen}",
            "\n".join(lines),
            f"HED: {facts['weights']}. Canny: sigma 2. Sobel: magnitude, smoothed and suppressed like HED.",
            "![Precision and recall](curves.svg)",
            "![Photos and their edges at the best threshold of the dataset; last column: thinned at 25/255](edges.png)",
            f"The whole edge stage (network, suppression, thinning) does {facts['images_per_second']:.2f} photos a second on "
            f"{facts['cores']} cores.",
            f"<sub>Commit `{facts['commit']}`; {', '.join(f'{k} {v}' for k, v in facts['versions'].items())}.</sub>",
        ]
    ) + "\n"  # fmt: skip


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

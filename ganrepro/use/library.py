"""The studies and their results as tables, new images, and the two measures, for one's own scripts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ganrepro import settings
from ganrepro.errors import UserError
from ganrepro.plan import paths

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from PIL import Image


def studies(params: str | Path = "params.yaml") -> list[str]:
    """Names of all studies of a parameter file.

    >>> "camvid-64" in studies()
    True
    """
    return list(settings.load(params).studies)


def results(study: str, params: str | Path = "params.yaml") -> pd.DataFrame:
    """Scores of a study, tidy: a line for each output, row and score, with mean over seeds, 95 % interval, n and the paper's.

    Of what lies under scores/ where all of it was made; else of what is kept under reports/STUDY/. UserError where there is
    neither.

    >>> found = results("streets-tiny")
    >>> list(found.columns)
    ['output', 'row', 'score', 'mean', 'low', 'high', 'seeds', 'paper']
    >>> bool(found.query("row == 'ground-truth' and score == 'pixel_accuracy'")["mean"].iloc[0] > 0.8)
    True
    """
    import pandas as pd

    from ganrepro.reporting.results import collect, intervals

    loaded = settings.load(params)
    chosen = settings.find_study(loaded, study)
    kept = paths.report_folder(study) / "intervals.csv"
    if all((run.scores / "metrics.json").exists() for run in paths.runs(loaded, chosen)):
        table = intervals(collect(loaded, chosen))
    elif kept.exists():
        table = pd.read_csv(kept)
    else:
        raise UserError(f"{study}: not scored yet; name it under `reports` in params.yaml and run: snakemake --cores all")
    published = {
        (drawn.output, row, score): value
        for drawn in chosen.tables.values()
        for row, values in drawn.rows.items()
        for score, value in zip(drawn.scores or [], values, strict=False)
    }
    keys = zip(table.output, table.row, table.score, strict=True)
    return table.assign(paper=[published.get(key, float("nan")) for key in keys])


def sample(
    model: str | Path, count: int = 1, seed: int = 0, label: str | int | None = None, params: str | Path = "params.yaml"
) -> list[Image.Image]:
    """New images from a generator that starts from noise: a row (`digits-conditions/cgan`), or a folder that `export` made.

    The same seed makes the same images again.  label: the class to ask for, its name, or else its number from 0, where the
    method takes one; None: each in turn.  UserError where there is no such model.

    >>> sevens = sample("zoo/digits-conditions", count=3, label="7")
    >>> [image.size for image in sevens]
    [(28, 28), (28, 28), (28, 28)]
    """
    from ganrepro.use.model import load

    if count < 1:
        raise UserError(f"sample: expected a count from 1, got {count}")
    return list(load(model, params).sample(count, seed, label))


def fcn_score(counts: np.ndarray) -> dict[str, float]:
    """Per-pixel accuracy, per-class accuracy and class IoU of a confusion matrix, (classes, classes): truth by prediction.

    Source: Long, Shelhamer and Darrell 2015, section 5, as the papers use it. A class that never occurs counts as 0.

    >>> import numpy as np
    >>> fcn_score(np.array([[3, 1], [0, 4]]))
    {'pixel_accuracy': 0.875, 'class_accuracy': 0.875, 'class_iou': 0.775}
    """
    from ganrepro.evaluation.segmentation import rates

    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise UserError(f"fcn_score: expected a confusion matrix (classes, classes), got {counts.shape}")
    scores = rates(counts)
    return {name: round(float(scores[name]), 12) for name in ("pixel_accuracy", "class_accuracy", "class_iou")}


def frechet_distance(features: np.ndarray, others: np.ndarray) -> float:
    """Squared Fréchet distance of two sets of features, (n, d) each, taken for Gaussian; covariances over n - 1.

    FID where the features are Inception's (Heusel et al. 2017).

    >>> import numpy as np
    >>> a = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
    >>> round(frechet_distance(a, a + [3, 0]), 6)
    9.0
    """
    from ganrepro.evaluation.distances import frechet

    if features.ndim != 2 or others.ndim != 2 or features.shape[1] != others.shape[1] or min(len(features), len(others)) < 2:
        raise UserError(
            f"frechet_distance: expected (n, d) and (m, d) with n and m from 2, got {features.shape} and {others.shape}"
        )
    return float(frechet(features, others))

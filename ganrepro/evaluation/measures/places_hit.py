"""Which places of the plane points hit, and how many hit one: mode collapse, counted as its papers do.

A point hits the place that is nearest if it lies within three standard deviations of the real points about theirs; a place is hit
where it has at least COVERED of an equal share of all points (Lin et al., arXiv:1712.04086, count modes by points within
three deviations, and the share of such points).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ganrepro.data.spec import DataSpec
from ganrepro.data.spots import read, shown_by
from ganrepro.evaluation.measures.base import Job, Limits, Measure, Measured, Score
from ganrepro.evaluation.measures.class_coverage import COVERED
from ganrepro.methods.outputs import Output

if TYPE_CHECKING:
    import numpy as np

NEAR = 3.0  # standard deviations


class PlacesHit(Measure):
    """Places that are hit, and the share of points that hit one."""

    scores = {"places_hit": Score("Places hit", high=None), "near_a_place": Score("Points near a place")}
    table = tuple(scores)
    reading = (
        "places with at least a tenth of an equal share of the points, within three standard deviations of the real ones. "
        "*Points near a place*: the share of points so near to any."
    )

    def applies(self, output: Output, data: DataSpec) -> bool:
        return output.source is None and shown_by(data.domains[output.target]) and bool(data.classes)

    def measure(self, job: Job) -> Measured:
        """Counts (1, points, places + 1): which place a point hits, or none."""
        import numpy as np

        from ganrepro.evaluation.images import load_levels

        def points(folder: Path, names: list[str]) -> np.ndarray:
            return read(load_levels(folder, names, 1).numpy()[:, 0])

        folder, names = job.real("train")
        classes = np.array([job.manifest["classes"][name] for name in names])
        real, places = points(folder, names), len(job.data.classes)
        centres = np.stack([real[classes == place].mean(0) for place in range(places)])
        spread = float(np.sqrt(np.square(real - centres[classes]).mean()))
        away = np.linalg.norm(points(job.folders[0], job.names)[:, None] - centres, axis=2)
        hit = np.where(away.min(1) <= NEAR * spread, away.argmin(1), places)
        return Measured(np.eye(places + 1)[hit][None])

    def statistic(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """counts: (..., places + 1)."""
        total, places = counts.sum(-1), counts.shape[-1] - 1
        hit = counts[..., :places] >= COVERED * total[..., None] / places
        return {"places_hit": hit.sum(-1).astype(float), "near_a_place": counts[..., :places].sum(-1) / total}

    def collapsed(
        self, scores: Mapping[str, float], floors: Mapping[str, Mapping[str, float]], limits: Limits, data: DataSpec
    ) -> bool:
        return scores["places_hit"] < limits.classes * len(data.classes)

    def fallen(self, limits: Limits) -> str:
        return f"hit less than {100 * limits.classes:g} % of the places"


MEASURE = PlacesHit()

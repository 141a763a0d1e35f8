"""Records in MLflow what it lacks: every epoch and score of every seed, means and images of every row."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ganrepro.data.images import write_png
from ganrepro.plan import paths
from ganrepro.reporting import pictures
from ganrepro.reporting.current import grids
from ganrepro.reporting.plots import colour_of
from ganrepro.reporting.results import Results, history
from ganrepro.tracking.runs import start_row, start_run


def mirror(results: Results, folder: Path) -> None:
    """All runs of a study.  folder: of its report."""
    study, columns = results.study, dict[str, None]()
    for place, row in enumerate(study.rows):
        for seed in paths.seeds_of(study, row):
            training = paths.Run(results.params, study, row, seed)
            run = start_run(training)
            for epoch in history(training.folder):
                run.epoch(epoch)
            run.scores(by_name(results, row, seed))
            run.looks(colour_of(study, row), f"{place:02d} {row}, seed {seed:03d}")
            with tempfile.TemporaryDirectory() as scratch:
                write_png(Path(scratch) / "samples.png", pictures.samples(results, row, seed))
                run.artifact(Path(scratch) / "samples.png")
            run.close()
        parent = start_row(paths.Run(results.params, study, row, study.seeds[0]))
        parent.scores(by_name(results, row))
        parent.looks(colour_of(study, row), f"{place:02d} {row}")
        columns |= dict.fromkeys(by_name(results, row))
        for table in grids(study):
            if row in study.tables[table].rows:
                parent.artifact(folder / f"{table}.png")
        parent.columns(columns)
        parent.close()


def by_name(results: Results, row: str, seed: int | None = None) -> dict[str, float]:
    """The scores of a row as 'SCORE/OUTPUT', mean over its seeds, or of one seed; of features their name behind the score.

    The score comes first: narrow columns and titles of charts show the beginning of a name, and MLflow puts those of one score
    beside one another.
    """
    lines = results.scores.query("row == @row" if seed is None else "row == @row and seed == @seed")
    values = {}
    for (output, score), value in lines.groupby(["output", "score"], sort=False).value.mean().items():
        measure = results.measure_of(output, score)
        of = results.more.get((output, row, measure.name), {}).get("of") if measure else None
        values[f"{score}{f'_{of}' if of else ''}/{output}"] = float(value)
    return values

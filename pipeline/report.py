"""All metrics.json of a study -> tables, figures, one Markdown page; and the scores to MLflow."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd

from ganrepro import artifacts, config, provenance
from ganrepro.config import Params, Study, digest
from ganrepro.data.images import write_png
from ganrepro.reporting import claims, figures, render
from ganrepro.reporting.results import COLUMNS, Results, collect, distances_of, history, summary, write_tables
from pipeline import stage


def main() -> None:
    args = stage.arguments(__doc__ or "", "report")
    params = config.load(args.params)
    study = params.find_study(stage.known(params.reports, args.report, "report"))
    stage.expect(args.out, artifacts.report_folder(args.report))
    results = collect(params, study)
    with artifacts.filling(args.out) as folder:
        for table in artifacts.grids(study):
            write_png(folder / f"{table}.png", figures.grid(results, study, study.tables[table]))
        figures.losses(results, study, folder / "losses.svg")
        if results.manifest["classes"]:
            figures.classes(results, study, folder / "classes.svg")
            figures.curves(results, study, folder / "curves.svg")
            write_png(folder / "extremes.png", figures.extremes(results, study))
        judged = claims.judged(results, study)
        if judged:
            figures.verdicts(judged, folder / "claims.svg")
            artifacts.write_json(folder / "claims.json", {"schema": "claims/1", "study": study.title, "claims": judged})
        write_tables(results, folder)
        artifacts.write_json(folder / "metrics.json", summary(results))
    with artifacts.replacing(artifacts.report_page(args.report)) as temporary:
        page = render.page(params, args.report, study, results, footer(params, study, results))
        temporary.write_text(page, encoding="utf-8")
    mirror(params, study, results, args.out)


def footer(params: Params, study: Study, results: Results) -> dict[str, str]:
    """What the report was made from; the key decides whether it is still current."""
    timing = list(results.timing.values())
    used = [study, params.datasets[study.dataset], params.scorers[study.scorer]]
    machines = {f"{t['device_name']} ({t['device']}), {t['threads']} of {t['cores']} cores per training" for t in timing}
    return {
        "Report key": f"`{artifacts.report_key(params, study)}`",
        "Git commit": f"report `{provenance.git_commit()}`, trainings `{'`, `'.join(sorted({t['commit'] for t in timing}))}`",
        "Parameter digest": f"`{digest(used)[:16]}` (study `{study.name}`)",
        "Data digest": f"`{results.manifest['digest'][:16]}` ({results.manifest['source']})",
        "Seeds": ", ".join(str(seed) for seed in study.seeds),
        "Versions": "; ".join(sorted({", ".join(f"{k} {v}" for k, v in t["versions"].items()) for t in timing})),
        "Trained on": "; ".join(sorted(machines)),
        "Training time": f"{sum(t['seconds'] for t in timing) / 60:.1f} min in all, {sum(t['resumed'] for t in timing)} resumed",
    }


def by_name(scores: pd.DataFrame) -> dict[str, float]:
    """Lines by direction -> one mapping, as MLflow shows it."""
    return {f"{direction}.{name}": value for direction, line in scores.iterrows() for name, value in line.dropna().items()}


def mirror(params: Params, study: Study, results: Results, folder: Path) -> None:
    """Records in MLflow what it lacks: every epoch and score of every seed, means and images of every variant."""
    for variant in study.variants:
        for seed in study.seeds:
            run = provenance.start_run(params, study, variant, seed)
            for row in history(artifacts.run_dir(params, study, variant, seed)):
                run.epoch(row)
            own = results.scores.query("row == @variant and seed == @seed").set_index("direction")
            run.scores(by_name(own[list(COLUMNS)]) | distances_of(results, variant, seed))
            with tempfile.TemporaryDirectory() as scratch:
                write_png(Path(scratch) / "samples.png", figures.samples(results, study, variant, seed))
                run.artifact(Path(scratch) / "samples.png")
            run.close()
        parent = provenance.start_variant(params, study, variant)
        means = results.scores.query("row == @variant").groupby("direction")[list(COLUMNS)].mean()
        parent.scores(by_name(means))
        for table in artifacts.grids(study):
            if variant in study.tables[table].rows:
                parent.artifact(folder / f"{table}.png")
        parent.close()


if __name__ == "__main__":
    stage.run(main)

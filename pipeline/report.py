"""All metrics.json of a study -> tables, figures, one Markdown page; and the scores to MLflow."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ganrepro import artifacts, provenance
from ganrepro.config import Params, Study, digest
from ganrepro.data.images import write_png
from ganrepro.reporting import render
from ganrepro.reporting.results import SCORES, Results, collect, history, summary
from pipeline import stage


def main() -> None:
    args = stage.arguments(__doc__ or "")
    params, study = stage.settings(args)
    stage.expect(args.out, artifacts.REPORT_FOLDER)
    results = collect(params, study)
    with artifacts.filling(args.out) as folder:
        for direction in render.TITLES:
            write_png(folder / f"{direction}.png", render.grid(results, study, direction))
        render.losses(results, study, folder / "losses.svg")
        results.scores.to_csv(folder / "scores.csv", index=False, float_format="%.6f")
        means = results.scores.groupby(["direction", "row"], sort=False)[list(SCORES)].mean().reset_index()
        means.insert(0, "name", means.direction + " " + means.row)
        means.to_csv(folder / "means.csv", index=False, float_format="%.6f")
        wide = results.losses.drop(columns="learning_rate").groupby(["variant", "epoch"]).mean().drop(columns="seed")
        wide = wide.unstack("variant").swaplevel(axis=1).sort_index(axis=1).dropna(axis=1, how="all")
        wide.columns = [f"{variant}.{term}" for variant, term in wide.columns]
        wide.to_csv(folder / "losses.csv", float_format="%.6f")
        artifacts.write_json(folder / "metrics.json", summary(results))
    with artifacts.replacing(artifacts.REPORT) as temporary:
        temporary.write_text(render.page(params, study, results, footer(params, study, results)), encoding="utf-8")
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


def mirror(params: Params, study: Study, results: Results, folder: Path) -> None:
    """Records in MLflow what it lacks: every epoch and score of every seed, means and images of every variant."""
    for variant in study.variants:
        for seed in study.seeds:
            run = provenance.start_run(params, study, variant, seed)
            for row in history(artifacts.run_dir(params, study, variant, seed)):
                run.epoch(row)
            own = results.scores.query("row == @variant and seed == @seed").set_index("direction")
            run.scores({f"{d}.{score}": own.loc[d, score] for d in own.index for score in SCORES})
            with tempfile.TemporaryDirectory() as scratch:
                write_png(Path(scratch) / "samples.png", render.samples(results, variant, seed))
                run.artifact(Path(scratch) / "samples.png")
            run.close()
        parent = provenance.start_variant(params, study, variant)
        groups = results.scores.query("row == @variant").groupby("direction")[list(SCORES)]
        parent.scores({f"{d}.{score}": value for d, means in groups.mean().iterrows() for score, value in means.items()})
        for direction in render.TITLES:
            parent.artifact(folder / f"{direction}.png")
        parent.close()


if __name__ == "__main__":
    stage.run(main)

"""The report on methods that start from noise: tables, samples, claims, what codes mean, provenance."""

from __future__ import annotations

from pathlib import Path

from ganrepro.artifacts import paths
from ganrepro.artifacts.files import read_json
from ganrepro.data.images import write_png
from ganrepro.evaluation.intervals import REPLICATES
from ganrepro.outputs import RECONSTRUCTIONS
from ganrepro.reporting import claims, figures, noise_figures, tables
from ganrepro.reporting.markdown import markdown, plain
from ganrepro.reporting.page import distances, footer, lines_of_losses, schedule, write_claims_and_tables
from ganrepro.reporting.plan import deviations_of, grids, measuring_slopes, pictures
from ganrepro.reporting.results import Results, title
from ganrepro.reporting.templates import render
from ganrepro.settings import Params


def write_figures_and_tables(params: Params, results: Results, folder: Path) -> None:
    """Everything that the page shows or links to."""
    study = results.study
    for name in grids(study):
        write_png(folder / f"{name}.png", noise_figures.grid(results, study.tables[name]))
    for row, output in pictures(study):
        write_png(folder / f"{row}-{output.name}.png", noise_figures.picture(results, row, output))
    write_png(folder / "training.png", noise_figures.over_training(results))
    write_png(folder / "neighbours.png", noise_figures.neighbours(results))
    noise_figures.curves(results, folder / "curves.svg")
    noise_figures.oscillation(folder / "oscillation.svg")
    if measuring_slopes(study):
        noise_figures.saturation(results, folder / "saturation.svg")
    figures.losses(results, folder / "losses.svg")
    write_claims_and_tables(results, folder)


def page(params: Params, name: str, results: Results) -> str:
    """The whole Markdown report; figures are linked from the folder of the same name."""
    study, counts = results.study, results.manifest["counts"]
    judged = claims.judged(results)
    read = read_json(paths.segmenter_dir(params, study) / "segmenter.json")
    plural = "s" if len(study.seeds) > 1 else ""
    return render(
        "noise.md.j2",
        name=name,
        heading=f"{study.variants.replace('-', ' ').replace('gan', 'GAN')}: {plain(study.title)}",
        rows=len(study.rows),
        seeds=f"{len(study.seeds)} seed{plural}",
        train=counts["train"]["b"],
        tested=counts["test"]["b"],
        title=results.manifest["title"],
        schedule=schedule(results),
        pixels=study.pixels,
        accuracy=read["last"]["accuracy"],
        tables=[
            {
                "key": key,
                "heading": plain(table.title),
                "text": tables.of_scores(results, table),
                "note": table.note and plain(table.note),
                "differences": tables.of_differences(results, table) if table.against else "",
                "source": table.source and plain(table.source),
                "grid": key in grids(study),
            }
            for key, table in study.tables.items()
        ],
        claims={"tally": claims.tally(judged), "table": claims.table(judged), "rule": claims.RULE} if judged else None,
        distances=distances(results),
        codes=tables.of_codes(results),
        pictures=[
            {
                "file": f"{row}-{output.name}.png",
                "title": f"{plain(title(results, row))}: {output.title}",
                "reconstructions": output == RECONSTRUCTIONS,
            }
            for row, output in pictures(study)
        ],
        slopes=bool(measuring_slopes(study)),
        lines=lines_of_losses(results),
        replicates=REPLICATES,
        published=any(any(table.rows.values()) for table in study.tables.values()),
        deviations=deviations_of(params, study),
        provenance=markdown(["", ""], footer(params, results).items(), left=2),
    )

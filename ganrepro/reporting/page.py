"""The report: figures, tables and the Markdown page with the paper's number beside ours, verdicts, provenance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganrepro import provenance
from ganrepro.artifacts.files import write_json
from ganrepro.artifacts.fingerprint import canonical, digest
from ganrepro.data.images import write_png
from ganrepro.evaluation.intervals import FEWEST_IMAGES, REPLICATES
from ganrepro.methods.base import Feed, epochs
from ganrepro.outputs import Output
from ganrepro.reporting import claims, figures, tables
from ganrepro.reporting.markdown import markdown, plain
from ganrepro.reporting.plan import deviations_of, grids, renderings, report_key
from ganrepro.reporting.results import (
    GATE,
    Results,
    gate,
    images_per_epoch,
    reads_photos,
    segmented,
    summary,
    title,
    trusted,
    write_tables,
)
from ganrepro.reporting.templates import render
from ganrepro.settings import Params

READERS = {False: "a segmentation network, trained on real training photos of this dataset,", True: "the papers' own FCN-8s"}


def write_figures_and_tables(params: Params, results: Results, folder: Path) -> None:
    """Everything that the page shows or links to."""
    for table in grids(results.study):
        write_png(folder / f"{table}.png", figures.grid(results, results.study.tables[table]))
    figures.losses(results, folder / "losses.svg")
    if segmented(results):
        figures.classes(results, folder / "classes.svg")
        figures.curves(results, folder / "curves.svg")
        write_png(folder / "extremes.png", figures.extremes(results))
    if renderings(results.study):
        write_png(folder / "renderings.png", figures.renderings_of(results))
    write_claims_and_tables(results, folder)


def write_claims_and_tables(results: Results, folder: Path) -> None:
    """What every report has: verdicts, scores and losses as files."""
    judged = claims.judged(results)
    if judged:
        figures.verdicts(judged, folder / "claims.svg")
        write_json(folder / "claims.json", {"schema": claims.SCHEMA, "study": results.study.title, "claims": judged})
    write_tables(results, folder)
    write_json(folder / "metrics.json", summary(results))


def page(params: Params, name: str, results: Results) -> str:
    """The whole Markdown report; figures are linked from the folder of the same name."""
    study, manifest = results.study, results.manifest
    scored = bool(manifest["classes"])
    judged = claims.judged(results)
    best = [f"{plain(title(results, figures.extreme_row(results, o.name)))} ({o.title})" for o in segmented(results)]
    return render(
        "report.md.j2",
        name=name,
        heading=f"{study.variants.replace('-', ' ').replace('cyclegan', 'CycleGAN')}: {plain(study.title)}",
        rows=f"{len(study.rows)} row{'s' if len(study.rows) > 1 else ''}",
        seeds=f"{len(study.seeds)} seed{'s' if len(study.seeds) > 1 else ''}",
        data=_data(params, results),
        schedule=schedule(results),
        pixels=study.pixels,
        scored=scored,
        segmented=bool(best),
        tested=manifest["counts"]["test"]["b"],
        gate=_gate(results) if scored else "",
        tables=_tables(params, results),
        claims={"tally": claims.tally(judged), "table": claims.table(judged), "rule": claims.RULE} if judged else None,
        photos=any(output.target == "b" for output in study.outputs),
        distances=distances(results),
        renderings=tables.of_renderings(results) if renderings(study) else "",
        best=", ".join(best),
        lines=lines_of_losses(results),
        reader=READERS[results.published],
        outputs=[output.name for output in study.outputs],
        colours=any("intersection_l" in table.scores for table in study.tables.values()),
        published=any(any(table.rows.values()) for table in study.tables.values()),
        replicates=REPLICATES,
        fewest=FEWEST_IMAGES,
        noise=_noise(results) if scored and study.test_passes > 1 else None,
        deviations=deviations_of(params, study),
        provenance=markdown(["", ""], footer(params, results).items(), left=2),
    )


def footer(params: Params, results: Results) -> dict[str, str]:
    """What the report was made from; the key decides whether it is still current."""
    study, timing = results.study, list(results.timing.values())
    rows = {name: [row.method.name, row.settings.model_dump()] for name, row in study.rows.items()}
    used = [study.name, rows, study.seeds, params.datasets[study.dataset].model_dump(), params.scorers[study.scorer].model_dump()]
    machines = {f"{t['device_name']} ({t['device']}), {t['threads']} of {t['cores']} cores per training" for t in timing}
    return {
        "Methods": ", ".join(sorted({f"{row.method.title} ({row.method.paper})" for row in study.rows.values()})),
        "Report key": f"`{report_key(params, study)}`",
        "Git commit": f"report `{provenance.git_commit()}`, trainings `{'`, `'.join(sorted({t['commit'] for t in timing}))}`",
        "Parameter digest": f"`{digest(canonical(used))[:16]}` (study `{study.name}`)",
        "Data digest": f"`{results.manifest['digest'][:16]}` ({results.manifest['source']})",
        "Seeds": ", ".join(str(seed) for seed in study.seeds),
        "Versions": "; ".join(sorted({", ".join(f"{k} {v}" for k, v in t["versions"].items()) for t in timing})),
        "Trained on": "; ".join(sorted(machines)),
        "Training time": f"{sum(t['seconds'] for t in timing) / 60:.1f} min in all, {sum(t['resumed'] for t in timing)} resumed",
    }


def schedule(results: Results) -> str:
    """'5 epochs of 120 images'; rows that have another schedule than most are named."""
    lengths = {}
    for row, variant in results.study.rows.items():
        trained = f"{epochs(variant.settings)} epochs of {images_per_epoch(results, row)} images"
        lengths[row] = trained if variant.method.players() else "not trained here"
    return _mostly(results, lengths)


def _mostly(results: Results, words: Mapping[str, str], of: str = "", *notes: str) -> str:
    """What is said of most rows, and in brackets notes and of which rows something else.  words: by row.  of: put behind it."""
    common = Counter(words.values()).most_common(1)[0][0]
    others: dict[str, dict[str, None]] = {}
    for row, said in words.items():
        if said != common:
            others.setdefault(said, {})[plain(title(results, row))] = None
    told = "; ".join([*notes, *(f"{', '.join(rows)}: {said}" for said, rows in others.items())])
    return f"{common}{of}" + (f" ({told})" if told else "")


def _data(params: Params, results: Results) -> str:
    """'240 pairs of label maps and photos of *Streets*'; rows that see other images than most are named."""
    dataset, manifest = params.datasets[results.study.dataset], results.manifest
    known = bool(manifest["classes"]) or dataset.edges
    a, b = ("edges" if dataset.edges else "label maps", "photos") if known else ("images of domain A", "of domain B")
    feeds = {row: variant.method.feed() for row, variant in results.study.rows.items()}

    def seen(feed: Feed) -> str:
        if feed.paired:
            return f"{manifest['counts']['train']['a']} pairs of {a} and {b}"
        if len(feed.domains) == 1:
            (domain,) = feed.domains
            return f"{manifest['counts']['train'][domain]} {a if domain == 'a' else b}"
        return f"{len(manifest['unpaired']['a'])} {a} and {len(manifest['unpaired']['b'])} {b}"

    split = any(not feed.paired and len(feed.domains) == 2 for feed in feeds.values())
    disjoint = split and manifest["paired"] and dataset.unpaired == "disjoint"
    notes = ["disjoint halves: training never sees a pair"] if disjoint else []
    return _mostly(results, {row: seen(feed) for row, feed in feeds.items()}, f" of *{manifest['title']}*", *notes)


def _tables(params: Params, results: Results) -> list[dict[str, Any]]:
    study, scored = results.study, bool(results.manifest["classes"])
    edges = bool(params.datasets[study.dataset].edges)
    shown = grids(study)
    return [
        {
            "key": key,
            "heading": plain(table.title) if scored else _plain_title(study.output(table.output), edges),
            "text": tables.of_scores(results, table) if scored else "",
            "note": table.note and plain(table.note),
            "floor": tables.floor_of(results, table) if scored else "",
            "differences": tables.of_differences(results, table) if scored and table.against else "",
            "source": table.source and plain(table.source),
            "grid": key in shown,
        }
        for key, table in study.tables.items()
        if scored or key in shown
    ]


def _plain_title(output: Output, edges: bool) -> str:
    """Of an output of a dataset whose domains hold no label maps."""
    if output.source is None:
        return output.title
    names = {"a": "Edges", "b": "photo"} if edges and output.source == "a" else {"a": "A", "b": "B"}
    return f"{names[output.source]} → {names[output.target]}"


def distances(results: Results) -> dict[str, Any] | None:
    """The table of distances, and of whose features; None where nothing was measured."""
    found = results.distances
    if not len(found):
        return None
    of = found.of.iloc[0].removeprefix("inception-")
    return {"table": tables.of_distances(results), "of": of, "features": found.features.iloc[0]}


def lines_of_losses(results: Results) -> str:
    """What solid and dotted lines mean, in the panels that have several."""
    words = {"-": "solid", ":": "dotted", "--": "dashed", "-.": "dash-dotted"}
    found: dict[str, dict[str, None]] = {}
    for row, variant in results.study.rows.items():
        for loss in variant.method.losses():
            dash = figures.dash_of(results.study, row, loss)
            found.setdefault(loss.panel, {}).setdefault(f"{words[dash]} {loss.name.replace('_', ' ')}")
    return "".join(f"{panel}: {', '.join(lines)}. " for panel, lines in found.items() if len(lines) > 1)


def _noise(results: Results) -> dict[str, float]:
    """What dropout at test time does to the scores."""
    by_run = results.passes.groupby(["output", "row", "seed"]).pixel_accuracy
    spreads = by_run.agg(["count", "std"]).query("count > 1")["std"]
    return {"passes": results.study.test_passes, "mean": spreads.mean(), "most": spreads.max()}


def _gate(results: Results) -> str:
    floor = results.scores.query("row == 'identity'").groupby("output").pixel_accuracy.mean().dropna()
    floors = " and ".join(f"{floor[output.name]:.2f}" for output in results.study.outputs if output.name in floor)
    unchanged = f"Passing the input through unchanged scores {floors}."
    if not any(reads_photos(output) for output in results.study.outputs):
        return unchanged
    truth = gate(results)
    if results.published:
        return (
            "**Gate passed**: the papers' FCN-8s read these real photos as published before it scored anything; at this size "
            f"they score {truth:.2f} per-pixel accuracy. {unchanged}"
        )
    if trusted(results):
        required = f"(at least {GATE:.2f} is required)"
        return f"**Gate passed**: real test photos score {truth:.2f} per-pixel accuracy {required}. {unchanged}"
    return (
        f"> **Gate failed: do not trust the labels → photo table.** Real test photos score {truth:.2f} per-pixel accuracy, "
        f"{GATE:.2f} is required; train the segmentation network longer (`scorers` in params.yaml). {unchanged}"
    )

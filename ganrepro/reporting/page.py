"""The report of a study: Markdown, with figures in the folder beside it.

A page is a list of blocks. Each says whether it has something to show of these results: its context for the template
(report.md.j2), or None.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ganrepro import provenance
from ganrepro.data.images import write_png
from ganrepro.evaluation.intervals import FEWEST_IMAGES, REPLICATES
from ganrepro.evaluation.measures import MEASURES, SCORES, left_out
from ganrepro.methods.base import Feed, epochs
from ganrepro.methods.outputs import Output
from ganrepro.plan import paths
from ganrepro.reporting import claims, pictures, plots, tables
from ganrepro.reporting.current import (
    compared,
    copied,
    deviations_of,
    figures,
    grids,
    moments,
    points,
    renderings,
    report_key,
    sampled,
)
from ganrepro.reporting.current import pictures as pictured
from ganrepro.reporting.markdown import in_words, markdown, plain
from ganrepro.reporting.results import (
    Results,
    images_per_epoch,
    means,
    no_room,
    segmented,
    summary,
    title,
    with_rules,
    write_tables,
)
from ganrepro.reporting.templates import render
from ganrepro.schema.registry import licence
from ganrepro.settings import ALL, Params, Study
from ganrepro.store.digests import canonical, digest
from ganrepro.store.files import write_json

Context = dict[str, Any] | str | None


def write_figures_and_tables(params: Params, results: Results, folder: Path) -> None:
    """Everything that the page shows or links to."""
    study = results.study
    for name in grids(study):
        write_png(folder / f"{name}.png", pictures.grid(results, study.tables[name]))
    for row, output in pictured(study):
        write_png(folder / f"{row}-{output.name}.png", pictures.picture(results, row, output))
    drawn: dict[str, Callable[[Path], object]] = {
        "trainings.svg": lambda file: plots.trainings(results, file),
        "curves.svg": lambda file: plots.curves(results, file),
        "classes.svg": lambda file: plots.classes(results, file),
        "extremes.png": lambda file: write_png(file, pictures.extremes(results)),
        "renderings.png": lambda file: write_png(file, pictures.renderings_of(results)),
        "training.png": lambda file: write_png(file, pictures.over_training(results)),
        "moments.png": lambda file: write_png(file, pictures.moments_of(results)),
        "nearest.png": lambda file: write_png(file, pictures.nearest(results)),
        "neighbours.png": lambda file: write_png(file, pictures.neighbours(results)),
        "oscillation.svg": plots.oscillation,
        "saturation.svg": lambda file: plots.saturation(results, file),
    }
    for name in figures(params, study):
        if name in drawn:
            drawn[name](folder / name)
    plots.losses(results, folder / "losses.svg")
    if judged := claims.judged(results):
        plots.verdicts(judged, folder / "claims.svg")
        write_json(folder / "claims.json", {"schema": claims.SCHEMA, "study": study.title, "claims": judged})
    write_tables(results, folder)
    write_json(folder / "metrics.json", summary(results))


def page(params: Params, name: str, results: Results) -> str:
    """The whole Markdown report; figures are linked from the folder of the same name."""
    return render("report.md.j2", name=name, **{block.__name__.strip("_"): block(params, results) for block in BLOCKS})


def _head(params: Params, results: Results) -> Context:
    study, counts = results.study, results.manifest["counts"]["test"]
    tested = max(counts[output.source or output.target] for output in study.outputs)
    scored = "scored" if len(results.scores) else "shown"
    making = f"Each training makes {tested} samples, and is {scored} beside {tested} test images that it never saw."
    if any(output.translates for output in study.outputs):
        making = f"They are {scored} on {tested} test images that they never saw."
    plural = ("s" if len(study.rows) > 1 else "", "s" if len(study.seeds) > 1 else "")
    return {
        "heading": f"{plain(study.heading)}: {plain(study.title)}",
        "size": f"{len(study.rows)} row{plural[0]} × {len(study.seeds)} seed{plural[1]}",
        "seeds": f"{len(study.seeds)} seed{plural[1]}",
        "ours": "mean over n seeds and 95 % interval" if len(study.seeds) > 1 else "one training of each row",
        "text": f"trained on {_data(params, results)} for {schedule(results)} at {in_words(study.size)}. {making}{_begun(study)}",
    }


def _begun(study: Study) -> str:
    """Which rows began with the weights of others, or make images by a mean of theirs."""
    begun = [f"{plain(row.title)} (`{plain(row.settings.start_from)}`)" for row in study.rows.values() if row.settings.start_from]
    means = [plain(row.title) for row in study.rows.values() if row.settings.ema_decay]
    return (f" Begun with other weights: {', '.join(begun)}." if begun else "") + (
        f" Images are made by a running mean of the generators' weights: {', '.join(means)}." if means else ""
    )


def _notes(params: Params, results: Results) -> Context:
    """What is to be known of the images themselves."""
    return {"parts": [plain(note) for note in results.manifest.get("notes", [])]}


def _gate(params: Params, results: Results) -> Context:
    """How well the reader reads real images, and what the untouched input scores."""
    gate, lines = results.gate, []
    if gate is not None:
        reads = f"{results.reader} reads real test images with a {gate.what} of {gate.value:.2f}"
        if gate.passed:
            lines.append(f"**Gate passed**: {reads} (at least {gate.required:.2f} is required).")
        else:
            lines.append(
                f"> **Gate failed: do not trust what it reads.** {reads[0].upper()}{reads[1:]}; {gate.required:.2f} is required. "
                "Train it longer (`readers` in params.yaml)."
            )
    floors = {}
    scores = means(results)
    for output in results.study.outputs:
        ranked = next((m.by_image for m in results.measures[output.name] if m.by_image), None)
        if ranked and (output.name, "identity") in scores.index:
            floors[output.title] = f"{scores.loc[(output.name, 'identity'), ranked]:.2f} ({SCORES[ranked].heading})"
    if floors:
        lines.append(f"Passing the input through unchanged scores {' and '.join(floors.values())}.")
    return " ".join(lines) or None


def _tables(params: Params, results: Results) -> Context:
    study, shown = results.study, grids(results.study)
    return {
        "parts": [
            {
                "key": key,
                "heading": plain(table.title),
                "text": tables.of_scores(results, table),
                "note": table.note and plain(table.note),
                "unlearned": tables.unlearned_of(results, table),
                "differences": tables.of_differences(results, table) if table.against else "",
                "source": table.source and plain(table.source),
                "grid": key in shown,
                "scored": bool(table.scores),
                "caption": _caption(study, study.output(table.output)),
            }
            for key, table in study.tables.items()
        ]
    }


def _caption(study: Study, output: Output) -> str:
    """What the picture of a table shows, from left to right."""
    if output.name == ALL:
        return "a line for each row, a column for each target; first seed"
    if output.source is None:
        return "samples, first seed"
    return "input, each row, truth" if study.data.paired else "input, each row"


def _claims(params: Params, results: Results) -> Context:
    judged = claims.judged(results)
    return {"tally": claims.tally(judged), "table": claims.table(judged), "rule": claims.RULE} if judged else None


def _sections(params: Params, results: Results) -> Context:
    """Measures that stand in a part of the page of their own, whatever tables print."""
    sections = []
    for heading in dict.fromkeys(measure.section for measure in MEASURES.values() if measure.section):
        table, notes = tables.of_section(results, heading)
        if table:
            sections.append({"heading": heading, "table": table, "notes": notes})
    return {"parts": sections} if sections else None


def _missing(params: Params, results: Results) -> Context:
    """Measures that apply and lack something, and what."""
    needs, reasons = paths.needs_of(params, results.study), dict[str, str]()
    for output in results.study.outputs:
        reasons |= left_out(output, needs)
    return {"parts": [f"{heading}: {why}" for heading, why in reasons.items()]} if reasons else None


def _renderings(params: Params, results: Results) -> Context:
    return "yes" if renderings(results.study) else None


def _pictures(params: Params, results: Results) -> Context:
    pictures = [
        {
            "file": f"{row}-{output.name}.png",
            "title": f"{plain(title(results, row))}: {output.title}",
            "reconstructions": output.renders_input,
        }
        for row, output in pictured(results.study)
    ]
    return {"parts": pictures} if pictures else None


def _figures(params: Params, results: Results) -> Context:
    """Which of the figures that not every report has are there."""
    best = [f"{plain(title(results, pictures.extreme_row(results, o.name)))} ({o.title})" for o in segmented(results)]
    of_images = [next(m.by_image for m in results.measures[o.name] if m.by_image) for o in segmented(results)]
    ranked = dict.fromkeys(SCORES[score].heading for score in of_images)
    return {
        "files": figures(params, results.study),
        "best": ", ".join(best),
        "ranked": " and ".join(ranked),
        "sampled": bool(sampled(results.study)),
    } | {
        "nearest": ", ".join(plain(results.study.rows[row].title) for row in copied(results.study)),
        "moments": "; ".join(
            f"{plain(title(results, row))}, {' and '.join(o.title for o in outputs)}"
            for row, outputs in moments(params, results.study).items()
        ),
        "cloud": pictures.CLOUD if points(results.study) else 0,
        "fallen": _fallen(results),
    }


def _fallen(results: Results) -> str:
    """When a training counts as collapsed, by what this study measures; '' where nothing tells."""
    study, of_rows = results.study, results.scores[results.scores.row.isin(results.study.references)]
    rules = {rule: rule.fallen(study.limits) for of in results.measures.values() for rule in with_rules(of, study)}
    full = of_rows[of_rows.score.isin([rule.headline for rule in rules if rule.by_class]) & no_room(of_rows.value, study.limits)]
    exception = f" ({study.limits.above:g} below it, where it leaves no room for that)" if len(full) else ""
    return ", or ".join(dict.fromkeys(rules.values())) + exception


def _losses(params: Params, results: Results) -> Context:
    """What solid and dotted lines mean, in the panels that have several."""
    words = {"-": "solid", ":": "dotted", "--": "dashed", "-.": "dash-dotted"}
    panels: dict[str, dict[str, None]] = {}
    for settings in results.study.rows.values():
        for loss in settings.method.losses():
            dash = plots.dash_of(results.study, loss)
            panels.setdefault(loss.panel, {}).setdefault(f"{words[dash]} {loss.name.replace('_', ' ')}")
    return {"lines": "".join(f"{panel}: {', '.join(lines)}. " for panel, lines in panels.items() if len(lines) > 1)}


def _reading(params: Params, results: Results) -> Context:
    """What the printed scores mean."""
    study, sentences = results.study, dict[str, str]()
    for table in study.tables.values():
        for score in table.scores or []:
            measure = results.measure_of(table.output, score)
            if measure is not None and measure.reading:
                output = study.output(table.output)
                name = output.title if output.translates else next(iter(measure.scores.values())).heading
                known = (more for (of, _, by), more in results.more.items() if (of, by) == (output.name, measure.name) and more)
                more = next(known, {})
                sentences[f"{name}/{measure.name}"] = f"*{name}*: {measure.note(more) if more else measure.reading}"
    if not sentences:
        return None
    published = any(any(table.rows.values()) for table in study.tables.values())
    return {"parts": list(sentences.values()), "published": published, "replicates": REPLICATES, "fewest": FEWEST_IMAGES}


def _noise(params: Params, results: Results) -> Context:
    """What dropout at test time does to the scores."""
    ranked = {m.by_image for of in results.measures.values() for m in of if m.by_image}
    passes = results.passes[results.passes.score.isin(ranked)]
    if results.study.test_passes < 2 or passes.empty:
        return None
    spreads = passes.groupby(["output", "row", "seed"]).value.agg(["count", "std"]).query("count > 1")["std"]
    return {"passes": results.study.test_passes, "mean": spreads.mean(), "most": spreads.max()}


def _slopes(params: Params, results: Results) -> Context:
    return "yes" if compared(results.study, "saturation") else None


def _deviations(params: Params, results: Results) -> Context:
    return {"parts": deviations_of(params, results.study)}


def _provenance(params: Params, results: Results) -> Context:
    return markdown(["", ""], footer(params, results).items(), left=2)


BLOCKS: tuple[Callable[[Params, Results], Context], ...] = (
    *(_head, _notes, _gate, _tables, _claims, _sections, _missing, _renderings, _pictures, _figures, _losses, _reading, _noise),
    *(_slopes, _deviations, _provenance),
)


KERNELS = {
    "usual": "by the fastest kernels of each machine",
    "portable": "portable kernels (AVX2), the same whatever the CPU",
}


def footer(params: Params, results: Results) -> dict[str, str]:
    """What the report was made from; the key decides whether it is still current."""
    study, timing = results.study, [of for (row, _), of in results.timing.items() if results.first[row] == row]
    rows = {name: [row.method.name, row.settings.model_dump()] for name, row in study.rows.items()}
    reader = params.readers[study.reader].model_dump() if study.reader else None
    used = [study.name, rows, study.seeds, params.datasets[study.dataset].model_dump(), reader]
    machines = {f"{t['device_name']} ({t['device']}), {t['threads']} of {t['cores']} cores per training" for t in timing}
    return {
        "Methods": ", ".join(sorted({f"{row.method.title} ({row.method.paper})" for row in study.rows.values()})),
        "Report key": f"`{report_key(params, study)}`",
        "Git commit": f"report `{provenance.git_commit()}`, trainings `{'`, `'.join(sorted({t['commit'] for t in timing}))}`",
        "Parameter digest": f"`{digest(canonical(used))[:16]}` (study `{study.name}`)",
        **({"Licence of the data": plain(data)} if (data := licence(results.manifest["source"])) else {}),
        "Data digest": f"`{results.manifest['digest'][:16]}` ({results.manifest['source']})",
        "Seeds": ", ".join(str(seed) for seed in study.seeds),
        "Versions": _versions(results),
        "Arithmetic": _mostly(
            results, {name: row.settings.precision for name, row in study.rows.items()}, f", {KERNELS[params.arithmetic]}"
        ),
        "Trained on": "; ".join(sorted(machines)),
        "Training time": f"{sum(t['seconds'] for t in timing) / 60:.1f} min in all, {sum(t['resumed'] for t in timing)} resumed",
    }


def _versions(results: Results) -> str:
    """Of the libraries; where trainings differ in one that shapes results, which."""
    texts = "; ".join(sorted({", ".join(f"{k} {v}" for k, v in of.items()) for of in results.versions.values()}))
    shaping = ("torch", "numpy", "pillow")
    differ = [name for name in shaping if len({of.get(name) for of in results.versions.values()}) > 1]
    return texts + (f". **Rows differ in {', '.join(differ)}**: train them anew to compare them" if differ else "")


def schedule(results: Results) -> str:
    """'5 epochs of 120 images'; rows that have another schedule than most are named."""
    lengths = {}
    for row, settings in results.study.rows.items():
        length, tile = epochs(settings.settings), getattr(settings.settings, "tile_pixels", None)
        pieces = f"tiles of {tile} pixels" if tile else "images"
        trained = f"{length} epoch{'s' * (length != 1)} of {images_per_epoch(results, row)} {pieces}"
        lengths[row] = trained if settings.method.players() else "not trained here"
    return _mostly(results, lengths)


def _mostly(results: Results, words: Mapping[str, str], of: str = "", *notes: str) -> str:
    """What is said of most rows, and in brackets notes and of which rows something else.  words: by row.  of: put behind it."""
    common = Counter(words.values()).most_common(1)[0][0]
    others: dict[str, dict[str, None]] = {}
    for row, said in words.items():
        if said != common:
            others.setdefault(said, {})[plain(title(results, row))] = None
    text = "; ".join([*notes, *(f"{', '.join(rows)}: {said}" for said, rows in others.items())])
    return f"{common}{of}" + (f" ({text})" if text else "")


def _data(params: Params, results: Results) -> str:
    """'240 pairs of label maps and photos of *Streets*'; rows that see other images than most are named."""
    dataset, manifest, data = params.datasets[results.study.dataset], results.manifest, results.study.data
    feeds = {row: settings.method.feed() for row, settings in results.study.rows.items()}

    def seen(feed: Feed) -> str:
        titles = [data.domains[domain].title for domain in feed.domains]
        if feed.paired:
            return f"{manifest['counts']['train'][feed.domains[0]]} pairs of {' and '.join(titles)}"
        names = feed.names(manifest)
        return " and ".join(f"{len(names[domain])} {title}" for domain, title in zip(feed.domains, titles, strict=True))

    split = any(not feed.paired and len(feed.domains) > 1 for feed in feeds.values())
    disjoint = split and data.paired and dataset.unpaired == "disjoint"
    parts = "halves" if len(data.domains) == 2 else "parts"
    notes = [f"disjoint {parts}: training never sees a pair"] if disjoint else []
    return _mostly(results, {row: seen(feed) for row, feed in feeds.items()}, f" of *{plain(manifest['title'])}*", *notes)

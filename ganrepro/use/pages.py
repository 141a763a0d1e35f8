"""A report as a page for a browser, and a report of what is made so far."""

from __future__ import annotations

import html
from pathlib import Path

from ganrepro.errors import UserError
from ganrepro.plan import paths
from ganrepro.settings import Params, Study, find_study
from ganrepro.store.files import filling, plain, replacing

STYLE = """
:root { color-scheme: light dark }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif }
table { border-collapse: collapse; display: block; overflow-x: auto; font-size: .82rem }
td, th { border: 1px solid #8886; padding: .25rem .4rem; white-space: nowrap }
td:first-child { white-space: normal; min-width: 9rem }
img { max-width: 100% } code { background: #8882; padding: 0 .2rem }
"""


def as_html(page: Path) -> Path:
    """A Markdown page as HTML beside it, with its figures where they are. UserError where there is none."""
    from markdown_it import MarkdownIt

    if not page.is_file():
        raise UserError(f"{page}: not made yet; snakemake --cores all {page}")
    text = plain(page).read_text(encoding="utf-8")
    body = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    file = page.with_suffix(".html")
    head = (
        f'<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{html.escape(page.stem)}'
    )
    with replacing(file) as temporary:
        temporary.write_text(f"{head}</title><style>{STYLE}</style>\n{body}", encoding="utf-8")
    return file


def report_of(params: Params, name: str) -> str:
    """The report of that name, or of the study of that name. UserError where there is none."""
    if name in params.reports:
        return name
    study = find_study(params, name).name
    report = next((report for report, of in params.reports.items() if of == study), None)
    if report is None:
        raise UserError(f"{name}: no report is made of it; name it under `reports` in params.yaml, as in {name}_report: {name}")
    return report


def so_far(params: Params, name: str) -> Path:
    """Writes the report of what is scored so far, beside the whole one, as NAME-so-far.md. UserError where too little is."""
    from ganrepro.reporting import page
    from ganrepro.reporting.results import collect, made_of

    study = params.studies[params.reports[name]]
    partly: Study = made_of(params, study)
    whole, made = len(paths.trained(params, study)), len(paths.trained(params, partly))
    results = collect(params, partly)
    folder, file = paths.report_folder(f"{name}-so-far"), paths.report_page(f"{name}-so-far")
    with filling(folder) as inside:
        page.write_figures_and_tables(params, results, inside)
        text = page.page(params, f"{name}-so-far", results)
    note = f"> **So far:** {made} of {whole} trainings are scored; this page shows these alone, and its numbers will change.\n\n"
    with replacing(file) as temporary:
        temporary.write_text(note + text, encoding="utf-8")
    return file

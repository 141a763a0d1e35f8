"""studies/*.sqlite -> reports/perceptual_study.md: how often people took a fake for real."""

from __future__ import annotations

from pathlib import Path

from ganrepro import settings
from ganrepro.artifacts import paths
from ganrepro.artifacts.files import replacing
from ganrepro.perceptual.store import Store
from ganrepro.reporting.perceptual_page import Answered, page
from pipeline import stage

PAGE, FOLDER = paths.REPORTS / "perceptual_study.md", Path("studies")


def main() -> None:
    params, studies = settings.load(), []
    for file in sorted(FOLDER.glob("*.sqlite")):
        store = Store(file)
        study, shown = params.studies.get(file.stem.rpartition(".")[0]), store.shown()
        if shown:
            rows = {row: row for row in shown["rows"]}
            titles = rows | ({row: study.rows[row].title for row in rows if row in study.rows} if study else {})
            studies.append(Answered(file.stem, shown, titles, store.answers(), params.perceptual.tolerance_ms))
        store.close()
    with replacing(PAGE) as temporary:
        temporary.write_text(page(studies), encoding="utf-8")


if __name__ == "__main__":
    stage.run(main)

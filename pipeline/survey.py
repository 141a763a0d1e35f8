"""surveys/*.sqlite -> reports/survey.md: how often people took a fake for real."""

from __future__ import annotations

from ganrepro import settings
from ganrepro.plan import paths
from ganrepro.reporting.survey import Answered, page
from ganrepro.store.files import replacing
from ganrepro.survey.store import Store, files
from pipeline import stage

PAGE = paths.REPORTS / "survey.md"


def main() -> None:
    stage.no_words(__doc__ or "")
    params, surveys = settings.load(), []
    for file in files():
        store = Store(file)
        study, shown = params.studies.get(file.stem.removesuffix(".best").rpartition(".")[0]), store.shown()
        if shown:
            rows = {row: row for row in shown["rows"]}
            titles = rows | ({row: study.rows[row].title for row in rows if row in study.rows} if study else {})
            fooled = study.fooled if study else {}
            preferred = {what: of for paper in params.papers.values() for what, of in paper.preferred.items()}
            surveys.append(Answered(file.stem, shown, titles, store.answers(), fooled, params.survey.tolerance_ms, preferred))
        store.close()
    with replacing(PAGE) as temporary:
        temporary.write_text(page(surveys), encoding="utf-8")


if __name__ == "__main__":
    stage.run(main)

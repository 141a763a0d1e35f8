"""All metrics.json of a study -> tables, figures, one Markdown page; and the scores to MLflow."""

from __future__ import annotations

import os

from ganrepro import settings
from ganrepro.plan import paths
from ganrepro.reporting import page
from ganrepro.reporting.mirror import mirror
from ganrepro.reporting.results import collect
from ganrepro.store.files import filling, replacing
from pipeline import stage


def main() -> None:
    args = stage.arguments(__doc__ or "", "report")
    params = stage.parameters(args)
    study = settings.find_study(params, settings.known(params.reports, args.report, "reports"))
    stage.expect(args.out, paths.report_folder(args.report))
    results = collect(params, study)
    with filling(args.out) as folder:
        page.write_figures_and_tables(params, results, folder)
        with replacing(paths.report_page(args.report)) as temporary:
            temporary.write_text(page.page(params, args.report, results), encoding="utf-8")
    mirror(results, args.out)
    if os.environ.get("GANREPRO_MLFLOW") != "off":  # with torch, which the report needs for nothing else
        from ganrepro.use.logged import log_generators

        log_generators(params, study)


if __name__ == "__main__":
    stage.run(main)

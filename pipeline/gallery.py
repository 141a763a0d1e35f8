"""Kept reports -> docs/gallery.md, docs/tables.md, reports/README.md."""

from __future__ import annotations

import dataclasses

from ganrepro import settings
from ganrepro.plan import paths
from ganrepro.reporting import gallery, learned, published
from pipeline import claims, stage


def write(params: settings.Params) -> None:
    """Writes the pages anew."""
    gallery.write(paths.REPORTS, {study: name for name, study in params.reports.items()})
    published.write(params.studies, paths.REPORTS)
    learned.write(params, claims.found(dataclasses.replace(params, reports={})), paths.REPORTS)  # of what is kept alone


def main() -> None:
    write(settings.load())


if __name__ == "__main__":
    stage.run(main)

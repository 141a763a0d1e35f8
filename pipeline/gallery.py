"""Kept reports -> docs/gallery.md, docs/tables.md, docs/seeds.md, reports/README.md."""

from __future__ import annotations

from ganrepro import settings
from ganrepro.plan import paths
from ganrepro.reporting import gallery, learned, published, seeds
from pipeline import claims, stage


def write(params: settings.Params) -> None:
    """Writes the pages anew."""
    gallery.write(paths.REPORTS, {study: name for name, study in params.reports.items()})
    published.write(params, paths.REPORTS)
    kept = claims.kept(params)
    learned.write(params, kept, paths.REPORTS)
    seeds.write(kept, paths.REPORTS)


def main() -> None:
    stage.no_words(__doc__ or "")
    write(settings.load())


if __name__ == "__main__":
    stage.run(main)

"""The kept scores of a study on the front page of the project, and on the page of all results."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ganrepro.reporting.results import kept_unlearned
from ganrepro.reporting.tables import of_front_page
from ganrepro.settings import Params, Study
from ganrepro.store.files import replace_section

PAGES = (Path("README.md"), Path("docs/results.md"))


def update_pages(params: Params, study: Study, evidence: Path) -> list[Path]:
    """Renders the kept scores between the markers of this study, on the pages that have them; which these are."""
    if not any(output.translates for output in study.outputs):
        return []
    table = of_front_page(pd.read_csv(evidence / "intervals.csv"), study, kept_unlearned(params, study, evidence))
    return [page for page in PAGES if page.exists() and replace_section(page, f"results: {study.name}", table)]

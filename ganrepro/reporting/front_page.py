"""The kept scores of a study on the front page of the project."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ganrepro.reporting.tables import of_front_page
from ganrepro.settings import Study
from ganrepro.store.files import replace_section


def update_front_page(study: Study, evidence: Path, page: Path = Path("README.md")) -> bool:
    """Renders the kept scores between the markers of this study, if the page has them."""
    if not page.exists() or not any(output.translates for output in study.outputs):
        return False
    kept = pd.read_csv(evidence / "intervals.csv")
    return replace_section(page, f"results: {study.name}", of_front_page(kept, study))

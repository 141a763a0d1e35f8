"""The kept scores of a study on the front page of the project."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ganrepro.artifacts.files import replace_section
from ganrepro.reporting.tables import of_front_page
from ganrepro.settings import Study


def update_front_page(study: Study, evidence: Path, page: Path = Path("README.md")) -> bool:
    """Renders the kept scores between the markers of this study, if the page has them."""
    if not page.exists() or study.from_noise:
        return False
    found = pd.read_csv(evidence / "intervals.csv")
    return replace_section(page, f"results: {study.name}", of_front_page(found, study))

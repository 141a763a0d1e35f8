"""claims.json of every study, current or kept -> reports/claims.md, which says what holds where."""

from __future__ import annotations

import json
from typing import Any

from ganrepro import artifacts, config
from ganrepro.reporting import claims
from pipeline import stage

PAGE = artifacts.REPORTS / "claims.md"


def found(params: config.Params) -> dict[str, dict[str, Any]]:
    """By study: what its report says of the claims; a report that was just made goes before the one that was kept."""
    current = {study: artifacts.report_folder(name) for name, study in params.reports.items()}
    folders = {study: folder for study, folder in current.items() if (folder / "claims.json").exists()}
    for study in params.studies:
        if (artifacts.REPORTS / study / "claims.json").exists():
            folders.setdefault(study, artifacts.REPORTS / study)
    return {
        study: json.loads((folders[study] / "claims.json").read_text(encoding="utf-8")) | {"folder": folders[study].name}
        for study in params.studies
        if study in folders
    }


def write(params: config.Params) -> bool:
    """Writes the page; False where there is nothing to judge."""
    studies = found(params)
    if studies:
        with artifacts.replacing(PAGE) as temporary:
            temporary.write_text(claims.page(studies), encoding="utf-8")
    return bool(studies)


def main() -> None:
    if not write(config.load()):
        raise config.ConfigError("reports: none with claims to judge; run snakemake first")


if __name__ == "__main__":
    stage.run(main)

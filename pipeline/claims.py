"""claims.json of every study, current or kept -> reports/claims.md, which says what holds where."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from ganrepro import settings
from ganrepro.evaluation.measures.base import UNTRAINED
from ganrepro.plan import paths
from ganrepro.reporting import claims
from ganrepro.store.files import read_json, replacing
from pipeline import stage

PAGE = paths.REPORTS / "claims.md"


def found(params: settings.Params) -> dict[str, dict[str, Any]]:
    """By study of a paper: what its report says of the claims, its folder, its paper; one just made goes before a kept one."""
    current = {study: paths.report_folder(name) for name, study in params.reports.items()}
    folders = {study: folder for study, folder in current.items() if (folder / "claims.json").exists()}
    for study in params.studies:
        if (paths.report_folder(study) / "claims.json").exists():
            folders.setdefault(study, paths.report_folder(study))
    read = {study: read_json(folders[study] / "claims.json") for study in params.studies if study in folders}
    # evidence that an older rule judged is left out until it is made anew
    return {
        study: study_of_file | {"folder": folders[study].name, "paper": paper, "floor": _has_floor(folders[study] / "scores.csv")}
        for study, study_of_file in read.items()
        if study_of_file.get("schema") == claims.SCHEMA and (paper := paper_of(params, study)) is not None
    }


def _has_floor(scores: Path) -> bool:
    """Whether networks before training are among the rows of a report, where it tells."""
    return not scores.exists() or f",{UNTRAINED}," in scores.read_text(encoding="utf-8")


def kept(params: settings.Params) -> dict[str, dict[str, Any]]:
    """The same of kept reports alone."""
    return found(dataclasses.replace(params, reports={}))


def paper_of(params: settings.Params, study: str) -> str | None:
    """Title of the paper whose experiment a study is of; None where it is an experiment of one's own."""
    return next((paper.title for paper in params.papers.values() if params.studies[study].experiment in paper.experiments), None)


def write(studies: dict[str, dict[str, Any]]) -> bool:
    """Writes the page of what `found` or `kept` gave; False where there is nothing to judge."""
    if studies:
        with replacing(PAGE) as temporary:
            temporary.write_text(claims.page(studies), encoding="utf-8")
    return bool(studies)


def main() -> None:
    stage.no_words(__doc__ or "")
    if not write(found(settings.load())):
        raise settings.ConfigError("reports: none with claims to judge; run snakemake first")


if __name__ == "__main__":
    stage.run(main)

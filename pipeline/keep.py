"""Keeps the current report as evidence: reports/<study>/, small files to be committed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd

from ganrepro import artifacts, config
from ganrepro.reporting import render
from pipeline import stage


def update_front_page(page: Path, params: config.Params, study: config.Study) -> bool:
    """Renders the kept scores between the markers of this study, if the page has them."""
    if not page.exists():
        return False
    scores = pd.read_csv(artifacts.REPORT.parent / study.name / "scores.csv")
    titles = {name: variant.title for name, variant in study.variants.items()} | config.REFERENCE_ROWS
    return artifacts.replace_section(page, f"results: {study.name}", render.front_table(scores, titles, params.paper))


def main() -> None:
    params = config.load()
    study = params.find_study()
    if not artifacts.report_is_current(params, study):
        raise config.ConfigError(f"{artifacts.REPORT}: not made from the current parameters; run snakemake first")
    target = artifacts.REPORT.parent / study.name
    with artifacts.filling(target) as folder:
        shutil.copytree(artifacts.REPORT_FOLDER, folder, dirs_exist_ok=True)
        page = artifacts.REPORT.read_text(encoding="utf-8").replace(f"({artifacts.REPORT_FOLDER.name}/", "(")
        (folder / "README.md").write_text(page, encoding="utf-8")
    if update_front_page(Path("README.md"), params, study):
        print("updated the table of README.md")
    print(f"kept {target}; commit it")


if __name__ == "__main__":
    stage.run(main)

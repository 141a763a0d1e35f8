"""Keeps the current reports as evidence: reports/<study>/, small files to be committed."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pandas as pd

from ganrepro import artifacts, config
from ganrepro.reporting import render
from pipeline import claims, stage


def update_front_page(page: Path, study: config.Study) -> bool:
    """Renders the kept scores between the markers of this study, if the page has them."""
    if not page.exists():
        return False
    found = pd.read_csv(artifacts.REPORTS / study.name / "intervals.csv")
    return artifacts.replace_section(page, f"results: {study.name}", render.front_table(found, study))


def keep(params: config.Params, name: str) -> None:
    """One report. ConfigError if it is not made from the current parameters."""
    study = params.find_study(params.reports[name])
    if not artifacts.report_is_current(params, name):
        raise config.ConfigError(f"{artifacts.report_page(name)}: not made from the current parameters; run snakemake first")
    target = artifacts.REPORTS / study.name
    with artifacts.filling(target) as folder:
        shutil.copytree(artifacts.report_folder(name), folder, dirs_exist_ok=True)
        page = artifacts.report_page(name).read_text(encoding="utf-8").replace(f"({name}/", "(")
        (folder / "README.md").write_text(page, encoding="utf-8")
    if update_front_page(Path("README.md"), study):
        print("updated the table of README.md")
    print(f"kept {target}; commit it")


def main() -> None:
    params = config.load()
    made = [name for name in params.reports if artifacts.report_page(name).exists()]
    if not made:
        raise config.ConfigError("reports: none is made; run snakemake first")
    for name in made:
        keep(params, name)
    if claims.write(dataclasses.replace(params, reports={})):  # of what is kept alone
        print(f"updated {claims.PAGE}")


if __name__ == "__main__":
    stage.run(main)

"""Keeps the current reports as evidence: reports/<study>/, small files to be committed."""

from __future__ import annotations

import dataclasses
import shutil

from ganrepro import settings
from ganrepro.plan import paths
from ganrepro.reporting.current import report_is_current
from ganrepro.reporting.front_page import update_pages
from ganrepro.store.files import filling
from pipeline import claims, gallery, stage


def keep(params: settings.Params, name: str) -> None:
    """One report. ConfigError if it is not made from the current parameters."""
    study = settings.find_study(params, params.reports[name])
    page = paths.report_page(name)
    if not report_is_current(params, name):
        raise settings.ConfigError(f"{page}: not made from the current parameters; run snakemake first")
    target = paths.report_folder(study.name)
    with filling(target) as folder:
        shutil.copytree(paths.report_folder(name), folder, dirs_exist_ok=True)
        (folder / "README.md").write_text(page.read_text(encoding="utf-8").replace(f"({name}/", "("), encoding="utf-8")
    for kept_page in update_pages(study, target):
        print(f"updated the table of {kept_page}")
    print(f"kept {target}; commit it")


def main() -> None:
    params = settings.load()
    pages = [name for name in params.reports if paths.report_page(name).exists()]
    if not pages:
        raise settings.ConfigError("reports: none is made; run snakemake first")
    for name in pages:
        keep(params, name)
    if claims.write(dataclasses.replace(params, reports={})):  # of what is kept alone
        print(f"updated {claims.PAGE}")
    gallery.write(params)


if __name__ == "__main__":
    stage.run(main)

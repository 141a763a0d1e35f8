"""Keeps the current report as evidence: reports/<study>/, small files to be committed."""

from __future__ import annotations

import shutil

from ganrepro import artifacts, config
from pipeline import stage


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
    print(f"kept {target}; commit it")


if __name__ == "__main__":
    stage.run(main)

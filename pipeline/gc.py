"""Lists results of no study in params.yaml (older settings or code), asks, removes them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from ganrepro import settings
from ganrepro.plan.superseded import superseded
from pipeline import stage


def main() -> None:
    stage.no_words(__doc__ or "")
    folders = superseded(settings.load())
    for params in Path("work/evidence").glob("*/params.yaml"):  # studies with more seeds, being made
        of_no_study = {*superseded(settings.load(params))}
        folders = [folder for folder in folders if folder in of_no_study]
    if not folders:
        print("nothing is superseded")
        return
    for folder in folders:
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        print(f"{size / 1e6:9.1f} MB  {folder}")
    if not sys.stdin.isatty() and not (answer := sys.stdin.readline()):
        raise settings.ConfigError("no terminal to ask on; to remove them: yes | make gc")
    if sys.stdin.isatty():
        answer = input(f"remove these {len(folders)} folders? [y/N] ")
    if answer.strip().lower() == "y":
        for folder in folders:
            shutil.rmtree(folder)
        print("DVC keeps copies of what it recorded: `dvc gc --workspace` drops those of other states")


if __name__ == "__main__":
    stage.run(main)

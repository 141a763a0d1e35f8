"""Keeps reports as evidence: reports/<study>/, small files to be committed.

    python -m pipeline.evidence                                  # the reports that were just made
    python -m pipeline.evidence --study streets-tiny --seeds 10  # makes the report first, and trains what is missing
    python -m pipeline.evidence --study streets-precision --seeds 10 --arithmetic usual  # which bfloat16 needs

A study is made in a working tree of the last commit, work/evidence/<study>, so that the code can be edited meanwhile, and the
report names that commit. The tree shares downloads, data, trainings, images and scores with this folder: what is there is not
made again, and a run that was stopped goes on when it is started again.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

from ganrepro import settings
from ganrepro.errors import UserError
from ganrepro.plan import paths
from ganrepro.reporting.current import report_is_current
from ganrepro.reporting.front_page import update_pages
from ganrepro.store.files import filling
from pipeline import claims, gallery, stage

SHARED = ("downloads", "data", "readers", "runs", "images", "scores")


def keep(params: settings.Params, name: str) -> None:
    """One report. ConfigError if it is not made from the current parameters."""
    page = paths.report_page(name)
    if not report_is_current(params, name):
        raise settings.ConfigError(f"{page}: not made from the current parameters; run snakemake first")
    target = paths.report_folder(settings.find_study(params, params.reports[name]).name)
    with filling(target) as folder:
        shutil.copytree(paths.report_folder(name), folder, dirs_exist_ok=True)
        (folder / "README.md").write_text(page.read_text(encoding="utf-8").replace(f"({name}/", "("), encoding="utf-8")
    print(f"kept {target}; commit it")


def make(study: str, seeds: int | None, arithmetic: str | None, lock: int) -> None:
    """A study's report, made and kept in its working tree, then copied here.  None: as in params.yaml.  lock: see `_run`."""
    if _said("git", "status", "--porcelain", "--", "params.yaml", "papers"):
        raise UserError("params.yaml or papers/: edited since the last commit, of which evidence is made; commit first")
    tree, name, commit = Path("work/evidence") / study, f"{study}_evidence", _said("git", "rev-parse", "HEAD")
    if (tree / ".git").exists():
        _run("git", "-C", str(tree), "checkout", "--quiet", "--force", "--detach", commit)
    else:
        _run("git", "worktree", "add", "--quiet", "--force", "--detach", str(tree))
    for shared in map(Path, SHARED):
        shared.mkdir(exist_ok=True)
        if not (tree / shared).is_symlink():
            (tree / shared).symlink_to(shared.resolve())
    yaml, file = YAML(), tree / "params.yaml"
    raw = yaml.load(file.read_text(encoding="utf-8"))
    raw["reports"] = {name: study}
    if seeds is not None:
        raw["studies"][study]["seeds"] = list(range(seeds))
    if arithmetic is not None:
        raw["arithmetic"] = arithmetic
    with file.open("w", encoding="utf-8") as opened:
        yaml.dump(raw, opened)
    # the tree's own code; DVC and MLflow know nothing of it
    own = {"PYTHONPATH": str(tree.resolve()), "GANREPRO_MLFLOW": "off", "DVC_STAGE": "none"}
    # nobody else works in this tree, so a lock of Snakemake's was left there by one that was killed
    for words in (
        ["snakemake", "--unlock"],
        ["snakemake", "--cores", "all", f"reports/{name}.md"],
        [sys.executable, "-m", "pipeline.evidence"],
    ):
        _run(*words, lock=lock, folder=tree, environment=own)
    with filling(paths.report_folder(study)) as folder:
        shutil.copytree(tree / paths.report_folder(study), folder, dirs_exist_ok=True)


def update(params: settings.Params, studies: list[str]) -> None:
    """The pages that say what kept reports say."""
    for study in studies:
        for page in update_pages(params, params.studies[study], paths.report_folder(study)):
            print(f"updated the table of {page}")
    if claims.write(claims.kept(params)):
        print(f"updated {claims.PAGE}")
    gallery.write(params)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", help="make this one first (default: keep the reports that were just made)")
    parser.add_argument("--seeds", type=int, help="train with the seeds from 0 on, so many (default: those of params.yaml)")
    parser.add_argument(
        "--arithmetic", choices=["usual", "portable"], help="of the trainings and scores (default: that of params.yaml)"
    )
    args = parser.parse_args()
    params = settings.load()
    if args.study is not None:
        settings.find_study(params, args.study)
        if args.seeds is not None and args.seeds < 1:
            raise UserError(f"--seeds {args.seeds}: expected a number from 1")
        Path("work").mkdir(exist_ok=True)
        with Path("work", f"evidence-of-{args.study}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(f"{args.study}: its evidence is being made by another process; wait for it") from None
            make(args.study, args.seeds, args.arithmetic, lock.fileno())
        update(params, [args.study])
        return
    if args.seeds is not None or args.arithmetic is not None:
        raise UserError("--seeds, --arithmetic: of a study; name it with --study")
    names = [name for name in params.reports if paths.report_page(name).exists()]
    if not names:
        raise settings.ConfigError("reports: none is made; run snakemake first")
    for name in names:
        keep(params, name)
    update(params, [params.reports[name] for name in names])


def _said(*words: str) -> str:
    """What a command prints. UserError where it fails."""
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{' '.join(words)}: {' '.join(done.stderr.split())[:300]}")
    return done.stdout.strip()


def _run(*words: str, lock: int | None = None, folder: Path | None = None, environment: dict[str, str] | None = None) -> None:
    """A command whose words reach the terminal. UserError where it fails.

    lock: descriptor of a file whose lock the command is to hold too, should it outlive this process.
    """
    held = () if lock is None else (lock,)
    done = subprocess.run(words, cwd=folder, env=os.environ | (environment or {}), pass_fds=held)
    if done.returncode:
        raise UserError(f"{' '.join(words)}: ended with status {done.returncode}; what failed stands above")


if __name__ == "__main__":
    stage.run(main)

"""Confirms that an edit of the code changes no byte of any result, so that no key moves: `make confirm`.

    python -m pipeline.confirm                 # the edits since the last commit
    python -m pipeline.confirm --base main~3   # those since another state

Every kind of job (`ganrepro.plan.code`) that the edit touches is run on a tiny example, with the code before (in a git worktree)
and with the code that lies here, on this machine. Where all files are equal, `ganrepro/confirmed.json` maps the new digest
to the version before it; commit that file with the edit. What differs stays unconfirmed: its results are made anew.
A confirmation counts for the precision and the device that it ran in, and names the instruction set.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ganrepro import process, provenance
from ganrepro.errors import UserError
from ganrepro.plan import code
from ganrepro.store.code import CONFIRMED, PACKAGE, VERSION_DIGITS, code_digest, confirmed
from ganrepro.store.files import write_json
from pipeline import stage, tiny

PRECISION = "float32"  # of the tiny examples


def versions() -> dict[str, str]:
    """The version of every kind of job, as it enters keys."""
    return {job: code.version(job, PRECISION) for job in code.jobs()}


def digests() -> dict[str, str]:
    """The digest of every kind of job's code, as it lies here."""
    return {job: code_digest(*code.modules_of(job))[:VERSION_DIGITS] for job in code.jobs()}


def touched(before: dict[str, str]) -> list[str]:
    """Jobs that were there before and whose keys the edit moves."""
    return [job for job, version in versions().items() if job in before and before[job] != version]


def unsigned() -> list[str]:
    """Jobs whose code is a version of its own: nobody confirmed that it equals an older one."""
    return [job for job, digest in digests().items() if digest not in confirmed().get(job, {})]


def _in(tree: Path, *words: str) -> str:
    """What this module prints when it is run with the code of another tree."""
    environment = os.environ | {"PYTHONPATH": str(tree), "GANREPRO_MLFLOW": "off"}
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.confirm", *words], cwd=tree, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"{tree}: the code there cannot make its tiny examples ({last})")
    return done.stdout


def compare(before: Path, after: Path) -> list[str]:
    """Files that differ, or are in one folder alone."""
    names = sorted({p.relative_to(root).as_posix() for root in (before, after) for p in root.rglob("*") if p.is_file()})
    differ = []
    for name in names:
        files = before / name, after / name
        if not all(file.exists() for file in files) or files[0].read_bytes() != files[1].read_bytes():
            differ.append(name)
    return differ


def sign(jobs: Sequence[str], before: dict[str, str]) -> None:
    """Maps the present digests of some jobs to their versions before."""
    known, own = confirmed(), digests()
    how = {
        "precision": PRECISION, "device": "cpu", "instructions": process.instructions(),
        "torch": provenance.versions().get("torch", ""),
    }  # fmt: skip
    for job in jobs:
        entry = known.setdefault(job, {}).setdefault(own[job], {"version": before[job], "signed": []})
        entry["signed"] = [one for one in entry["signed"] if (one["precision"], one["device"]) != (PRECISION, "cpu")] + [how]
    write_json(PACKAGE / CONFIRMED, known)


def confirm(base: str) -> int:
    """Compares with a commit, signs what is equal, says what is not. The number of jobs that differ."""
    root = PACKAGE.parent
    with tempfile.TemporaryDirectory(prefix="ganrepro-confirm-") as scratch:
        tree = Path(scratch) / "before"
        done = subprocess.run(["git", "worktree", "add", "--detach", str(tree), base], cwd=root, capture_output=True, text=True)
        if done.returncode:
            raise UserError(f"--base {base}: no commit of this repository ({done.stderr.strip().splitlines()[-1]})")
        try:
            before = json.loads(_in(tree, "--versions"))
            jobs = touched(before)
            if not jobs:
                print(f"nothing that has a key differs from {base}")
                return 0
            print(f"{len(jobs)} kinds of jobs are touched: {', '.join(jobs)}", flush=True)
            _in(tree, "--make", *jobs, "--out", str(Path(scratch) / "a"))
            _in(root, "--make", *jobs, "--out", str(Path(scratch) / "b"))
            equal, other = [], {}
            for job in jobs:
                name = job.replace("/", "-")
                found = compare(Path(scratch) / "a" / name, Path(scratch) / "b" / name)
                if found or not (Path(scratch) / "a" / name).exists():
                    other[job] = found[0] if found else "no tiny example of it"
                else:
                    equal.append(job)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=root, capture_output=True)
    sign(equal, before)
    print(f"equal to the byte, and signed: {', '.join(equal) or 'none'}")
    for job, why in other.items():
        print(f"differs: {job} ({why}); its results will be made anew")
    return len(other)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="HEAD", help="the state before the edit (default: %(default)s)")
    parser.add_argument("--versions", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--make", nargs="+", metavar="JOB", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.versions:
        print(json.dumps(versions()))
    elif args.make:
        tiny.make(args.make, args.out)
    else:
        sys.exit(1 if confirm(args.base) else 0)


if __name__ == "__main__":
    stage.run(main)

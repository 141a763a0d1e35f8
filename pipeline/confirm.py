"""Confirms that an edit of the code changes no byte of any result, so that no key moves: `make confirm`.

    python -m pipeline.confirm                 # the edits since the last commit
    python -m pipeline.confirm --base main~3   # those since another state

Every kind of job (`ganrepro.plan.code`) that the edit touches is run on a tiny example, with the code before (in a git worktree)
and with the code that lies here, on this machine. Where all files are equal and the example executed every line that differs,
`ganrepro/confirmed.json` maps the new digest to the version before it; commit that file with the edit. What differs, or was
not executed, stays unconfirmed: its results are made anew.
A confirmation counts for the precision and the device that it ran in, and names the instruction set.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from ganrepro import arithmetic, provenance
from ganrepro.errors import UserError
from ganrepro.plan import code
from ganrepro.store.code import CONFIRMED, PACKAGE, VERSION_DIGITS, code_digest, confirmed, modules_of
from ganrepro.store.files import write_json
from pipeline import stage

PRECISION = "float32"  # of the tiny examples
MOST_NAMED = 12  # lines that a message names
KEY = re.compile(r"(?<=constant)-[0-9a-f]{12}-\d+")  # in the name of a file, of its code


def versions() -> dict[str, str]:
    """The version of every kind of job, as it enters keys."""
    return {job: code.version(job, PRECISION) for job in code.jobs()}


def digests() -> dict[str, str]:
    """The digest of every kind of job's code, as it lies here."""
    return {job: code_digest(*code.modules_of(job))[:VERSION_DIGITS] for job in code.jobs()}


def touched(before: dict[str, str]) -> list[str]:
    """Jobs that were there before and whose keys the edit moves."""
    return [job for job, version in versions().items() if job in before and before[job] != version]


def _in(tree: Path, *words: str) -> str:
    """What this module prints when it is run with the code of another tree."""
    environment = os.environ | {"PYTHONPATH": str(tree), "GANREPRO_MLFLOW": "off"}
    if arithmetic.available():  # that of the kept evidence
        environment |= arithmetic.PORTABLE
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.confirm", *words], cwd=tree, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"{tree}: the code there cannot make its tiny examples ({last})")
    return done.stdout


def compare(before: Path, after: Path, by_example: bool = False) -> list[str]:
    """Files that differ, or are in one folder alone.

    by_example: files lie in a folder for each example; those of methods that there were not before say nothing.
    """
    here, there = (
        {KEY.sub("", p.relative_to(root).as_posix()): p for p in root.rglob("*") if p.is_file()} for root in (before, after)
    )
    if by_example:
        before_too = {name.split("/")[0] for name in here}
        there = {name: file for name, file in there.items() if name.split("/")[0] in before_too}
    return [
        name
        for name in sorted({*here, *there})
        if name not in here or name not in there or here[name].read_bytes() != there[name].read_bytes()
    ]


def edited(before: Path, after: Path) -> dict[str, list[int]]:
    """Of each file of the package that differs, the lines of functions that have to be executed for the edit to be seen.

    They are the first lines of the statements that were edited, and of each function that lost one or that uses a name of the
    module which was edited. A `raise` makes no result.
    """
    needed = {}
    for file in sorted((after / "ganrepro").rglob("*.py")):
        name = file.relative_to(after).as_posix()
        old, new = ((root / name).read_text(encoding="utf-8") if (root / name).exists() else "" for root in (before, after))
        if old != new and (lines := _lines(old, new)):
            needed[name] = sorted(lines)
    return needed


def _lines(old: str, new: str) -> set[int]:
    blocks = difflib.SequenceMatcher(None, old.splitlines(), new.splitlines(), autojunk=False).get_opcodes()
    touched_lines = {line for kind, _, _, a, b in blocks if kind != "equal" for line in range(a + 1, max(b, a + 1) + 1)}
    removed = {a + 1 for kind, _, _, a, _ in blocks if kind == "delete"}
    module = ast.parse(new)
    functions = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)]
    inside = {node for function in functions for node in ast.walk(function)}
    needed, names = set(), set()
    for statement in ast.walk(module):
        if not isinstance(statement, ast.stmt) or isinstance(statement, (ast.Raise, ast.Import, ast.ImportFrom)):
            continue
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue  # a docstring
        below = getattr(statement, "body", None)
        own = range(statement.lineno, below[0].lineno if below else (statement.end_lineno or statement.lineno) + 1)
        if not touched_lines & set(own):
            continue
        if statement in inside and not isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            needed.add(statement.lineno)
        else:
            names |= (
                {statement.name} if hasattr(statement, "name") else {n.id for n in ast.walk(statement) if isinstance(n, ast.Name)}
            )
    for function in functions:
        used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)} | {function.name}
        lost = any(function.lineno <= line <= (function.end_lineno or line) for line in removed)
        if lost or used & names:
            needed.add(_first(function).lineno)
    return needed


def _first(function: ast.FunctionDef) -> ast.stmt:
    """The first statement of a function that is executed."""
    return function.body[int(ast.get_docstring(function) is not None and len(function.body) > 1)]


def watch(files: Sequence[str], executed: set[tuple[str, int]]) -> None:
    """From now on notes each line of some files of the package that is executed, in whatever thread."""
    names = {str(PACKAGE.parent / file): file for file in files}

    def of_file(frame: FrameType, event: str, _: object) -> Any:
        if (name := names.get(frame.f_code.co_filename)) is None:
            return None
        if event == "line":
            executed.add((name, frame.f_lineno))
        return of_file

    sys.settrace(of_file)
    threading.settrace(of_file)


def sign(jobs: Sequence[str], before: dict[str, str]) -> None:
    """Maps the present digests of some jobs to their versions before."""
    if not jobs:
        return
    from ganrepro import process  # which loads torch; not needed to compare

    known, own = confirmed(), digests()
    how = {
        "precision": PRECISION, "device": "cpu", "instructions": process.instructions(),
        "torch": provenance.versions().get("torch", ""),
    }  # fmt: skip
    for job in jobs:
        entry = known.setdefault(job, {}).setdefault(own[job], {"version": before[job], "signed": []})
        entry["signed"] = [
            how_before for how_before in entry["signed"] if (how_before["precision"], how_before["device"]) != (PRECISION, "cpu")
        ] + [how]
    write_json(PACKAGE / CONFIRMED, known)


def confirm(base: str) -> int:
    """Compares with a commit, signs what is equal, says what is not. The number of jobs that stay unsigned."""
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
            needed = edited(tree, root)
            from pipeline.tiny import CONVOLUTIONS  # which loads torch; not needed to compare versions

            examples = [*jobs, CONVOLUTIONS]
            _in(tree, "--make", *examples, "--out", str(Path(scratch) / "a"))
            lines = [f"{file}:{line}" for file, of in needed.items() for line in of]
            output = _in(root, "--make", *examples, "--out", str(Path(scratch) / "b"), *(["--watch", *lines] if lines else []))
            executed = {(name, line) for name, line in json.loads(output.splitlines()[-1])}
            equal, other = [], {}
            for job in jobs:
                name = job.replace("/", "-")
                by_example = job == "images" or job.startswith("measure/")
                differing = compare(Path(scratch) / "a" / name, Path(scratch) / "b" / name, by_example)
                files = {f"ganrepro/{module.replace('.', '/')}" for module in modules_of(*code.modules_of(job))}
                if "ganrepro/nets/cpu_convolutions" in files and (Path(scratch) / "a" / CONVOLUTIONS).exists():
                    differing += compare(Path(scratch) / "a" / CONVOLUTIONS, Path(scratch) / "b" / CONVOLUTIONS)
                unseen = [
                    f"{file}:{line}"
                    for file, lines in needed.items()
                    for line in lines
                    if {file.removesuffix(".py"), file.removesuffix("/__init__.py")} & files and (file, line) not in executed
                ]
                if differing:
                    other[job] = f"{differing[0]} differs"
                elif not (Path(scratch) / "a" / name).exists():
                    other[job] = "no tiny example of it"
                elif unseen:
                    other[job] = f"its tiny example does not execute {', '.join(unseen[:MOST_NAMED])}"
                else:
                    equal.append(job)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=root, capture_output=True)
    sign(equal, before)
    print(f"equal to the byte, and signed: {', '.join(equal) or 'none'}")
    for job, why in other.items():
        print(f"not signed: {job} ({why}); its results will be made anew")
    return len(other)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="HEAD", help="the state before the edit (default: %(default)s)")
    parser.add_argument("--versions", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--make", nargs="+", metavar="JOB", help=argparse.SUPPRESS)
    parser.add_argument("--watch", nargs="+", default=[], metavar="FILE:LINE", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.versions:
        print(json.dumps(versions()))
    elif args.make:
        from pipeline import tiny  # likewise

        wanted = {(file, int(line)) for file, _, line in (text.rpartition(":") for text in args.watch)}
        executed: set[tuple[str, int]] = set()
        watch([*{file for file, _ in wanted}], executed)
        tiny.make(args.make, args.out, see=lambda: not wanted <= executed)
        sys.settrace(None)
        print(json.dumps(sorted(executed)))
    else:
        sys.exit(1 if confirm(args.base) else 0)


if __name__ == "__main__":
    stage.run(main)

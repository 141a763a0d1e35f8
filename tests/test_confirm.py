"""`make confirm`: an edit that changes no byte moves no key, one that does is named, and exactly its rows are planned."""

import json
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT
from test_pipeline import ENVIRONMENT

pytestmark = pytest.mark.slow

KEYS = """
from ganrepro import settings
from ganrepro.plan import paths
params = settings.load()
for study in params.studies.values():
    for run in paths.trained(params, study):
        print(run.method.name, run.folder)
"""


def test_an_edit_that_changes_no_byte_keeps_every_key_and_another_moves_its_own_rows(tmp_path):
    for name in ("ganrepro", "papers", "pipeline"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "confirmed.json"))
    shutil.copy(ROOT / "params.yaml", tmp_path)

    def run(*command):
        done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def edit(old, new):
        file = tmp_path / "ganrepro/methods/pix2pix.py"
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")

    def keys():
        return {tuple(line.split()) for line in run(sys.executable, "-c", KEYS)[1].splitlines()}

    for words in ("init -q -b main", "config user.name t", "config user.email t@example.org", "add -A", "commit -qm first"):
        assert run("git", *words.split())[0] == 0
    before = keys()
    edit("given", "entered")  # the name of a variable
    moved = before - keys()
    assert moved and {method for method, _ in moved} == {"pix2pix"}
    assert len(moved) == sum(method == "pix2pix" for method, _ in before)
    code, told = run(sys.executable, "-m", "pipeline.confirm")
    assert code == 0 and "equal to the byte, and signed: train/pix2pix" in told, told
    assert keys() == before
    ((_, entry),) = json.loads((tmp_path / "ganrepro/confirmed.json").read_text())["train/pix2pix"].items()
    assert [(one["precision"], one["device"]) for one in entry["signed"]] == [("float32", "cpu")]
    assert entry["signed"][0]["instructions"] and entry["signed"][0]["torch"]
    assert "nothing that has a key differs from HEAD" in run(sys.executable, "-m", "pipeline.confirm")[1]
    edit("dict.fromkeys(terms, 0.5)", "dict.fromkeys(terms, 0.4)")
    code, told = run(sys.executable, "-m", "pipeline.confirm")
    assert code == 1 and "differs: train/pix2pix (" in told and "its results will be made anew" in told, told
    assert {method for method, _ in before - keys()} == {"pix2pix"}
    assert run("git", "worktree", "list")[1].count("\n") == 1  # nothing is left behind

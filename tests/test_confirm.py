"""`make confirm`: an edit that changes no byte moves no key, one that does is named, and exactly its rows are planned."""

import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import ROOT
from test_pipeline import ENVIRONMENT

from ganrepro.nets import cpu_convolutions
from ganrepro.plan import code
from pipeline import confirm, tiny

KEYS = """
from ganrepro import settings
from ganrepro.plan import paths
params = settings.load()
for study in params.studies.values():
    for run in paths.trained(params, study):
        print(run.method.name, run.folder)
"""


@pytest.mark.slow
def test_an_edit_that_changes_no_byte_keeps_every_key_and_another_moves_its_own_rows(tmp_path):
    for name in ("ganrepro", "papers", "pipeline"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "confirmed.json"))
    shutil.copy(ROOT / "params.yaml", tmp_path)

    def run(*command):
        done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def edit(method, old, new):
        file = tmp_path / f"ganrepro/methods/{method}.py"
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")

    def keys():
        return {tuple(line.split()) for line in run(sys.executable, "-c", KEYS)[1].splitlines()}

    for words in ("init -q -b main", "config user.name t", "config user.email t@example.org", "add -A", "commit -qm first"):
        assert run("git", *words.split())[0] == 0
    before = keys()
    edit("pix2pix", "given", "entered")  # the name of a variable
    edit("bigan", "dict.fromkeys(terms, 0.5)", "dict.fromkeys(terms, 0.4)")
    moved = before - keys()
    assert {method for method, _ in moved} == {"pix2pix", "bigan"}
    assert len(moved) == sum(method in ("pix2pix", "bigan") for method, _ in before)
    code, told = run(sys.executable, "-m", "pipeline.confirm")
    assert code == 1 and "equal to the byte, and signed: train/pix2pix\n" in told, told
    assert "not signed: train/bigan (" in told and " differs); its results will be made anew" in told, told
    # what was signed ran in float32 and says nothing of other precisions
    short = {(method, folder) for method, folder in before if "streets-precision/pix2pix-short-" in folder}
    assert {method for method, _ in before - keys() - short} == {"bigan"} and short and not short & keys()
    ((_, entry),) = json.loads((tmp_path / "ganrepro/confirmed.json").read_text())["train/pix2pix"].items()
    assert [(one["precision"], one["device"]) for one in entry["signed"]] == [("float32", "cpu")]
    assert entry["signed"][0]["instructions"] and entry["signed"][0]["torch"]
    edit("bigan", "dict.fromkeys(terms, 0.4)", "dict.fromkeys(terms, 0.5)")
    assert before - keys() == short
    assert run(sys.executable, "-m", "pipeline.confirm") == (0, "nothing that has a key differs from HEAD\n")
    assert run("git", "worktree", "list")[1].count("\n") == 1  # nothing is left behind


@pytest.mark.slow
def test_every_layout_and_edges_have_an_example_that_is_the_same_each_time(tmp_path):
    jobs = [job for job in code.jobs() if job.startswith(("prepare/", "edges"))]
    for name in ("once", "again"):
        tiny.make(jobs, tmp_path / name)
    for job in jobs:
        folder = tmp_path / "once" / job.replace("/", "-")
        assert (folder / "manifest.json").exists() and len(list(folder.rglob("*.png"))) >= 8, job
    assert confirm.compare(tmp_path / "once", tmp_path / "again") == []


OLD = """
LIMIT = 3


def keep(x):
    y = x + 1
    if y > LIMIT:
        y = 0
    return y


def other(x):
    return x


def third(x):
    z = 2
    return x * 1
"""


@pytest.mark.parametrize(
    ("edit", "needed"),
    [
        (("y = 0", "y = 0.0"), [8]),  # a statement: its line
        (("LIMIT = 3", "LIMIT = 4"), [6]),  # a constant: the functions that use it
        (("def other(x)", "def other(x, more=1)"), [13]),  # a signature: its function
        (("    z = 2\n", ""), [17]),  # something that is gone: what is left of its function
        (("    return x\n", '    if x is None:\n        raise ValueError("x: missing")\n    return x\n'), [13]),  # no `raise`
        (("    return x\n", '    """The same."""\n    # as it came\n    return x\n'), []),  # words
        (("LIMIT = 3\n", "LIMIT = 3\n\n\ndef fourth(x):\n    return keep(x)\n"), [6]),
    ],
)
def test_an_edit_has_to_be_executed_to_be_confirmed(tmp_path, edit, needed):
    assert OLD.count(edit[0]) == 1 or edit[0] == "    return x\n"
    for name, text in (("a", OLD), ("b", OLD.replace(*edit, 1))):
        (tmp_path / name / "ganrepro").mkdir(parents=True)
        (tmp_path / name / "ganrepro/x.py").write_text(text)
    assert confirm.edited(tmp_path / "a", tmp_path / "b").get("ganrepro/x.py", []) == needed


def test_lines_are_seen_in_every_thread(monkeypatch, tmp_path):
    (tmp_path / "seen.py").write_text("def f(x):\n    if x:\n        return 1\n    return 2\n")
    monkeypatch.setattr(confirm, "PACKAGE", tmp_path / "ganrepro")
    monkeypatch.syspath_prepend(tmp_path)
    import seen

    executed = set()
    before = sys.gettrace()
    try:
        confirm.watch(["seen.py"], executed)
        seen.f(0)
        thread = threading.Thread(target=seen.f, args=(1,))
        thread.start()
        thread.join()
    finally:
        sys.settrace(before)
        threading.settrace(None)
    assert executed == {("seen.py", 2), ("seen.py", 3), ("seen.py", 4)}


def test_what_no_example_executes_stays_unsigned(monkeypatch, capsys):
    def answer(tree, *words):
        if "--make" in words:
            (Path(words[words.index("--out") + 1]) / "train-pix2pix").mkdir(parents=True)
        return json.dumps({"train/pix2pix": "old"} if "--versions" in words else [["ganrepro/methods/pix2pix.py", 4]])

    monkeypatch.setattr(confirm, "_in", answer)
    monkeypatch.setattr(confirm, "edited", lambda before, after: {"ganrepro/methods/pix2pix.py": [4, 5]})
    monkeypatch.setattr(confirm, "sign", lambda jobs, before: None)
    assert confirm.confirm("HEAD") == 1
    told = "not signed: train/pix2pix (its tiny example does not execute ganrepro/methods/pix2pix.py:5)"
    assert told in capsys.readouterr().out


def test_an_edit_of_a_convolution_that_small_networks_do_not_take_is_seen(tmp_path, monkeypatch):
    """Whatever way it concerns: the same bytes twice, others where one number of it is another."""
    tiny._convolve(tmp_path / "a")
    tiny._convolve(tmp_path / "b")
    assert not confirm.compare(tmp_path / "a", tmp_path / "b") and len(list((tmp_path / "a").rglob("*"))) > 60
    for way in (cpu_convolutions._LeanProducts, cpu_convolutions._Products, cpu_convolutions._Unfolded):
        usual, other = way.forward, tmp_path / way.__name__
        with monkeypatch.context() as edited:
            edited.setattr(way, "forward", staticmethod(lambda ctx, *given, usual=usual: usual(ctx, *given) * (1 + 2**-20)))
            tiny._convolve(other)
        assert confirm.compare(tmp_path / "a", other)

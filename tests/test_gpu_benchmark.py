"""The benchmark of a GPU runs from its first part to its last at toy size, also from its pack, and says what failed."""

import json
import os
import subprocess
import sys
import time
import zipfile

import pytest
from conftest import ROOT

from benchmarks import gpu

OFF = {"GANREPRO_MLFLOW": "off"}


def run(folder, *words, ok=True):
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=os.environ | OFF | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert (done.returncode == 0) is ok, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_every_part_runs_at_toy_size_from_a_pack(tmp_path):
    """What travels is enough: the pack is run in an empty folder. A study without images is said to have failed."""
    run(ROOT, "-m", "benchmarks.gpu", "--pack", str(tmp_path / "gpu.zip"))
    out = tmp_path / "out"
    told = run(tmp_path, "gpu.zip", "--toy", "--study", "streets-tiny", "--at-once", "2", "--out", str(out), ok=False)
    found = json.loads((out / "gpu.json").read_text())
    assert set(found["parts"]) == {"tests", "steps", "profile", "kernels", "together", "study"} and found["toy"]
    assert found["parts"]["tests"]["passed"], found["parts"]["tests"]
    assert len(found["parts"]["steps"]) == 18 and min(found["parts"]["steps"].values()) > 0
    assert len(found["parts"]["kernels"]) == 8 and min(found["parts"]["kernels"].values()) > 0, found["parts"]["kernels"]
    together = found["parts"]["together"]
    assert len(together) == 12 and all(one["steps_per_second"] > 0 and one["peak_bytes"] > 0 for one in together.values())
    profile = found["parts"]["profile"]
    assert profile["kernels"] > 100 and 0 < profile["copies"] < 1 and 0 < profile["pads"] < 1
    assert found["parts"]["study"]["finished"] == [] and all("FAILED" in one for one in found["parts"]["study"]["failed"])
    page = (out / "gpu.md").read_text()
    assert "## Together" in page and "failed: study" in told


@pytest.mark.parametrize("failure", [RuntimeError, SystemExit])
def test_a_part_that_fails_leaves_the_rest_and_is_named(tmp_path, monkeypatch, capsys, failure):
    def broken(toy):
        raise failure("no such kernel")

    monkeypatch.setattr(gpu, "profile", broken)
    monkeypatch.setattr(
        gpu, "together", lambda toy, seconds, until: {"float32 × 1": {"steps_per_second": 2.0, "peak_bytes": 1e9}}
    )
    monkeypatch.setattr(sys, "argv", ["gpu", "--toy", "--parts", "profile", "together", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as stopped:
        gpu.main()
    assert stopped.value.code == 1 and "failed: profile" in capsys.readouterr().out
    page = (tmp_path / "gpu.md").read_text()
    assert "no such kernel" in page and "| float32 × 1 | 2.00 | 1.00 GB |" in page
    monkeypatch.setattr(sys, "argv", ["gpu", "--toy", "--parts", "nothing"])
    with pytest.raises(SystemExit, match="expected some of tests steps"):
        gpu.main()


def test_a_measurement_that_fails_leaves_the_others_and_none_is_begun_too_late():
    def measure(case):
        if case == 2:
            raise SystemExit("first line\nno such kernel")
        return float(case)

    found = gpu.each({"a": 1, "b": 2, "c": 3}, measure, time.monotonic() + 100)
    assert found == {"a": 1.0, "b": "failed: no such kernel", "c": 3.0} and gpu.failed(found)
    assert gpu.each({"a": 1}, measure, time.monotonic() - 1) == {"a": "out of time"}
    page = gpu.page({"machine": {"device_name": "X"}, "parts": {"kernels": found, "together": found}})
    assert "| b | failed: no such kernel |" in page and "| b | failed: no such kernel | – |" in page


def test_a_study_that_there_is_not_is_said_at_once(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["gpu", "--toy", "--study", "streets-tinny", "--out", str(tmp_path)])
    with pytest.raises(SystemExit, match="did you mean 'streets-tiny'"):
        gpu.main()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--wheels", "{tmp}/none"], r"none: holds no \*\.whl"),
        (["--reference", "{tmp}"], r"holds no models/\*\.py"),
        (["--data", "{tmp}/x"], r"x: holds no manifest\.json"),
        (["--data", "{tmp}/data"], "expected a folder of this checkout"),
    ],
)
def test_a_pack_of_what_is_not_there_is_refused(monkeypatch, tmp_path, words, message):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "manifest.json").touch()
    monkeypatch.setattr(sys, "argv", ["gpu", "--pack", str(tmp_path / "p.zip"), *(word.format(tmp=tmp_path) for word in words)])
    with pytest.raises(SystemExit, match=message):
        gpu.main()
    assert not (tmp_path / "p.zip").exists()


def test_another_pack_of_the_same_name_takes_the_place_of_the_first(tmp_path):
    for told in ("first", "second"):
        with zipfile.ZipFile(tmp_path / "gpu.zip", "w") as made:
            made.write(ROOT / "benchmarks" / "gpu_main.py", "__main__.py")
            made.writestr("benchmarks/gpu.py", f"def main(): print('{told}')")
        assert run(tmp_path, "gpu.zip").strip() == told


def test_the_page_sets_trainings_together_against_the_reference_one_after_the_other():
    parts = {
        "together": {"float32 × 4": {"steps_per_second": 40.0, "peak_bytes": 1e9}},
        "reference": {"cyclegan-128 × 1": 5.0},
    }
    made = gpu.page({"machine": {"device_name": "X"}, "parts": parts})
    assert "| float32 × 4 | 8.00× |" in made


def test_a_pack_holds_code_wheels_and_the_reference_with_its_commit(tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "w/a-1-py3-none-any.whl").write_bytes(b"x")
    (tmp_path / "r/models").mkdir(parents=True)
    (tmp_path / "r/models/m.py").write_text("x = 1\n")
    (tmp_path / "r/COMMIT").write_text("abc\n")
    gpu.pack(ROOT, tmp_path / "p.zip", tmp_path / "w", tmp_path / "r", [])
    with zipfile.ZipFile(tmp_path / "p.zip") as made:
        names = set(made.namelist())
        assert made.read("reference/COMMIT") == b"abc"
    assert {
        "__main__.py",
        "params.yaml",
        "ganrepro/methods/gan.py",
        "wheels/a-1-py3-none-any.whl",
        "reference/models/m.py",
    } <= names
    assert not any("__pycache__" in name for name in names)

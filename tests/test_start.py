"""Stages that start as copies of a process which has loaded their libraries: the same as stages started by themselves."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT

from pipeline.start import ADDRESS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="stages are copied on Linux alone")

ALONE = {name: value for name, value in os.environ.items() if name not in (ADDRESS, "PYTHONUNBUFFERED")}
# stands for torch: who loaded it
TORCH = "import os\nLOADED_BY = os.getpid()\n"
STAGE = """
import atexit, os, signal, sys, threading, time
import torch
atexit.register(print, "at exit")
print(torch.LOADED_BY == os.getpid(), os.getcwd(), os.environ.get("WORD"), *sys.argv[1:], flush=True)
print("to stderr", file=sys.stderr, flush=True)
if "sleep" in sys.argv:
    signal.signal(signal.SIGTERM, lambda *_: (open("terminated", "w").close(), sys.exit(5)))
    open("pid", "w").write(str(os.getpid()))
    time.sleep(float(sys.argv[-1]))
    open("slept", "w").close()
if sys.argv[1] == "thread":
    threading.Thread(target=lambda: (time.sleep(0.3), print("in a thread"))).start()
if sys.argv[1] == "interrupted":
    raise KeyboardInterrupt
if sys.argv[1] == "raises":
    raise ValueError("as raised")
if sys.argv[1] in ("fails", "three"):
    sys.exit({"fails": "error: as told", "three": 3}[sys.argv[1]])
"""
STARTER = (
    "import os, sys; from pipeline import start; start.begin('.'); print(os.environ[start.ADDRESS], flush=True); sys.stdin.read()"
)


@pytest.fixture
def project(tmp_path):
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline/__init__.py").touch()
    (tmp_path / "pipeline/start.py").write_bytes((ROOT / "pipeline/start.py").read_bytes())
    (tmp_path / "pipeline/generate.py").write_text(STAGE)
    (tmp_path / "torch.py").write_text(TORCH)
    return tmp_path


@pytest.fixture
def starter(project):
    """A workflow's process, and what its stages find in their environment."""
    process = subprocess.Popen(
        [sys.executable, "-c", STARTER], cwd=project, env=ALONE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process, ALONE | {ADDRESS: process.stdout.readline().strip(), "WORD": "given"}
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def stage(project, environment, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.start", "generate", *words], cwd=project, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_copy_has_the_folder_environment_files_and_exit_status_of_its_stage(project, starter):
    _, environment = starter
    statuses = {"well": 0, "thread": 0, "three": 3, "fails": 1, "raises": 1, "interrupted": 130}
    stages = {word: stage(project, environment, word) for word in statuses}  # at once
    said = {word: process.communicate(timeout=60) for word, process in stages.items()}
    for word, (out, err) in said.items():
        thread = ["in a thread"] * (word == "thread")
        assert out.splitlines() == [f"False {project} given {word}", *thread, "at exit"]  # loaded by another
        assert stages[word].returncode == statuses[word]
        assert err.splitlines()[0] == "to stderr"
        assert err.splitlines()[-1].startswith("done in 0 s") if statuses[word] == 0 else "done" not in err
    assert said["fails"][1].splitlines()[-1] == "error: as told"
    assert said["raises"][1].splitlines()[-1] == "ValueError: as raised" and "Traceback" in said["raises"][1]


def test_without_that_process_a_stage_runs_by_itself(project):
    for environment in (ALONE | {ADDRESS: str(project / "nothing")}, ALONE):
        process = stage(project, environment | {"WORD": "x"}, "well")
        out, err = process.communicate(timeout=60)
        assert out.splitlines() == [f"True {project} x well", "at exit"] and process.returncode == 0 and "done in" in err


def test_a_signal_reaches_the_copy_and_a_killed_stage_takes_it_along(project, starter):
    _, environment = starter
    process = stage(project, environment, "sleep", "60")
    until((project / "pid").exists)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 5 and (project / "terminated").exists()
    (project / "pid").unlink()
    process = stage(project, environment, "sleep", "60")
    until(lambda: (project / "pid").exists() and (project / "pid").read_text())
    number = int((project / "pid").read_text())
    process.kill()
    process.communicate(timeout=60)
    until(lambda: not alive(number))
    assert not (project / "slept").exists()


def test_it_ends_after_its_last_stage_once_the_workflow_is_gone(project, starter):
    workflow, environment = starter
    folder = Path(environment[ADDRESS]).parent
    assert folder.stat().st_mode & 0o777 == 0o700  # nobody else may start anything
    process = stage(project, environment, "sleep", "1")
    until((project / "pid").exists)
    os.kill(workflow.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == 0 and (project / "slept").exists()
    until(lambda: not folder.exists())


def test_the_process_that_stages_are_copied_from_outlives_a_signal_to_all(project, starter):
    """As a batch system sends it: its stages end by it, and it tidies up after its caller."""
    process, environment = starter
    running, folder = stage(project, environment, "sleep", "99"), Path(environment[ADDRESS]).parent
    until((project / "pid").exists)
    (listening,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(listening), signal.SIGTERM)
    time.sleep(0.2)
    assert alive(int(listening)) and alive(int((project / "pid").read_text()))
    running.terminate()
    assert running.communicate(timeout=60) and running.returncode == 5
    process.stdin.close()
    until(lambda: not folder.exists())


def test_a_bundle_that_is_stopped_stops_its_stages_and_leaves_no_folder(project, tmp_path_factory):
    """Both the process that stages are copied from and its folder go with it."""
    place, temporary = tmp_path_factory.mktemp("carried"), tmp_path_factory.mktemp("t")
    folder = place / "toy"
    shutil.copytree(project, folder)
    (folder / "data").mkdir()
    (folder / "data/manifest.json").touch()
    job = {"module": "generate", "words": ["sleep", "99"], "needs": [], "makes": "never"}
    with zipfile.ZipFile(place / "toy.zip", "w") as pack:
        pack.writestr("plan.json", json.dumps({"data": "data", "arithmetic": "usual", "jobs": [job]}))
    program = "import sys; from pipeline import bundle_main; sys.argv[0] = 'toy.zip'; bundle_main.main()"
    environment = ALONE | {"PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
    bundle = subprocess.Popen([sys.executable, "-c", program], cwd=place, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        until((folder / "pid").exists)
        assert list(temporary.iterdir()), "no process to copy stages from: is the temporary folder's name too long for a socket?"
        bundle.terminate()
        assert bundle.communicate(timeout=60)[1] == "stopped; start it again to go on\n" and bundle.returncode == 1
        assert (folder / "terminated").exists()
        until(lambda: not list(temporary.iterdir()))
    finally:
        bundle.kill()

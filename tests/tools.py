"""Commands as a user types them, in processes that start as copies of one that has loaded what takes long to load."""

import functools
import json
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

COPIES = multiprocessing.get_context("forkserver")
COPIES.set_forkserver_preload(
    ["snakemake.cli", "snakemake.api", "dvc.cli", "dvc.repo", "torch", "pandas", "pydantic", "mlflow.tracking"]
)
os.environ |= {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}  # a copy has one thread alone


def run(command, folder, environment):
    """What `subprocess.run` gives, with output and errors in one. Only programs of Python are copies."""
    command, folder, environment = list(map(str, command)), str(folder), dict(environment)
    if command[0] not in (sys.executable, "snakemake", "dvc", "ganrepro"):
        return subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )
    with tempfile.NamedTemporaryFile("r+", encoding="utf-8", errors="replace") as output:
        copy = COPIES.Process(target=become, args=(command, folder, environment, output.name, path()))
        copy.start()
        copy.join()
        return subprocess.CompletedProcess(command, copy.exitcode, output.read())


@functools.cache
def path():
    """Where a new Python looks for modules, without the place of the program."""
    asked = [sys.executable, "-c", "import json, sys; print(json.dumps(sys.path[1:]))"]
    return json.loads(subprocess.run(asked, capture_output=True, check=True, cwd="/").stdout)


def become(command, folder, environment, output, places):
    """Runs the program in this process, which is a copy."""
    for standard, opened in (
        (0, os.open(os.devnull, os.O_RDONLY)),
        *((n, os.open(output, os.O_WRONLY | os.O_APPEND)) for n in (1, 2)),
    ):
        os.dup2(opened, standard)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    program, *words = command
    if program == sys.executable and words[0] == "-c":
        sys.path[:], sys.argv = ["", *places], ["-c", *words[2:]]
        exec(compile(words[1], "<string>", "exec"), {"__name__": "__main__"})
    elif program == sys.executable:
        assert words[0] == "-m", command
        sys.path[:], sys.argv = [folder, *places], words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        script = Path(sys.executable).with_name(program)
        sys.path[:], sys.argv = [str(script.parent), *places], [str(script), *words]
        runpy.run_path(str(script), run_name="__main__")

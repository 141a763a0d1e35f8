"""Commands as a user types them, in processes that start as copies of one that has loaded what takes long to load."""

import atexit
import contextlib
import functools
import json
import multiprocessing
import multiprocessing.connection
import os
import runpy
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

SHARED = "GANREPRO_TEST_TOOLS"  # environment: what `programs` gave whoever started this process
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
    with (
        tempfile.NamedTemporaryFile("r+", encoding="utf-8", errors="replace") as output,
        open(os.devnull, "rb") as nothing,
        socket.socket(socket.AF_UNIX) as to,
    ):
        to.connect(str(Path(programs()) / "asked"))
        socket.send_fds(to, [b"?"], [nothing.fileno(), output.fileno(), output.fileno()])
        to.sendall(json.dumps([command, folder, environment]).encode())
        to.shutdown(socket.SHUT_WR)
        code = to.recv(1)[0]
        output.seek(0)
        return subprocess.CompletedProcess(command, code, output.read())


# what DVC and other programs find as `snakemake`: it asks for a copy and waits for it
ASKING = """#!/bin/sh
exec {python} -ISc '
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as to:
    to.connect("{address}")
    socket.send_fds(to, [b"?"], [0, 1, 2])
    to.sendall(json.dumps([["snakemake", *sys.argv[1:]], os.getcwd(), dict(os.environ)]).encode())
    to.shutdown(socket.SHUT_WR)
    sys.exit(to.recv(1)[0])
' "$@"
"""


@functools.cache
def programs():
    """A folder with such a `snakemake`, to be first of PATH, and a socket for copies; all processes of xdist have one."""
    if SHARED in os.environ:
        return os.environ[SHARED]
    place = Path(tempfile.mkdtemp(prefix="ganrepro-tools-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    program, address = place / "snakemake", str(place / "asked")
    program.write_text(ASKING.format(python=shlex.quote(sys.executable), address=address))
    program.chmod(0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        COPIES.Process(target=answer, args=(listener, path()), daemon=True).start()
    return str(place)


def answer(listener, places):
    """Makes a copy of this process for whoever asks, and says how it ended; ends with the process that began it."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait
    gone = multiprocessing.parent_process().sentinel
    while gone not in multiprocessing.connection.wait([listener, gone]):
        asked, _ = listener.accept()
        if os.fork():
            asked.close()
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _, files, _, _ = socket.recv_fds(asked, 1, 3)
        with asked.makefile("rb") as message:
            words, folder, environment = json.load(message)
        if not (copy := os.fork()):
            listener.close()
            asked.close()
            become(words, folder, environment, files, places)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])
        with contextlib.suppress(OSError):  # who asked may be gone
            asked.send(bytes([code if code >= 0 else 128 - code]))
        os._exit(0)


@functools.cache
def path():
    """Where a new Python looks for modules, without the place of the program."""
    asked = [sys.executable, "-c", "import json, sys; print(json.dumps(sys.path[1:]))"]
    return json.loads(subprocess.run(asked, capture_output=True, check=True, cwd="/").stdout)


def become(command, folder, environment, output, places):
    """Runs the program in this process, which is a copy.  output: the three standard files."""
    for standard, opened in enumerate(output):
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

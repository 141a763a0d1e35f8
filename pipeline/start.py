"""Starts a stage: `python -m pipeline.start train --study ... `, as a copy of a process that has loaded its libraries.

Loading torch, what its optimisers need and MLflow takes ten seconds of a CPU, and the main job has 51 stages. So a workflow or
a bundle keeps one process beside it that loads each library at its first use and copies itself (fork) for every stage. It
loads no code of this project, so an edit is seen by the next stage, and it computes nothing. Where there is none (a stage
started by hand, a node of a cluster, a system other than Linux), the stage runs in this process.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

ADDRESS = "GANREPRO_START"  # the process's socket, in a folder that its owner alone can enter
PYDANTIC = ["pydantic.main", "pydantic.types", "pydantic.json_schema"]  # which loads its parts when they are asked for
COMMON, OPTIMISERS = ["torch", *PYDANTIC, "ruamel.yaml", "PIL.Image"], "torch._dynamo"
MLFLOW = ["mlflow.tracking", "mlflow.store.tracking.sqlalchemy_store"]  # its database takes longer than the rest of it
LIBRARIES = {
    "prepare": COMMON,
    "train": [*COMMON, OPTIMISERS, *MLFLOW],
    "reader": [*COMMON, OPTIMISERS],
    "generate": COMMON,
    "evaluate": [*COMMON, "scipy.stats"],
    "report": [*COMMON, "scipy.stats", "pandas", "matplotlib.pyplot", *MLFLOW],
}
# read when a library is loaded, so the same for all stages; each says its own number to torch
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}

PR_SET_PDEATHSIG = 1  # of Linux's prctl.h
begun: list[subprocess.Popen[bytes]] = []  # Python warns of a process that is let go while it runs


def begin(root: str, environment: Mapping[str, str] = MappingProxyType({})) -> None:
    """Starts the process that stages are copied from, unless the caller has one; it ends with its caller, after its last stage.

    environment: what has to be set before libraries are loaded; stages find it set.

    On Linux alone: elsewhere a copy of a process with such libraries is not safe.
    """
    if sys.platform != "linux" or os.path.exists(os.environ.get(ADDRESS, "")):
        return
    address = os.path.join(tempfile.mkdtemp(prefix="ganrepro-"), "start")
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(address)
        except OSError:  # the name of the temporary folder is too long for a socket's
            os.rmdir(os.path.dirname(address))
            return
        listener.listen(512)
        words = [sys.executable, "-m", "pipeline.start", "--listen", str(listener.fileno())]
        own = ONE_THREAD | {**environment}
        reading, _ = os.pipe()  # the other end closes with this process, however that ends
        begun.append(subprocess.Popen(words, stdin=reading, pass_fds=[listener.fileno()], cwd=root, env=os.environ | own))
        os.close(reading)
    os.environ.update(environment)
    os.environ[ADDRESS] = address


def main() -> None:
    words = sys.argv[1:]
    if words[0] == "--listen":
        _run_and_leave(_listen(int(words[1])))  # comes back in each copy
    if words[0] in LIBRARIES and os.environ.get(ADDRESS):
        status = _copied(os.environ[ADDRESS], words)
        if status is not None:
            sys.exit(status)
    _run(words)


def _run(words: list[str]) -> None:
    """A stage, in this process."""
    sys.argv, started = words, time.monotonic()
    runpy.run_module(f"pipeline.{words[0]}", run_name="__main__", alter_sys=True)
    # `ganrepro watch` reads this line
    print(f"done in {time.monotonic() - started:.0f} s, {time.process_time():.0f} s of a CPU{_memory()}", file=sys.stderr)


def _memory() -> str:
    if sys.platform != "linux":  # others count in other units, or not at all
        return ""
    import resource

    return f", {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB of memory"


def _run_and_leave(words: list[str]) -> NoReturn:
    """Runs a stage and ends this process: threads, handlers at exit and output as usual, but modules are not torn down.

    In a copy tearing them down takes half a second of a CPU, since each page of memory that is touched is copied first. A file
    that a stage left open is not written to its end.
    """
    code: Any = 1
    try:
        _run(words)
        code = 0
    except SystemExit as left:
        code = left.code
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except BaseException:
        traceback.print_exc()
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # there is nothing left to stop
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:  # nobody reads it any more
            pass
        except OSError:
            code = code or 120  # as Python says it
    os._exit((code or 0) & 255)


def _copied(address: str, words: list[str]) -> int | None:
    """Exit status of a stage that ran in a copy; None where there was nobody to copy."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(address)
        except OSError:
            return None
        with tempfile.TemporaryFile("w+", encoding="utf-8") as request:
            json.dump({"words": words, "folder": os.getcwd(), "environment": dict(os.environ)}, request)
            request.flush()
            socket.send_fds(connection, [b"s"], [0, 1, 2, request.fileno()])
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the copy too, which says what there is to say
        signal.signal(signal.SIGTERM, lambda *_: connection.send(b"t"))
        status = connection.recv(1)
    if not status:
        print("error: the process that starts stages has ended before this one; start again to continue", file=sys.stderr)
    return status[0] if status else 1


def _listen(number: int) -> list[str]:
    """Copies this process for each request; a copy returns with the words of its stage. It is killed when who asked for it is."""
    at_interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # sent to all of a job, as by Slurm: it ends after its caller, and tidies up
    woken, waker = socket.socketpair()
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, socket.socket] = {}  # who asked, by the number of the copy
    alone = False
    with socket.socket(fileno=number) as listener, selectors.DefaultSelector() as selector:
        for source in (listener, woken, sys.stdin):
            selector.register(source, selectors.EVENT_READ)
        while running or not alone:
            for event, _ in selector.select():
                if event.fileobj is sys.stdin:
                    alone = True
                    selector.unregister(sys.stdin)
                elif event.fileobj is woken:
                    woken.recv(4096)
                    for copy, status in _ended():
                        connection = running.pop(copy)
                        selector.unregister(connection)
                        with connection, contextlib.suppress(OSError):  # who asked may be gone
                            connection.send(bytes([status]))
                elif event.fileobj is listener:
                    connection, _ = listener.accept()
                    request, files = _asked(connection)
                    if not request:
                        connection.close()
                        continue
                    copy = os.fork()
                    if copy == 0:
                        _become(request, files)
                        signal.signal(signal.SIGINT, at_interrupt)
                        return request["words"]
                    for descriptor in files:
                        os.close(descriptor)
                    running[copy] = connection
                    selector.register(connection, selectors.EVENT_READ, copy)
                elif event.data in running:
                    os.kill(event.data, signal.SIGTERM if running[event.data].recv(1) else signal.SIGKILL)
        shutil.rmtree(Path(listener.getsockname()).parent, ignore_errors=True)
    sys.exit()


def _ended() -> list[tuple[int, int]]:
    """The copies that have ended since, each with its exit status as a shell gives it."""
    ended = []
    with contextlib.suppress(ChildProcessError):
        while (ended_copy := os.waitpid(-1, os.WNOHANG))[0]:
            code = os.waitstatus_to_exitcode(ended_copy[1])
            ended.append((ended_copy[0], code if code >= 0 else 128 - code))
    return ended


def _asked(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """A request, its stage's libraries loaded, and the three standard files of who asked; nothing where it is gone already."""
    _, files, _, _ = socket.recv_fds(connection, 1, 4)
    if len(files) < 4:
        return {}, []
    with open(files.pop(), encoding="utf-8") as file:
        file.seek(0)
        request: dict[str, Any] = json.load(file)
    off = request["environment"].get("GANREPRO_MLFLOW") == "off"
    for name in LIBRARIES[request["words"][0]]:
        if not (off and name in MLFLOW):
            with contextlib.suppress(Exception):  # the stage meets it again, and says so
                importlib.import_module(name)
    gc.freeze()  # what is loaded stays shared
    return request, files


def _become(request: Mapping[str, Any], files: Sequence[int]) -> None:
    """Gives a copy of this process the files, folder and environment of the stage that asked for it."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # its workflow counts it as ended when that process ends
    for standard, given in enumerate(files):
        os.dup2(given, standard)
        os.close(given)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[0] = request["folder"]
    sys.modules.pop("pipeline")  # the stages are those of that folder


if __name__ == "__main__":
    main()

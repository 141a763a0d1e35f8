"""Runs a bundled study: python study.zip [--jobs K]. Start it again to go on after a stop.

Unpacks beside itself, runs every job whose inputs are there (K at once), skips what is done, and
packs the results. Needs PyTorch, NumPy, Pillow, tqdm, filelock, pydantic, scikit-image, scikit-learn and torch-fidelity.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ganrepro.arithmetic import PORTABLE
from ganrepro.data.packed import unpack
from pipeline import start


def work(folder: Path, plan: dict[str, Any], limit: int, stopped: Callable[[], bool] = lambda: False) -> list[str]:
    """Runs the jobs, so many at once, until all are done or it is stopped; returns what was not made."""
    start.begin(str(folder), PORTABLE if plan["arithmetic"] == "portable" else {})
    environment = os.environ | {"GANREPRO_MLFLOW": "off"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
    running: dict[str, subprocess.Popen[bytes]] = {}
    failed: list[str] = []
    while True:
        for makes, process in list(running.items()):
            if process.poll() is not None:
                del running[makes]
                print(f"{time.strftime('%H:%M:%S')} {'done  ' if process.returncode == 0 else 'FAILED'} {makes}", flush=True)
                failed += [makes] if process.returncode else []
        todo = [job for job in plan["jobs"] if not (folder / job["makes"]).exists() and job["makes"] not in failed]
        ready = [j for j in todo if j["makes"] not in running and all((folder / n).exists() for n in j["needs"])]
        if stopped():
            for process in running.values():
                process.terminate()
            for process in running.values():
                process.wait()
            running, ready = {}, []
        for job in ready[: limit - len(running)]:
            log = folder / "logs" / f"{job['module']}-{len(list((folder / 'logs').glob('*')))}.log"
            command = [sys.executable, "-m", "pipeline.start", job["module"], *job["words"]]
            with log.open("wb") as file:
                running[job["makes"]] = subprocess.Popen(command, cwd=folder, env=environment, stderr=file)
        if not running:
            return failed + [job["makes"] for job in todo if job["makes"] not in failed]
        time.sleep(0.2)


def collect(folder: Path, plan: dict[str, Any], results: Path) -> None:
    """Packs what comes back: everything but checkpoints and most pictures."""
    digests = {}
    with zipfile.ZipFile(results, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(p for part in plan["returned"] for p in (folder / part).rglob("*") if p.is_file()):
            name = path.relative_to(folder).as_posix()
            if path.suffix != ".pt" and (path.suffix != ".png" or name.endswith(tuple(plan["shown"]))):
                file.write(path, name)
                digests[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        file.writestr("results.json", json.dumps(digests))
    print(f"{results}: {results.stat().st_size / 1e6:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1, help="trainings that share the device (default: %(default)s)")
    args = parser.parse_args()
    pack = Path(sys.argv[0]).resolve()
    folder = pack.with_suffix("")
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(pack) as file:
            plan = json.loads(file.read("plan.json"))
            unpack(file, folder, plan)
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, OSError) as error:
        sys.exit(f"error: {pack}: damaged or cut short ({error}); carry the bundle over again")
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    missing = work(folder, plan, args.jobs, stopped.is_set)
    if stopped.is_set() and missing:
        sys.exit("stopped; start it again to go on")
    collect(folder, plan, pack.with_suffix(".results.zip"))
    if missing:
        sys.exit(f"error: not made: {', '.join(missing)}; see {folder / 'logs'}")


if __name__ == "__main__":
    main()

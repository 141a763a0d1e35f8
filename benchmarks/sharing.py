"""How many trainings should share this machine: steps per second of k trainings at once, for several k.

    python -m benchmarks.sharing --study streets-tiny --at-once 1 2

On a CPU each training gets an equal share of the cores as threads, so `1` is one training on all cores.
On a GPU all k share the device; put the best k into profiles/default/config.yaml (resources: gpu).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import torch

from benchmarks import finished, machine, peak_memory, save
from benchmarks.training_step import our_engine
from ganrepro import settings
from ganrepro.process import configure


def child(study: str, threads: int, seconds: float) -> None:
    """Steps the study's last row for that long, once told to; prints steps and peak memory."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    configure(threads, "fastest")
    row = list(settings.find_study(settings.load(), study).rows.values())[-1]
    engine = our_engine(row.method, device, 100_000)
    for _ in range(3):
        engine.step()
    print("ready", flush=True)
    sys.stdin.readline()
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        for _ in range(10 if device.type == "cuda" else 1):
            engine.step()
            steps += 1
        finished()
    print(steps / (time.perf_counter() - start), peak_memory(device), flush=True)


def main() -> None:
    """Parses, measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", default="streets-tiny", help="(default: %(default)s)")
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 2], help="(default: 1 2)")
    parser.add_argument("--seconds", type=float, default=20, help="of each turn (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/sharing.json"))
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args.study, args.child, args.seconds)
        return
    cores = os.cpu_count() or 1
    rates: dict[int, list[float]] = {k: [] for k in args.at_once}
    memory: dict[int, float] = {}
    for _ in range(args.turns):
        for k in args.at_once:
            command = [sys.executable, "-m", "benchmarks.sharing", "--study", args.study, "--seconds", str(args.seconds)]
            command += ["--child", str(max(1, cores // k))]
            children = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(k)]
            for process in children:
                assert process.stdout is not None
                process.stdout.readline()
            answers = []
            for process in children:
                assert process.stdin is not None
                process.stdin.write("go\n")
                process.stdin.flush()
            for process in children:
                answers.append(process.communicate()[0].split())
            rates[k].append(sum(float(rate) for rate, _ in answers))
            memory[k] = sum(float(held) for _, held in answers)
    first = args.at_once[0]
    for k in args.at_once:
        best = max(rates[k])
        print(f"{k} at once: {best:.2f} steps/s in all, {best / max(rates[first]):.2f}x of {first}; {memory[k] / 1e9:.2f} GB")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    chosen = {"study": args.study, "seconds": args.seconds}
    save(args.out, chosen, machine(device, cores), {"steps_per_second": rates, "peak_bytes": memory})


if __name__ == "__main__":
    main()

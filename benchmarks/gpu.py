"""Everything that a GPU can show, in one command of half an hour: one JSON and one page.

    python -m benchmarks.gpu --minutes 25                      # on a machine with a GPU, in a checkout
    python -m benchmarks.gpu --pack gpu.zip --wheels wheels/   # here: code, prepared images, reference and wheels in one file
    python gpu.zip --minutes 25                                # there: a machine that has PyTorch and nothing else

In order: the tests of recorded steps; one step at 128 and 256 in both layouts of memory and every arithmetic; the same of
the reference, alone and k processes at once; what one recorded step consists of; k trainings in one process; then a study
for the rest of the time, which goes on where it was when the command is given again. What fails is written down and the
rest goes on. `--toy` runs all of it at toy size, without a GPU too.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import time
import traceback
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from benchmarks import finished, machine, peak_memory
from benchmarks.training_step import EXPERIMENTS, Child, method_of, our_engine, revision
from ganrepro import settings
from ganrepro.artifacts.files import replacing, write_json
from ganrepro.methods.base import Method
from ganrepro.process import configure, device
from ganrepro.reporting.tables import markdown
from ganrepro.training.engine import Engine

ROOT = Path(__file__).resolve().parent.parent
AT_ONCE = (1, 2, 4, 8)
TOY = {"generator_filters": 2, "discriminator_filters": 2, "generator_blocks": 1}
COPIES = ("copy", "cat", "transpose", "nchwtonhwc", "nhwctonchw", "contiguous")


def method(name: str, precision: str, toy: bool) -> Method[Any]:
    """The paper's recipe of an experiment; at toy size its smallest likeness."""
    made = method_of(name, precision=precision)
    small = TOY | {"crop_pixels": 16, "load_pixels": 18, "discriminator_receptive_field": 16}
    return made.with_settings(**{k: v for k, v in small.items() if hasattr(made.settings, k)}) if toy else made


def rate(engines: list[Engine], seconds: float) -> float:
    """Steps per second of some engines that take turns, all together."""
    for engine in engines:
        for _ in range(3):
            engine.step()
    finished()
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        for _ in range(5):
            for engine in engines:
                engine.step()
        steps += 5 * len(engines)
        for engine in engines:  # the host must not run minutes ahead of the device
            engine.so_far()
    finished()
    return steps / (time.perf_counter() - start)


def engines_of(name: str, precision: str, toy: bool, count: int, channels_last: bool | None = None) -> list[Engine]:
    """So many trainings at their first step, which share nothing."""
    configure(1, "fastest", precision == "tf32")
    return [our_engine(method(name, precision, toy), device("auto"), 100_000, channels_last) for _ in range(count)]


def tests(toy: bool) -> dict[str, Any]:
    """The tests that need a GPU, by pytest."""
    words = ["-q", "-rs", "tests/test_training.py", "-k", "recorded" if not toy else "test_empty_pool"]
    done = subprocess.run([sys.executable, "-m", "pytest", *words], cwd=ROOT, capture_output=True, text=True)
    return {"passed": done.returncode == 0, "output": done.stdout[-3000:] + done.stderr[-1000:]}


def steps(toy: bool, seconds: float) -> dict[str, float]:
    """Steps per second by experiment, arithmetic and layout."""
    found = {}
    for name, precision, last in itertools.product(EXPERIMENTS, ("float32", "tf32", "bfloat16"), (False, True)):
        found[f"{name} {precision} {'channels last' if last else 'channels first'}"] = rate(
            engines_of(name, precision, toy, 1, last), seconds
        )
        torch.cuda.empty_cache()
    return found


def reference(path: Path, seconds: float) -> dict[str, float]:
    """Steps per second of the reference, as its users run it (TF32 convolutions), of k processes all together."""
    found = {}
    for name, k in itertools.product(EXPERIMENTS, AT_ONCE[:3]):
        children = [Child("--serve", "reference", name, "--reference", str(path), "--threads", "1") for _ in range(k)]
        with ThreadPoolExecutor(k) as pool:
            once = max(pool.map(lambda child: child.steps(5)["seconds"], children))
            count = max(5, int(seconds / once))
            start = time.perf_counter()
            list(pool.map(lambda child: child.steps(count), children))  # noqa: B023  (used before the next turn)
            found[f"{name} × {k}"] = k * count / (time.perf_counter() - start)
        for child in children:
            child.close()
    return found


def profile(toy: bool) -> dict[str, Any]:
    """What one step of CycleGAN at 128 consists of: kernels, their time, the shares of copies and of pads."""
    (engine,) = engines_of("cyclegan-128", "float32", toy, 1)
    rate([engine], 0.1)
    activity = torch.profiler.ProfilerActivity
    kinds = [activity.CUDA] if torch.cuda.is_available() else [activity.CPU]
    with torch.profiler.profile(activities=kinds) as seen:
        engine.step()
        finished()
    on_gpu = torch.cuda.is_available()
    times = {e.key: float(e.device_time_total if on_gpu else e.self_cpu_time_total) for e in seen.key_averages()}
    counts = {e.key: e.count for e in seen.key_averages()}
    total = sum(times.values()) or 1.0

    def share(words: tuple[str, ...]) -> float:
        return sum(t for name, t in times.items() if any(word in name.lower() for word in words)) / total

    longest = sorted(times, key=lambda name: -times[name])[:15]
    return {
        "kernels": sum(counts.values()), "microseconds": total, "copies": share(COPIES), "pads": share(("pad", "flip")),
        "longest": [[name[:100], counts[name], times[name]] for name in longest],
    }  # fmt: skip


def together(toy: bool, seconds: float) -> dict[str, dict[str, float]]:
    """Steps per second and memory of k trainings of CycleGAN at 128 in one process, by arithmetic."""
    found = {}
    for precision, k in itertools.product(("float32", "tf32", "bfloat16"), AT_ONCE):
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        found[f"{precision} × {k}"] = {
            "steps_per_second": rate(engines_of("cyclegan-128", precision, toy, k), seconds),
            "peak_bytes": peak_memory(device("auto")),
        }
        torch.cuda.empty_cache()
    return found


def train_study(name: str, at_once: int, until: float) -> dict[str, Any]:
    """The trainings of a study, so many in one process, until the time is up; started again they go on."""
    from ganrepro.artifacts import paths

    params = settings.load(ROOT / "params.yaml")
    study = settings.find_study(params, name)
    folders = [run.folder for run in paths.trained(params, study)]
    environment = os.environ | {"GANREPRO_MLFLOW": "off", "GANREPRO_SAVE_SECONDS": "20"}
    done: list[str] = []
    for start in range(0, len(folders), at_once):
        waiting = [str(f) for f in folders[start : start + at_once] if not (ROOT / f / "checkpoint.pt").exists()]
        left = until - time.monotonic()
        if waiting and left > 0:
            words = [sys.executable, "-m", "pipeline.train", "--together", *waiting]
            try:
                subprocess.run(words, cwd=ROOT, env=environment, timeout=left, check=True, capture_output=True, text=True)
            except subprocess.TimeoutExpired:
                break
            except subprocess.CalledProcessError as error:
                done.append(f"FAILED: {error.stderr[-500:]}")
    finished_ = [str(f) for f in folders if (ROOT / f / "checkpoint.pt").exists()]
    return {"study": name, "finished": finished_, "of": len(folders), "failed": done}


def page(found: dict[str, Any]) -> str:
    """The results in Markdown."""
    lines = [f"# What a GPU shows: {found['machine']['device_name']}", ""]
    for part, result in found["parts"].items():
        lines += [f"## {part.capitalize()}", ""]
        if "error" in result:
            lines += ["Failed:", "", "```", result["error"].strip(), "```", ""]
        elif part in ("steps", "reference"):
            lines += [markdown(["", "steps/s"], [[k, f"{v:.2f}"] for k, v in result.items()]), ""]
        elif part == "together":
            rows = [[k, f"{v['steps_per_second']:.2f}", f"{v['peak_bytes'] / 1e9:.2f} GB"] for k, v in result.items()]
            lines += [markdown(["", "steps/s in all", "memory"], rows), ""]
        elif part == "profile":
            told = f"{result['kernels']} kernels, {result['microseconds'] / 1000:.2f} ms; copies {result['copies']:.0%}"
            rows = [[f"`{name}`", str(count), f"{us / 1000:.3f} ms"] for name, count, us in result["longest"]]
            lines += [f"{told}, pads {result['pads']:.0%}.", "", markdown(["longest", "times", "in all"], rows), ""]
        else:
            lines += ["```", *(f"{name}: {value}" for name, value in result.items()), "```", ""]
    steps_, alone = found["parts"].get("together", {}), found["parts"].get("reference", {})
    if "error" not in steps_ and "cyclegan-128 × 1" in alone:
        lines += ["## CycleGAN at 128 over the reference, one process after the other", ""]
        base = alone["cyclegan-128 × 1"]
        lines += [
            markdown(
                ["trainings in one process", "ratio"], [[k, f"{v['steps_per_second'] / base:.2f}×"] for k, v in steps_.items()]
            )
        ]
    return "\n".join(lines) + "\n"


def pack(path: Path, wheels: Path | None, reference_: Path | None, data: list[Path]) -> None:
    """One file that Python runs: code, tests, parameters, prepared images, the reference, wheels for what is lacking."""
    code = [file for folder in ("ganrepro", "pipeline", "benchmarks", "tests") for file in (ROOT / folder).rglob("*")]
    code = [file for file in code if "__pycache__" not in file.parts and "results" not in file.parts]
    whole = [
        *code,
        ROOT / "params.yaml",
        ROOT / "pyproject.toml",
        *(file for folder in data for file in (ROOT / folder).rglob("*")),
    ]
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as made:
        made.write(Path(__file__).with_name("gpu_main.py"), "__main__.py")
        for file in sorted(file for file in whole if file.is_file()):
            made.write(file, file.relative_to(ROOT).as_posix())
        for file in sorted((reference_ or Path("none")).rglob("*.py")):
            made.write(file, f"reference/{file.relative_to(reference_ or '.').as_posix()}")
        if reference_:
            made.writestr("reference/COMMIT", revision(reference_))
        for wheel in sorted((wheels or Path("none")).glob("*.whl")):
            made.write(wheel, f"wheels/{wheel.name}")
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB; there: python {path.name}")


def main() -> None:
    """Parses, measures, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=25, help="all in all (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement (default: %(default)s)")
    parser.add_argument("--reference", type=Path, help="checkout of pytorch-CycleGAN-and-pix2pix")
    parser.add_argument("--study", default="camvid-128", help="trained at the end (default: %(default)s)")
    parser.add_argument("--at-once", type=int, default=4, help="its trainings in one process (default: %(default)s)")
    parser.add_argument("--parts", nargs="+", help="some of: tests steps reference profile together study (default: all)")
    parser.add_argument("--toy", action="store_true", help="at toy size, to see that it runs")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="folder of gpu.json and gpu.md")
    parser.add_argument("--pack", type=Path, help="write a file for a machine that has PyTorch alone, and nothing else")
    parser.add_argument("--wheels", type=Path, help="folder of wheels to pack (pip download --only-binary=:all: …)")
    parser.add_argument("--data", nargs="*", type=Path, default=[], help="prepared datasets to pack (data/NAME-KEY)")
    args = parser.parse_args()
    if args.pack:
        pack(args.pack, args.wheels, args.reference, args.data)
        return
    if not args.toy and not torch.cuda.is_available():
        sys.exit("error: torch finds no GPU; --toy shows on a CPU that everything runs")
    until, seconds = time.monotonic() + 60 * args.minutes, 0.1 if args.toy else args.seconds
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "tests": lambda: tests(args.toy), "steps": lambda: steps(args.toy, seconds), "profile": lambda: profile(args.toy),
        "together": lambda: together(args.toy, seconds),
    }  # fmt: skip
    if args.reference:
        parts["reference"] = lambda: reference(args.reference, seconds)
    parts["study"] = lambda: train_study(args.study, args.at_once, until)
    if unknown := set(args.parts or ()) - set(parts):
        sys.exit(f"error: --parts {' '.join(sorted(unknown))}: expected some of {' '.join(parts)}")
    where = machine(device("auto"), 1) | ({"reference": revision(args.reference)} if args.reference else {})
    found: dict[str, Any] = {"machine": where, "toy": args.toy, "parts": {}}
    for name in args.parts or parts:
        print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)
        try:
            found["parts"][name] = parts[name]()
        except Exception:  # the rest of a rented half hour is worth more than a clean stop
            found["parts"][name] = {"error": traceback.format_exc()[-3000:]}
        args.out.mkdir(parents=True, exist_ok=True)
        write_json(args.out / "gpu.json", found)
        with replacing(args.out / "gpu.md") as temporary:
            temporary.write_text(page(found), encoding="utf-8")
    failed = [
        name
        for name, result in found["parts"].items()
        if "error" in result or result.get("passed") is False or result.get("failed")
    ]
    print(f"-> {args.out / 'gpu.json'}, {args.out / 'gpu.md'}" + (f"; failed: {', '.join(failed)}" if failed else ""))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

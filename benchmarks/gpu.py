"""Everything that a GPU can show, in one command of half an hour: one JSON and one page.

    python -m benchmarks.gpu --minutes 25                      # on a machine with a GPU, in a checkout
    python -m benchmarks.gpu --pack gpu.zip --wheels wheels/   # here: code, prepared images, reference and wheels in one file
    python gpu.zip --minutes 25                                # there: a machine that has PyTorch and nothing else

In order: the tests of recorded steps; one step at 128 and 256 in both layouts of memory and every arithmetic; what one
recorded step consists of, and steps of fewer kernels; k trainings in one process; the steps of the reference, alone and k
processes at once; then a study for the rest of the time, with its scores, which goes on where it was when the command is
given again. What fails is written down and the rest goes on. `--toy` runs all of it at toy size, without a GPU too.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import torch

from benchmarks import finished, machine, peak_memory
from benchmarks.gpu_pack import pack
from benchmarks.training_step import EXPERIMENTS, Child, method_of, our_engine, revision
from ganrepro import settings
from ganrepro.errors import in_one_line
from ganrepro.methods.base import Method
from ganrepro.process import configure, device
from ganrepro.reporting.markdown import markdown
from ganrepro.store.files import read_json, replacing, write_json
from ganrepro.training.engine import Engine
from ganrepro.training.players import Ways

Case = TypeVar("Case")
ROOT = Path(__file__).resolve().parent.parent
AT_ONCE = (1, 2, 4, 8)
PRECISIONS = ("float32", "tf32", "bfloat16")
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


def engines_of(name: str, precision: str, toy: bool, count: int, ways: Ways | None = None) -> list[Engine]:
    """So many trainings at their first step, which share nothing."""
    configure(1, "fastest", precision == "tf32")
    return [our_engine(method(name, precision, toy), device("auto"), 100_000, ways) for _ in range(count)]


def tests(toy: bool) -> dict[str, Any]:
    """The tests that need a GPU, by pytest."""
    words = ["-q", "-rs", "tests/test_training.py", "-k", "recorded" if not toy else "test_empty_pool"]
    done = subprocess.run([sys.executable, "-m", "pytest", *words], cwd=ROOT, capture_output=True, text=True)
    return {"passed": done.returncode == 0, "output": done.stdout[-3000:] + done.stderr[-1000:]}


def each(cases: Mapping[str, Case], measure: Callable[[Case], Any], until: float) -> dict[str, Any]:
    """What is measured of every case, or in words why not; none is begun after `until` (of time.monotonic)."""
    found: dict[str, Any] = {}
    for name, case in cases.items():
        try:
            found[name] = measure(case) if time.monotonic() < until else "out of time"
        except (Exception, SystemExit) as error:  # the rest of a rented half hour is worth more than a clean stop
            found[name] = f"failed: {(str(error) or repr(error)).strip().splitlines()[-1][:200]}"
        torch.cuda.empty_cache()
    return found


def steps(toy: bool, seconds: float, until: float) -> dict[str, Any]:
    """Steps per second by experiment, arithmetic and layout."""
    cases = {
        f"{name} {precision} channels {'last' if last else 'first'}": (name, precision, Ways(channels_last=last))
        for name, precision, last in itertools.product(EXPERIMENTS, PRECISIONS, (False, True))
    }
    return each(cases, lambda case: rate(engines_of(case[0], case[1], toy, 1, case[2]), seconds), until)


def kernels(toy: bool, seconds: float, until: float) -> dict[str, Any]:
    """Steps per second of CycleGAN at 128 with fewer kernels: discriminators that see one batch, networks compiled, both."""
    ways = {
        "as usual": Ways(), "one batch": Ways(one_batch=True), "compiled": Ways(compiled=True),
        "one batch and compiled": Ways(one_batch=True, compiled=True),
    }  # fmt: skip
    cases = {f"{precision}, {told}": (precision, way) for precision in PRECISIONS[1:] for told, way in ways.items()}
    return each(cases, lambda case: rate(engines_of("cyclegan-128", case[0], toy, 1, case[1]), seconds), until)


def reference(path: Path, toy: bool, seconds: float, until: float) -> dict[str, Any]:
    """Steps per second of the reference, as its users run it (TF32 convolutions), of k processes all together."""
    least = 1 if toy else 5

    def measure(case: tuple[str, int]) -> float:
        name, k = case
        words = ("--serve", "reference", name, "--reference", str(path), "--threads", "1")
        with contextlib.ExitStack() as stack:
            children = [stack.enter_context(contextlib.closing(Child(*words))) for _ in range(k)]
            pool = stack.enter_context(ThreadPoolExecutor(k))
            once = max(pool.map(lambda child: child.steps(least)["seconds"], children))
            count = max(least, int(seconds / once))
            start = time.perf_counter()
            list(pool.map(lambda child: child.steps(count), children))
            return k * count / (time.perf_counter() - start)

    return each({f"{name} × {k}": (name, k) for name, k in itertools.product(EXPERIMENTS, AT_ONCE[:3])}, measure, until)


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


def together(toy: bool, seconds: float, until: float) -> dict[str, Any]:
    """Steps per second and memory of k trainings of CycleGAN at 128 in one process, by arithmetic."""

    def measure(case: tuple[str, int]) -> dict[str, float]:
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        found = rate(engines_of("cyclegan-128", case[0], toy, case[1]), seconds)
        return {"steps_per_second": found, "peak_bytes": peak_memory(device("auto"))}

    return each({f"{precision} × {k}": (precision, k) for precision, k in itertools.product(PRECISIONS, AT_ONCE)}, measure, until)


def study(name: str, at_once: int, until: float, out: Path) -> dict[str, Any]:
    """A study's trainings, so many in one process, for most of the time; then the scores of those that are done.

    Started again it goes on. Results come back as those of a bundle: `python -m pipeline.bundle take study.results.zip`.
    """
    from ganrepro.plan import paths
    from pipeline import bundle, bundle_main

    params = settings.load(ROOT / "params.yaml")
    chosen = settings.find_study(params, name)
    runs = sorted(paths.trained(params, chosen), key=lambda run: run.seed)  # every row once before any twice
    environment = os.environ | {"GANREPRO_MLFLOW": "off", "GANREPRO_SAVE_SECONDS": "20"}
    failed: list[str] = []
    stop = until - (until - time.monotonic()) / 5
    for start in range(0, len(runs), at_once):
        waiting = [str(r.folder) for r in runs[start : start + at_once] if not (ROOT / r.folder / "checkpoint.pt").exists()]
        if waiting and (left := stop - time.monotonic()) > 0:
            words = [sys.executable, "-m", "pipeline.train", "--together", *waiting]
            try:
                subprocess.run(words, cwd=ROOT, env=environment, timeout=left, check=True, capture_output=True, text=True)
            except subprocess.TimeoutExpired:
                break
            except subprocess.CalledProcessError as error:
                failed.append(f"FAILED: {error.stderr[-500:]}")
    done = [run for run in runs if (ROOT / run.folder / "checkpoint.pt").exists()]
    scores: dict[str, Any] = {}
    if done:
        plan = bundle.plan_of(params, chosen)
        plan["jobs"] = [job for job in bundle.jobs(params, chosen) if job["module"] != "train"]
        places = [place for run in done for place in (run.folder, run.images, run.scores)]
        places += [place for run in paths.runs(params, chosen) if run.reference for place in (run.images, run.scores)]
        plan["returned"] = [
            str(place) for place in (*places, *([paths.reader_dir(params, chosen)] if paths.read(params, chosen) else []))
        ]
        (ROOT / "logs").mkdir(exist_ok=True)
        late = bundle_main.work(ROOT, plan, 1, until)
        measured = [run for run in done if (ROOT / run.scores / "metrics.json").exists()]
        failed += [f"FAILED: {made}, see logs" for made in late for run in done if made.startswith(f"{run.scores}/")]
        bundle_main.collect(ROOT, plan, out / f"{name}.results.zip")
        for run in measured:
            values = read_json(ROOT / run.scores / "metrics.json")["values"]
            scores[f"{run.row} {run.seed}"] = {
                output: {score: value for found in of.values() for score, value in found["scores"].items()}
                for output, of in values.items()
            }
    return {"study": name, "finished": [str(run.folder) for run in done], "of": len(runs), "failed": failed, "scores": scores}


def told(value: Any) -> str:
    """A measurement in a table: its steps per second, or why there is none."""
    value = value["steps_per_second"] if isinstance(value, dict) else value
    return f"{value:.2f}" if isinstance(value, float) else str(value).replace("|", "\\|")


def failed(result: Mapping[str, Any]) -> bool:
    """Whether something of a part went wrong."""
    wrong = any(str(value).startswith("failed: ") for value in result.values())
    return wrong or "error" in result or result.get("passed") is False or bool(result.get("failed"))


def page(found: dict[str, Any]) -> str:
    """The results in Markdown."""
    lines = [f"# What a GPU shows: {found['machine']['device_name']}", ""]
    for part, result in found["parts"].items():
        lines += [f"## {part.capitalize()}", ""]
        if "error" in result:
            lines += ["Failed:", "", "```", result["error"].strip(), "```", ""]
        elif part in ("steps", "kernels", "reference"):
            lines += [markdown(["", "steps/s"], [[k, told(v)] for k, v in result.items()]), ""]
        elif part == "together":
            rows = [[k, told(v), f"{v['peak_bytes'] / 1e9:.2f} GB" if isinstance(v, dict) else "–"] for k, v in result.items()]
            lines += [markdown(["", "steps/s in all", "memory"], rows), ""]
        elif part == "profile":
            summary = f"{result['kernels']} kernels, {result['microseconds'] / 1000:.2f} ms; copies {result['copies']:.0%}"
            rows = [[f"`{name}`", str(count), f"{us / 1000:.3f} ms"] for name, count, us in result["longest"]]
            lines += [f"{summary}, pads {result['pads']:.0%}.", "", markdown(["longest", "times", "in all"], rows), ""]
        else:
            lines += ["```", *(f"{name}: {value}" for name, value in result.items()), "```", ""]
    many, base = found["parts"].get("together", {}), found["parts"].get("reference", {}).get("cyclegan-128 × 1")
    if isinstance(base, float):
        rows = [[k, f"{v['steps_per_second'] / base:.2f}×"] for k, v in many.items() if isinstance(v, dict)]
        lines += ["## CycleGAN at 128 over the reference, one process after the other", ""]
        lines += [markdown(["trainings in one process", "ratio"], rows), ""]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Everything; what the caller can mend is one line."""
    in_one_line(measure)


def measure() -> None:
    """Parses, measures, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=25, help="all in all (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement (default: %(default)s)")
    parser.add_argument("--reference", type=Path, help="checkout of pytorch-CycleGAN-and-pix2pix")
    parser.add_argument("--study", default="camvid-128", help="trained at the end (default: %(default)s)")
    parser.add_argument("--at-once", type=int, default=4, help="its trainings in one process (default: %(default)s)")
    parser.add_argument("--parts", nargs="+", help="some of: tests steps profile kernels together reference study (default: all)")
    parser.add_argument("--toy", action="store_true", help="at toy size, to see that it runs")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="folder of gpu.json and gpu.md")
    parser.add_argument("--pack", type=Path, help="write a file for a machine that has PyTorch alone, and nothing else")
    parser.add_argument("--wheels", type=Path, help="folder of wheels to pack (pip download --only-binary=:all: …)")
    parser.add_argument("--data", nargs="*", type=Path, default=[], help="prepared datasets to pack (data/NAME-KEY)")
    args = parser.parse_args()
    if args.pack:
        pack(ROOT, args.pack, args.wheels, args.reference, args.data)
        return
    settings.find_study(settings.load(ROOT / "params.yaml"), args.study)  # named wrongly it is found out now, not at the end
    if not args.toy and not torch.cuda.is_available():
        sys.exit("error: torch finds no GPU; --toy shows on a CPU that everything runs")
    args.out, args.reference = args.out.absolute(), args.reference and args.reference.absolute()
    seconds, begun = 0.1 if args.toy else args.seconds, time.monotonic()
    half, until = begun + 30 * args.minutes, begun + 60 * args.minutes  # measurements have half of the time, the study the rest
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "tests": lambda: tests(args.toy), "steps": lambda: steps(args.toy, seconds, half),
        "profile": lambda: profile(args.toy), "kernels": lambda: kernels(args.toy, seconds, half),
        "together": lambda: together(args.toy, seconds, half),
    }  # fmt: skip
    if args.reference:
        parts["reference"] = lambda: reference(args.reference, args.toy, seconds, half)
    parts["study"] = lambda: study(args.study, args.at_once, until, args.out)
    if unknown := set(args.parts or ()) - set(parts):
        sys.exit(f"error: --parts {' '.join(sorted(unknown))}: expected some of {' '.join(parts)}")
    where = machine(device("auto"), 1) | ({"reference": revision(args.reference)} if args.reference else {})
    found: dict[str, Any] = {"machine": where, "toy": args.toy, "parts": {}}
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.parts or parts:
        print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)
        try:
            with contextlib.chdir(ROOT):
                found["parts"][name] = parts[name]()
        except (Exception, SystemExit):  # as in `each`
            found["parts"][name] = {"error": traceback.format_exc()[-3000:]}
        write_json(args.out / "gpu.json", found)
        with replacing(args.out / "gpu.md") as temporary:
            temporary.write_text(page(found), encoding="utf-8")
    wrong = [name for name, result in found["parts"].items() if failed(result)]
    print(f"-> {args.out / 'gpu.json'}, {args.out / 'gpu.md'}" + (f"; failed: {', '.join(wrong)}" if wrong else ""))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

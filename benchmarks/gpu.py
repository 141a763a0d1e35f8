"""What a GPU shows in eight minutes: one line of JSON for each section, and one page.

    python -m benchmarks.gpu                                   # on a machine with a GPU, in a checkout
    python -m benchmarks.gpu --pack gpu.zip --wheels wheels/   # here: code, reference and wheels in one file
    python gpu.zip                                             # there: a machine that has PyTorch and nothing else

Sections, in this order unless they are named: does a recorded step run at all; steps per second of the reference, then of ours,
one training and eight in one process; every method recorded against the same steps unrecorded; k trainings in one process by
arithmetic; torch's own pads against joined ones; one convolution of k trainings in three ways; what a step consists of. Others
by name: steps (256 pixels, layouts), compiled, fused (norms, activations and borders by kernels of ours), tests, study
(`--study NAME`: its trainings and scores for the time that is left).

Each section is a process of its own with a limit, so that none takes another along; what it found before it was stopped is kept,
with the whole traceback. `--toy` runs all of it at toy size, without a GPU too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks import finished, machine
from benchmarks.gpu_pack import pack
from benchmarks.training_step import Child, method_of, our_engine, revision
from ganrepro import settings
from ganrepro.devices import device
from ganrepro.errors import in_one_line
from ganrepro.methods.base import Method
from ganrepro.process import configure
from ganrepro.reporting.markdown import markdown
from ganrepro.store.files import read_json, replacing
from ganrepro.training.engine import Engine
from ganrepro.training.players import Ways

ROOT = Path(__file__).resolve().parent.parent
TOY = {"generator_filters": 2, "discriminator_filters": 2, "generator_blocks": 1}
HEADLINE = "cyclegan-128"
FOUND = "FOUND "  # begins a line that a section found
# What tells kinds of methods apart whose steps are recorded otherwise
KINDS = (
    *("penalty", "generator_norm", "minibatch_discrimination", "clip", "historical_averaging", "feature_matching"),
    *("stale_discriminator", "optimiser", "generator", "bottleneck_norm", "unrolled", "together"),
)


def say(**found: Any) -> None:
    """One finding of the section that runs."""
    print(FOUND + json.dumps(found), flush=True)


@contextlib.contextmanager
def told(**case: Any) -> Iterator[None]:
    """What fails inside is a finding, with its whole traceback: of a CUDA error the last line says nothing."""
    try:
        yield
    except (Exception, SystemExit):
        say(**case, failed=traceback.format_exc()[-3500:])


def method(name: str, precision: str, toy: bool) -> Method[Any]:
    """The paper's recipe of an experiment; at toy size its smallest likeness."""
    made = method_of(name, precision=precision)
    small = TOY | {"crop_pixels": 16, "load_pixels": 18, "discriminator_receptive_field": 16}
    return made.with_settings(**{k: v for k, v in small.items() if hasattr(made.settings, k)}) if toy else made


def engines_of(name: str, precision: str, toy: bool, count: int, ways: Ways | None = None) -> list[Engine]:
    """So many trainings at their first step, which share nothing."""
    configure(1, "fastest", precision == "tf32")
    return [our_engine(method(name, precision, toy), device("auto"), 100_000, ways) for _ in range(count)]


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


def measured(
    label: str, name: str, precision: str, toy: bool, k: int, seconds: float, ways: Ways | None = None,
    change: Callable[[torch.nn.Module], object] = lambda network: None,
) -> None:  # fmt: skip
    """Says steps per second of k trainings in one process, and the bytes that the card holds, graphs and all.

    change: what is done to each network before the first step.
    """
    with told(label=label, name=name, precision=precision, k=k):
        engines = engines_of(name, precision, toy, k, ways)
        for network in (network for engine in engines for network in engine.players.networks.values()):
            change(network)
        found = rate(engines, 0.05 if toy else seconds)
        free, whole = torch.cuda.mem_get_info() if torch.cuda.is_available() else (0, 0)
        say(label=label, name=name, precision=precision, k=k, steps_per_second=found, held_bytes=whole - free)
    torch.cuda.empty_cache()


def smoke(toy: bool, _: argparse.Namespace) -> None:
    """The machine, and one recorded step in float32 and in bfloat16."""
    say(**machine(device("auto"), 1), cuda=torch.version.cuda, cudnn=torch.backends.cudnn.version())
    for precision in ("float32", "bfloat16"):
        with told(precision=precision):
            start = time.perf_counter()
            (engine,) = engines_of(HEADLINE, precision, toy, 1)
            engine.step()
            losses = dict(zip(engine.losses, engine.so_far()[0].tolist(), strict=True))
            recorded = engine.graph is not None
            say(precision=precision, first_step_seconds=time.perf_counter() - start, recorded=recorded, losses=losses)


def reference(toy: bool, args: argparse.Namespace) -> None:
    """Steps per second of the reference as its users run it (TF32 convolutions, cudnn.benchmark), in three turns."""
    if args.reference is None:
        say(left_out="no --reference")
        return
    for name in (HEADLINE,) if toy else (HEADLINE, "pix2pix-256"):
        words = ("--serve", "reference", name, "--reference", str(args.reference), "--threads", "1")
        with told(name=name), contextlib.closing(Child(*words)) as child:
            child.steps(1 if toy else 20)
            rates = [1 / child.steps(1 if toy else 100)["seconds"] for _ in range(1 if toy else 3)]
            say(name=name, steps_per_second=rates, reference=revision(args.reference))


def headline(toy: bool, _: argparse.Namespace) -> None:
    """Ours beside it: one training, and eight in one process."""
    for precision in ("bfloat16", "tf32"):
        for k in (1, 2 if toy else 8):
            measured("headline", HEADLINE, precision, toy, k, 3)
    measured("headline", "pix2pix-256", "bfloat16", toy, 1, 3)


def methods(toy: bool, _: argparse.Namespace) -> None:
    """Every method, optimiser, penalty and remedy at 16 pixels: three recorded steps against the same unrecorded."""
    sys.path.insert(0, str(ROOT / "tests"))
    import test_training as t

    configure(1, "repeatable")
    seen: set[tuple[str, ...]] = set()
    for study in t.PARAMS.studies.values():
        for name, row in study.rows.items():
            values = row.settings.model_dump()
            kind = (row.method.name, *(str(values.get(key)) for key in KINDS))
            if kind in seen or not row.method.players() or (toy and row.method.name in {k[0] for k in seen}):
                continue
            first = row.method.name not in {k[0] for k in seen}
            seen.add(kind)
            for precision in ("float32", "bfloat16") if first and not toy else ("float32",):
                with told(kind=" ".join(kind), precision=precision):
                    say(kind=" ".join(kind), precision=precision, **_apart(t, t.method_of(study.name, name, precision=precision)))
    with told(kind="streamed", precision="float32"):
        say(kind="streamed", precision="float32", **_apart(t, t.method_of("streets-tiny", "cyclegan"), window=2))


def _apart(t: Any, method: Method[Any], window: int | None = None) -> dict[str, Any]:
    """How far three recorded steps end from the same unrecorded: weights, moments, pools, losses."""
    where, ends = device("auto"), []
    for recorded in (False, True):
        players = t.players_of(method, device=where)
        engine = Engine(players, t.images(method, device=where, window=window), 6)
        engine.recorded = recorded and where.type == "cuda"
        engine.begin(0, 1, 1.0, 0, torch.zeros(0, len(engine.losses)))
        for step in range(3):
            engine.step(step + 1)
        losses = engine.so_far()  # waits: only then are weights read, on another stream
        ends.append([losses, *(x.float().cpu() for x in players.tensors())])
    distances = [float((a - b).abs().max()) for a, b in zip(*ends, strict=True) if a.numel()]
    return {"apart": max(distances), "losses_apart": distances[0], "finite": bool(ends[1][0].isfinite().all())}


def together(toy: bool, _: argparse.Namespace) -> None:
    """k trainings in one process, by arithmetic; the order of k is that of interest."""
    for precision in ("bfloat16", "tf32", "float32"):
        for k in (1, 2) if toy else (1, 8, 4, 2):
            measured("together", HEADLINE, precision, toy, k, 3)


def pads(toy: bool, _: argparse.Namespace) -> None:
    """Torch's own reflection pad against the joined one, in both layouts."""
    from ganrepro.nets import blocks

    usual = blocks.ReflectionPad.forward
    for label, forward in (
        ("joined", lambda pad, x: blocks.joined_reflection(x, pad.padding[0])),
        ("torch", torch.nn.ReflectionPad2d.forward),
    ):
        blocks.ReflectionPad.forward = forward  # type: ignore[method-assign]
        for precision, last in (("tf32", False), ("bfloat16", True), ("bfloat16", False)):
            for k in (1,) if toy else (1, 8):
                layout = "last" if last else "first"
                measured(f"{label} pads, channels {layout}", HEADLINE, precision, toy, k, 2, Ways(channels_last=last))
    blocks.ReflectionPad.forward = usual  # type: ignore[method-assign]


def grouped(toy: bool, _: argparse.Namespace) -> None:
    """A residual block's convolution with its backward pass, of k trainings: k graphs on k streams, one grouped, one product."""
    if not torch.cuda.is_available():
        say(left_out="needs a GPU")
        return
    configure(1, "fastest", True)
    for dtype, last in ((torch.bfloat16, True), (torch.bfloat16, False), (torch.float32, False)):
        for channels, side in ((256, 32), (64, 128)):
            for k in (1, 4, 8):
                for way in ("streams", "grouped", "product"):
                    case = {"dtype": str(dtype), "channels_last": last, "channels": channels, "side": side, "k": k, "way": way}
                    with told(**case):
                        say(**case, microseconds=_convolutions(way, k, channels, side, dtype, last))


def _convolutions(way: str, k: int, channels: int, side: int, dtype: torch.dtype, last: bool) -> float:
    """Microseconds for one convolution, forward and backward, of all k."""
    layout = torch.channels_last if last else torch.contiguous_format
    streams = [torch.cuda.Stream() for _ in range(k if way == "streams" else 1)]  # type: ignore[no-untyped-call]
    many, graphs = 1 if way == "streams" else k, []
    for stream in streams:
        x = torch.randn(1, many * channels, side + 2, side + 2, device="cuda", dtype=dtype).to(memory_format=layout)
        w = torch.randn(many * channels, channels, 3, 3, device="cuda", dtype=dtype).to(memory_format=layout)
        x.requires_grad_(), w.requires_grad_()

        def work(x: torch.Tensor = x, w: torch.Tensor = w) -> None:
            if way == "product":
                columns = torch.nn.functional.unfold(x.view(many, channels, side + 2, side + 2), 3)
                y = torch.bmm(w.reshape(many, channels, channels * 9), columns)
            else:
                y = torch.nn.functional.conv2d(x, w, groups=many)
            torch.autograd.grad(y, (x, w), torch.ones_like(y))

        with torch.cuda.stream(stream):
            for _ in range(3):
                work()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            for _ in range(20):
                work()
        graphs.append((graph, stream))

    def replay(times: int) -> None:
        for _ in range(times):
            for graph, stream in graphs:
                with torch.cuda.stream(stream):
                    graph.replay()
        torch.cuda.synchronize()

    replay(3)
    start = time.perf_counter()
    replay(20)
    return (time.perf_counter() - start) / 400 * 1e6


def profile(toy: bool, _: argparse.Namespace) -> None:
    """What one step consists of: kernels by time and by number."""
    kinds = [torch.profiler.ProfilerActivity.CUDA if torch.cuda.is_available() else torch.profiler.ProfilerActivity.CPU]
    for precision in ("bfloat16", "tf32")[: 1 if toy else 2]:
        with told(precision=precision):
            (engine,) = engines_of(HEADLINE, precision, toy, 1)
            rate([engine], 0.05)
            with torch.profiler.profile(activities=kinds) as seen:
                engine.step()
                finished()
            on_gpu = torch.cuda.is_available()
            events = [
                (e.key[:90], e.count, float(e.device_time_total if on_gpu else e.self_cpu_time_total))
                for e in seen.key_averages()
            ]
            longest = sorted(events, key=lambda event: -event[2])[:30]
            most = sorted(events, key=lambda event: -event[1])[:15]
            kernels, time_of = sum(count for _, count, _ in events), sum(spent for *_, spent in events)
            say(precision=precision, kernels=kernels, microseconds=time_of, longest=longest, most=most)


def steps(toy: bool, _: argparse.Namespace) -> None:
    """Larger images, in both layouts."""
    for name in ("cyclegan-256", "pix2pix-256"):
        for precision, last in (("bfloat16", True), ("tf32", False), ("tf32", True)):
            measured(f"channels {'last' if last else 'first'}", name, precision, toy, 1, 2, Ways(channels_last=last))


def compiled(toy: bool, _: argparse.Namespace) -> None:
    """Networks through torch.compile, which needs a C compiler."""
    for k in (1,) if toy else (1, 8):
        measured("compiled", HEADLINE, "bfloat16", toy, k, 3, Ways(compiled=True))


def fused(toy: bool, _: argparse.Namespace) -> None:
    """Norms, activations and mirrored borders by kernels of ours, and as usual, in both layouts; without a GPU interpreted."""
    if not torch.cuda.is_available():
        os.environ["TRITON_INTERPRET"] = "1"
    from benchmarks import fused_norms

    for precision, last in (("bfloat16", True), ("bfloat16", False), ("tf32", False))[: 1 if toy else 3]:
        for k in (1,) if toy else (1, 8):
            ways = Ways(channels_last=last)
            label = f"channels {'last' if last else 'first'}"
            measured(f"usual norms, {label}", HEADLINE, precision, toy, k, 2, ways)
            measured(f"fused norms, {label}", HEADLINE, precision, toy, k, 2, ways, fused_norms.fuse)


def tests(toy: bool, _: argparse.Namespace) -> None:
    """The tests that need a GPU, by pytest."""
    chosen = "test_empty_pool" if toy else "recorded"
    words = ["-q", "-rs", "-p", "no:cacheprovider", "tests/test_training.py", "-k", chosen]
    done = subprocess.run([sys.executable, "-m", "pytest", *words], cwd=ROOT, capture_output=True, text=True)
    output = done.stdout[-6000:] + done.stderr[-1000:]
    say(passed=done.returncode == 0, output=output, **({} if done.returncode == 0 else {"failed": output}))


def study(toy: bool, args: argparse.Namespace) -> None:
    """A study's trainings, so many in one process, for most of the time; then the scores of those that are done.

    Started again it goes on. Results come back as those of a bundle: `python -m pipeline.bundle take NAME.results.zip`.
    """
    from ganrepro.plan import paths
    from pipeline import bundle, bundle_main

    until, params = time.monotonic() + args.left, settings.load(ROOT / "params.yaml")
    chosen = settings.find_study(params, args.study)
    runs = sorted(paths.trained(params, chosen), key=lambda run: run.seed)  # every row once before any twice
    environment = os.environ | {"GANREPRO_MLFLOW": "off", "GANREPRO_SAVE_SECONDS": "20"}
    stop = until - args.left / 5
    for start in range(0, len(runs), args.at_once):
        waiting = [str(r.folder) for r in runs[start : start + args.at_once] if not (ROOT / r.folder / "checkpoint.pt").exists()]
        if waiting and (left := stop - time.monotonic()) > 0:
            words = [sys.executable, "-m", "pipeline.train", "--together", *waiting]
            try:
                subprocess.run(words, cwd=ROOT, env=environment, timeout=left, check=True, capture_output=True, text=True)
            except subprocess.TimeoutExpired:
                break
            except subprocess.CalledProcessError as error:
                say(trainings=waiting, failed=error.stderr[-3500:])
    done = [run for run in runs if (ROOT / run.folder / "checkpoint.pt").exists()]
    say(study=chosen.name, finished=[str(run.folder) for run in done], of=len(runs))
    if not done:
        return
    plan = bundle.plan_of(params, chosen)
    plan["jobs"] = [job for job in bundle.jobs(params, chosen) if job["module"] != "train"]
    places = [place for run in done for place in (run.folder, run.images, run.scores)]
    places += [place for run in paths.runs(params, chosen) if run.reference for place in (run.images, run.scores)]
    places += [paths.reader_dir(params, chosen)] if paths.read(params, chosen) else []
    plan["returned"] = [str(place) for place in places]
    (ROOT / "logs").mkdir(exist_ok=True)
    late = bundle_main.work(ROOT, plan, 1, lambda: time.monotonic() > until)
    bundle_main.collect(ROOT, plan, args.out / f"{chosen.name}.results.zip")
    for made in late:
        if any(made.startswith(f"{run.scores}/") for run in done):
            say(scores=made, failed="see logs")
    for run in (run for run in done if (ROOT / run.scores / "metrics.json").exists()):
        values = read_json(ROOT / run.scores / "metrics.json")["values"]
        scores = {f"{o}/{s}": v for o, of in values.items() for found in of.values() for s, v in found["scores"].items()}
        say(row=run.row, seed=run.seed, scores=scores)


SECTIONS: dict[str, tuple[Callable[[bool, argparse.Namespace], None], int]] = {  # each with its limit in seconds
    "smoke": (smoke, 60), "reference": (reference, 75), "headline": (headline, 75), "methods": (methods, 130),
    "together": (together, 150), "pads": (pads, 90), "grouped": (grouped, 60), "profile": (profile, 45),
    "steps": (steps, 150), "compiled": (compiled, 150), "fused": (fused, 120), "tests": (tests, 60), "study": (study, 24 * 3600),
}  # fmt: skip
USUAL = ("smoke", "reference", "headline", "methods", "together", "pads", "grouped", "profile")


def run(name: str, limit: float, words: list[str]) -> dict[str, Any]:
    """One section in a process of its own: what it found, also where it was stopped or died."""
    command = [sys.executable, "-c", "from benchmarks.gpu import main; main()", *words, "--section", name, "--left", f"{limit}"]
    environment = os.environ | {"GANREPRO_MLFLOW": "off", "PYTHONFAULTHANDLER": "1", "PYTHONUNBUFFERED": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *sys.path[1:]])
    start = time.monotonic()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, env=environment, text=True, start_new_session=True, **pipes) as child:
        try:
            output, errors = child.communicate(timeout=limit + 5)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)  # with what it has started
            output, errors = child.communicate()
            errors = f"{errors[-3000:]}\nstopped after {limit:.0f} s"
    results = [json.loads(line.removeprefix(FOUND)) for line in output.splitlines() if line.startswith(FOUND)]
    whole = {"section": name, "seconds": round(time.monotonic() - start, 1), "results": results}
    return whole | ({"error": errors[-3500:] or f"ended with status {child.returncode}"} if child.returncode else {})


def failures(section: Mapping[str, Any]) -> list[str]:
    """What went wrong in a section: whole tracebacks."""
    return [one["failed"] for one in section["results"] if "failed" in one] + ([section["error"]] if "error" in section else [])


def page(sections: list[dict[str, Any]]) -> str:
    """The results in Markdown: steps per second beside the reference's, then what else each section found."""
    every = {section["section"]: section["results"] for section in sections}
    name = next((one["device_name"] for one in every.get("smoke", ()) if "device_name" in one), "?")
    base = {one["name"]: max(one["steps_per_second"]) for one in every.get("reference", ()) if "steps_per_second" in one}
    lines = [f"# What a GPU shows: {name}", ""]
    for section in sections:
        lines += [f"## {section['section'].capitalize()}", "", f"<sub>{section['seconds']} s</sub>", ""]
        rates = [one for one in section["results"] if isinstance(one.get("steps_per_second"), float)]
        if rates:
            rows = [
                [one["label"], one["name"], one["precision"], str(one["k"]), f"{one['steps_per_second']:.2f}",
                 f"{one['steps_per_second'] / base[one['name']]:.2f}×" if one["name"] in base else "–",
                 f"{one['held_bytes'] / 1e9:.1f} GB"]
                for one in rates
            ]  # fmt: skip
            heads = ["", "step", "arithmetic", "trainings", "steps/s in all", "over the reference", "held"]
            lines += [markdown(heads, rows), ""]
        others = [{k: v for k, v in one.items() if k != "failed"} for one in section["results"] if one not in rates]
        lines += ["```", *(json.dumps(one)[:400] for one in others), "```", ""] if others else []
        for failure in failures(section):
            lines += ["Failed:", "", "```", failure.strip(), "```", ""]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Everything; what the caller can mend is one line."""
    in_one_line(measure)


def measure() -> None:
    """Parses, measures, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"some of: {' '.join(SECTIONS)} (default: {' '.join(USUAL)})"
    )
    parser.add_argument("--minutes", type=float, default=8, help="all in all (default: %(default)s)")
    parser.add_argument("--reference", type=Path, help="checkout of pytorch-CycleGAN-and-pix2pix")
    parser.add_argument("--study", default="camvid-128", help="what the section study trains (default: %(default)s)")
    parser.add_argument("--at-once", type=int, default=4, help="its trainings in one process (default: %(default)s)")
    parser.add_argument("--toy", action="store_true", help="at toy size, to see that it runs")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="folder of gpu.jsonl and gpu.md")
    parser.add_argument("--pack", type=Path, help="write a file for a machine that has PyTorch alone, and nothing else")
    parser.add_argument("--wheels", type=Path, help="folder of wheels to pack (pip download --only-binary=:all: …)")
    parser.add_argument("--data", nargs="*", type=Path, default=[], help="prepared datasets to pack (data/NAME-KEY)")
    parser.add_argument("--section", choices=SECTIONS, help=argparse.SUPPRESS)
    parser.add_argument("--left", type=float, default=0, help=argparse.SUPPRESS)
    words = sys.argv[1:]
    args = parser.parse_args()
    if args.section:
        SECTIONS[args.section][0](args.toy, args)
        return
    if args.pack:
        pack(ROOT, args.pack, args.wheels, args.reference, args.data)
        return
    if unknown := set(args.sections) - set(SECTIONS):
        sys.exit(f"error: {' '.join(sorted(unknown))}: expected some of {' '.join(SECTIONS)}")
    params = settings.load(ROOT / "params.yaml")
    settings.find_study(params, args.study)  # named wrongly it is found out now, not at the end
    if "study" in args.sections and params.arithmetic == "portable" and not args.toy:
        sys.exit("error: arithmetic: portable trains on a CPU; say `arithmetic: usual` in params.yaml for a study on a GPU")
    if not args.toy and not torch.cuda.is_available():
        sys.exit("error: torch finds no GPU; --toy shows on a CPU that everything runs")
    args.out, until, sections = args.out.absolute(), time.monotonic() + 60 * args.minutes, []
    args.out.mkdir(parents=True, exist_ok=True)
    absolute = [*words, "--out", str(args.out)]  # sections run in the checkout; of two the last counts
    absolute += ["--reference", str(args.reference.absolute())] if args.reference else []
    kept = args.out / "gpu.jsonl"
    kept.unlink(missing_ok=True)
    for name in args.sections or USUAL:
        if (left := until - time.monotonic()) < 5:
            sections.append({"section": name, "seconds": 0, "results": [], "error": "out of time"})
        else:
            print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)
            sections.append(run(name, min(left, SECTIONS[name][1]), absolute))
        with kept.open("a", encoding="utf-8") as file:
            file.write(json.dumps(sections[-1]) + "\n")
        with replacing(args.out / "gpu.md") as temporary:
            temporary.write_text(page(sections), encoding="utf-8")
    wrong = [section["section"] for section in sections if failures(section)]
    print(f"-> {kept}, {args.out / 'gpu.md'}" + (f"; failed: {', '.join(wrong)}" if wrong else ""))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

"""One training step against the reference PyTorch implementation, in one run, turn by turn.

    git clone https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix reference
    python -m benchmarks.training_step --reference reference

Both train the same networks on the same number of images at batch 1, with the same loss terms (the
reference's optional identity loss is off), each in a process of its own, on tensors in memory: this
is the step alone, see benchmarks.data_path for what feeds it. Prints, per experiment, the median
seconds of either, the ratio of each turn, peak memory, and the share of the machine's measured
matrix-product rate that the counted operations of the plain step amount to.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks import finished, machine, peak_memory, save
from ganrepro import settings
from ganrepro.methods.base import Method
from ganrepro.process import configure
from ganrepro.training.batches import TrainingImages
from ganrepro.training.engine import Engine
from ganrepro.training.players import Players, Ways

# name -> side of the images, blocks of the ResNet generator (0: U-Net), reference model
EXPERIMENTS = {
    "cyclegan-128": (128, 6, "cycle_gan"),
    "cyclegan-256": (256, 9, "cycle_gan"),
    "pix2pix-256": (256, 0, "pix2pix"),
}


def method_of(name: str, **changes: Any) -> Method[Any]:
    """The paper's recipe in the flavour of the reference, so that both sides have equal networks."""
    pixels, blocks, _ = EXPERIMENTS[name]
    study, row = ("cityscapes-128", "cyclegan") if blocks else ("cityscapes-256", "l1-cgan")
    base, load = settings.load().studies[study].rows[row].method, 143 if pixels == 128 else 286
    changes |= {"network_flavour": "pytorch", "crop_pixels": pixels, "load_pixels": load, "generator_blocks": blocks}
    return base.with_settings(bottleneck_norm=False, **changes)


def our_engine(method: Method[Any], device: torch.device, steps: int, ways: Ways | None = None) -> Engine:
    """Ready to step on random images, computed as is usual on the device, or otherwise."""
    noise = torch.Generator().manual_seed(0)
    shape = (20, method.settings.load_pixels, method.settings.load_pixels, 3)
    drawn = {domain: torch.randint(0, 256, shape, generator=noise).byte() for domain in "ab"}
    images = TrainingImages(drawn, method.feed(), method.settings, device)
    engine = Engine(Players(method, 0, device, ways), images, steps)
    engine.begin(0, 1, 1.0, 0, torch.zeros(0, len(engine.losses)))
    return engine


def revision(path: Path) -> str:
    """The commit of the reference, which a comparison names; 'unknown' where its folder is no checkout (nor packed from one)."""
    if (path / "COMMIT").exists():
        return (path / "COMMIT").read_text().strip()
    if not (path / ".git").exists():
        return "unknown"
    return (
        subprocess.run(["git", "-C", str(path), "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip() or "unknown"
    )


def reference_model(path: Path, name: str, device: torch.device) -> Any:
    """The reference's own model object, built through its own options.

    Newer states of it have neither --gpu_ids nor --display_id and take the device from `opt.device`, which their train.py sets.
    """
    pixels, blocks, model = EXPERIMENTS[name]
    sys.path.insert(0, str(path))
    with contextlib.redirect_stdout(io.StringIO()):
        from models import create_model  # type: ignore[import-not-found]
        from options.train_options import TrainOptions  # type: ignore[import-not-found]

        known = TrainOptions().initialize(argparse.ArgumentParser())._option_string_actions
        words = ["train.py", "--dataroot", ".", "--model", model, "--crop_size", str(pixels)]
        words += ["--checkpoints_dir", tempfile.mkdtemp(prefix="reference-")]
        words += ["--netG", f"resnet_{blocks}blocks", "--lambda_identity", "0"] if blocks else []
        words += ["--display_id", "-1"] if "--display_id" in known else []
        words += ["--gpu_ids", "0" if device.type == "cuda" else "-1"] if "--gpu_ids" in known else []
        sys.argv = words
        options = TrainOptions().parse()
        if not hasattr(options, "device"):
            options.device = device
        return create_model(options)


def serve(side: str, name: str, reference: Path, threads: int, engine_name: str, precision: str) -> None:
    """A child: builds its model, then answers each line 'n' with the seconds of n steps."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if side == "ours":
        configure(threads, "fastest", tf32=precision == "tf32")
        engine = our_engine(method_of(name, engine=engine_name, precision=precision), device, 10_000)

        def step() -> None:
            engine.step()
    else:
        torch.set_num_threads(threads)
        model, pixels = reference_model(reference, name, device), EXPERIMENTS[name][0]
        images = {side: torch.rand(1, 3, pixels, pixels) * 2 - 1 for side in "AB"} | {"A_paths": "", "B_paths": ""}

        def step() -> None:
            model.set_input(images)
            model.optimize_parameters()

    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            step()
        finished()
        print(json.dumps({"seconds": time.perf_counter() - start, "peak_bytes": peak_memory(device)}), flush=True)


class Child:
    """One side of a comparison in a process of its own."""

    def __init__(self, *words: str):
        command = [sys.executable, "-m", "benchmarks.training_step", *words]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._line()

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            sys.exit("error: a side of the comparison stopped; its message is above")
        return line

    def steps(self, count: int) -> dict[str, float]:
        """Seconds per step of `count` steps, and the peak memory so far."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        answer = json.loads(self._line())
        return {"seconds": answer["seconds"] / count, "peak_bytes": answer["peak_bytes"]}

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def counted_flops(name: str) -> int:
    """Additions and multiplications of one plain step, as torch's own counter sees them."""
    from torch.utils.flop_counter import FlopCounterMode

    engine = our_engine(method_of(name, engine="plain"), torch.device("cpu"), 1)
    with FlopCounterMode(display=False) as counter:
        engine.step()
    return counter.get_total_flops()


def matmul_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Operations per second of a large square matrix product: the best of several."""
    side = 8192 if device.type == "cuda" else 2048
    a, best = torch.randn(side, side, device=device, dtype=dtype), 0.0
    for _ in range(6):
        start = time.perf_counter()
        a @ a
        finished()
        best = max(best, 2 * side**3 / (time.perf_counter() - start))
    return best


def main() -> None:
    """Parses, measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True, help="checkout of pytorch-CycleGAN-and-pix2pix")
    parser.add_argument("--experiments", nargs="+", default=list(EXPERIMENTS), choices=EXPERIMENTS)
    parser.add_argument("--turns", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="(default: %(default)s)")
    parser.add_argument("--engine", default="fast", choices=["fast", "plain"])
    parser.add_argument("--precision", default="float32", choices=["float32", "tf32", "bfloat16"])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/training_step.json"))
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(*args.serve, args.reference, args.threads, args.engine, args.precision)
        return
    if not (args.reference / "models" / "cycle_gan_model.py").exists():
        sys.exit(f"error: {args.reference}: no checkout of pytorch-CycleGAN-and-pix2pix; clone it and name its folder")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(args.threads)
    torch.backends.cuda.matmul.allow_tf32 = args.precision == "tf32"  # the measured rate is of the step's arithmetic
    print(f"reference: {revision(args.reference)}")
    results: dict[str, Any] = {}
    for name in args.experiments:
        common = ["--reference", str(args.reference), "--threads", str(args.threads)]
        common += ["--engine", args.engine, "--precision", args.precision]
        sides = {side: Child("--serve", side, name, *common) for side in ("ours", "reference")}
        for side in sides.values():
            side.steps(5 if device.type == "cuda" else 1)  # warm-up, recording
        turns = []
        steps = 50 if device.type == "cuda" else 2 if name != "cyclegan-256" else 1
        for _ in range(args.turns):
            turns.append({side: child.steps(steps) for side, child in sides.items()})
        for child in sides.values():
            child.close()
        flops = counted_flops(name)
        rate = matmul_rate(device, torch.bfloat16 if args.precision == "bfloat16" else torch.float32)
        seconds = {side: statistics.median(turn[side]["seconds"] for turn in turns) for side in sides}
        ratios = sorted(turn["reference"]["seconds"] / turn["ours"]["seconds"] for turn in turns)
        results[name] = {
            "seconds": seconds,
            "ratio_median": statistics.median(ratios),
            "ratio_min": ratios[0],
            "ratio_max": ratios[-1],
            "peak_bytes": {side: max(turn[side]["peak_bytes"] for turn in turns) for side in sides},
            "counted_flops": flops,
            "matmul_flops_per_second": rate,
            "arithmetic_share": {side: flops / seconds[side] / rate for side in sides},
        }
        r = results[name]
        print(
            f"{name:13s} {r['ratio_median']:.2f}x the reference ({ratios[0]:.2f}-{ratios[-1]:.2f}); "
            f"{seconds['ours']:.3f} s against {seconds['reference']:.3f} s; peak memory "
            f"{r['peak_bytes']['ours'] / 1e9:.2f} against {r['peak_bytes']['reference'] / 1e9:.2f} GB; "
            f"{r['arithmetic_share']['ours']:.0%} against {r['arithmetic_share']['reference']:.0%} of the matrix-product rate",
            flush=True,
        )
    chosen = {"engine": args.engine, "precision": args.precision, "threads": args.threads, "turns": args.turns}
    chosen |= {"reference": revision(args.reference)}
    save(args.out, chosen, machine(device, args.threads), results)


if __name__ == "__main__":
    main()

"""Images per second that reach a training step, against the reference's data loader, in one run.

    python -m benchmarks.data_path --reference reference

The reference decodes, resizes, crops and mirrors PNG files in worker processes, every epoch; ours holds
the images as uint8 where the training runs, and crops and mirrors there. Both feed CycleGAN at batch 1
from the same files (noise, 256 x 256, resized to 286, cropped to 256), turn by turn.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks import finished, machine, save
from ganrepro import settings
from ganrepro.data.images import Reading, load_folder
from ganrepro.process import configure
from ganrepro.training.batches import TrainingImages

COUNT, STORED, LOAD, CROP = 64, 256, 286, 256


def reference_seconds(path: Path, folder: Path, workers: int) -> float:
    """Seconds per image of one epoch of the reference's loader, workers' start included as it is in every epoch."""
    sys.path.insert(0, str(path))
    sys.argv = ["train.py", "--dataroot", str(folder), "--model", "cycle_gan", "--gpu_ids", "-1", "--display_id", "-1"]
    sys.argv += ["--num_threads", str(workers), "--checkpoints_dir", str(folder / "checkpoints")]
    with contextlib.redirect_stdout(io.StringIO()):
        from data import create_dataset  # type: ignore[import-not-found]
        from options.train_options import TrainOptions  # type: ignore[import-not-found]

        dataset = create_dataset(TrainOptions().parse())
    start = time.perf_counter()
    count = sum(2 for _ in dataset)
    return (time.perf_counter() - start) / count


def our_seconds(images: TrainingImages, epoch: int) -> float:
    """Seconds per image of one epoch: its plan, and every crop."""
    start = time.perf_counter()
    plan = images.plan(0, epoch, COUNT)
    draws = {domain: rows.to(images.device) for domain, rows in plan.draws.items()}
    for step in range(COUNT):
        images.crops({domain: rows[step] for domain, rows in draws.items()})
    finished()
    return (time.perf_counter() - start) / (2 * COUNT)


def main() -> None:
    """Parses, measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True, help="checkout of pytorch-CycleGAN-and-pix2pix")
    parser.add_argument("--turns", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/data_path.json"))
    args = parser.parse_args()
    if not (args.reference / "data" / "unaligned_dataset.py").exists():
        sys.exit(f"error: {args.reference}: no checkout of pytorch-CycleGAN-and-pix2pix; clone it and name its folder")
    device, cores = torch.device("cuda" if torch.cuda.is_available() else "cpu"), os.cpu_count() or 1
    configure(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder, noise = Path(temporary), np.random.default_rng(0)
        names = [f"{i:03d}.png" for i in range(COUNT)]
        for domain in "AB":
            (folder / f"train{domain}").mkdir()
            for name in names:  # smooth noise compresses about as photos do
                small = Image.fromarray(noise.integers(0, 256, (64, 64, 3), dtype=np.uint8))
                small.resize((STORED, STORED), Image.Resampling.BICUBIC).save(folder / f"train{domain}" / name)
        base = settings.load().studies["cityscapes-128"].rows["cyclegan"].method
        method = base.with_settings(crop_pixels=CROP, load_pixels=LOAD)
        start = time.perf_counter()
        a, b = (load_folder(folder / f"train{d}", names, LOAD, Reading()) for d in "AB")
        images = TrainingImages({"a": a, "b": b}, method.feed(), method.settings, device)
        loading = (time.perf_counter() - start) / (2 * COUNT)
        turns = [(our_seconds(images, t + 1), reference_seconds(args.reference, folder, cores)) for t in range(args.turns)]
    ours, theirs = (statistics.median(column) for column in zip(*turns, strict=True))
    ratio = statistics.median(reference / own for own, reference in turns)
    print(
        f"{1 / ours:.0f} images/s in one process against {1 / theirs:.0f} in {cores} workers: {ratio:.1f}x; "
        f"once at the start, loading takes {loading * 1e3:.1f} ms an image"
    )
    results = {"images_per_second": {"ours": 1 / ours, "reference": 1 / theirs}, "ratio_median": ratio}
    save(args.out, {"turns": args.turns, "workers": cores}, machine(device, 1), results | {"loading_seconds": loading})


if __name__ == "__main__":
    main()

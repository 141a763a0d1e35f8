"""Images per second from PNG files to FID, against torch-fidelity, in one run.

    python -m benchmarks.features

The same files (smooth noise, 256 x 256), the same Inception with weights drawn at random, the same cores, turn by
turn: decoding, features of both sets, statistics, distance. torch-fidelity runs as it comes, without its cache.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch_fidelity import calculate_metrics, feature_extractor_inceptionv3

from benchmarks import machine, save
from ganrepro.evaluation import distances
from ganrepro.process import configure

PIXELS = 256


def random_inception(path: Path) -> None:
    """Writes a state dict of the Inception with drawn weights that keep features of ordinary size."""
    with (
        mock.patch.object(feature_extractor_inceptionv3, "load_state_dict_from_url"),
        mock.patch.object(nn.Module, "load_state_dict"),
    ):
        network = feature_extractor_inceptionv3.FeatureExtractorInceptionV3("random", ["2048"])
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    torch.save(network.state_dict(), path)


def ours(folder: Path, names: list[str], device: torch.device) -> float:
    """FID by this package."""
    configure(os.cpu_count() or 1)
    backbone = distances.inception(folder / "weights", "tf1", device)
    return distances.frechet(
        *(distances.features(distances.load_photos(folder / side, names, PIXELS), backbone, device)[0] for side in "ab")
    )


def reference(folder: Path, names: list[str], device: torch.device) -> float:
    """FID by torch-fidelity as it comes, without its cache."""
    return calculate_metrics(
        input1=str(folder / "a"), input2=str(folder / "b"), fid=True, cuda=device.type == "cuda", cache=False,
        feature_extractor_weights_path=str(folder / "weights" / "random.pth"), verbose=False,
    )["frechet_inception_distance"]  # fmt: skip


def timed(side: Callable[[Path, list[str], torch.device], float], *given: Any) -> tuple[float, float]:
    """Seconds, and the distance found, as in a script of its own."""
    multiprocessing.set_start_method(None, force=True)  # the reference starts processes that decode
    start = time.perf_counter()
    found = side(*given)
    return time.perf_counter() - start, found


def main() -> None:
    """Parses, measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=32, help="in each of the two sets (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/features.json"))
    args = parser.parse_args()
    device, cores = torch.device("cuda" if torch.cuda.is_available() else "cpu"), os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as temporary:
        folder, noise, names = Path(temporary), np.random.default_rng(0), [f"{i:03d}.png" for i in range(args.images)]
        for side in "ab":
            (folder / side).mkdir()
            for name in names:
                small = Image.fromarray(noise.integers(0, 256, (16, 16, 3), dtype=np.uint8))
                small.resize((PIXELS, PIXELS), Image.Resampling.BICUBIC).save(folder / side / name)
        (folder / "weights").mkdir()
        random_inception(folder / "weights" / "random.pth")
        turns = []
        for _ in range(args.turns):
            pair = []
            for side in (ours, reference):  # a process each: neither meets the thread settings of the other
                with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                    pair.append(pool.submit(timed, side, folder, names, device).result())
            turns.append((pair[0][0], pair[1][0]))
            difference = abs(pair[0][1] - pair[1][1]) / pair[1][1]
            print(f"{turns[-1][0]:.1f} s against {turns[-1][1]:.1f} s; distances differ by {difference:.1e}")
    own, theirs = (statistics.median(column) for column in zip(*turns, strict=True))
    ratio = statistics.median(their / our for our, their in turns)
    rate = {"ours": 2 * args.images / own, "reference": 2 * args.images / theirs}
    print(f"{rate['ours']:.1f} images/s against {rate['reference']:.1f}: {ratio:.2f}x")
    results = {"images_per_second": rate, "ratio_median": ratio, "relative_difference": difference}
    save(args.out, {"turns": args.turns, "images": args.images}, machine(device, cores), results)


if __name__ == "__main__":
    main()

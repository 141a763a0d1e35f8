"""BSDS500 photos -> boundary benchmark of HED, Canny and Sobel, one Markdown page with curves and a picture."""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from ganrepro import artifacts, config, provenance
from ganrepro.data.edges import EdgeDetector, edge_image
from ganrepro.data.images import read_rgb, write_png
from ganrepro.data.sources import find_root
from ganrepro.evaluation.boundaries import THRESHOLDS, measure, methods_beside, summary
from ganrepro.process import settle
from ganrepro.reporting import boundaries as reporting
from ganrepro.reporting import figures
from pipeline import stage


def edges_of(photo: Path, detector: EdgeDetector) -> Image.Image:
    """The whole edge stage of one photo, decoding included."""
    return detector(read_rgb(photo))


def main() -> None:
    args = stage.arguments(__doc__ or "", "weights")
    folder = find_root(artifacts.download_dir("bsds500"), config.registry()["bsds500"]["root"])
    detector = EdgeDetector(args.weights, artifacts.download_dir(args.weights), 256)
    split = "test" if (folder / "data/images/test").is_dir() else "val"
    photos = sorted((folder / "data/images" / split).glob("*.jpg"))
    settle(1)  # one thread for each of the workers, which inherit it
    methods = methods_beside(detector)
    truths = [folder / "data/groundTruth" / split / f"{photo.stem}.mat" for photo in photos]
    with ProcessPoolExecutor(args.threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        work = pool.map(partial(measure, methods=methods), photos, truths, chunksize=4)  # each loads the weights again
        measured = list(tqdm(work, total=len(photos), unit="photo", mininterval=5))
        started = time.perf_counter()
        timed = list(pool.map(partial(edges_of, detector=detector), photos[:48], chunksize=8))  # as datasets are prepared
        rate = len(timed) / (time.perf_counter() - started)
    counts = {name: np.stack([one[name] for one in measured]) for name in methods}
    scores = {name: summary(c) for name, c in counts.items()}
    facts = {
        "split": split,
        "photos": len(photos),
        "thresholds": len(THRESHOLDS),
        "weights": config.registry()[args.weights]["title"],
        "images_per_second": round(rate, 2),
        "cores": args.threads,
        "commit": provenance.git_commit(),
        "versions": provenance.versions(),
    }
    with artifacts.filling(args.out) as out:
        reporting.curves(counts, scores, out / "curves.svg")
        lines = []
        for photo in photos[:: max(1, len(photos) // 3)][:3]:
            image, edges = read_rgb(photo), edge_image(detector.strength(read_rgb(photo)), 256)
            lines.append([image, *(reporting.best_map(methods[name](image), counts[name]) for name in methods), edges])
        write_png(out / "edges.png", figures.sheet(["Photo", *methods, "as pix2pix sees it"], lines, 180))
        artifacts.write_json(out / "metrics.json", {"schema": "boundaries/1", "scores": scores} | facts)
        (out / "README.md").write_text(reporting.page(scores, facts), encoding="utf-8")


if __name__ == "__main__":
    stage.run(main)

"""BSDS500 photos -> boundary benchmark of HED, Canny and Sobel, one Markdown page with curves and a picture."""

from __future__ import annotations

from ganrepro import process, provenance
from ganrepro.data.edges import EdgeDetector
from ganrepro.data.layouts.base import find_root
from ganrepro.evaluation.boundaries import THRESHOLDS, benchmark, methods_beside, summary
from ganrepro.plan import datasets
from ganrepro.reporting import boundaries as reporting
from ganrepro.schema.registry import registry
from ganrepro.store.files import filling, write_json
from pipeline import stage


def main() -> None:
    args = stage.arguments(__doc__ or "", "weights")
    folder = find_root(datasets.download_dir("bsds500"), registry()["bsds500"]["root"]) / "data"
    detector = EdgeDetector(args.weights, datasets.download_dir(args.weights), 256)
    process.configure(1)  # one thread for each of the workers, which inherit it
    measured = benchmark(folder, detector, args.threads)
    scores = {name: summary(counts) for name, counts in measured.counts.items()}
    facts = {
        "split": measured.split,
        "photos": len(measured.photos),
        "thresholds": len(THRESHOLDS),
        "weights": registry()[args.weights]["title"],
        "images_per_second": round(measured.rate, 2),
        "cores": args.threads,
        "commit": provenance.git_commit(),
        "versions": provenance.versions(),
    }
    with filling(args.out) as out:
        reporting.curves(measured.counts, scores, out / "curves.svg")
        reporting.picture(measured.photos, measured.counts, methods_beside(detector), detector.strength, out / "edges.png")
        write_json(out / "metrics.json", {"schema": "boundaries/1", "scores": scores} | facts)
        (out / "README.md").write_text(reporting.page(scores, facts), encoding="utf-8")


if __name__ == "__main__":
    stage.run(main)

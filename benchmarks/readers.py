"""Readers of label maps beside one another: how well each reads real test photos, on some studies' data.

    python -m benchmarks.readers streets-pairs camvid-pairs facades-pairs

Each network is trained as the study's own reader is (its recipe, but for the network and its filters), at the size of the study's
photos, and reads held-out and training photos; a gap between the two is what more photos would mend. The data have to be prepared
before; where they are not, it says how.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks import machine, save
from ganrepro import settings
from ganrepro.data.prepare import read_manifest
from ganrepro.evaluation import readers
from ganrepro.evaluation.readers.base import Task
from ganrepro.evaluation.readers.segmentation import read_real_photos
from ganrepro.evaluation.segmentation import rates
from ganrepro.plan import datasets
from ganrepro.process import configure
from ganrepro.schema.readers import ReaderSettings

NETWORKS = {"fcn": 32, "unet": 16}  # and their filters
SCORES = ("pixel_accuracy", "class_iou")


def scores_of(params: settings.Params, study: settings.Study, network: str, epochs: int | None) -> dict[str, float]:
    """Scores of held-out and of as many training photos, parameters, and seconds of a CPU."""
    folder, recipe = datasets.dataset_dir(params, study.dataset), params.readers.get(study.reader or "")
    if not isinstance(recipe, ReaderSettings) or not study.data.label_maps:
        sys.exit(f"error: {study.name}: its reader is no network that is trained on label maps; name another study")
    if not (folder / "manifest.json").exists():
        sys.exit(f"error: {folder}: not prepared; run: snakemake --cores all {folder}/manifest.json")
    changed = {"network": network, "filters": NETWORKS[network]} | ({"epochs": epochs} if epochs else {})
    task = Task(folder, read_manifest(folder), study.data, recipe.model_copy(update=changed), study.pixels, torch.device("cpu"))
    kind, started = readers.find("segmentation"), time.process_time()
    made, _ = kind.make(task)
    seconds = time.process_time() - started
    reader = kind.load(made.state_dict(), task.recipe, study.data)
    found = {"parameters": float(sum(p.numel() for p in made.parameters())), "cpu_seconds": round(seconds, 1)}
    names = task.manifest["names"]
    with tempfile.TemporaryDirectory() as seen:  # training photos in the place of the test's
        (Path(seen) / "test").symlink_to((folder / "train").resolve())
        few = {"names": {"test": {task.domain: names["train"][task.domain][: len(names["test"][task.domain])]}}}
        trained_on = Task(Path(seen), few, study.data, task.recipe, study.pixels, task.device)
        for split, of in (("test", task), ("training", trained_on)):
            counted = rates(read_real_photos(reader, of, study.pixels).sum(0))
            found |= {f"{split}_{score}": round(float(counted[score]), 4) for score in SCORES}
    return found


def main() -> None:
    """Parses, trains, reads, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="+", help="whose data are read")
    parser.add_argument("--epochs", type=int, help="(default: the reader's own)")
    parser.add_argument("--threads", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="(default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/readers.json"))
    args = parser.parse_args()
    configure(args.threads, "repeatable")
    params, results = settings.load(args.params), dict[str, dict[str, dict[str, float]]]()
    for name in args.studies:
        study = settings.find_study(params, name)
        for network in NETWORKS:
            found = results.setdefault(name, {})[network] = scores_of(params, study, network, args.epochs)
            print(name, network, *(f"{key} {value}" for key, value in found.items()), flush=True)
    about = {"filters": NETWORKS, "epochs": args.epochs or "the reader's own"}
    save(args.out, about, machine(torch.device("cpu"), args.threads), results)


if __name__ == "__main__":
    main()

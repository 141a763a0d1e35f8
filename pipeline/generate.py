"""Checkpoint + test split -> folders of PNG images, one per output."""

from __future__ import annotations

import time

from ganrepro import checkpoints, process, settings
from ganrepro.artifacts import datasets, paths
from ganrepro.artifacts.files import filling, read_json, write_json
from ganrepro.evaluation import samples
from ganrepro.evaluation.generation import generate, reference
from ganrepro.methods.base import DataSpec
from ganrepro.methods.encodes import Encodes
from pipeline import stage


def main() -> None:
    args = stage.arguments(__doc__ or "", "study", "row", "seed")
    run = paths.find_run(settings.load(args.params), args.study, args.row, args.seed)
    stage.expect(args.out, run.scores / "images")
    process.configure(args.threads)
    folder = datasets.dataset_dir(run.params, run.study.dataset)
    manifest = read_json(folder / "manifest.json")
    test = folder / "test"
    with filling(args.out) as images:
        if run.reference:
            reference(run.row, run.study.pixels, test, manifest["names"]["test"], images, run.outputs)
        else:
            method, device = run.method, process.device(run.params.device)
            common = DataSpec.of(manifest, method.settings), run.seed, test, manifest
            weights = checkpoints.load(run.folder / "checkpoint.pt", run.spec)["players"]["networks"]
            started = time.monotonic()
            if run.study.from_noise:
                samples.make(method, weights, *common, images, device)
            else:
                generate(method, weights, *common, images, device, run.study.test_passes)
            seconds = time.monotonic() - started
            # what renders its own input on the way to a translation is not counted apart
            onward = [output.name for output in run.outputs if run.study.from_noise or output.source != output.target]
            counted = sum(path.parent.name in onward for path in images.rglob("*.png"))
            write_json(images / "timing.json", {"schema": "generation/1", "images": counted, "seconds": round(seconds, 3)})
            if isinstance(method, Encodes):
                samples.write_codes(method, weights, *common[:2], folder, manifest, images / "codes.npz", device)
            for epoch in run.looks_back:
                then = checkpoints.load(run.folder / paths.milestone(epoch), run.spec)["networks"]
                place = images / f"epoch-{epoch}"
                make = samples.make if run.study.from_noise else generate
                make(method, then, *common, place, device)
        (images / "done").touch()


if __name__ == "__main__":
    stage.run(main)

"""Checkpoint + test images -> folders of PNG images, one for each output."""

from __future__ import annotations

import time

from ganrepro import devices, process
from ganrepro.data.prepare import read_manifest
from ganrepro.evaluation.generation import generate, reference, write_codes, write_cycles
from ganrepro.evaluation.measures.cycle import FILE as CYCLES
from ganrepro.methods.encodes import Encodes
from ganrepro.plan import datasets, paths
from ganrepro.store import checkpoints
from ganrepro.store.files import filling, write_json
from pipeline import stage


def main() -> None:
    args = stage.arguments(__doc__ or "", "study", "row", "seed")
    run = paths.find_run(stage.parameters(args), args.study, args.row, args.seed)
    stage.expect(args.out, run.images)
    process.configure(args.threads)
    folder = datasets.dataset_dir(run.params, run.study.dataset)
    manifest = read_manifest(folder)
    test, names = folder / "test", manifest["names"]["test"]
    with filling(args.out) as images:
        if run.untrained:
            for output, training in run.untrained.items():
                method, device = training.method, devices.device(run.params.device)
                generate(method, None, training.seed, test, names, images, device, only=[output])
        elif run.reference:
            reference(run.row, run.study.size, run.study.data, test, names, images, run.outputs)
        else:
            method, device = run.method, devices.device(run.params.device)
            weights = checkpoints.making(checkpoints.load(run.folder / "checkpoint.pt", run.spec))
            started = time.monotonic()
            generate(method, weights, run.seed, test, names, images, device, run.study.test_passes)
            seconds = time.monotonic() - started
            # what renders its own input on the way to a translation is not counted apart
            translates = any(output.translates for output in run.outputs)
            onward = [output.name for output in run.outputs if not (translates and output.renders_input)]
            counted = sum(path.parent.name in onward for path in images.rglob("*.png"))
            write_json(images / "timing.json", {"schema": "generation/1", "images": counted, "seconds": round(seconds, 3)})
            if isinstance(method, Encodes):
                write_codes(method, weights, run.seed, folder, manifest, images / "codes.npz", device)
            if method.network_of(run.outputs[0]) is not None and not method.data.paired:
                write_cycles(method, weights, run.seed, test, names, images / CYCLES, device)
            for epoch in run.looks_back:
                then = checkpoints.load(run.folder / paths.milestone(epoch), run.spec)["networks"]
                generate(method, then, run.seed, test, names, images / f"epoch-{epoch}", device)
        made = sorted(path.relative_to(images).as_posix() for path in images.rglob("*") if path.is_file())
        (images / "done").write_text("\n".join(made), encoding="utf-8")


if __name__ == "__main__":
    stage.run(main)

"""Real training photos -> the segmentation network that scores generated ones; or a published one, once it passed the gate."""

from __future__ import annotations

import shutil
import time

from ganrepro import checkpoints, process, settings
from ganrepro.artifacts import datasets, paths
from ganrepro.artifacts.files import filling, read_json, write_json
from ganrepro.evaluation.digit_classifier import train_classifier
from ganrepro.evaluation.gate import check
from ganrepro.evaluation.readers import load_published
from ganrepro.evaluation.segmenter import train_segmenter
from pipeline import stage


def main() -> None:
    args = stage.arguments(__doc__ or "", "dataset", "scorer", "pixels")
    params = settings.load(args.params)
    recipe = settings.known(params.scorers, args.scorer, "scorers")
    settings.known(params.datasets, args.dataset, "datasets")
    spec = paths.segmenter_spec(params, args.dataset, args.scorer, args.pixels)
    folder = datasets.dataset_dir(params, args.dataset)
    stage.expect(args.out, paths.segmenter_place(args.dataset, spec))
    process.configure(args.threads, "repeatable")
    manifest, device = read_json(folder / "manifest.json"), process.device(params.device)
    started = time.monotonic()
    work = paths.work_dir(args.out)
    resume = work / "segmenter.pt"
    before = checkpoints.load(resume, spec) if resume.exists() else None
    if datasets.has_image_classes(params, args.dataset) and isinstance(recipe, settings.ScorerSettings):
        network, accuracy = train_classifier(folder, manifest, recipe, device)
        rows = [{"accuracy": accuracy}]
    elif isinstance(recipe, settings.PublishedScorerSettings):
        reader = load_published(datasets.download_dir(recipe.weights), device)
        network, rows = reader.network, [check(reader, folder, manifest, device)]
    else:
        network, rows = train_segmenter(
            folder, manifest["names"]["train"]["b"], len(manifest["classes"]), recipe, recipe.pixels or args.pixels, device,
            resume=before, save=lambda state: checkpoints.save(resume, spec, state),
        )  # fmt: skip
    with filling(args.out) as out:
        checkpoints.save(out / "segmenter.pt", spec, {"network": network.state_dict(), "rows": rows})
        seconds = round(time.monotonic() - started, 1)
        write_json(out / "segmenter.json", {"schema": "segmenter/1", "seconds": seconds, "last": rows[-1]} | spec)
    shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    stage.run(main)

"""PNG folders + label maps -> metrics.json, and the counts that it follows from."""

from __future__ import annotations

import functools
from typing import Any

from ganrepro import process, settings
from ganrepro.artifacts import datasets, paths
from ganrepro.artifacts.files import read_json, write_json
from ganrepro.artifacts.fingerprint import canonical
from ganrepro.data.registry import INCEPTION
from ganrepro.evaluation.base import Job
from ganrepro.evaluation.generation import pass_folder
from ganrepro.evaluation.readers import load_reader
from ganrepro.evaluation.samples import load_classifier, over_training
from ganrepro.evaluation.scoring import score, write_counts
from ganrepro.outputs import SAMPLES
from pipeline import stage


def main() -> None:
    args = stage.arguments(__doc__ or "", "study", "row", "seed")
    run = paths.find_run(settings.load(args.params), args.study, args.row, args.seed)
    params, study, images = run.params, run.study, run.scores / "images"
    stage.expect(args.out, run.scores)
    process.configure(args.threads)
    data, device = datasets.dataset_dir(params, study.dataset), process.device(params.device)
    spec = paths.scorer_spec(params, study)
    manifest = read_json(data / "manifest.json")
    segmenter = paths.segmenter_dir(params, study)
    load = load_classifier if datasets.has_image_classes(params, study.dataset) else load_reader
    reader = functools.cache(lambda: load(segmenter / "segmenter.pt", spec, len(manifest["classes"]), device))
    passes = [pass_folder(images, n) for n in range(1, 2 if run.reference else study.test_passes + 1)]
    values: dict[str, dict[str, Any]] = {}
    counts: dict[str, Any] = {}
    for output, evaluators in run.evaluators.items():
        folders = [folder / output.name for folder in passes if (folder / output.name).is_dir()]
        if not folders:
            continue  # a reference row has no images of what is made from noise
        job = Job(
            output, folders, data, manifest, study.pixels, device, run.row if run.reference else None,
            reader, params.distance, datasets.download_dir(INCEPTION), paths.features_dir(), canonical(spec),
        )  # fmt: skip
        epochs = {epoch: images / f"epoch-{epoch}" / output.name for epoch in ([] if run.reference else run.looks_back)}
        values[output.name], found = score(job, evaluators, epochs)
        if output == SAMPLES and study.from_noise and epochs:
            values[output.name]["over_training"] = over_training(job, epochs)
        counts |= {f"{output.name}.{evaluator}": array for evaluator, array in found.items()}
    header = {"schema": "metrics/3", "study": study.name, "row": run.row, "seed": run.seed}
    inputs = {"dataset": manifest["digest"], "segmenter": segmenter.name if manifest["classes"] or "labels" in manifest else None}
    write_counts(args.out / "counts.npz", counts)
    write_json(args.out / "metrics.json", header | {"inputs": inputs, "values": values})


if __name__ == "__main__":
    stage.run(main)

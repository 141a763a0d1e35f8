"""PNG folders -> metrics.json, and the counts that it follows from."""

from __future__ import annotations

import functools
from typing import Any

from ganrepro import arithmetic, devices, process
from ganrepro.data.prepare import read_manifest
from ganrepro.errors import UserError
from ganrepro.evaluation import readers
from ganrepro.evaluation.generation import pass_folder
from ganrepro.evaluation.measures.base import Job
from ganrepro.evaluation.readers.base import Reader
from ganrepro.evaluation.scoring import score, write_counts
from ganrepro.plan import datasets, paths
from ganrepro.schema.registry import feature_sources
from ganrepro.store.files import plain, write_json
from pipeline import stage


def main() -> None:
    args = stage.arguments(__doc__ or "", "study", "row", "seed")
    run = paths.find_run(stage.parameters(args), args.study, args.row, args.seed)
    params, study, images = run.params, run.study, run.images
    stage.expect(args.out, run.scores)
    process.configure(args.threads)
    folder, device = datasets.dataset_dir(params, study.dataset), devices.device(params.device)
    manifest = read_manifest(folder)
    passes = [pass_folder(images, n) for n in range(1, 2 if run.reference else study.test_passes + 1)]

    @functools.cache
    def reader() -> Reader:
        file, spec = paths.reader_dir(params, study) / "reader.pt", paths.reader_spec(params, study)
        return readers.load(file, spec, params.readers[str(study.reader)], study.data, device)

    for name in filter(None, plain(images / "done").read_text(encoding="utf-8").split("\n")):
        if not (images / name).is_file():
            raise UserError(f"{images / name}: it was made and is gone; remove {images} and run snakemake again")
    weights = {name: datasets.download_dir(name) for name in feature_sources(study.features)}
    values: dict[str, dict[str, Any]] = {}
    counts: dict[str, Any] = {}
    for output, measures in run.measures.items():
        folders = [place / output.name for place in passes if (place / output.name).is_dir()]
        if not folders or not measures:
            continue  # a reference row has no images of what is made from noise by a code
        job = Job(
            output, folders, folder, manifest, study.data, study.size, device, run.row if run.reference else None, reader,
            study.features, weights, paths.features_dir(arithmetic.is_set()),
        )  # fmt: skip
        job.expect_all()
        epochs = {epoch: images / f"epoch-{epoch}" / output.name for epoch in ([] if run.reference else run.looks_back)}
        values[output.name], by_epoch = score(job, measures, epochs)
        counts |= {f"{output.name}.{measure}": array for measure, array in by_epoch.items()}
    header = {"schema": "metrics/4", "study": study.name, "row": run.row, "seed": run.seed}
    inputs = {"dataset": manifest["digest"], "reader": paths.reader_dir(params, study).name if run.read else None}
    write_counts(args.out / "counts.npz", counts)
    write_json(args.out / "metrics.json", header | {"inputs": inputs, "values": values})


if __name__ == "__main__":
    stage.run(main)

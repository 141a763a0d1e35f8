"""Real training images -> the network that reads generated ones, and how well it reads real test images; or a published one."""

from __future__ import annotations

import shutil
import time

from ganrepro import devices, process, settings
from ganrepro.data.prepare import read_manifest
from ganrepro.evaluation import readers
from ganrepro.evaluation.readers.base import Task
from ganrepro.methods.base import CROP_MULTIPLE
from ganrepro.plan import datasets, paths
from ganrepro.schema.readers import PublishedReaderSettings
from ganrepro.store import checkpoints
from ganrepro.store.files import filling, write_json
from pipeline import stage


def main() -> None:
    args = stage.arguments(__doc__ or "", "study")
    params = stage.parameters(args)
    study = settings.find_study(params, args.study)
    spec = paths.reader_spec(params, study)
    stage.expect(args.out, paths.reader_dir(params, study))
    process.configure(args.threads, "repeatable")
    folder, recipe, device = (
        datasets.dataset_dir(params, study.dataset),
        params.readers[str(study.reader)],
        devices.device(params.device),
    )
    work = paths.work_dir(args.out)
    resume = work / "reader.pt"
    size = study.data.size(spec["recipe"].get("pixels") or study.pixels, CROP_MULTIPLE)
    task = Task(
        folder, read_manifest(folder), study.data, recipe, size, device,
        download=datasets.download_dir(recipe.weights) if isinstance(recipe, PublishedReaderSettings) else None,
        resume=checkpoints.load(resume, spec) if resume.exists() else None,
        save=lambda state: checkpoints.save(resume, spec, state),
    )  # fmt: skip
    kind, started = readers.find(spec["kind"]), time.monotonic()
    network, rows = kind.make(task)
    state = {name: value.cpu() for name, value in network.state_dict().items()}
    reader = kind.load(state, recipe, study.data)
    reader.network.to(device)
    gate = kind.gate(reader, task)
    with filling(args.out) as out:
        checkpoints.save(out / "reader.pt", spec, {"network": state, "rows": rows})
        seconds = round(time.monotonic() - started, 1)
        write_json(
            out / "reader.json", {"schema": "reader/1", "seconds": seconds, "last": rows[-1], "gate": gate._asdict()} | spec
        )
    shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    stage.run(main)

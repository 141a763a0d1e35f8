"""Real training photos -> the segmentation network that scores generated ones."""

from __future__ import annotations

import json
import shutil
import time

import torch

from ganrepro import artifacts, checkpoints, config
from ganrepro.evaluation.segmenter import train_segmenter
from ganrepro.process import settle
from pipeline import stage


def main() -> None:
    args = stage.arguments(__doc__ or "", "dataset", "scorer", "pixels")
    params = config.load(args.params)
    recipe = stage.known(params.scorers, args.scorer, "scorer")
    stage.known(params.datasets, args.dataset, "dataset")
    spec = artifacts.segmenter_spec(params, args.dataset, args.scorer, args.pixels)
    folder = artifacts.dataset_dir(params, args.dataset)
    stage.expect(args.out, artifacts.segmenter_place(args.dataset, spec))
    settle(args.threads)
    manifest = json.loads((folder / "manifest.json").read_text())
    started = time.monotonic()
    work = artifacts.work_dir(args.out)
    resume = work / "segmenter.pt"
    before = checkpoints.load(resume, spec) if resume.exists() else None
    network, rows = train_segmenter(
        folder,
        manifest["names"]["train"]["b"],
        len(manifest["classes"]),
        recipe,
        recipe.pixels or args.pixels,
        torch.device(stage.device(params)),
        resume=before,
        save=lambda state: checkpoints.save(resume, spec, state),
    )
    with artifacts.filling(args.out) as out:
        checkpoints.save(out / "segmenter.pt", spec, {"network": network.state_dict(), "rows": rows})
        seconds = round(time.monotonic() - started, 1)
        artifacts.write_json(out / "segmenter.json", {"schema": "segmenter/1", "seconds": seconds} | spec)
    shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    stage.run(main)

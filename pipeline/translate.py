"""Checkpoint + test split -> folders of PNG images, one per direction."""

from __future__ import annotations

import json

import torch

from ganrepro import artifacts, checkpoints, config
from ganrepro.config import REFERENCE_ROWS
from ganrepro.process import settle
from ganrepro.training.translate import reference, translate
from pipeline import stage


def main() -> None:
    args = stage.arguments(__doc__ or "", "study", "row", "seed")
    params = config.load(args.params)
    study = params.find_study(args.study)
    out = artifacts.score_dir(params, study, args.row, args.seed) / "images"
    stage.expect(args.out, out)
    settle(args.threads)
    folder = artifacts.dataset_dir(params, study.dataset)
    names = json.loads((folder / "manifest.json").read_text())["names"]["test"]
    with artifacts.filling(args.out) as images:
        if args.row in REFERENCE_ROWS:
            reference(args.row, artifacts.crop_pixels(study), folder / "test", names, images, study.directions)
        else:
            run, spec = (
                artifacts.run_dir(params, study, args.row, args.seed),
                artifacts.run_spec(params, study, args.row, args.seed),
            )
            training, device = study.variants[args.row].training, torch.device(stage.device(params))
            weights = checkpoints.load(run / "checkpoint.pt", spec)["game"]["networks"]
            translate(weights, training, folder / "test", names, images, device, study.test_passes)
            for epoch in artifacts.looks_back(study, args.row, args.seed):
                then = checkpoints.load(run / artifacts.milestone(epoch), spec)["networks"]
                translate(then, training, folder / "test", names, images / f"epoch-{epoch}", device)
        (images / "done").touch()


if __name__ == "__main__":
    stage.run(main)

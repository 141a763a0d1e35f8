"""Real training photos -> the segmentation network that scores generated ones; or a published one, once it passed the gate."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from ganrepro import artifacts, checkpoints, config
from ganrepro.config import Params, PublishedScorer, Study
from ganrepro.evaluation.evaluators import read_truth
from ganrepro.evaluation.gate import check
from ganrepro.evaluation.segmenter import Segmenter, train_segmenter
from ganrepro.nets.fcn8s import OUTPUTS, FCN8s
from ganrepro.process import settle
from pipeline import stage


def published(
    weights: str, data: Path, manifest: dict[str, Any], device: torch.device
) -> tuple[nn.Module, list[dict[str, float]]]:
    """The network with downloaded weights. GateError unless it reads real photos as its authors say."""
    from ganrepro.data.weights import fill, read_caffemodel  # with the libraries that only this needs
    from ganrepro.nets.hed import HED

    folder = artifacts.download_dir(weights)
    file = next(folder.glob("*.caffemodel"), folder / "*.caffemodel")
    network = FCN8s()
    fill(cast(HED, network), read_caffemodel(file), file)  # any network with its layers by their names
    network.to(device).eval()
    return network, [check(network, data, manifest, device)]


def main() -> None:
    args = stage.arguments(__doc__ or "", "dataset", "scorer", "pixels")
    params = config.load(args.params)
    recipe = stage.known(params.scorers, args.scorer, "scorer")
    stage.known(params.datasets, args.dataset, "dataset")
    spec = artifacts.segmenter_spec(params, args.dataset, args.scorer, args.pixels)
    folder = artifacts.dataset_dir(params, args.dataset)
    stage.expect(args.out, artifacts.segmenter_place(args.dataset, spec))
    settle(args.threads)
    manifest, device = json.loads((folder / "manifest.json").read_text()), torch.device(stage.device(params))
    started = time.monotonic()
    work = artifacts.work_dir(args.out)
    resume = work / "segmenter.pt"
    before = checkpoints.load(resume, spec) if resume.exists() else None
    if isinstance(recipe, PublishedScorer):
        network, rows = published(recipe.weights, folder, manifest, device)
    else:
        for name in manifest["names"]["train"]["b"]:
            read_truth(folder / "train" / "labels" / name, len(manifest["classes"]))
        network, rows = train_segmenter(
            folder, manifest["names"]["train"]["b"], len(manifest["classes"]), recipe, recipe.pixels or args.pixels, device,
            resume=before, save=lambda state: checkpoints.save(resume, spec, state),
        )  # fmt: skip
    with artifacts.filling(args.out) as out:
        checkpoints.save(out / "segmenter.pt", spec, {"network": network.state_dict(), "rows": rows})
        seconds = round(time.monotonic() - started, 1)
        artifacts.write_json(out / "segmenter.json", {"schema": "segmenter/1", "seconds": seconds} | spec)
    shutil.rmtree(work, ignore_errors=True)


def reader(params: Params, study: Study, classes: int, device: torch.device) -> tuple[nn.Module, int | None, bool]:
    """The network that reads photos, how many outputs it has (None: the classes), and how one too many is counted."""
    scorer = params.scorers[study.scorer]
    state = checkpoints.load(
        artifacts.segmenter_dir(params, study) / "segmenter.pt", artifacts.scorer_spec(params, study), device
    )
    if isinstance(scorer, PublishedScorer):
        network, outputs, overflow = FCN8s(), OUTPUTS, scorer.overflow
    else:
        network, outputs, overflow = Segmenter(classes, scorer.filters), None, False
    network.load_state_dict(state["network"])
    return network.to(device).eval(), outputs, overflow


if __name__ == "__main__":
    stage.run(main)

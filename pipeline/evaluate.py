"""PNG folders + label maps -> metrics.json."""

from __future__ import annotations

import json

import torch

from ganrepro import artifacts, checkpoints
from ganrepro.evaluation.evaluators import score_translations
from ganrepro.evaluation.segmenter import Segmenter
from ganrepro.process import settle
from pipeline import stage


def main() -> None:
    args = stage.arguments(__doc__ or "", row=True)
    params, study = stage.settings(args)
    folder = artifacts.score_dir(params, study, args.row, args.seed)
    stage.expect(args.out, folder)
    settle(args.threads)
    data = artifacts.dataset_dir(params, study.dataset)
    manifest = json.loads((data / "manifest.json").read_text())
    values: dict[str, object] = {}  # stays empty where a dataset has no classes: nothing to score against
    if manifest["classes"]:
        device = torch.device(stage.device(params))
        spec = artifacts.segmenter_spec(params, study)
        state = checkpoints.load(artifacts.segmenter_dir(params, study) / "segmenter.pt", spec, device)
        network = Segmenter(len(manifest["classes"]), params.scorers[study.scorer].filters).to(device)
        network.load_state_dict(state["network"])
        names = manifest["names"]["test"]["b"]
        images, labels = folder / "images", data / "test" / "labels"
        values = dict(score_translations(images, labels, names, dict(manifest["classes"]), network.eval(), device))
    header = {"schema": "metrics/1", "study": study.name, "row": args.row, "seed": args.seed}
    inputs = {"dataset": manifest["digest"], "segmenter": artifacts.segmenter_dir(params, study).name if values else None}
    artifacts.write_json(args.out / "metrics.json", header | {"inputs": inputs, "values": values})


if __name__ == "__main__":
    stage.run(main)

"""PNG folders + label maps -> metrics.json."""

from __future__ import annotations

import json

import numpy as np
import torch

from ganrepro import artifacts, checkpoints, config
from ganrepro.config import REFERENCE_ROWS, SCORES
from ganrepro.evaluation.evaluators import score_translations
from ganrepro.evaluation.segmenter import Segmenter
from ganrepro.process import settle
from ganrepro.training.translate import pass_folder
from pipeline import stage


def main() -> None:
    args = stage.arguments(__doc__ or "", "study", "row", "seed")
    params = config.load(args.params)
    study = params.find_study(args.study)
    folder = artifacts.score_dir(params, study, args.row, args.seed)
    stage.expect(args.out, folder)
    settle(args.threads)
    data = artifacts.dataset_dir(params, study.dataset)
    manifest = json.loads((data / "manifest.json").read_text())
    values: dict[str, dict[str, object]] = {}  # stays empty where a dataset has no classes: nothing to score against
    counts: dict[str, np.ndarray] = {}
    if manifest["classes"]:
        device = torch.device(stage.device(params))
        spec = artifacts.scorer_spec(params, study)
        state = checkpoints.load(artifacts.segmenter_dir(params, study) / "segmenter.pt", spec, device)
        network = Segmenter(len(manifest["classes"]), params.scorers[study.scorer].filters).to(device)
        network.load_state_dict(state["network"])
        names, images = manifest["names"]["test"]["b"], folder / "images"
        trained = args.row not in REFERENCE_ROWS
        passes = [pass_folder(images, n) for n in range(1, study.test_passes + 1 if trained else 2)]
        directions = study.variants[args.row].training.directions if trained else study.directions
        common = (data / "test", names, directions, dict(manifest["classes"]), network.eval(), device)
        values, counts = score_translations(passes, *common)
        for earlier in images.glob("epoch-*"):
            for direction, then in score_translations([earlier], *common)[0].items():
                values[direction].setdefault("epochs", {})[int(earlier.name[6:])] = {k: then[k] for k in SCORES["segmentation"]}
    header = {"schema": "metrics/1", "study": study.name, "row": args.row, "seed": args.seed}
    inputs = {"dataset": manifest["digest"], "segmenter": artifacts.segmenter_dir(params, study).name if values else None}
    with artifacts.replacing(args.out / "counts.npz") as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **counts)
    artifacts.write_json(args.out / "metrics.json", header | {"inputs": inputs, "values": values})


if __name__ == "__main__":
    stage.run(main)

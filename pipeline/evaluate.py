"""PNG folders + label maps -> metrics.json, and the counts that it follows from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from ganrepro import artifacts, checkpoints, config
from ganrepro.config import REFERENCE_ROWS, SCORES, Params, PublishedScorer, Study
from ganrepro.data.images import read_labels
from ganrepro.evaluation import distances
from ganrepro.evaluation.colours import score_colours
from ganrepro.evaluation.evaluators import score_translations
from ganrepro.evaluation.segmenter import Segmenter
from ganrepro.nets.fcn8s import OUTPUTS, FCN8s
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
    data, device = artifacts.dataset_dir(params, study.dataset), torch.device(stage.device(params))
    manifest = json.loads((data / "manifest.json").read_text())
    names, images = manifest["names"]["test"]["b"], folder / "images"
    trained = args.row not in REFERENCE_ROWS
    directions = study.variants[args.row].training.directions if trained else study.directions
    values: dict[str, dict[str, object]] = {}  # stays empty where a dataset has no classes: nothing to score against
    counts: dict[str, np.ndarray] = {}
    network = None
    if manifest["classes"]:
        network, outputs, overflow = reader(params, study, len(manifest["classes"]), device)
        passes = [pass_folder(images, n) for n in range(1, study.test_passes + 1 if trained else 2)]
        common = (data / "test", names, directions, dict(manifest["classes"]), network, device, outputs, overflow)
        values, counts = score_translations(passes, *common)
        if "labels2photo" in directions:
            shared, colours = score_colours([folder / "labels2photo" for folder in passes], data / "test" / "b", names)
            values["labels2photo"] |= shared
            counts |= {f"labels2photo.{name}": value for name, value in colours.items()}
        for earlier in images.glob("epoch-*"):
            for direction, then in score_translations([earlier], *common)[0].items():
                epochs = values[direction].setdefault("epochs", {})
                epochs[int(earlier.name[6:])] = {k: then[k] for k in SCORES["segmentation"]}  # type: ignore[index]
    distance: dict[str, object] = {}
    if "labels2photo" in directions and (params.distance != "segmenter" or isinstance(network, Segmenter)):
        if params.distance == "segmenter":
            height, width = read_labels(data / "test" / "labels" / names[0]).shape
            backbone = distances.segmenter_features(network, str(artifacts.scorer_spec(params, study)), height, width)
        else:
            how = params.distance.removeprefix("inception-")
            backbone = distances.inception(artifacts.download_dir(artifacts.INCEPTION), how, device)
        made = distances.load_photos(images / "labels2photo", names, artifacts.crop_pixels(study))
        real = distances.load_photos(data / "test" / "b", names, artifacts.crop_pixels(study))
        kept = distances.kept_features(real, backbone, device, artifacts.work_dir(Path("features")))
        distance = {"of": params.distance} | distances.measure(distances.features(made, backbone, device), kept)
    header = {"schema": "metrics/2", "study": study.name, "row": args.row, "seed": args.seed}
    inputs = {"dataset": manifest["digest"], "segmenter": artifacts.segmenter_dir(params, study).name if values else None}
    with artifacts.replacing(args.out / "counts.npz") as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **counts)
    artifacts.write_json(args.out / "metrics.json", header | {"inputs": inputs, "values": values, "distance": distance})


def reader(params: Params, study: Study, classes: int, device: torch.device) -> tuple[torch.nn.Module, int | None, bool]:
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

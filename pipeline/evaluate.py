"""PNG folders + label maps -> metrics.json, and the counts that it follows from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganrepro import artifacts, config
from ganrepro.config import REFERENCE_ROWS, SCORES, Params, Study
from ganrepro.data.images import read_labels
from ganrepro.evaluation import distances
from ganrepro.evaluation.evaluators import score_colours, score_translations
from ganrepro.evaluation.segmenter import Segmenter
from ganrepro.process import settle
from ganrepro.training.translate import pass_folder
from pipeline import stage
from pipeline.segmenter import reader


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
    distance = (
        distance_from_real(params, study, args.row, manifest, images, network, device) if "labels2photo" in directions else {}
    )
    header = {"schema": "metrics/2", "study": study.name, "row": args.row, "seed": args.seed}
    inputs = {"dataset": manifest["digest"], "segmenter": artifacts.segmenter_dir(params, study).name if values else None}
    with artifacts.replacing(args.out / "counts.npz") as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **counts)
    artifacts.write_json(args.out / "metrics.json", header | {"inputs": inputs, "values": values, "distance": distance})


def distance_from_real(
    params: Params, study: Study, row: str, manifest: dict[str, Any], images: Path, network: torch.nn.Module | None,
    device: torch.device,
) -> dict[str, object]:  # fmt: skip
    """Distances of the first translation's photos (of real training photos for the ground truth) from real test photos."""
    data, names, pixels = artifacts.dataset_dir(params, study.dataset), manifest["names"], artifacts.crop_pixels(study)
    if params.distance != "segmenter":
        how = params.distance.removeprefix("inception-")
        backbone = distances.inception(artifacts.download_dir(artifacts.INCEPTION), how, device)
    elif isinstance(network, Segmenter):
        height, width = read_labels(data / "test" / "labels" / names["test"]["b"][0]).shape
        backbone = distances.segmenter_features(network, str(artifacts.scorer_spec(params, study)), height, width)
    else:
        return {}
    if row == "ground-truth":
        made = distances.load_photos(data / "train" / "b", names["train"]["b"][: len(names["test"]["b"])], pixels)
    else:
        made = distances.load_photos(images / "labels2photo", names["test"]["a"])
    real = distances.load_photos(data / "test" / "b", names["test"]["b"], pixels)
    kept = artifacts.work_dir(Path("features") / artifacts.code_digest("distances"))
    found = distances.measure(distances.features(made, backbone, device), distances.kept_features(real, backbone, device, kept))
    return {"of": params.distance} | found


if __name__ == "__main__":
    stage.run(main)

"""The gate of the official FCN-score: a network that reads real photos otherwise than published scores nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch

from ganrepro.config import SCORES
from ganrepro.data.images import read_rgb, resize, write_png
from ganrepro.evaluation.evaluators import Network, score_translations

# Real validation photos shrunk to 256: pix2pix Table 1, ground truth, and its evaluation's README.
PUBLISHED = {"pixel_accuracy": 0.80, "class_accuracy": 0.26, "class_iou": 0.21}
PIXELS = 256
TOLERANCE = 0.01  # the published scores have two digits


class GateError(RuntimeError):
    """The network is not the published one, or its photos or label maps are not; no score of it can be trusted."""


def check(network: Network, data: Path, manifest: dict[str, Any], device: torch.device, outputs: int = 20) -> dict[str, float]:
    """Scores of real test photos, counted with the published overflow. GateError unless as published within 0.01.

    data: a prepared dataset, with its manifest.
    """
    names = manifest["names"]["test"]["b"]
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "labels2photo").mkdir()
        for name in names:
            write_png(Path(scratch) / "labels2photo" / name, resize(read_rgb(data / "test" / "b" / name), PIXELS))
        palette = dict(manifest["classes"])
        found, _ = score_translations(
            [Path(scratch)], data / "test", names, ["labels2photo"], palette, network, device, outputs, overflow=True
        )
    values = {name: float(str(found["labels2photo"][name])) for name in SCORES["segmentation"]}
    if any(abs(values[name] - expected) > TOLERANCE for name, expected in PUBLISHED.items()):
        told = " / ".join(f"{values[name]:.3f}" for name in PUBLISHED)
        wanted = " / ".join(f"{value:.2f}" for value in PUBLISHED.values())
        raise GateError(
            f"gate: {len(names)} real photos score {told}, published are {wanted}; no table is made with this network: "
            f"the weights, the photos or the label maps are not the published ones"
        )
    return values

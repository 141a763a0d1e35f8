"""The gate of the official FCN-score: a network that reads real photos otherwise than published scores nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch

from ganrepro.data.images import read_rgb, resize, write_png
from ganrepro.errors import UserError
from ganrepro.evaluation.readers import Reader, read_photos
from ganrepro.evaluation.segmentation import rates

# Real validation photos shrunk to 256: pix2pix Table 1, ground truth, and its evaluation's README.
PUBLISHED = {"pixel_accuracy": 0.80, "class_accuracy": 0.26, "class_iou": 0.21}
PIXELS = 256
TOLERANCE = 0.01  # the published scores have two digits


class GateError(UserError):
    """The network is not the published one, or its photos or label maps are not; no score of it can be trusted."""


def check(reader: Reader, data: Path, manifest: dict[str, Any], device: torch.device) -> dict[str, float]:
    """Scores of real test photos, counted as the reader counts. GateError unless as published within 0.01.

    data: a prepared dataset, with its manifest.
    """
    names, classes = manifest["names"]["test"]["b"], len(manifest["classes"])
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            write_png(Path(scratch) / name, resize(read_rgb(data / "test" / "b" / name), PIXELS))
        counts = reader.counted(read_photos(reader, Path(scratch), names, data, classes, device)[None], classes)
    found = rates(counts.sum((0, 1)))
    values = {name: float(found[name]) for name in PUBLISHED}
    if any(abs(values[name] - expected) > TOLERANCE for name, expected in PUBLISHED.items()):
        scored = " / ".join(f"{values[name]:.3f}" for name in PUBLISHED)
        wanted = " / ".join(f"{value:.2f}" for value in PUBLISHED.values())
        raise GateError(
            f"gate: {len(names)} real photos score {scored}, published are {wanted}; no table is made with this network: "
            f"the weights, the photos or the label maps are not the published ones"
        )
    return values

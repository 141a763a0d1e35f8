"""The networks that read photos: the study's own segmenter, or the papers' FCN-8s with published weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ganrepro import checkpoints
from ganrepro.data.images import to_float
from ganrepro.evaluation.label_maps import confusion
from ganrepro.evaluation.segmentation import overflowing
from ganrepro.evaluation.segmenter import Segmenter, enlarged
from ganrepro.nets.fcn8s import OUTPUTS, FCN8s


@dataclass(frozen=True)
class Reader:
    """A network (n, 3, h, w) in [-1, 1] -> logits (n, outputs, h, w).

    outputs: None where they are the classes.  overflow: predictions beyond the classes are counted as `overflowing` says.
    """

    network: nn.Module
    outputs: int | None = None
    overflow: bool = False

    def counted(self, counts: np.ndarray, classes: int) -> np.ndarray:
        """The counts of each pass, (passes, images, classes, outputs), as they are scored."""
        if self.overflow and counts.shape[-1] > classes:
            return np.stack([overflowing(one) for one in counts])
        return counts


def load_reader(file: Path, spec: dict[str, Any], classes: int, device: torch.device) -> Reader:
    """The network that the segmenter's stage left.  spec: what it was made from, of which `scorer` is its recipe."""
    recipe, state = spec["scorer"], checkpoints.load(file, spec, device)
    if "weights" in recipe:
        reader = Reader(FCN8s(), OUTPUTS, recipe["overflow"])
    else:
        reader = Reader(Segmenter(classes, recipe["filters"]))
    reader.network.load_state_dict(state["network"])
    reader.network.to(device).eval()
    return reader


def load_published(folder: Path, device: torch.device) -> Reader:
    """FCN-8s with the downloaded caffemodel of a folder. WeightsError where it is none."""
    from ganrepro.nets.foreign_weights import fill, read_caffemodel  # with the libraries that only this needs

    file = next(folder.glob("*.caffemodel"), folder / "*.caffemodel")
    network = FCN8s()
    fill(network, read_caffemodel(file), file)
    network.to(device).eval()
    return Reader(network, OUTPUTS, overflow=True)


def read_photos(reader: Reader, folder: Path, names: list[str], data: Path, classes: int, device: torch.device) -> np.ndarray:
    """Counts of the network's reading of one folder of photos, image by image: (images, classes, outputs)."""
    outputs, labels = reader.outputs or classes, data / "test" / "labels"
    return confusion(
        folder, names, labels, classes, outputs, enlarged, lambda photos: reader.network(to_float(photos)).argmax(1), device
    )

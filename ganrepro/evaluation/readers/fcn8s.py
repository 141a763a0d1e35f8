"""The papers' own FCN-8s, with the authors' weights: it scores nothing unless it first reads real photos as published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from ganrepro.data.spec import DataSpec
from ganrepro.evaluation.readers.base import Gate, Reader, ReaderError, ReaderKind, Task
from ganrepro.evaluation.readers.segmentation import read_real_photos
from ganrepro.evaluation.segmentation import rates
from ganrepro.nets.fcn8s import OUTPUTS, FCN8s

# Real validation photos shrunk to 256: pix2pix Table 1, ground truth, and its evaluation's README.
PUBLISHED = {"pixel_accuracy": 0.80, "class_accuracy": 0.26, "class_iou": 0.21}
PIXELS = 256
TOLERANCE = 0.01  # the published scores have two digits


class PublishedFCN8s(ReaderKind):
    """Nothing is trained: the caffemodel is read."""

    title = "the papers' own FCN-8s"

    def make(self, task: Task) -> tuple[nn.Module, list[dict[str, float]]]:
        """WeightsError where the download is no such file; ReaderError where it reads real photos otherwise than published."""
        from ganrepro.nets.foreign_weights import fill, read_caffemodel  # with the libraries that only this needs

        assert task.download is not None
        file = next(task.download.glob("*.caffemodel"), task.download / "*.caffemodel")
        network = FCN8s()
        fill(network, read_caffemodel(file), file)
        network.to(task.device).eval()
        return network, [self.check(Reader(network, OUTPUTS, overflow=True), task)]

    def load(self, state: Mapping[str, Tensor], recipe: Any, data: DataSpec) -> Reader:
        network = FCN8s()
        network.load_state_dict(state)
        return Reader(network.eval(), OUTPUTS, recipe.overflow)

    def gate(self, reader: Reader, task: Task) -> Gate:
        """What `check` found already: a network that fails it is not kept."""
        return Gate("per-pixel accuracy", self.check(reader, task)["pixel_accuracy"], PUBLISHED["pixel_accuracy"] - TOLERANCE)

    def check(self, reader: Reader, task: Task) -> dict[str, float]:
        """Scores of real test photos, counted as the reader counts. ReaderError unless as published within 0.01."""
        classes = len(task.data.palette)
        counts = reader.counted(read_real_photos(reader, task, PIXELS)[None], classes)
        scores = rates(counts.sum((0, 1)))
        values = {name: float(scores[name]) for name in PUBLISHED}
        if any(abs(values[name] - expected) > TOLERANCE for name, expected in PUBLISHED.items()):
            scored = " / ".join(f"{values[name]:.3f}" for name in PUBLISHED)
            wanted = " / ".join(f"{value:.2f}" for value in PUBLISHED.values())
            raise ReaderError(
                f"gate: {len(task.names('test'))} real photos score {scored}, published are {wanted}; no table is made with this "
                f"network: the weights, the photos or the label maps are not the published ones"
            )
        return values


KIND = PublishedFCN8s()

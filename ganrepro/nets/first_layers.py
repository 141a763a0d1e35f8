"""The first layers of a study's own segmentation network as features, where published weights cannot be had."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from ganrepro.errors import WeightsError
from ganrepro.nets.segmenter import Segmenter
from ganrepro.nets.vgg import Enlarged
from ganrepro.store import checkpoints


class _FirstLayers(nn.Module):
    """Up to stride 8, the stride of VGG's relu4_2: (n, 3, h, w) -> (n, 2 filters, h / 8, w / 8)."""

    def __init__(self, segmenter: Segmenter):
        super().__init__()
        self.quarter, self.eighth = segmenter.quarter, segmenter.eighth

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.eighth(self.quarter(x))
        return features


def reader_features(file: Path, pixels: int) -> nn.Module:
    """Of a reader's checkpoint; images are enlarged to `pixels` before. WeightsError where it is of another network."""
    state = checkpoints.load(file)["network"]
    try:
        classes, filters = len(state["scores.0.weight"]), len(state["quarter.0.weight"])
        network = Segmenter(classes, filters)
        network.load_state_dict(state)
    except (KeyError, RuntimeError, TypeError):
        raise WeightsError(f"{file}: not a segmentation network of `network: fcn`; `features` needs such a reader") from None
    return Enlarged(_FirstLayers(network), pixels).eval()

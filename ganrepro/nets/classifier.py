"""A classifier of small images: a few convolutions, each halving the size, and a hidden layer."""

from __future__ import annotations

from torch import Tensor, nn


class Classifier(nn.Module):
    """(n, channels, side, side) in [-1, 1] -> logits (n, classes); `features` -> (n, 8 × filters), all at least 0."""

    def __init__(self, filters: int, channels: int, classes: int):
        super().__init__()

        def down(inputs: int, outputs: int) -> list[nn.Module]:
            return [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]

        convolutions = [
            *down(channels, filters),
            *down(filters, 2 * filters),
            *down(2 * filters, 4 * filters),
            nn.AdaptiveAvgPool2d(4),
        ]
        self.features = nn.Sequential(*convolutions, nn.Flatten(1), nn.Linear(64 * filters, 8 * filters), nn.ReLU())
        self.head = nn.Linear(8 * filters, classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images))
        return logits

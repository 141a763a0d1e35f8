"""Perceptrons of Salimans et al. (arXiv:1606.03498) for learning from few labels, of their MNIST code (train_mnist_*.py)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from ganrepro.nets.linear import Linear
from ganrepro.nets.small import MinibatchFeatures

NOISE = (0.3, 0.5)  # standard deviation of what is added to the image, and to each layer, in training


class GaussianNoise(nn.Module):
    """Adds N(0, deviation) in training."""

    def __init__(self, deviation: float):
        super().__init__()
        self.deviation = deviation

    def forward(self, x: Tensor) -> Tensor:
        return x + self.deviation * torch.randn_like(x) if self.training else x


class Reader(nn.Module):
    """Images (n, channels, side, side) in [-1, 1] -> logits (n, outputs) and features of the last layer before, (n, f).

    Layers of width, width / 2 and three of width / 4 units (1000, 500, 250, 250, 250), weight norm, Gaussian noise before each.
    minibatch: what the images of a batch have in common is told to the last layer.
    """

    def __init__(self, values: int, outputs: int, width: int = 1000, minibatch: bool = False):
        super().__init__()
        widths = [values, width, *(max(1, width // part) for part in (2, 4, 4, 4))]
        layers: list[nn.Module] = [nn.Flatten(1), Levels(), GaussianNoise(NOISE[0])]
        for place, (inputs, units) in enumerate(pairwise(widths)):
            layers += [GaussianNoise(NOISE[1])] if place else []
            layers += [weight_norm(Linear(inputs, units)), nn.ReLU()]
        self.body, self.noise = nn.Sequential(*layers), GaussianNoise(NOISE[1])
        self.beside: nn.Module = MinibatchFeatures(widths[-1]) if minibatch else nn.Identity()
        more = 100 if minibatch else 0
        self.head = weight_norm(Linear(widths[-1] + more, outputs))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(images)
        return self.head(self.beside(self.noise(features))), features


class Levels(nn.Module):
    """Pixels from [-1, 1] to [0, 1], as their code has them."""

    def forward(self, x: Tensor) -> Tensor:
        return (x + 1) / 2


class Maker(nn.Module):
    """Codes (n, code) -> images (n, channels, side, side) in [-1, 1]: two layers of softplus with batch norm."""

    def __init__(self, code: int, shape: tuple[int, int], width: int = 500):
        super().__init__()
        channels, side = shape
        self.body = nn.Sequential(
            Linear(code, width), nn.BatchNorm1d(width), nn.Softplus(),
            Linear(width, width), nn.BatchNorm1d(width), nn.Softplus(),
            weight_norm(Linear(width, channels * side**2)), nn.Sigmoid(), nn.Unflatten(1, (channels, side, side)),
        )  # fmt: skip

    def forward(self, codes: Tensor) -> Tensor:
        images: Tensor = self.body(codes)
        return 2 * images - 1

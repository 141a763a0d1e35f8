"""Networks of points: perceptrons of two hidden layers."""

from __future__ import annotations

from torch import Tensor, nn

from ganrepro.nets.linear import Linear
from ganrepro.nets.small import MinibatchFeatures, mlp

KERNELS, DIMS = 16, 4  # of minibatch discrimination


def maker(code: int, width: int) -> nn.Sequential:
    """Codes (n, code) -> points (n, 2)."""
    return mlp([code, width, width, 2], nn.ReLU)


class Judge(nn.Module):
    """Points (n, 2) -> logits (n / together,): of so many points at once, all real or all made.

    minibatch: how near the points of a batch are to one another is told to the last layer.
    """

    def __init__(self, width: int, together: int, minibatch: bool):
        super().__init__()
        self.together = together
        self.features = mlp([2 * together, width, width], nn.ReLU, nn.ReLU())
        self.beside: nn.Module = MinibatchFeatures(width, KERNELS, DIMS) if minibatch else nn.Identity()
        self.last = Linear(width + KERNELS * minibatch, 1)

    def forward(self, points: Tensor) -> Tensor:
        logits: Tensor = self.last(self.beside(self.features(points.reshape(len(points) // self.together, -1))))
        return logits[:, 0]

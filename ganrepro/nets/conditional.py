"""The multilayer perceptrons of the conditional GAN: an image and a class, each through a layer of its own, then together."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganrepro.nets.linear import Linear
from ganrepro.nets.small import Maxout


class Maker(nn.Module):
    """G: a code (n, code) and a class, int64 (n,), to an image (n, channels, side, side) in [-1, 1]."""

    def __init__(self, code: int, classes: int, width: int, channels: int, side: int):
        super().__init__()
        of_code = max(1, width // 6)
        self.classes = classes
        self.code, self.label = Linear(code, of_code), Linear(classes, width - of_code)
        self.image = nn.Sequential(
            nn.ReLU(), Linear(width, width), nn.ReLU(), Linear(width, channels * side**2), nn.Tanh(),
            nn.Unflatten(1, (channels, side, side)),
        )  # fmt: skip

    def forward(self, code: Tensor, label: Tensor) -> Tensor:
        one_hot = functional.one_hot(label, self.classes).to(code.dtype)
        images: Tensor = self.image(torch.cat([self.code(code), self.label(one_hot)], 1))
        return images


class Judge(nn.Module):
    """D: an image and a class to a logit, (n,)."""

    def __init__(self, classes: int, width: int, dropout: float, channels: int, side: int):
        super().__init__()
        of_label = max(1, round(width * 50 / 240))
        self.classes = classes
        self.image, self.label = Maxout(channels * side**2, width, 5), Maxout(classes, of_label, 5)
        self.joint = nn.Sequential(nn.Dropout(dropout), Maxout(width + of_label, width, 4), nn.Dropout(dropout), Linear(width, 1))

    def forward(self, images: Tensor, label: Tensor) -> Tensor:
        one_hot = functional.one_hot(label, self.classes).to(images.dtype)
        judged: Tensor = self.joint(torch.cat([self.image((images.flatten(1) + 1) / 2), self.label(one_hot)], 1))
        return judged[:, 0]

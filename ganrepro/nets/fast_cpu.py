"""Convolutions for CPUs: the same numbers as torch's up to rounding, in about half the time.

Images stay channels-last in memory, so that patches are runs of memory and every convolution is a
matrix product. Two things are done otherwise than in torch:

- Stride-1 kernels with many channels are computed by Winograd's minimal filtering F(m x m, r x r)
  (Lavin and Gray, arXiv:1509.09308): tiles of n = m + r - 1 pixels are transformed, multiplied
  channel by channel, and transformed back, so m * m outputs take n * n products instead of
  m * m * r * r. Its backward pass is its transpose, term by term.
- Weight gradients of all other convolutions are one product of unfolded patches; torch's own
  channels-last ones are up to four times slower.

Rounding: relative error of a layer about 2e-6 with Winograd, 1e-6 without (float32, tested).
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

# Evaluation points of the minimal filtering algorithms, in the order they are used; infinity is always one.
POINTS = (0.0, 1.0, -1.0, 2.0, -2.0)
# kernel size -> outputs per tile and axis; 6 x 6 tiles, beyond which rounding grows faster than speed
TILE = {3: 4, 4: 3}
# Winograd is used where it saves at least this factor of multiplications, transforms counted, those of
# the weights four times over: they wait for memory. Below, torch is as fast.
WORTHWHILE = 2.0
# Torch's own weight gradients are faster while the image they slide over fits into a core's cache.
CACHED_VALUES = 2**18


@functools.cache
def transforms(outputs: int, kernel: int) -> tuple[Tensor, Tensor, Tensor]:
    """Matrices of F(outputs, kernel) in two dimensions: output, kernel and input transform.

    With m = outputs, r = kernel, n = m + r - 1: (m * m, n * n), (n * n, r * r), (n * n, n * n),
    acting on flattened tiles. An FIR filter is the transpose of a polynomial product, which is
    evaluated at n points, multiplied, and interpolated.
    """
    n = outputs + kernel - 1

    def evaluate(size: int) -> np.ndarray:
        matrix = np.vander(np.array([*POINTS[: n - 1], 0.0]), size, increasing=True)
        matrix[-1] = np.eye(size)[-1]  # the value at infinity is the leading coefficient
        return matrix

    interpolate = np.linalg.inv(evaluate(n)).T
    scale = np.abs(interpolate).max(1, keepdims=True)  # balances the two factors of each product
    pair = (evaluate(outputs).T, evaluate(kernel) * scale, interpolate / scale)
    out, weight, image = (torch.from_numpy(np.kron(m, m).astype(np.float32)) for m in pair)
    return out, weight, image


def patches(x: Tensor, size: int, stride: int, rows: int, columns: int) -> Tensor:
    """Every size x size patch of x (n, h, w, c) as a view (n, rows, columns, size, size, c)."""
    n, h, w, c = x.stride()
    shape = (len(x), rows, columns, size, size, x.shape[3])
    return x.as_strided(shape, (n, stride * h, stride * w, h, w, c), x.storage_offset())


def saving(kernel: int, inputs: int, outputs: int, tiles: int) -> float:
    """Multiplications of the plain convolution over those of Winograd's, transforms included."""
    m = TILE[kernel]
    n = m + kernel - 1
    plain = tiles * m**2 * kernel**2 * inputs * outputs
    transformed = tiles * (n**4 * inputs + n**2 * m**2 * outputs) + 4 * n**2 * kernel**2 * inputs * outputs
    return plain / (tiles * n**2 * inputs * outputs + transformed)


def transformed(weight: Tensor) -> Tensor:
    """Weight (k, c, r, r) as Winograd's products take it: (n * n, k, c)."""
    outputs, inputs, r, _ = weight.shape
    to_weight = transforms(TILE[r], r)[1]
    return (to_weight @ weight.permute(2, 3, 0, 1).reshape(r * r, -1)).view(-1, outputs, inputs)


def winograd(x: Tensor, weights: Tensor, r: int, pad: int) -> tuple[Tensor, Tensor]:
    """Convolution of x (n, c, h, w) with a transformed r x r kernel; and the transformed tiles of x."""
    m, outputs, inputs = TILE[r], *weights.shape[1:]
    n = m + r - 1
    batch, _, height, width = x.shape
    h, w = height + 2 * pad - r + 1, width + 2 * pad - r + 1
    rows, columns = -(-h // m), -(-w // m)
    back, _, to_image = transforms(m, r)
    right, below = columns * m - w, rows * m - h
    image = functional.pad(x.permute(0, 2, 3, 1), (0, 0, pad, pad + right, pad, pad + below)).contiguous()
    tiles = patches(image, n, m, rows, columns).permute(3, 4, 0, 1, 2, 5).reshape(n * n, -1)
    images = (to_image @ tiles).view(n * n, -1, inputs)
    made = (back @ torch.bmm(images, weights.mT).view(n * n, -1)).view(m, m, batch, rows, columns, outputs)
    y = made.permute(2, 3, 0, 4, 1, 5).reshape(batch, rows * m, columns * m, outputs)[:, :h, :w]
    return y.permute(0, 3, 1, 2), images


class _Winograd(torch.autograd.Function):
    """Stride-1 convolution of x (n, c, h, w), zero padding `pad`, by F(m x m, r x r)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, pad: int) -> Tensor:
        r = weight.shape[-1]
        weights = transformed(weight)
        y, images = winograd(x, weights, r, pad)
        ctx.save_for_backward(images, weights)
        ctx.geometry = (TILE[r], r, pad, x.shape, *y.shape[-2:])
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        images, weights = ctx.saved_tensors
        m, r, pad, (batch, inputs, height, width), h, w = ctx.geometry
        n, outputs = m + r - 1, weights.shape[1]
        rows, columns = -(-h // m), -(-w // m)
        back, to_weight, to_image = transforms(m, r)
        g = functional.pad(gradient.permute(0, 2, 3, 1), (0, 0, 0, columns * m - w, 0, rows * m - h)).contiguous()
        tiles = patches(g, m, m, rows, columns).permute(3, 4, 0, 1, 2, 5).reshape(m * m, -1)
        products = (back.T @ tiles).view(n * n, -1, outputs)
        d_x = d_weight = None
        if ctx.needs_input_grad[1]:
            d_weights = torch.bmm(products.mT, images)
            d_weight = (to_weight.T @ d_weights.view(n * n, -1)).view(r, r, outputs, inputs).permute(2, 3, 0, 1)
        if ctx.needs_input_grad[0]:
            d_images = torch.bmm(products, weights)
            d_tiles = (to_image.T @ d_images.view(n * n, -1)).view(n, n, batch, rows, columns, inputs)
            # tiles overlap by r - 1 pixels: each is written into its own cell and added into its neighbours
            cells = gradient.new_zeros(batch, rows + 1, m, columns + 1, m, inputs)
            cell, over = cells.permute(2, 4, 0, 1, 3, 5), r - 1
            cell[:, :, :, :rows, :columns] = d_tiles[:m, :m]
            cell[:over, :, :, 1:, :columns] += d_tiles[m:, :m]
            cell[:, :over, :, :rows, 1:] += d_tiles[:m, m:]
            cell[:over, :over, :, 1:, 1:] += d_tiles[m:, m:]
            whole = cells.view(batch, (rows + 1) * m, (columns + 1) * m, inputs)
            d_x = whole[:, pad : pad + height, pad : pad + width].permute(0, 3, 1, 2)
        return d_x, d_weight, None


class _Unfolded(torch.autograd.Function):
    """Convolution (or transposed convolution) by torch, with the weight gradient as one matrix product."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, pad: int, transposed: bool, extra: int
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry = (stride, pad, transposed, extra)
        ctx.biased = bias is not None
        return torch.convolution(x, weight, bias, (stride,) * 2, (pad,) * 2, (1, 1), transposed, (extra,) * 2, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        stride, pad, transposed, extra = ctx.geometry
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        d_x = d_weight = d_bias = None
        if ctx.needs_input_grad[0]:
            mask = [True, False, False]
            d_x = torch.ops.aten.convolution_backward(
                gradient, x, weight, None, (stride,) * 2, (pad,) * 2, (1, 1), transposed, (extra,) * 2, 1, mask
            )[0]
        if ctx.needs_input_grad[1]:
            # the large side is the one the kernel slides over: the input, or the output of a transposed convolution
            large, small = (gradient, x) if transposed else (x, gradient)
            d_weight = _kernel_products(large, small, weight.shape[-1], stride, pad)
        if ctx.biased and ctx.needs_input_grad[2]:
            d_bias = gradient.sum((0, 2, 3))
        return d_x, d_weight, d_bias, None, None, None, None


def _kernel_products(large: Tensor, small: Tensor, kernel: int, stride: int, pad: int) -> Tensor:
    """sum over positions of small (n, k, h, w) times the patch of large (n, c, ...) there: (k, c, kernel, kernel)."""
    k, rows, columns = small.shape[1:]
    c = large.shape[1]
    if stride == 1 and k < c:
        # unfold the side with fewer channels: the same sum seen from `large`, with the kernel turned around
        return _kernel_products(small, large, kernel, 1, kernel - 1 - pad).flip(2, 3).transpose(0, 1)
    image = functional.pad(large.permute(0, 2, 3, 1), (0, 0, pad, pad, pad, pad)).contiguous()
    unfolded = patches(image, kernel, stride, rows, columns).reshape(-1, kernel * kernel * c)
    products = small.permute(0, 2, 3, 1).reshape(-1, k).T @ unfolded
    return products.view(k, kernel, kernel, c).permute(0, 3, 1, 2)


class FastConv2d(nn.Conv2d):
    """nn.Conv2d with square kernels and zero padding, computed as above. A frozen weight is transformed once."""

    _kept: tuple[int, Tensor] | None = None  # version of the frozen weight, and its transform

    def _frozen(self) -> Tensor:
        if self._kept is None or self._kept[0] != self.weight._version:
            self._kept = (self.weight._version, transformed(self.weight))
        return self._kept[1]

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride, pad = self.kernel_size[0], self.stride[0], int(self.padding[0])
        if kernel in TILE and stride == 1:
            m = TILE[kernel]
            h, w = (side + 2 * pad - kernel + 1 for side in x.shape[-2:])
            tiles = len(x) * -(-h // m) * -(-w // m)
            if saving(kernel, self.in_channels, self.out_channels, tiles) >= WORTHWHILE:
                if torch.is_grad_enabled() or self.weight.requires_grad:
                    y = _Winograd.apply(x, self.weight, pad)
                else:
                    y = winograd(x, self._frozen(), kernel, pad)[0]
                return y if self.bias is None else y + self.bias.view(1, -1, 1, 1)
        if x.numel() <= CACHED_VALUES:
            return super().forward(x)
        return _Unfolded.apply(x, self.weight, self.bias, stride, pad, False, 0)


class FastConvTranspose2d(nn.ConvTranspose2d):
    """nn.ConvTranspose2d with square kernels, computed as above."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        stride = self.stride[0]
        if x.numel() * stride**2 * self.out_channels <= CACHED_VALUES * self.in_channels:
            return super().forward(x, output_size)
        return _Unfolded.apply(x, self.weight, self.bias, stride, int(self.padding[0]), True, self.output_padding[0])


def accelerate(network: nn.Module) -> nn.Module:
    """Changes a network's convolutions in place; parameters, names and state stay as they are.

    First layers (3 or 6 channels) are left to torch: patches of so few channels are no runs of memory.
    """
    for module in network.modules():
        if type(module) is nn.Conv2d and module.in_channels > 8:
            module.__class__ = FastConv2d
        elif type(module) is nn.ConvTranspose2d:
            module.__class__ = FastConvTranspose2d
    return network.to(memory_format=torch.channels_last)

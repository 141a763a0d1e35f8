"""Convolutions for CPUs: the same numbers as torch's up to rounding, in less time: half without AVX-512, little less with it.

Images stay channels-last in memory, so that patches are runs of memory and every convolution is a
matrix product. Two things are done otherwise than in torch:

- Stride-1 kernels with many channels are computed by Winograd's minimal filtering F(m x m, r x r)
  (Lavin and Gray, arXiv:1509.09308): tiles of n = m + r - 1 pixels are transformed, multiplied
  channel by channel, and transformed back, so m * m outputs take n * n products instead of
  m * m * r * r. Its backward pass is its transpose, step by step.
- Weight gradients of all other convolutions are one product of unfolded patches; torch's own
  channels-last ones are up to four times slower.

A mirrored border before a convolution is its own here: it is put on again going back where that saves memory, so that of an
image and the same image with its border only one is kept.

Rounding: relative error of a layer about 2e-6 with Winograd, 1e-6 without (float32, tested). Second derivatives, which
gradient penalties need, are right too: a backward pass is made of differentiable operations on saved inputs.
"""

from __future__ import annotations

import functools
import itertools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ganrepro.nets.blocks import ReflectionPad
from ganrepro.nets.lean_convolutions import LeanConv2d, LeanConvTranspose2d

# Evaluation points of the minimal filtering algorithms, in the order they are used; infinity is always one.
POINTS = (0.0, 1.0, -1.0, 2.0, -2.0)
# kernel size -> outputs per tile and axis; 6 x 6 tiles, beyond which rounding grows faster than speed
TILE = {3: 4, 4: 3}
# With AVX-512 torch's own convolutions are about twice as fast beside its matrix products: less is gained by leaving them.
AVX512 = torch.backends.cpu.get_cpu_capability() == "AVX512"
# Winograd is used where it saves at least this factor of multiplications, transforms counted, those of
# the weights four times over: they wait for memory. Below, torch is as fast. Both as benchmarks.training_step measured.
WORTHWHILE = 2.8 if AVX512 else 2.0
# As many times more on an AMD with AVX-512, in float32, whose products MKL computes as for a lesser CPU: 210 GFLOP/s on a Zen 5,
# where convolutions reach 480.
CPU = Path("/proc/cpuinfo")
SLOW_PRODUCTS = 2.3 if AVX512 and CPU.exists() and "AuthenticAMD" in CPU.read_text(encoding="utf-8") else 1.0
# Torch's own weight gradients are faster while the image they slide over is small; without AVX-512, fits into a core's cache.
CACHED_VALUES = 2**22 if AVX512 else 2**18
# Transformed tiles hold 2.25 times what the image does or more, transformed weights four times what they do. Where tiles have
# more values than these, neither is kept for the backward pass, which makes them again: the same bytes, in 7 % more time.
KEPT_VALUES = 2**20


@functools.cache
def transforms(outputs: int, kernel: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
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
    out, weight, image = (torch.from_numpy(np.kron(m, m)).to(dtype) for m in pair)
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
    to_weight = transforms(TILE[r], r, weight.dtype)[1]
    return (to_weight @ weight.permute(2, 3, 0, 1).reshape(r * r, -1)).view(-1, outputs, inputs)


class _Geometry(NamedTuple):
    """Of one layer and image size: kernel r, outputs of a tile m, padding, images, output height and width, tiles."""

    r: int
    m: int
    pad: int
    batch: int
    h: int
    w: int
    rows: int
    columns: int

    @property
    def n(self) -> int:
        return self.m + self.r - 1

    @classmethod
    def of(cls, x: Tensor, r: int, pad: int) -> _Geometry:
        m, (h, w) = TILE[r], (side + 2 * pad - r + 1 for side in x.shape[-2:])
        return cls(r, m, pad, len(x), h, w, -(-h // m), -(-w // m))


def mirrored(x: Tensor, border: int) -> Tensor:
    """x (n, c, h, w) with `border` mirrored rows and columns on each side, the edge itself not repeated."""
    return functional.pad(x, (border,) * 4, mode="reflect") if border else x


def _unmirrored(gradient: Tensor, x: Tensor, border: int) -> Tensor:
    """Gradient of `mirrored` -> of x."""
    if not border:
        return gradient
    return torch.ops.aten.reflection_pad2d_backward(gradient, torch.empty_like(x, dtype=gradient.dtype), (border,) * 4)


def winograd(x: Tensor, weight: Tensor, pad: int, frozen: Tensor | None = None, border: int = 0) -> Tensor:
    """Stride-1 convolution of x (n, c, h, w) with an r x r kernel, with a mirrored border and zero padding `pad` around that.

    frozen: the weight, transformed.
    """
    at = _Geometry.of(x, weight.shape[-1], pad + border)._replace(pad=pad)
    if frozen is None and at.n**2 * at.batch * at.rows * at.columns * x.shape[1] > KEPT_VALUES:
        products = _LeanProducts.apply(x, weight, at, border)
    else:
        x = mirrored(x, border)
        products = _Products.apply(_ToTiles.apply(x, at), transformed(weight) if frozen is None else frozen)
    result: Tensor = _FromTiles.apply(products, at)
    return result


class _ToTiles(torch.autograd.Function):
    """Images (batch, c, height, width) -> transformed tiles (n * n, tiles, c). Linear."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, at: _Geometry) -> Tensor:
        ctx.at, ctx.shape = at, x.shape
        right, below = at.columns * at.m - at.w, at.rows * at.m - at.h
        image = functional.pad(x.permute(0, 2, 3, 1), (0, 0, at.pad, at.pad + right, at.pad, at.pad + below)).contiguous()
        tiles = patches(image, at.n, at.m, at.rows, at.columns).permute(3, 4, 0, 1, 2, 5).reshape(at.n**2, -1)
        return (transforms(at.m, at.r, x.dtype)[2] @ tiles).view(at.n**2, -1, x.shape[1])

    @staticmethod
    def backward(ctx: Any, d_images: Tensor) -> tuple[Tensor, None]:
        return _untiled(d_images, ctx.at, ctx.shape), None


def _untiled(d_images: Tensor, at: _Geometry, shape: tuple[int, ...]) -> Tensor:
    """Gradient of transformed tiles (n * n, tiles, c) -> of the images of this shape, (batch, c, height, width)."""
    batch, inputs, height, width = shape
    m, n, rows, columns, pad = at.m, at.n, at.rows, at.columns, at.pad
    to_image = transforms(m, at.r, d_images.dtype)[2]
    d_tiles = (to_image.T @ d_images.reshape(n * n, -1)).view(n, n, batch, rows, columns, inputs)
    # tiles overlap by r - 1 pixels: each is written into its own cell and added into its neighbours
    cells = d_images.new_zeros(batch, rows + 1, m, columns + 1, m, inputs)
    cell, over = cells.permute(2, 4, 0, 1, 3, 5), at.r - 1
    cell[:, :, :, :rows, :columns] = d_tiles[:m, :m]
    cell[:over, :, :, 1:, :columns] += d_tiles[m:, :m]
    cell[:, :over, :, :rows, 1:] += d_tiles[:m, m:]
    cell[:over, :over, :, 1:, 1:] += d_tiles[m:, m:]
    whole = cells.view(batch, (rows + 1) * m, (columns + 1) * m, inputs)
    return whole[:, pad : pad + height, pad : pad + width].permute(0, 3, 1, 2)


class _Products(torch.autograd.Function):
    """Tiles (n * n, tiles, c) times transformed weights (n * n, k, c), position by position: (n * n, tiles, k)."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(images, weights)
        return torch.bmm(images, weights.mT)

    @staticmethod
    def backward(ctx: Any, products: Tensor) -> tuple[Tensor | None, Tensor | None]:
        images, weights = ctx.saved_tensors
        d_images = torch.bmm(products, weights) if ctx.needs_input_grad[0] else None
        d_weights = torch.bmm(products.mT, images) if ctx.needs_input_grad[1] else None
        return d_images, d_weights


class _LeanProducts(torch.autograd.Function):
    """`_Products` of images (batch, c, height, width) with a mirrored border and weights (k, c, r, r).

    Both are transformed here, and again going back.

    What is made again is of the precision of the first time: under autocast in both passes, or in none.
    """

    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def forward(ctx: Any, x: Tensor, weight: Tensor, at: _Geometry, border: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        wide = mirrored(x, border)
        ctx.at, ctx.border, ctx.precision = at, border, wide.dtype  # autocast mirrors in float32, and so goes back
        return torch.bmm(_ToTiles.apply(wide, at), transformed(weight).mT)

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def backward(ctx: Any, products: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        (x, weight), at, border = ctx.saved_tensors, ctx.at, ctx.border
        d_x = d_weight = None
        if ctx.needs_input_grad[0]:
            wide = (*x.shape[:2], *(side + 2 * border for side in x.shape[2:]))
            d_wide = _untiled(torch.bmm(products, transformed(weight)), at, wide)
            d_x = _unmirrored(d_wide.to(ctx.precision), x, border)
        if ctx.needs_input_grad[1]:
            d_weights = torch.bmm(products.mT, _ToTiles.apply(mirrored(x, border), at))
            to_weight = transforms(at.m, at.r, weight.dtype)[1]
            d_weight = (to_weight.T @ d_weights.view(at.n**2, -1)).view(at.r, at.r, *weight.shape[:2]).permute(2, 3, 0, 1)
        return d_x, d_weight, None, None


class _FromTiles(torch.autograd.Function):
    """Products (n * n, tiles, k) -> images (batch, k, h, w). Linear."""

    @staticmethod
    def forward(ctx: Any, products: Tensor, at: _Geometry) -> Tensor:
        ctx.at = at
        m, outputs = at.m, products.shape[-1]
        back = transforms(m, at.r, products.dtype)[0]
        tiles = (back @ products.view(at.n**2, -1)).view(m, m, at.batch, at.rows, at.columns, outputs)
        y = tiles.permute(2, 3, 0, 4, 1, 5).reshape(at.batch, at.rows * m, at.columns * m, outputs)[:, : at.h, : at.w]
        return y.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        at, m = ctx.at, ctx.at.m
        back = transforms(m, at.r, gradient.dtype)[0]
        pads = (0, 0, 0, at.columns * m - at.w, 0, at.rows * m - at.h)
        g = functional.pad(gradient.permute(0, 2, 3, 1), pads).contiguous()
        tiles = patches(g, m, m, at.rows, at.columns).permute(3, 4, 0, 1, 2, 5).reshape(m * m, -1)
        return (back.T @ tiles).view(at.n**2, -1, gradient.shape[1]), None


class _Unfolded(torch.autograd.Function):
    """Convolution (or transposed convolution) by torch, with the weight gradient as one matrix product.

    border: mirrored rows and columns on each side of x.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, pad: int, transposed: bool, extra: int, border: int
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry = (stride, pad, transposed, extra, border)
        ctx.biased = bias is not None
        wide = mirrored(x, border)
        ctx.precision = wide.dtype
        return torch.convolution(wide, weight, bias, (stride,) * 2, (pad,) * 2, (1, 1), transposed, (extra,) * 2, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        stride, pad, transposed, extra, border = ctx.geometry
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        d_x = d_weight = d_bias = None
        wide = mirrored(x.to(ctx.precision), border)
        if ctx.needs_input_grad[0]:
            mask = [True, False, False]
            d_wide = torch.ops.aten.convolution_backward(
                gradient, wide, weight, None, (stride,) * 2, (pad,) * 2, (1, 1), transposed, (extra,) * 2, 1, mask
            )[0]
            d_x = _unmirrored(d_wide.to(ctx.precision), x, border)
        if ctx.needs_input_grad[1]:
            # the large side is the one the kernel slides over: the input, or the output of a transposed convolution
            large, small = (gradient, wide) if transposed else (wide, gradient)
            d_weight = _kernel_products(large, small, weight.shape[-1], stride, pad)
        if ctx.biased and ctx.needs_input_grad[2]:
            d_bias = gradient.sum((0, 2, 3))
        return d_x, d_weight, d_bias, None, None, None, None, None


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


class FastConv2d(LeanConv2d):
    """nn.Conv2d with square kernels and zero padding, computed as above. A frozen weight is transformed once.

    border: mirrored rows and columns that it puts on each side of an image first.
    """

    border = 0
    _kept: tuple[int, Tensor] | None = None  # version of the frozen weight, and its transform

    def _frozen(self) -> Tensor:
        if self._kept is None or self._kept[0] != self.weight._version:
            self._kept = (self.weight._version, transformed(self.weight))
        return self._kept[1]

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride, pad, bias = self.kernel_size[0], self.stride[0], int(self.padding[0]), self.used_bias()
        if kernel in TILE and stride == 1:
            m = TILE[kernel]
            h, w = (side + 2 * (pad + self.border) - kernel + 1 for side in x.shape[-2:])
            tiles = len(x) * -(-h // m) * -(-w // m)
            worthwhile = WORTHWHILE * (1.0 if torch.is_autocast_enabled("cpu") else SLOW_PRODUCTS)
            if saving(kernel, self.in_channels, self.out_channels, tiles) >= worthwhile:
                learning = torch.is_grad_enabled() or self.weight.requires_grad
                y = winograd(x, self.weight, pad, None if learning else self._frozen(), self.border)
                return y if bias is None else y + bias.view(1, -1, 1, 1)
        wide = tuple(side + 2 * self.border for side in x.shape[-2:])
        if len(x) * x.shape[1] * wide[0] * wide[1] <= CACHED_VALUES:
            return super().forward(mirrored(x, self.border))
        return _Unfolded.apply(x, self.weight, bias, stride, pad, False, 0, self.border)


class FastConvTranspose2d(LeanConvTranspose2d):
    """nn.ConvTranspose2d with square kernels, computed as above."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        stride = self.stride[0]
        if x.numel() * stride**2 * self.out_channels <= CACHED_VALUES * self.in_channels:
            return super().forward(x, output_size)
        return _Unfolded.apply(x, self.weight, self.used_bias(), stride, int(self.padding[0]), True, self.output_padding[0], 0)


def _usual(convolution: nn.Conv2d) -> bool:
    height, width = convolution.kernel_size
    return convolution.padding_mode == "zeros" and height == width


def accelerate(network: nn.Module) -> nn.Module:
    """Changes a network's convolutions in place; parameters, names and state stay as they are.

    First layers (3 or 6 channels) are left to torch: patches of so few channels are no runs of memory. So are those that mirror
    the border, and kernels that are no squares.
    """
    for module in network.modules():
        if type(module) is nn.Conv2d and module.in_channels > 8 and _usual(module):
            module.__class__ = FastConv2d
        elif type(module) is nn.ConvTranspose2d:
            module.__class__ = FastConvTranspose2d
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            _join_borders(module)
    return network.to(memory_format=torch.channels_last)


def _join_borders(layers: nn.Sequential) -> None:
    """Leaves the mirrored borders before its convolutions to these."""
    for at, (pad, convolution) in enumerate(itertools.pairwise([*layers])):
        if isinstance(pad, ReflectionPad) and type(convolution) is FastConv2d:
            layers[at], convolution.border = nn.Identity(), pad.padding[0]

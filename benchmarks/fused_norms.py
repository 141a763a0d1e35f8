"""Instance norm, activation and mirrored border in two passes over the memory, and two going back: Triton kernels for a GPU.

On trial: no training takes them before a GPU has shown what they save (`python -m benchmarks.gpu fused`), beside what
torch.compile makes of the same layers by itself (`python -m benchmarks.gpu compiled`). Without a GPU they run in Triton's
interpreter, slowly: TRITON_INTERPRET=1, set before this is imported.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor, nn

from ganrepro.nets.blocks import InstanceNorm, ReflectionPad

CHANNELS, PIXELS = 16, 256  # of the block of an image that one program takes


@triton.jit
def _block(sizes: tl.constexpr, count, BC: tl.constexpr, BP: tl.constexpr):
    """Which image, channels and pixels are this program's: (n, (1, BC), (BP, 1)), and which of them there are."""
    channel = tl.program_id(1) * BC + tl.arange(0, BC)[None, :]
    pixel = tl.program_id(2) * BP + tl.arange(0, BP)[:, None]
    return tl.program_id(0), channel, pixel, (channel < sizes) & (pixel < count)


@triton.jit
def _mirrored(at, size):
    """Where in 0..size - 1 a place beyond either edge comes from, the edge itself not repeated."""
    at = tl.abs(at)
    return size - 1 - tl.abs(size - 1 - at)


@triton.jit
def _moments_kernel(x, parts, channels: tl.constexpr, height, width, sn, sc, sh, sw, blocks, BC: tl.constexpr, BP: tl.constexpr):
    """Of each block and channel: the mean, and the sum of squared differences from it."""
    n, channel, pixel, there = _block(channels, height * width, BC, BP)
    value = tl.load(x + n * sn + channel * sc + pixel // width * sh + pixel % width * sw, there, 0.0).to(tl.float32)
    count = tl.minimum(BP, height * width - tl.program_id(2) * BP)
    mean = tl.sum(value, 0)[None, :] / count
    apart = tl.where(there, value - mean, 0.0)
    at = parts + ((n * channels + channel) * blocks + tl.program_id(2)) * 2
    tl.store(at, mean, channel < channels)
    tl.store(at + 1, tl.sum(apart * apart, 0)[None, :], channel < channels)


@triton.jit
def _moments_of(parts, n, channel, channels: tl.constexpr, count, blocks, eps, BP: tl.constexpr, ALL: tl.constexpr):
    """Mean and 1 / deviation of whole images, (1, BC) each, from those of their blocks."""
    block = tl.arange(0, ALL)[:, None]
    there = (block < blocks) & (channel < channels)
    at = parts + ((n * channels + channel) * blocks + block) * 2
    pixels = tl.where(there, tl.minimum(BP, count - block * BP), 0)
    means, squares = tl.load(at, there, 0.0), tl.load(at + 1, there, 0.0)
    mean = (tl.sum(means * pixels, 0) / count)[None, :]
    variance = (tl.sum(squares + pixels * (means - mean) * (means - mean), 0) / count)[None, :]
    return mean, 1 / tl.sqrt(variance + eps)


@triton.jit
def _forward_kernel(
    x, parts, weight, bias, y, channels: tl.constexpr, height, width, sn, sc, sh, sw, tn, tc, th, tw, blocks, eps, slope,
    PAD: tl.constexpr, AFFINE: tl.constexpr, BC: tl.constexpr, BP: tl.constexpr, ALL: tl.constexpr,
):  # fmt: skip
    """Activations of the normalised image, and of its mirrored border, wherever in the larger image they lie."""
    wide, tall = width + 2 * PAD, height + 2 * PAD
    n, channel, pixel, there = _block(channels, tall * wide, BC, BP)
    mean, scale = _moments_of(parts, n, channel, channels, height * width, blocks, eps, BP, ALL)
    row, column = _mirrored(pixel // wide - PAD, height), _mirrored(pixel % wide - PAD, width)
    value = tl.load(x + n * sn + channel * sc + row * sh + column * sw, there, 0.0).to(tl.float32)
    value = (value - mean) * scale
    if AFFINE:
        value = value * tl.load(weight + channel, channel < channels, 0.0) + tl.load(bias + channel, channel < channels, 0.0)
    value = tl.where(value > 0, value, value * slope)
    tl.store(y + n * tn + channel * tc + pixel // wide * th + pixel % wide * tw, value.to(y.dtype.element_ty), there)


@triton.jit
def _gathered_kernel(
    x, parts, weight, bias, dy, dx, sums, channels: tl.constexpr, height, width, sn, sc, sh, sw, tn, tc, th, tw, blocks, eps,
    slope, PAD: tl.constexpr, AFFINE: tl.constexpr, BC: tl.constexpr, BP: tl.constexpr, ALL: tl.constexpr,
):  # fmt: skip
    """Into dx: gradients of the normalised image, those of its border added where they come from; and their sums by block."""
    n, channel, pixel, there = _block(channels, height * width, BC, BP)
    mean, scale = _moments_of(parts, n, channel, channels, height * width, blocks, eps, BP, ALL)
    row, column = pixel // width, pixel % width
    at = n * sn + channel * sc + row * sh + column * sw
    normed = (tl.load(x + at, there, 0.0).to(tl.float32) - mean) * scale
    gradient = tl.zeros([BP, BC], tl.float32)
    for down in tl.static_range(3 if PAD else 1):  # itself, mirrored at the top, mirrored at the bottom
        for across in tl.static_range(3 if PAD else 1):
            y_row = PAD + (row if down == 0 else -row if down == 1 else 2 * (height - 1) - row)
            y_column = PAD + (column if across == 0 else -column if across == 1 else 2 * (width - 1) - column)
            seen = there & (y_row >= 0) & (y_row < height + 2 * PAD) & (y_column >= 0) & (y_column < width + 2 * PAD)
            if down == 1:  # the edge itself is not repeated
                seen = seen & (row > 0)
            elif down == 2:
                seen = seen & (row < height - 1)
            if across == 1:
                seen = seen & (column > 0)
            elif across == 2:
                seen = seen & (column < width - 1)
            gradient += tl.load(dy + n * tn + channel * tc + y_row * th + y_column * tw, seen, 0.0).to(tl.float32)
    value = normed
    if AFFINE:
        value = value * tl.load(weight + channel, channel < channels, 0.0) + tl.load(bias + channel, channel < channels, 0.0)
    gradient = tl.where(value > 0, gradient, gradient * slope)
    tl.store(dx + at, gradient.to(dx.dtype.element_ty), there)
    to = sums + ((n * channels + channel) * blocks + tl.program_id(2)) * 2
    tl.store(to, tl.sum(tl.where(there, gradient, 0.0), 0)[None, :], channel < channels)
    tl.store(to + 1, tl.sum(tl.where(there, gradient * normed, 0.0), 0)[None, :], channel < channels)


@triton.jit
def _backward_kernel(
    x, parts, weight, dx, totals, channels: tl.constexpr, height, width, sn, sc, sh, sw, blocks, eps,
    AFFINE: tl.constexpr, BC: tl.constexpr, BP: tl.constexpr, ALL: tl.constexpr,
):  # fmt: skip
    """dx, of the normalised image so far, becomes that of the image: less its mean, and less what follows the image."""
    count = height * width
    n, channel, pixel, there = _block(channels, count, BC, BP)
    mean, scale = _moments_of(parts, n, channel, channels, count, blocks, eps, BP, ALL)
    at = n * sn + channel * sc + pixel // width * sh + pixel % width * sw
    normed = (tl.load(x + at, there, 0.0).to(tl.float32) - mean) * scale
    of, known = totals + (n * channels + channel) * 2, channel < channels
    gradient = tl.load(dx + at, there, 0.0).to(tl.float32)
    gradient = gradient - tl.load(of, known, 0.0) / count - normed * tl.load(of + 1, known, 0.0) / count
    if AFFINE:
        scale = scale * tl.load(weight + channel, known, 0.0)
    tl.store(dx + at, (gradient * scale).to(dx.dtype.element_ty), there)


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, slope: float, pad: int) -> Tensor:
        n, channels, height, width = x.shape
        if pad >= min(height, width):
            raise ValueError(f"a mirrored border of {pad} pixels needs larger images than {width} x {height}")
        blocks = triton.cdiv(height * width, PIXELS)
        last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
        layout = torch.channels_last if last else torch.contiguous_format
        shape = (n, channels, height + 2 * pad, width + 2 * pad)
        y = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=layout)
        parts = torch.empty((n, channels, blocks, 2), dtype=torch.float32, device=x.device)
        beside, block = triton.cdiv(channels, CHANNELS), {"BC": CHANNELS, "BP": PIXELS}
        _moments_kernel[n, beside, blocks](x, parts, channels, height, width, *x.stride(), blocks, **block)
        whole = {"ALL": triton.next_power_of_2(blocks), "AFFINE": weight is not None, **block}
        _forward_kernel[n, beside, triton.cdiv(shape[2] * shape[3], PIXELS)](
            x, parts, weight, bias, y, channels, height, width, *x.stride(), *y.stride(), blocks, eps, slope, PAD=pad, **whole
        )
        ctx.save_for_backward(x, weight, bias, parts)
        ctx.settings = eps, slope, pad, whole
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, parts = ctx.saved_tensors
        eps, slope, pad, whole = ctx.settings
        n, channels, height, width = x.shape
        blocks, grid = parts.shape[2], (n, triton.cdiv(channels, CHANNELS), parts.shape[2])
        dx, sums = torch.empty_like(x, dtype=torch.float32), torch.empty_like(parts)
        sizes = (channels, height, width, *x.stride())
        _gathered_kernel[grid](x, parts, weight, bias, dy, dx, sums, *sizes, *dy.stride(), blocks, eps, slope, PAD=pad, **whole)
        totals = sums.sum(2)  # (n, channels, 2)
        _backward_kernel[grid](x, parts, weight, dx, totals, *sizes, blocks, eps, **whole)
        of_norm = totals.sum(0)  # gradients of bias and weight
        learned = weight is not None
        return dx.to(x.dtype), of_norm[:, 1] if learned else None, of_norm[:, 0] if learned else None, None, None, None


class FusedNorm(nn.Module):
    """An instance norm, the activation behind it (slope: what is left of negative values) and a mirrored border."""

    def __init__(self, norm: InstanceNorm, slope: float, pad: int):
        super().__init__()
        self.norm, self.slope, self.pad = norm, slope, pad

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h + 2 pad, w + 2 pad), of the same layout and precision; computed in float32."""
        dense = x.is_contiguous() or x.is_contiguous(memory_format=torch.channels_last)
        x = x if dense else x.contiguous()
        made: Tensor = _Fused.apply(x, self.norm.weight, self.norm.bias, self.norm.eps, self.slope, self.pad)
        return made


def fuse(network: nn.Module) -> int:
    """Joins norms with the activations and mirrored borders behind them, in place; how many. Parameters stay what they are."""
    joined = 0
    for layers in [module for module in network.modules() if isinstance(module, nn.Sequential)]:
        for at, norm in enumerate(layers):
            if type(norm) is not InstanceNorm:
                continue
            slope, pad, behind = 1.0, 0, at + 1
            if behind < len(layers) and isinstance(layers[behind], (nn.ReLU, nn.LeakyReLU)):
                slope = float(getattr(layers[behind], "negative_slope", 0.0))
                layers[behind], behind = nn.Identity(), behind + 1
            if behind < len(layers) and isinstance(layers[behind], ReflectionPad):
                pad = int(layers[behind].padding[0])
                layers[behind] = nn.Identity()
            layers[at], joined = FusedNorm(norm, slope, pad), joined + 1
    return joined

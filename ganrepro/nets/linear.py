"""Linear layers that are fast in portable arithmetic.

There torch's own take MKL's products for any processor, which use a quarter of one (ganrepro/arithmetic.py). oneDNN's, which
compute the convolutions, are the same on every CPU with AVX2 too, and take less than half the time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganrepro import arithmetic


class Linear(nn.Linear):
    """torch's, by oneDNN where arithmetic is portable."""

    def forward(self, x: Tensor) -> Tensor:
        if not arithmetic.is_set() or x.device.type != "cpu" or x.dtype != torch.float32 or x.dim() != 2:
            return super().forward(x)
        return by_onednn(x, self.weight, self.bias)


def by_onednn(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x weight^T + bias of (n, k), (m, k) and (m,): (n, m), float32 on a CPU. It can be differentiated as often as one likes."""
    product: Tensor = _Product.apply(x, weight)
    return product if bias is None else product + bias


class _Product(torch.autograd.Function):
    """x weight^T; its gradients are products of the same kind."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        if not x.numel() or not weight.numel():
            return functional.linear(x, weight)
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")
        return product

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        return (
            by_onednn(gradient, weight.t()) if ctx.needs_input_grad[0] else None,
            by_onednn(gradient.t(), x.t()) if ctx.needs_input_grad[1] else None,
        )

"""Patch discriminators by receptive field (pix2pix, section 3.3 and appendix 6.1.2)."""

from __future__ import annotations

import torch
from torch import nn

from ganrepro.nets.blocks import batch_norm, initialise, instance_norm

# receptive field in pixels -> number of stride-2 layers. From the output back, r <- (r - 1) * stride
# + 4 over two stride-1 layers, then the stride-2 ones: 1, 4, 7, 16, 34, 70, 142, 286.
STRIDED_LAYERS = {1: 0, 16: 1, 34: 2, 70: 3, 142: 4, 286: 5}


def patch_discriminator(
    receptive_field: int,
    filters: int = 64,
    channels: int = 3,
    norm: str = "instance",
    flavour: str = "lua",
) -> nn.Sequential:
    """Maps (n, channels, h, w) in [-1, 1] to one unbounded logit per patch, (n, 1, h', w').

    channels: 3 judges an image, 6 an input-output pair (conditional).  norm: 'instance'
    (CycleGAN) or 'batch' (pix2pix).  All kernels 4x4 (1x1 for field 1), LeakyReLU 0.2, no norm on
    the first layer, the last normed layer has stride 1 as in the code.
    The CycleGAN Lua code pads by 2, everything else by 1.
    """
    if receptive_field not in STRIDED_LAYERS:
        raise ValueError(f"receptive field: expected one of {list(STRIDED_LAYERS)}, got {receptive_field}")
    if norm not in ("instance", "batch"):
        raise ValueError(f"norm: expected 'instance' or 'batch', got {norm!r}")
    make_norm = batch_norm if norm == "batch" else instance_norm(affine=flavour == "lua")
    biased = flavour == "lua" or norm == "instance"  # the PyTorch reference drops biases before batch norm
    strided = STRIDED_LAYERS[receptive_field]
    if strided == 0:
        return nn.Sequential(
            nn.Conv2d(channels, filters, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(filters, 2 * filters, 1, bias=biased), make_norm(2 * filters), nn.LeakyReLU(0.2),
            nn.Conv2d(2 * filters, 1, 1, bias=biased),
        )  # fmt: skip
    pad = 2 if flavour == "lua" and norm == "instance" else 1
    width = [filters * min(2**i, 8) for i in range(strided + 1)]
    layers: list[nn.Module] = [nn.Conv2d(channels, width[0], 4, 2, pad), nn.LeakyReLU(0.2)]
    for i in range(1, strided + 1):
        stride = 2 if i < strided else 1
        layers += [nn.Conv2d(width[i - 1], width[i], 4, stride, pad, bias=biased), make_norm(width[i]), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(width[-1], 1, 4, 1, pad))


def build_discriminator(
    receptive_field: int, *, filters: int, channels: int, norm: str, flavour: str, generator: torch.Generator
) -> nn.Module:
    """A patch discriminator with fresh weights drawn from `generator` (a random stream)."""
    with torch.random.fork_rng(devices=[]):  # layer constructors draw weights that are replaced below
        network = patch_discriminator(receptive_field, filters, channels, norm, flavour)
    initialise(network, generator, frozen_bias=flavour == "lua")
    return network

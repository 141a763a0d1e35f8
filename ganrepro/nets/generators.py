"""Generators: ResNet (CycleGAN), U-Net and encoder-decoder (pix2pix).

All map (n, inputs, h, w) in [-1, 1] to (n, outputs, h, w) in the same range. `flavour` chooses between the Lua
code of the papers and the PyTorch reference where the two differ.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganrepro.nets.blocks import ReflectionPad, batch_norm, initialise, instance_norm


class ResnetBlock(nn.Module):
    """Two 3x3 convolutions with reflection padding, added to the input; nothing after the sum.

    Source: CycleGAN, appendix 7.2 (Rk).
    """

    def __init__(self, channels: int, affine: bool):
        super().__init__()
        norm = instance_norm(affine)
        self.body = nn.Sequential(
            ReflectionPad(1), nn.Conv2d(channels, channels, 3), norm(channels), nn.ReLU(),
            ReflectionPad(1), nn.Conv2d(channels, channels, 3), norm(channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def resnet(blocks: int, filters: int = 64, flavour: str = "lua", inputs: int = 3, outputs: int = 3) -> nn.Sequential:
    """c7s1-k, d2k, d4k, R4k x blocks, u2k, uk, c7s1-outputs with k = filters. Sizes: multiples of 4.

    Source: CycleGAN, appendix 7.2: 6 blocks at 128 x 128, 9 from 256 x 256. Padding follows the
    code (reflection around 7x7 and in the blocks, zero elsewhere). Instance norm is affine in
    flavour 'lua' only.
    """
    affine, k = flavour == "lua", filters
    norm = instance_norm(affine)
    layers: list[nn.Module] = [ReflectionPad(3), nn.Conv2d(inputs, k, 7), norm(k), nn.ReLU()]
    for width in (k, 2 * k):
        layers += [nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), norm(2 * width), nn.ReLU()]
    layers += [ResnetBlock(4 * k, affine) for _ in range(blocks)]
    for width in (4 * k, 2 * k):
        up = nn.ConvTranspose2d(width, width // 2, 3, stride=2, padding=1, output_padding=1)
        layers += [up, norm(width // 2), nn.ReLU()]
    layers += [ReflectionPad(3), nn.Conv2d(k, outputs, 7), nn.Tanh()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Encoder to 1x1 and back, with skips (U-Net) or without (encoder-decoder).

    pixels: input size, a power of two from 16; log2(pixels) halvings.  Activations come before
    convolutions; the decoder joins layer i with n - i by channel concatenation before its ReLU.
    Dropout 0.5 is the only noise: on decoder layers 1-3 in flavour 'lua'; in 'pytorch' on log2(pixels) - 5 layers from the
    second on (2-4 at 256, 2-3 at 128, 2 at 64, none below).
    bottleneck_norm: batch norm on the 1x1 bottleneck, as when the paper's tables were made; the
    public code removed it, because at batch 1 it wipes the signal (pix2pix, erratum).
    Source: pix2pix, appendix 6.1; parameter counts are tested against both codes.
    """

    def __init__(
        self,
        pixels: int,
        filters: int = 64,
        flavour: str = "lua",
        skips: bool = True,
        bottleneck_norm: bool = False,
        inputs: int = 3,
        outputs: int = 3,
    ):
        super().__init__()
        depth = pixels.bit_length() - 1
        if pixels < 16 or 1 << depth != pixels:
            raise ValueError(f"U-Net size: expected a power of two from 16, got {pixels}")
        self.pixels, self.skips = pixels, skips
        biased = flavour == "lua"  # the PyTorch reference has one bias only, in the output layer
        width = [filters * min(2**i, 8) for i in range(depth)]
        self.encoder = nn.ModuleList()
        for i in range(depth):
            normed = 0 < i < depth - 1 or (i == depth - 1 and bottleneck_norm)
            conv = nn.Conv2d(width[i - 1] if i else inputs, width[i], 4, 2, 1, bias=biased)
            layers: list[nn.Module] = [] if i == 0 else [nn.LeakyReLU(0.2)]
            self.encoder.append(nn.Sequential(*layers, conv, *([batch_norm(width[i])] if normed else [])))
        # the PyTorch reference has one such layer for each halving beyond five, and none on the innermost
        dropout = range(1, 4) if flavour == "lua" else range(2, max(2, depth - 3))
        self.decoder = nn.ModuleList()
        for layer in range(1, depth + 1):
            joined = width[depth - layer] * (2 if skips and layer > 1 else 1)
            if layer == depth:
                self.decoder.append(nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(joined, outputs, 4, 2, 1), nn.Tanh()))
                break
            width_out = width[depth - layer - 1]
            layers = [nn.ReLU(), nn.ConvTranspose2d(joined, width_out, 4, 2, 1, bias=biased), batch_norm(width_out)]
            if layer in dropout:
                layers.append(nn.Dropout(0.5))
            self.decoder.append(nn.Sequential(*layers))

    def forward(self, x: Tensor) -> Tensor:
        if any(side % self.pixels for side in x.shape[-2:]):
            raise ValueError(f"U-Net built for multiples of {self.pixels} x {self.pixels}, got {tuple(x.shape[-2:])}")
        encoded = []
        for layer in self.encoder:
            x = layer(x)
            encoded.append(x)
        encoded.pop()
        for i, layer in enumerate(self.decoder):
            if i > 0:
                skip = encoded.pop()
                x = torch.cat([x, skip], 1) if self.skips else x
            x = layer(x)
        return x


def build_generator(
    name: str,
    *,
    blocks: int,
    filters: int,
    pixels: int,
    flavour: str,
    bottleneck_norm: bool,
    generator: torch.Generator,
    inputs: int = 3,
    outputs: int = 3,
) -> nn.Module:
    """The named network with fresh weights drawn from `generator` (a random stream)."""
    with torch.random.fork_rng(devices=[]):  # layer constructors draw weights that are replaced below
        network: nn.Module
        if name == "resnet":
            network = resnet(blocks, filters, flavour, inputs, outputs)
        elif name in ("unet", "encoder-decoder"):
            network = UNet(pixels, filters, flavour, name == "unet", bottleneck_norm, inputs, outputs)
        else:
            raise ValueError(f"generator: expected resnet, unet or encoder-decoder, got {name!r}")
    initialise(network, generator, frozen_bias=flavour == "lua")
    return network

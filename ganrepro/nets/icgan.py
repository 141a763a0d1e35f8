"""IcGAN's networks: a conditional DCGAN and two encoders, for squares of any power of two from 8 pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganrepro.nets.blocks import batch_norm, initialise


def _widths(pixels: int, filters: int) -> list[int]:
    """Channels after each halving, down to 4 pixels."""
    halvings = (pixels // 4).bit_length() - 1
    return [filters * 2**i for i in range(halvings)]


class Maker(nn.Module):
    """G: codes (n, code) and labels (n, labels) -> images (n, channels, pixels, pixels) in [-1, 1]."""

    def __init__(self, code: int, labels: int, pixels: int, channels: int, filters: int):
        super().__init__()
        widths = _widths(pixels, filters)[::-1]
        layers: list[nn.Module] = [nn.ConvTranspose2d(code + labels, widths[0], 4), batch_norm(widths[0]), nn.ReLU()]
        for inputs, outputs in zip(widths, [*widths[1:], channels], strict=True):
            layers.append(nn.ConvTranspose2d(inputs, outputs, 4, 2, 1))
            layers += [batch_norm(outputs), nn.ReLU()] if outputs != channels else [nn.Tanh()]
        self.body = nn.Sequential(*layers)

    def forward(self, codes: Tensor, labels: Tensor) -> Tensor:
        images: Tensor = self.body(torch.cat([codes, labels], 1)[:, :, None, None])
        return images


class Reader(nn.Module):
    """Images (n, channels, pixels, pixels) -> numbers (n, outputs): an encoder; or D, which sees labels as planes besides."""

    def __init__(self, pixels: int, channels: int, outputs: int, filters: int, labels: int = 0):
        super().__init__()
        layers: list[nn.Module] = []
        inputs = channels + labels
        for place, width in enumerate(_widths(pixels, filters)):
            layers += [nn.Conv2d(inputs, width, 4, 2, 1), *([batch_norm(width)] if place else []), nn.LeakyReLU(0.2)]
            inputs = width
        self.body = nn.Sequential(*layers, nn.Conv2d(inputs, outputs, 4), nn.Flatten(1))

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        if labels is not None:
            planes = labels[:, :, None, None].expand(-1, -1, *images.shape[-2:])
            images = torch.cat([images, planes], 1)
        read: Tensor = self.body(images)
        return read


def networks(code: int, labels: int, pixels: int, channels: int, filters: int, random: list[torch.Generator]) -> list[nn.Module]:
    """G, D, the encoder of codes and that of labels, with DCGAN's first weights.  random: a stream for each."""
    with torch.random.fork_rng(devices=[]):
        made = [
            Maker(code, labels, pixels, channels, filters),
            Reader(pixels, channels, 1, filters, labels),
            Reader(pixels, channels, code, filters),
            Reader(pixels, channels, labels, filters),
        ]
    for network, generator in zip(made, random, strict=True):
        initialise(network, generator, frozen_bias=False)
    return made

"""StarGAN's networks (Choi et al. 2018, arXiv:1711.09020, appendix 7.2 and Tables 4 and 5; yunjey/stargan, model.py).

One generator for all domains: what is wanted comes as planes of constant numbers beside the image. The discriminator says of
patches whether they are real, and of the whole image which attributes it has.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from ganrepro.nets.blocks import instance_norm

Padding = Literal["zeros", "reflect"]
SLOPE = 0.01  # of leaky ReLUs


class Generator(nn.Module):
    """(n, channels, h, w) in [-1, 1] and labels (n, labels) -> (n, channels, h, w) in the same range. Sizes: multiples of 4.

    Instance norms are affine and use the statistics of each image, as the published code does at test time too, which never calls
    `eval()`.  reflect: convolutions mirror the image at its border in place of zeros. The label then does nothing: a constant
    plane shifts every value of a channel alike, which the first norm takes out again, and only zeros at the border tell.
    """

    def __init__(self, channels: int, labels: int, filters: int = 64, blocks: int = 6, reflect: bool = False):
        super().__init__()
        norm = instance_norm(affine=True)
        padding: Padding = "reflect" if reflect else "zeros"

        def convolution(inputs: int, outputs: int, kernel: int, stride: int, pad: int) -> list[nn.Module]:
            layer = nn.Conv2d(inputs, outputs, kernel, stride, pad, bias=False, padding_mode=padding)
            return [layer, norm(outputs), nn.ReLU()]

        k = filters
        layers = [
            *convolution(channels + labels, k, 7, 1, 3),
            *convolution(k, 2 * k, 4, 2, 1),
            *convolution(2 * k, 4 * k, 4, 2, 1),
        ]
        layers += [Block(4 * k, padding) for _ in range(blocks)]
        for width in (4 * k, 2 * k):
            layers += [nn.ConvTranspose2d(width, width // 2, 4, 2, 1, bias=False), norm(width // 2), nn.ReLU()]
        layers += [nn.Conv2d(k, channels, 7, 1, 3, bias=False, padding_mode=padding), nn.Tanh()]
        self.body = nn.Sequential(*layers)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        planes = labels[:, :, None, None].expand(-1, -1, *images.shape[-2:])
        made: Tensor = self.body(torch.cat([images, planes], 1))
        return made


class Block(nn.Module):
    """Two 3 × 3 convolutions with norms, added to the input; nothing after the sum."""

    def __init__(self, channels: int, padding: Padding):
        super().__init__()
        norm = instance_norm(affine=True)

        def convolution() -> nn.Module:
            return nn.Conv2d(channels, channels, 3, 1, 1, bias=False, padding_mode=padding)

        self.body = nn.Sequential(convolution(), norm(channels), nn.ReLU(), convolution(), norm(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class ToOneDomain(Generator):
    """The generator with a fixed label, (n, channels, h, w) -> (n, channels, h, w) as others are. Its weights are the same."""

    def __init__(self, channels: int, label: Sequence[float], filters: int, blocks: int, reflect: bool):
        super().__init__(channels, len(label), filters, blocks, reflect)
        self.label: Tensor
        self.register_buffer("label", torch.tensor(label), persistent=False)

    def forward(self, images: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(images, self.label.to(images).expand(len(images), -1))


class Discriminator(nn.Module):
    """(n, channels, h, w) in [-1, 1] -> logits of patches (n, 1, h', w'), unbounded, and of attributes (n, labels). No norms.

    layers: halvings; the last map, (h', w'), is read whole for the attributes.  size: height and width, multiples of 2 ** layers.
    """

    def __init__(self, size: tuple[int, int], channels: int, labels: int, filters: int = 64, layers: int = 6):
        super().__init__()
        widths = [channels, *(filters * 2**i for i in range(layers))]
        body: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(widths):
            body += [nn.Conv2d(inputs, outputs, 4, 2, 1), nn.LeakyReLU(SLOPE)]
        self.body = nn.Sequential(*body)
        self.source = nn.Conv2d(widths[-1], 1, 3, 1, 1, bias=False)
        self.attributes = nn.Conv2d(widths[-1], labels, (size[0] >> layers, size[1] >> layers), bias=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(images)
        return self.source(features), self.attributes(features).flatten(1)

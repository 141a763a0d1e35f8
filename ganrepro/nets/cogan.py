"""CoGAN's networks for images of any power of two, layer by layer, so that a method can say which two domains share.

Source: mingyuliutw/CoGAN at f940c28, cogan/models/celeba/celeba.train.ptt, the authors' only network for colour images of
128 × 128 (of a single GAN; coupled networks are published for digits alone).

DEVIATION(cogan-networks): that template, coupled as the paper describes; fewer layers for smaller images. One logit in
place of a softmax of two, which is the same function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import nn

DROPOUT = (0.0, 0.0, 0.1, 0.3, 0.3, 0.5)  # of the discriminator's convolutions; 0.5 from there on
WIDE_KERNELS = 3  # so many of them are 5 × 5, the others 3 × 3


def generator_layers(pixels: int, filters: int, code: int, channels: int) -> list[nn.Module]:
    """From a code (n, code) to an image (n, channels, pixels, pixels) in [-1, 1], to be chained.

    A linear layer to 4 × 4, a transposed convolution for each doubling, a convolution to colours. Every layer but the last
    is followed by batch norm and PReLU; the last hidden one has `filters` channels, each before it twice as many.
    """
    doublings = (pixels // 4).bit_length() - 1
    width = filters * 2**doublings
    layers: list[nn.Module] = [
        nn.Sequential(nn.Linear(code, width * 16), nn.Unflatten(1, (width, 4, 4)), nn.BatchNorm2d(width), nn.PReLU(width))
    ]
    for _ in range(doublings):
        width //= 2
        up = nn.ConvTranspose2d(2 * width, width, 4, 2, 1)
        layers.append(nn.Sequential(up, nn.BatchNorm2d(width), nn.PReLU(width)))
    return [*layers, nn.Sequential(nn.Conv2d(width, channels, 3, 1, 1), nn.Tanh())]


def discriminator_layers(pixels: int, filters: int, channels: int, dropout: bool = True) -> list[nn.Module]:
    """From an image (n, channels, pixels, pixels) to a logit (n, 1, 1, 1), to be chained.

    A convolution of stride 2 for each halving down to 2 × 2, a hidden linear layer, one that ends in the logit. Batch
    norm, PReLU and dropout after every layer but the last; batch norm uses the statistics of the batch at hand.
    """
    layers: list[nn.Module] = []
    halvings, width = (pixels // 2).bit_length() - 1, channels
    for i in range(halvings):
        kernel, outputs = 5 if i < WIDE_KERNELS else 3, filters * 2**i
        down = nn.Conv2d(width, outputs, kernel, 2, kernel // 2)
        share = DROPOUT[min(i, len(DROPOUT) - 1)] if dropout else 0.0
        norm = nn.BatchNorm2d(outputs, track_running_stats=False)
        layers.append(nn.Sequential(down, norm, nn.PReLU(outputs), *([nn.Dropout(share)] if share else [])))
        width = outputs
    hidden, norm1 = nn.Linear(width * 4, 2 * width), nn.BatchNorm1d(2 * width, track_running_stats=False)
    layers.append(nn.Sequential(nn.Flatten(1), hidden, norm1, nn.PReLU(2 * width), nn.Dropout(DROPOUT[-1] if dropout else 0.0)))
    return [*layers, nn.Sequential(nn.Linear(2 * width, 1), nn.Unflatten(1, (1, 1, 1)))]


def coupled(
    pixels: int, channels: Mapping[str, int], untied: tuple[int, int], filters: int, judge_filters: int, code: int, dropout: bool,
    random: Callable[[str], torch.Generator],
) -> dict[str, nn.Module]:  # fmt: skip
    """The networks of two domains, a and b say: g_shared, then g_a or g_b; d_a or d_b, then d_shared.

    channels: by domain.  untied: how many last layers of a generator, and first ones of a discriminator, each domain has for
    itself.  filters: of a generator; judge_filters, dropout: of a discriminator.  random: purpose -> the stream of its
    weights, N(0, 0.02); biases are 0.
    """
    networks: dict[str, nn.Module] = {}
    with torch.random.fork_rng(devices=[]):  # layers draw weights that are replaced
        for domain in channels:
            own_layers = generator_layers(pixels, filters, code, channels[domain])
            judge = discriminator_layers(pixels, judge_filters, channels[domain], dropout)
            tied = len(own_layers) - untied[0]
            parts = {f"g_{domain}": own_layers[tied:], f"d_{domain}": judge[: untied[1]]}
            if domain == next(iter(channels)):
                parts |= {"g_shared": own_layers[:tied], "d_shared": judge[untied[1] :]}
            for name, layers in parts.items():
                networks[name] = nn.Sequential(*layers)
                _initialise(networks[name], random(name))
    return networks


def _initialise(network: nn.Module, generator: torch.Generator) -> None:
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
                nn.init.normal_(module.weight, 0.0, 0.02, generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

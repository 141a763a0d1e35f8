"""Networks for small grey images (28 × 28 or 32 × 32): multilayer perceptrons, DCGAN's, and those of Lucic et al.

Generators: a code (n, k) -> images (n, channels, side, side) in [-1, 1].  Discriminators: images -> features, whose last
layer is apart (`Judge`), so that a method can look at the features.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from ganrepro.nets.linear import Linear

Norm = Callable[[int], nn.Module]


class Judge(nn.Module):
    """A discriminator: `features` of images, (n, f), and what `head` makes of them.  ending: between the two, if anything."""

    def __init__(self, features: nn.Module, head: nn.Module, ending: nn.Module | None = None):
        super().__init__()
        self.features, self.ending, self.head = features, ending or nn.Identity(), head

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.head(self.ending(self.features(images)))
        return scores.squeeze(1) if scores.shape[1:] == (1,) else scores


class MinibatchFeatures(nn.Module):
    """Adds to the features of an image how near those of its batch are: minibatch discrimination.

    (n, f) -> (n, f + kernels): M = features T in (n, kernels, dims); added is the sum over the other images of
    exp(-|M_i - M_j|), L1 over dims.  Source: Salimans et al., section 3.2; sizes of their CIFAR code: 100 kernels of 5.
    """

    def __init__(self, features: int, kernels: int = 100, dims: int = 5):
        super().__init__()
        self.kernels, self.dims = kernels, dims
        self.projection = Linear(features, kernels * dims, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        m = self.projection(features).view(len(features), self.kernels, self.dims)
        m = m.transpose(0, 1)
        near = torch.exp(-torch.cdist(m, m, p=1.0))  # (kernels, n, n), no difference of two images kept
        return torch.cat([features, near.sum(2).t() - 1], 1)  # without itself, whose distance is 0


class VirtualBatchNorm(nn.Module):
    """Normalises with the statistics of a reference batch and the image itself, so that images do not depend on one another.

    The first `reference` of the batch are the reference: they are normalised by their own statistics; every other image by
    those of reference + 1 images.  Source: Salimans et al., section 3.5.
    """

    def __init__(self, channels: int, reference: int, eps: float = 1e-5):
        super().__init__()
        self.reference, self.eps = reference, eps
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        places = [d for d in range(x.ndim) if d != 1]
        shape = [1, -1] + [1] * (x.ndim - 2)
        known, given = x[: self.reference], x[self.reference :]
        mean, spread = known.mean(places, keepdim=True), known.var(places, unbiased=False, keepdim=True)
        normed = [(known - mean) / (spread + self.eps).sqrt()]
        if len(given):
            inside = places[1:]
            own = given.mean(inside, keepdim=True) if inside else given
            within = given.var(inside, unbiased=False, keepdim=True) if inside else torch.zeros_like(given)
            # of two groups together: their variances, and what lies between their means
            share = 1 / (self.reference + 1)
            apart = share * (1 - share) * (own - mean).square()
            spread = share * within + (1 - share) * spread + apart
            normed.append((given - (mean + share * (own - mean))) / (spread + self.eps).sqrt())
        return torch.cat(normed) * self.weight.view(shape) + self.bias.view(shape)


class WithReference(nn.Module):
    """A generator with virtual batch norm, and the codes of its reference batch, which never change."""

    codes: Tensor

    def __init__(self, body: nn.Module, codes: Tensor):
        super().__init__()
        self.body = body
        self.register_buffer("codes", codes)

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.body(torch.cat([self.codes, z]))
        return images[len(self.codes) :]


class Maxout(nn.Module):
    """The largest of `pieces` linear functions, for each of `outputs` units (Goodfellow et al., arXiv:1302.4389)."""

    def __init__(self, inputs: int, outputs: int, pieces: int):
        super().__init__()
        self.linear, self.pieces = Linear(inputs, outputs * pieces), pieces

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).view(len(x), -1, self.pieces).amax(2)


class Levels(nn.Module):
    """Pixels from [-1, 1] to [0, 1]: networks whose recipe is for these meet a background of 0."""

    def forward(self, x: Tensor) -> Tensor:
        return (x + 1) / 2


def mlp(sizes: list[int], activation: Callable[[], nn.Module], ending: nn.Module | None = None) -> nn.Sequential:
    """Linear layers of these sizes, an activation after each but the last, `ending` after that."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1], *([ending] if ending else []))


def image_from(features: nn.Sequential, channels: int, side: int) -> nn.Sequential:
    """Numbers as an image in [-1, 1]."""
    return nn.Sequential(*features, nn.Tanh(), nn.Unflatten(1, (channels, side, side)))


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.2)


def lucic_generator(
    code: int, channels: int, side: int, filters: int, norm: Norm, norm2d: Norm, slope: Callable[[], nn.Module] = _leaky
) -> nn.Sequential:
    """Lucic et al.'s generator ("based on InfoGAN"): two linear layers, two transposed convolutions of stride 2.

    filters: 64 in their code, which fixes all other widths.  slope: their VAE's decoder has ReLU.  tanh in [-1, 1] is their
    sigmoid in [0, 1].
    """
    hidden, wide, start = 16 * filters, 2 * filters, side // 4
    return nn.Sequential(
        Linear(code, hidden), norm(hidden), slope(),
        Linear(hidden, wide * start**2), norm(wide * start**2), slope(), nn.Unflatten(1, (wide, start, start)),
        nn.ConvTranspose2d(wide, filters, 4, 2, 1), norm2d(filters), slope(),
        nn.ConvTranspose2d(filters, channels, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip


def lucic_features(channels: int, side: int, filters: int, norm: bool) -> tuple[nn.Sequential, int]:
    """The layers of their discriminator below its last, and how many features they give.  norm: with batch norm, or none."""
    wide, hidden = 2 * filters, 16 * filters
    layers = nn.Sequential(
        nn.Conv2d(channels, filters, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(filters, wide, 4, 2, 1), *([nn.BatchNorm2d(wide)] if norm else []), nn.LeakyReLU(0.2), nn.Flatten(1),
        Linear(wide * (side // 4) ** 2, hidden), *([nn.BatchNorm1d(hidden)] if norm else []), nn.LeakyReLU(0.2),
    )  # fmt: skip
    return layers, hidden


def autoencoder(code: int, channels: int, side: int, filters: int) -> nn.Sequential:
    """Lucic et al.'s discriminator of BEGAN: two convolutions down to a code, and back; images to images, without norms."""
    wide, start = 2 * filters, side // 4
    return nn.Sequential(
        nn.Conv2d(channels, filters, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(filters, wide, 4, 2, 1), nn.Flatten(1), Linear(wide * start**2, code), nn.LeakyReLU(0.2),
        Linear(code, wide * start**2), nn.LeakyReLU(0.2), nn.Unflatten(1, (wide, start, start)),
        nn.ConvTranspose2d(wide, filters, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(filters, channels, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip


def refiner(inputs: int, outputs: int, filters: int) -> nn.Sequential:
    """LAPGAN's generator at all sizes but the coarsest: an image and noise to a difference of the same size, unbounded."""
    return nn.Sequential(
        nn.Conv2d(inputs, filters, 7, 1, 3), nn.ReLU(), nn.Conv2d(filters, filters, 7, 1, 3), nn.ReLU(),
        nn.Conv2d(filters, outputs, 5, 1, 2),
    )  # fmt: skip


def difference_judge(channels: int, side: int, filters: int) -> tuple[nn.Sequential, nn.Linear]:
    """LAPGAN's discriminator at these sizes: two convolutions of stride 2, and a linear layer to the logit."""
    layers = nn.Sequential(
        nn.Conv2d(channels, filters, 5, 2, 2), nn.LeakyReLU(0.2),
        nn.Conv2d(filters, filters, 5, 2, 2), nn.LeakyReLU(0.2), nn.Flatten(1),
    )  # fmt: skip
    return layers, Linear(filters * (-(-side // 4)) ** 2, 1)


def dcgan_generator(code: int, channels: int, side: int, filters: int, norm: Norm, norm2d: Norm) -> nn.Sequential:
    """DCGAN: no hidden linear layer, transposed convolutions with norms and ReLU, tanh (Radford et al., section 3)."""
    start, width = side // 4, 2 * filters
    return nn.Sequential(
        Linear(code, width * start**2), nn.Unflatten(1, (width, start, start)), norm2d(width), nn.ReLU(),
        nn.ConvTranspose2d(width, filters, 4, 2, 1), norm2d(filters), nn.ReLU(),
        nn.ConvTranspose2d(filters, channels, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip


def dcgan_features(channels: int, side: int, filters: int, norm: bool) -> tuple[nn.Sequential, int]:
    """DCGAN's discriminator below its last layer: convolutions of stride 2, LeakyReLU 0.2, norms but after the first."""
    wide = 2 * filters
    layers = nn.Sequential(
        nn.Conv2d(channels, filters, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(filters, wide, 4, 2, 1), *([nn.BatchNorm2d(wide)] if norm else []), nn.LeakyReLU(0.2), nn.Flatten(1),
    )  # fmt: skip
    return layers, wide * (side // 4) ** 2


def initialise(network: nn.Module, generator: torch.Generator, deviation: float = 0.02, truncated: bool = False) -> nn.Module:
    """Weights N(0, deviation), biases 0 (DCGAN, section 3; compare_gan ops.py). Norms keep 1 and 0. Returns the network.

    truncated: those of convolutions are drawn again where they lie beyond two deviations, as compare_gan has it.
    """
    with torch.no_grad():
        for module in network.modules():
            if not isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
                continue
            if truncated and isinstance(module, nn.Conv2d):
                nn.init.trunc_normal_(module.weight, 0.0, deviation, -2 * deviation, 2 * deviation, generator=generator)
            else:
                nn.init.normal_(module.weight, 0.0, deviation, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network


def initialise_uniform(network: nn.Module, generator: torch.Generator, reach: float) -> nn.Module:
    """Weights U(-reach, reach), biases 0 (goodfeli/adversarial, mnist.yaml: irange). Returns the network."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Linear):
                nn.init.uniform_(module.weight, -reach, reach, generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
    return network


REFERENCE = 64  # images of the reference batch of virtual batch norm


def adversaries(
    kind: str, channels: int, side: int, code: int, filters: int, random: Callable[[str], torch.Generator],
    norm: bool, minibatch: bool = False, virtual: bool = False,
) -> dict[str, nn.Module]:  # fmt: skip
    """`generator` and `discriminator` with fresh weights.

    kind: 'lucic' or 'dcgan'.  random: purpose -> the stream of its weights.  norm: batch norm in the discriminator.
    minibatch: minibatch discrimination.  virtual: virtual batch norm in the generator, in place of batch norm.
    """
    make, see = {"lucic": (lucic_generator, lucic_features), "dcgan": (dcgan_generator, dcgan_features)}[kind]
    if virtual:
        body = make(code, channels, side, filters, *2 * (lambda width: VirtualBatchNorm(width, REFERENCE),))
        generator: nn.Module = WithReference(body, torch.rand((REFERENCE, code), generator=random("reference")) * 2 - 1)
    else:
        generator = make(code, channels, side, filters, nn.BatchNorm1d, nn.BatchNorm2d)
    features, width = see(channels, side, filters, norm)
    others = MinibatchFeatures(width) if minibatch else None
    judge = Judge(features, Linear(width + (others.kernels if others else 0), 1), others)
    parts = {"generator": generator, "discriminator": judge}
    return {name: initialise(part, random(name), truncated=kind == "lucic") for name, part in parts.items()}

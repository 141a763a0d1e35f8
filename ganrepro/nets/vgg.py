"""VGG-16 up to relu4_2, with torchvision's ImageNet weights, as a measure of how alike two images look.

Source of the layer: CycleGAN, section 5.1.2; junyanz/CycleGAN util/content_loss.lua enlarges to 224 and cuts after the ReLU.
"""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganrepro.errors import WeightsError
from ganrepro.store.files import plain

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet in RGB, as torchvision states them
RELU4_2 = 21  # layers up to and with it


class Enlarged(nn.Module):
    """A network that sees images enlarged to `pixels` (bilinear), and shifted and scaled where that is given.

    (n, 3, h, w) in [-1, 1] -> the network's features.
    """

    def __init__(self, network: nn.Module, pixels: int, mean: tuple[float, ...] = (), deviation: tuple[float, ...] = ()):
        super().__init__()
        self.network, self.pixels = network, pixels
        # from [-1, 1] to [0, 1] to zero mean and unit variance, as one scale and shift
        scale = torch.tensor([1 / (2 * d) for d in deviation] or [1.0]).view(1, -1, 1, 1)
        shift = torch.tensor([(0.5 - m) / d for m, d in zip(mean, deviation, strict=True)] or [0.0]).view(1, -1, 1, 1)
        self.scale, self.shift = nn.Buffer(scale), nn.Buffer(shift)

    def forward(self, images: Tensor) -> Tensor:
        larger = functional.interpolate(images, size=(self.pixels, self.pixels), mode="bilinear", align_corners=False)
        features: Tensor = self.network(larger * self.scale + self.shift)
        return features


def vgg_features(folder: Path, pixels: int) -> nn.Module:
    """relu4_2 of VGG-16 with the weights of a downloaded folder: (n, 3, h, w) -> (n, 512, pixels / 8, pixels / 8).

    WeightsError where the file is missing, damaged or of another network. No pickled code runs.
    """
    from torchvision.models import vgg16

    files = sorted(folder.glob("*.pth"))
    if len(files) != 1:
        raise WeightsError(f"{folder}: expected one .pth file, got {len(files)}; remove the folder and run snakemake again")
    (file,) = files
    try:
        state = torch.load(plain(file), map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{file}: not readable as weights ({str(error).splitlines()[0][:100]}); fetch it again") from None
    with torch.device("meta"):
        network = vgg16(weights=None, init_weights=False).features[:RELU4_2]
    wanted, weights = network.state_dict(), {}
    for name, like in wanted.items():
        value = state.get(f"features.{name}") if isinstance(state, dict) else None
        if not isinstance(value, Tensor) or value.shape != like.shape:
            got = "nothing" if not isinstance(value, Tensor) else tuple(value.shape)
            raise WeightsError(f"{file}: no VGG-16 of torchvision: features.{name}: expected {tuple(like.shape)}, got {got}")
        weights[name] = value.float().clone()
    network.load_state_dict(weights, assign=True)
    return Enlarged(network, pixels, MEAN, DEVIATION)

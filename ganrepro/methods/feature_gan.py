"""Feature loss + GAN of CycleGAN's tables: SimGAN whose images are to stay near their input in a network's features.

CycleGAN, section 5.1.2: the L1 of SimGAN, taken on VGG-16's features at relu4_2. Both images are enlarged before.

DEVIATION(feature-gradient): the gradient is that of the loss, at the features of the generated image. In the published
code it is too small by 127.5 squared (`feature_gradient_scale`) and goes through the activations of the input
(`feature_gradient_at`).
DEVIATION(feature-weights): torchvision's ImageNet weights and their normalisation of colours. The paper cites VGG, its
code fetches one trained on Places; which of them made the numbers is UNCONFIRMED. `features: reader` takes the
first layers of the study's own segmentation network instead, where weights cannot be had.
DEVIATION(feature-resize): images are enlarged bilinearly with torch's rule for corners; Lua Torch's aligns them.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ganrepro.lazy import torch
from ganrepro.methods.base import READER, Players, Random
from ganrepro.methods.one_way import OneWay, OneWaySettings
from ganrepro.objectives.given_gradient import given_gradient
from ganrepro.objectives.reconstruction import l1
from ganrepro.schema.fields import Pixels, Positive


class Settings(OneWaySettings):
    """CycleGAN's recipe, for one direction, and whose features."""

    features: Literal["vgg16-imagenet", "reader"] = Field(
        "vgg16-imagenet",
        description="vgg16-imagenet: relu4_2 of torchvision's VGG-16 (528 MB); reader: the study's own segmentation "
        "network, after stride 8",
    )
    feature_pixels: Pixels = Field(224, description="images are enlarged to this before their features are taken")
    stale_discriminator: bool = Field(
        False,
        description="a mistake of the published code: the generator's gradient is that of the pass the discriminator learnt "
        "from, on an image of the pool",
    )
    feature_gradient_scale: Positive = Field(
        1.0,
        description="what the gradient of the feature loss is multiplied by: 1 / 16,256.25 in the published code, which "
        "divides by 127.5 where it should multiply",
    )
    feature_gradient_at: Literal["output", "input"] = Field(
        "output",
        description="whose activations the gradient passes: by mistake the input's in the published code, which the network "
        "saw last",
    )


class FeatureGAN(OneWay[Settings]):
    """'content': mean absolute difference of the features of output and input."""

    title = "Feature loss + GAN"
    paper = "arXiv:1703.10593, section 5.1.2"

    @property
    def stale(self) -> bool:
        return self.settings.stale_discriminator

    def reads(self) -> tuple[str, ...]:
        return (self.settings.features,) if self.settings.content_weight else ()

    def networks(self, random: Random) -> dict[str, torch.nn.Module]:
        from ganrepro.nets.first_layers import reader_features
        from ganrepro.nets.vgg import vgg_features

        networks, s = super().networks(random), self.settings
        if s.content_weight:
            load = reader_features if s.features == READER else vgg_features
            networks["features"] = load(self.files[s.features], s.feature_pixels)
        return networks

    def content(self, players: Players, given: torch.Tensor, fake: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        features, at_output = players.networks["features"], self.settings.feature_gradient_at == "output"
        leaf = (fake if at_output else given).detach().requires_grad_()
        passed, other = features(leaf), features((given if at_output else fake).detach())
        value = l1(passed, other)
        # of the input's pass it is the derivative by the output's features, which is that by its own with the sign turned
        (slope,) = torch.autograd.grad(value.sum() if at_output else -value.sum(), leaf)
        return given_gradient(value, fake, slope * self.settings.feature_gradient_scale)

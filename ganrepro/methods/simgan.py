"""SimGAN as CycleGAN's tables compare it: a GAN whose images are to stay near their input, pixel by pixel.

CycleGAN, section 5.1.2: an adversarial loss and ||x - G(x)||_1, with CycleGAN's networks. It is not the refiner of the
SimGAN paper (arXiv:1612.07828): no network without strides, no batches half of which are history.
"""

from __future__ import annotations

from pydantic import Field

from ganrepro.lazy import torch
from ganrepro.methods.base import Players
from ganrepro.methods.one_way import OneWay, OneWaySettings
from ganrepro.objectives.reconstruction import l1


class Settings(OneWaySettings):
    """CycleGAN's recipe, for one direction."""

    stale_discriminator: bool = Field(
        False,
        description="a mistake of the published code: the generator's gradient is that of the pass the discriminator learnt "
        "from, on an image of the pool",
    )


class SimGAN(OneWay[Settings]):
    """'content': mean absolute difference of output and input."""

    title = "SimGAN, as compared with CycleGAN"
    paper = "arXiv:1703.10593, section 5.1.2; arXiv:1612.07828"

    @property
    def stale(self) -> bool:
        return self.settings.stale_discriminator

    def content(self, players: Players, given: torch.Tensor, fake: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return l1(fake, given)

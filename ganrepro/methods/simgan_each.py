"""A GAN whose images are to stay near their input, once for each target: DIAT as StarGAN's tables compare it, nearly.

StarGAN, section 5.2: DIAT (Li et al., arXiv:1610.05586) has an adversarial loss and one that keeps who is seen, the squared
distance of a face network's features of input and output.
DEVIATION(diat-pixels): the distance is that of the images themselves, absolute, since pictures have no face network in common.
DEVIATION(diat-networks): networks, losses and schedule are those of CycleGAN's comparison.
"""

from __future__ import annotations

from pydantic import Field

from ganrepro.methods import simgan
from ganrepro.methods.each_target import EachTarget
from ganrepro.schema.fields import Name


class Settings(simgan.Settings):
    """CycleGAN's recipe, for each target."""

    domains: list[Name] | None = Field(None, min_length=2, description="of the dataset; null: all")
    source: Name | None = Field(None, description="the domain that is translated, into each other; null: all ways")


class SimGANEach(EachTarget[Settings]):
    """One generator and one discriminator for each target."""

    title = "SimGAN, a training for each target"
    paper = "arXiv:1703.10593, section 5.1.2; arXiv:1711.09020, section 5.2"
    between, settings_between = simgan.SimGAN, simgan.Settings

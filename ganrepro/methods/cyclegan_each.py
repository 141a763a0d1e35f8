"""CycleGAN once for each pair of several domains, as StarGAN's tables compare it (arXiv:1711.09020, section 5.2)."""

from __future__ import annotations

from pydantic import Field

from ganrepro.methods import cyclegan
from ganrepro.methods.each_target import EachTarget
from ganrepro.schema.fields import Name


class Settings(cyclegan.Settings):
    """CycleGAN's recipe, for several domains."""

    domains: list[Name] | None = Field(None, min_length=2, description="of the dataset; null: all")
    source: Name | None = Field(None, description="a domain, for the pairs of it and each other; null: all pairs")


class CycleGANEach(EachTarget[Settings]):
    """Two generators and two discriminators for each pair."""

    title = "CycleGAN, a training for each pair"
    paper = "arXiv:1703.10593"
    between, settings_between, both_ways = cyclegan.CycleGAN, cyclegan.Settings, True

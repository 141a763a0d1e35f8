"""What methods share that make images from random codes: images as they are, one network that makes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import Field, model_validator

from ganrepro.lazy import torch
from ganrepro.methods.base import Batch, Count, CountOrZero, Method, Pixels, ScheduleSettings
from ganrepro.outputs import SAMPLES, Output


class NoiseSettings(ScheduleSettings):
    """Digits of 28 × 28 as they are, for as long as Lucic et al. train on MNIST."""

    load_pixels: Pixels = Field(28, description="images are read at this size")
    crop_pixels: Pixels = Field(28, description="the same: no jitter")
    batch_images: Count = Field(64, ge=2, description="images of a step; batch norm needs two")
    epoch_images: Count | None = Field(50048, description="images of an epoch: 782 steps of 64 (their epoch has 50,000)")
    epochs_constant: CountOrZero = Field(20, description="epochs at the full learning rate")
    epochs_decay: CountOrZero = Field(0, description="epochs after them, in which the rate falls linearly to 0")

    @model_validator(mode="after")
    def _no_jitter(self) -> NoiseSettings:
        if self.crop_pixels % 4 or self.load_pixels != self.crop_pixels:
            raise ValueError(
                f"crop_pixels: expected a multiple of 4, and load_pixels the same; got {self.crop_pixels} and {self.load_pixels}"
            )
        return self


S = TypeVar("S", bound=NoiseSettings)


class FromNoise(Method[S]):
    """A method whose network `generator` makes an image of the code `z`; its norms use running statistics then."""

    def outputs(self) -> tuple[Output, ...]:
        return (SAMPLES,)

    def generators(self) -> tuple[str, ...]:
        return ("generator",)

    def generate(
        self, output: Output, networks: Mapping[str, torch.nn.Module], batch: Batch, random: torch.Generator
    ) -> torch.Tensor:
        made: torch.Tensor = networks["generator"].eval()(batch.noise["z"])
        return made

"""What methods share that make images from random codes: images as they are, one network that makes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import Field, model_validator

from ganrepro.lazy import torch
from ganrepro.methods.base import Adam, Batch, Method, ScheduleSettings
from ganrepro.methods.outputs import Output, samples
from ganrepro.schema.fields import Beta, Count, CountOfTwo, CountOrZero, Filters, Name, Pixels, Positive


class NoiseSettings(ScheduleSettings):
    """Settings of methods that start from noise; the defaults are those of Lucic et al. on MNIST."""

    load_pixels: Pixels = Field(28, description="images are read at this size")
    crop_pixels: Pixels = Field(28, description="the same: no jitter")
    batch_images: CountOfTwo = Field(64, description="images of a step; batch norm needs two")
    epoch_images: Count | None = Field(50048, description="images of an epoch: 782 steps of 64 (their epoch has 50,000)")
    epochs_constant: CountOrZero = Field(20, description="epochs at the full learning rate")
    epochs_decay: CountOrZero = Field(0, description="epochs after them, in which the rate falls linearly to 0")
    domain: Name | None = Field(None, description="whose images it learns to make; null: the dataset's last domain")
    code_size: Count = Field(64, description="numbers of a code z, each U(-1, 1)")
    learning_rate: Positive = Field(0.0002, description="of all players")

    @model_validator(mode="after")
    def _no_jitter(self) -> NoiseSettings:
        if self.crop_pixels % 4 or self.load_pixels != self.crop_pixels:
            raise ValueError(
                f"crop_pixels: expected a multiple of 4, and load_pixels the same; got {self.crop_pixels} and {self.load_pixels}"
            )
        return self


class AdamSettings(NoiseSettings):
    """Adam for all players."""

    beta1: Beta = Field(0.5, description="of Adam")


class ConvolutionSettings(AdamSettings):
    """Networks of convolutions."""

    filters: Filters = Field(64, description="channels next to the images; other layers are multiples of it")


S = TypeVar("S", bound=NoiseSettings)
A = TypeVar("A", bound=AdamSettings)


class FromNoise(Method[S]):
    """A method that makes images of one domain, `domain`, from random codes.

    Unless it says otherwise, its network `generator` makes an image of the code `z`; norms use running statistics then.
    """

    @property
    def domain(self) -> str:
        """Whose images it learns to make."""
        return self.settings.domain or list(self.data.domains)[-1]

    @property
    def shape(self) -> tuple[int, int]:
        """Channels of its images, and their side."""
        return self.data.channels(self.domain), self.settings.crop_pixels

    def outputs(self) -> tuple[Output, ...]:
        return (samples(self.domain),)

    def images_at_once(self) -> int:
        return 250  # each by itself: a matter of memory

    def generators(self) -> tuple[str, ...]:
        return ("generator",)

    def generate(
        self, output: Output, networks: Mapping[str, torch.nn.Module], batch: Batch, random: torch.Generator
    ) -> torch.Tensor:
        images: torch.Tensor = networks["generator"].eval()(batch.noise["z"])
        return images


class FromNoiseByAdam(FromNoise[A]):
    """One whose players all step with the same Adam."""

    def adam(self) -> Adam:
        """The optimiser of every player."""
        return Adam(self.settings.learning_rate, self.settings.beta1)

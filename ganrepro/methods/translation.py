"""What the methods that translate images share: settings of their networks, how these are built, how images are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

from pydantic import Field, model_validator

from ganrepro.lazy import torch
from ganrepro.methods.base import Adam, Batch, Beta, DataSpec, Method, Positive, Random, ScheduleSettings, Width
from ganrepro.outputs import Output


class TranslationSettings(ScheduleSettings):
    """Generator, discriminator and optimiser, as in both published codes."""

    network_flavour: Literal["lua", "pytorch"] = Field(
        "lua",
        description="whose networks: the papers' Lua code, or pytorch-CycleGAN-and-pix2pix; schedule, crops and order "
        "of the images are the Lua code's in both",
    )
    generator: Literal["resnet", "unet", "encoder-decoder"] = Field("resnet", description="CycleGAN 7.2; pix2pix 6.1.1")
    generator_blocks: Annotated[int, Field(ge=0, le=100)] = Field(
        6, description="residual blocks of 'resnet': 6 at 128 × 128, 9 from 256 × 256"
    )
    generator_filters: Width = Field(64, description="channels of the generator's first layer")
    bottleneck_norm: bool = Field(False, description="unet, encoder-decoder: batch norm on the innermost layer")
    discriminator_receptive_field: Literal[1, 16, 34, 70, 142, 286] = Field(70, description="pixels that a patch logit sees")
    discriminator_filters: Width = Field(64, description="channels of the discriminator's first layer")
    learning_rate: Positive = Field(0.0002, description="of Adam (pix2pix 3.3, CycleGAN 4)")
    adam_beta1: Beta = Field(0.5, description="of Adam (pix2pix 3.3)")
    adam_beta2: Beta = Field(0.999, description="of Adam (pix2pix 3.3)")

    @model_validator(mode="after")
    def _sizes_fit_the_networks(self) -> TranslationSettings:
        size = self.crop_pixels
        if self.generator == "resnet" and size % 4:
            raise ValueError(f"crop_pixels: the ResNet generator halves twice; expected a multiple of 4, got {size}")
        if self.generator != "resnet" and (size < 16 or size & (size - 1)):
            raise ValueError(f"crop_pixels: generator '{self.generator}' needs a power of two from 16, got {size}")
        field = self.discriminator_receptive_field
        # Each stride-2 layer halves; two stride-1 layers then take one pixel each off a padded map.
        least = 1 if field == 1 else 3 << {16: 1, 34: 2, 70: 3, 142: 4, 286: 5}[field]
        if size < least:
            raise ValueError(
                f"crop_pixels: a discriminator of receptive field {field} needs at least {least} pixels, got {size}; "
                "choose a smaller discriminator_receptive_field"
            )
        if self.generator == "encoder-decoder" and self.bottleneck_norm and self.batch_images == 1:
            raise ValueError(
                "bottleneck_norm: at batch_images 1 it wipes the signal, and an encoder-decoder has no other way; "
                "set it to false or take larger batches"
            )
        return self


S = TypeVar("S", bound=TranslationSettings)


class TranslationMethod(Method[S]):
    """A method whose generators are named by their route, g_ab or g_ba, and turn one image into one image.

    A discriminator is named by the domain that it looks at.
    """

    def adam(self) -> Adam:
        """The optimiser of every player."""
        s = self.settings
        return Adam(s.learning_rate, s.adam_beta1, s.adam_beta2)

    def generator(self, name: str, data: DataSpec, random: Random) -> torch.nn.Module:
        """The generator called `name`, g_ab or g_ba, with fresh weights."""
        from ganrepro.nets.generators import build_generator

        s = self.settings
        return build_generator(
            s.generator,
            blocks=s.generator_blocks,
            filters=s.generator_filters,
            pixels=data.pixels,
            flavour=s.network_flavour,
            bottleneck_norm=s.bottleneck_norm,
            generator=random(name),
            inputs=data.channels[name[-2]],
            outputs=data.channels[name[-1]],
        )

    def discriminator(self, name: str, channels: int, norm: str, random: Random) -> torch.nn.Module:
        """The patch discriminator called `name`, with fresh weights."""
        from ganrepro.nets.discriminators import build_discriminator

        s = self.settings
        return build_discriminator(
            s.discriminator_receptive_field,
            filters=s.discriminator_filters,
            channels=channels,
            norm=norm,
            flavour=s.network_flavour,
            generator=random(name),
        )

    def generators(self) -> tuple[str, ...]:
        return tuple(f"g_{output.source}{output.target}" for output in self.outputs())

    def generate(
        self, output: Output, networks: Mapping[str, torch.nn.Module], batch: Batch, random: torch.Generator
    ) -> torch.Tensor:
        assert output.source is not None
        made: torch.Tensor = networks[f"g_{output.source}{output.target}"](batch.images[output.source])
        return made

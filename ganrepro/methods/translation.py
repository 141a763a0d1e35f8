"""What the methods that translate images share: settings of their networks, how these are built, how images are made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, model_validator

from ganrepro.errors import UnfitData
from ganrepro.lazy import torch
from ganrepro.methods.base import Adam, Batch, Method, Random, ScheduleSettings
from ganrepro.methods.outputs import Output, translation
from ganrepro.schema.fields import Beta, Name, Positive, Width


class TwoDomainSettings(ScheduleSettings):
    """Which two domains of a dataset a method works between."""

    domains: list[Name] | None = Field(
        None,
        min_length=2,
        max_length=2,
        description="names of the source and the target domain, as in [b, a]; null: the two that the dataset has, in its order",
    )


class TranslationSettings(TwoDomainSettings):
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


FEWEST_UNET = 16  # pixels that a U-Net has to halve
FEWER_HALVINGS = 4  # of images that are no squares, a U-Net may leave so many pixels of the shorter side
D = TypeVar("D", bound=TwoDomainSettings)
S = TypeVar("S", bound=TranslationSettings)


class BetweenDomains(Method[D]):
    """A method that works between two domains, `source` and `target`."""

    @property
    def source(self) -> str:
        """The first of the two."""
        return self._two[0]

    @property
    def target(self) -> str:
        """The second."""
        return self._two[1]

    @property
    def _two(self) -> tuple[str, str]:
        first, second = self.settings.domains or list(self.data.domains)[:2]
        return first, second

    @property
    def both(self) -> tuple[str, ...]:
        """The two, in the order of the dataset."""
        return tuple(name for name in self.data.domains if name in self._two)

    def forward(self) -> Output:
        """From the source to the target."""
        return translation(self.data, self.source, self.target)

    def backward(self) -> Output:
        """From the target to the source."""
        return translation(self.data, self.target, self.source)

    def check(self) -> None:
        have, wanted = list(self.data.domains), self.settings.domains
        named = ", ".join(have)
        if len(have) < 2:
            raise UnfitData(f"translates between two domains; the dataset has {named} alone")
        if wanted is None and len(have) > 2:
            raise UnfitData(f"translates between two domains; say which of {named}, as in `domains: [{have[0]}, {have[1]}]`")
        for name in wanted or ():
            if name not in have:
                raise UnfitData(f"needs a domain '{name}'; the dataset has {named}")
        if self.source == self.target:
            raise UnfitData(f"translates between two domains; domains names '{self.source}' twice")
        super().check()


def route(source: str, target: str) -> str:
    """Of a generator: 'g_ab', or 'g_summer_winter'."""
    return f"g_{source}{target}" if len(source + target) == 2 else f"g_{source}_{target}"


class TranslationMethod(BetweenDomains[S]):
    """A method whose generators are named by their route, as in g_ab or g_ba, and turn one image into one image.

    A discriminator is named by the domain that it looks at.
    """

    any_shape = True

    @property
    def keeps_target(self) -> bool:
        """Whether generators learn to leave images of their target as they are: CycleGAN's identity loss (section 5.2)."""
        return False

    def check(self) -> None:
        super().check()
        if self.keeps_target and len({self.data.channels(domain) for domain in self.both}) > 1:
            raise UnfitData("compares images of its target with themselves (identity loss), and the domains differ in channels")
        s, size = self.settings, self.size
        step = max(FEWEST_UNET, s.crop_pixels // FEWER_HALVINGS)
        if isinstance(size, tuple) and s.generator != "resnet" and max(size) % step:
            shorter = min(size)
            near = sorted({max(step * (max(size) // step + more), shorter) for more in (0, 1)})
            fit = " or ".join(str([side // math.gcd(side, shorter), shorter // math.gcd(side, shorter)]) for side in near)
            needed = f"needs a longer side that is a multiple of {step} pixels, got {max(size)}"
            raise UnfitData(f"{needed}; set its shape to {fit}, or turned")

    @property
    def unet_pixels(self) -> int:
        """What a U-Net halves to one pixel: the shorter side; where the longer is no multiple of it, half or a quarter."""
        size, pixels = self.size, self.settings.crop_pixels
        while isinstance(size, tuple) and max(size) % pixels and pixels > FEWEST_UNET:
            pixels //= 2
        return pixels

    def adam(self) -> Adam:
        """The optimiser of every player."""
        s = self.settings
        return Adam(s.learning_rate, s.adam_beta1, s.adam_beta2)

    def generator(self, source: str, target: str, random: Random) -> torch.nn.Module:
        """The generator from one domain to another, with fresh weights."""
        from ganrepro.nets.generators import build_generator

        s = self.settings
        return build_generator(
            s.generator,
            blocks=s.generator_blocks,
            filters=s.generator_filters,
            pixels=self.unet_pixels,
            flavour=s.network_flavour,
            bottleneck_norm=s.bottleneck_norm,
            generator=random(route(source, target)),
            inputs=self.data.channels(source),
            outputs=self.data.channels(target),
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
        return tuple(route(str(output.source), output.target) for output in self.outputs())

    def network_of(self, output: Output) -> tuple[str, dict[str, Any]]:
        s, (source, target) = self.settings, (str(output.source), output.target)
        return route(source, target), {
            "generator": s.generator, "filters": s.generator_filters, "blocks": s.generator_blocks, "pixels": self.unet_pixels,
            "flavour": s.network_flavour, "bottleneck_norm": s.bottleneck_norm, "inputs": self.data.channels(source),
            "outputs": self.data.channels(target),
        }  # fmt: skip

    def generate(
        self, output: Output, networks: Mapping[str, torch.nn.Module], batch: Batch, random: torch.Generator
    ) -> torch.Tensor:
        assert output.source is not None
        images: torch.Tensor = networks[route(output.source, output.target)](batch.images[output.source])
        return images

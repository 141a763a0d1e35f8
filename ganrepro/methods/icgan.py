"""IcGAN, as StarGAN's tables compare it: a conditional GAN, and encoders that find the code and the label of an image.

StarGAN, section 5.2: it "combines an encoder with a cGAN". A translation is what G makes of the image's own code and the label
that is wanted; what the label of the target does not say is read from the image.
Source: Perarnau et al., arXiv:1611.06355, whose text was not read: INFERRED from StarGAN's, UNCONFIRMED in all details.

DEVIATION(icgan-at-once): encoders learn beside G, from what it makes at each step; not after it.
DEVIATION(icgan-networks): DCGAN's layers, with a label as planes in D's first one.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from ganrepro.errors import UnfitData
from ganrepro.lazy import torch
from ganrepro.methods.base import Adam, Batch, Feed, Loss, Normal, Player, Players, Random
from ganrepro.methods.outputs import Output
from ganrepro.methods.several import SeveralDomainsSettings, WithLabels
from ganrepro.objectives.gan_losses import LOSSES
from ganrepro.schema.fields import Beta, Count, Pixels, Positive, Width

FEWEST = 8  # pixels


class Settings(SeveralDomainsSettings):
    """DCGAN's recipe at 64 × 64."""

    load_pixels: Pixels = Field(64, description="jitter: images are resized to this size, then cropped at random")
    crop_pixels: Pixels = Field(64, description="of the crop that the networks see: side of a square, a power of two")
    batch_images: Count = Field(16, description="images of a step, of each domain")
    code_size: Count = Field(100, description="numbers of a code")
    filters: Width = Field(64, description="channels of the layers nearest to the image")
    learning_rate: Positive = Field(0.0002, description="of Adam")
    adam_beta1: Beta = Field(0.5, description="of Adam")
    adam_beta2: Beta = Field(0.999, description="of Adam")


class IcGAN(WithLabels[Settings]):
    """Networks `generator`, `discriminator`, `encoder` of codes and `labeller`."""

    title = "IcGAN"
    paper = "arXiv:1611.06355, as compared in arXiv:1711.09020, section 5.2"

    def check(self) -> None:
        super().check()
        side = self.settings.crop_pixels
        if side < FEWEST or side & (side - 1):
            raise UnfitData(f"makes images of a power of two from {FEWEST} pixels; crop_pixels is {side}")

    def feed(self) -> Feed:
        return Feed(
            self.domains, noise=self.order() | {f"code/{domain}": Normal((self.settings.code_size,)) for domain in self.domains}
        )

    def losses(self) -> tuple[Loss, ...]:
        of_codes = Loss("code", "Encoders"), Loss("label", "Encoders")
        return Loss("real", "Discriminator"), Loss("fake", "Discriminator"), Loss("generator", "Generator"), *of_codes

    def networks(self, random: Random) -> dict[str, torch.nn.Module]:
        from ganrepro.nets import icgan

        names, s, first = ("generator", "discriminator", "encoder", "labeller"), self.settings, self.domains[0]
        size = s.code_size, len(self.label(first)), s.crop_pixels, self.data.channels(first), s.filters
        return dict(zip(names, icgan.networks(*size, [random(name) for name in names]), strict=True))

    def players(self) -> dict[str, Player]:
        s = self.settings
        adam = Adam(s.learning_rate, s.adam_beta1, s.adam_beta2)
        alone = {name: Player((name,), adam) for name in ("discriminator", "generator")}
        return alone | {"encoders": Player(("encoder", "labeller"), adam)}

    def step(self, players: Players, batch: Batch) -> dict[str, torch.Tensor]:
        loss, judge, make = LOSSES["non-saturating"], players.networks["discriminator"], players.networks["generator"]
        real, labels, wanted = self.shown(players, batch, self.domains)
        codes = torch.cat([batch.noise[f"code/{domain}"] for domain in self.domains])

        players.turn("generator")
        fake = make(codes, wanted)
        players.turn("discriminator")
        terms = {"real": loss.real(judge(real, labels)[:, 0]), "fake": loss.fake(judge(fake.detach(), wanted)[:, 0])}
        losses = players.update("discriminator", dict.fromkeys(terms, 1.0), terms)
        players.turn("generator")
        losses |= players.update("generator", {"generator": 1.0}, {"generator": loss.generator(judge(fake, wanted)[:, 0])})

        players.turn("encoders")
        made = fake.detach()
        found, read = players.networks["encoder"](made), players.networks["labeller"](made)
        terms = {"code": (found - codes).square().mean(1), "label": self.misread(read, wanted)}
        return losses | players.update("encoders", dict.fromkeys(terms, 1.0), terms)

    def generators(self) -> tuple[str, ...]:
        return "generator", "encoder", "labeller"

    def generate(
        self, output: Output, networks: Mapping[str, torch.nn.Module], batch: Batch, random: torch.Generator
    ) -> torch.Tensor:
        assert output.source is not None
        given = batch.images[output.source]
        label = torch.tensor(self.label(output.target), device=given.device).expand(len(given), -1).clone()
        read = networks["labeller"](given)
        for attribute, part in self.parts.items():
            if attribute not in self.data.attributes_of(output.target):
                label[:, part] = torch.nn.functional.one_hot(read[:, part].argmax(1), part.stop - part.start).to(label)
        made: torch.Tensor = networks["generator"](networks["encoder"](given), label)
        return made

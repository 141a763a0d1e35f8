"""CoGAN: two GANs from one code, with tied layers; it translates by looking for the code of the input (Liu and Tuzel 2016).

The generators share their first layers, so that one code means the same in both domains; the discriminators share their last
ones. Nothing else ties the domains. CycleGAN, section 5.1.2: find a code that generates x, then render it as Y.

DEVIATION(cogan-recipe): how CycleGAN's authors ran CoGAN on Cityscapes is UNCONFIRMED. Recipe and networks are those of
the authors' template for 128 × 128 (nets/cogan.py); how many layers are tied is a choice of ours.
DEVIATION(cogan-batches): the template puts real and generated images through D in one batch, whose statistics they share, and
decays neither biases nor norms; here each has a batch of its own, and all weights decay.
DEVIATION(cogan-inversion): the release has no code for it. Squared difference, Adam, several starts from the prior,
the best one kept; norms use their running statistics then, so that images do not depend on one another.
"""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, model_validator

from ganrepro.data.spec import DataSpec
from ganrepro.lazy import torch
from ganrepro.methods.base import Adam, Batch, Feed, Loss, Player, Players, Random, Uniform
from ganrepro.methods.outputs import Output
from ganrepro.methods.translation import BetweenDomains, TwoDomainSettings
from ganrepro.objectives.adversarial import log_loss
from ganrepro.schema.fields import Count, CountOfTwo, CountOrZero, Pixels, Positive


class Settings(TwoDomainSettings):
    """The authors' template for colour images of 128 × 128; how layers are tied and codes are found is ours."""

    load_pixels: Pixels = Field(143, description="jitter: images are resized to this size, then cropped at random")
    crop_pixels: Pixels = Field(128, description="of the crop that the networks see: side of a square, or shorter side")
    batch_images: CountOfTwo = Field(128, description="images of a step (of each domain); batch norm needs two")
    epoch_images: Count | None = Field(12800, description="images drawn in an epoch, from each domain: 100 steps of 128")
    epochs_constant: CountOrZero = Field(1000, description="epochs at the full learning rate: 100,000 steps")
    epochs_decay: CountOrZero = Field(0, description="epochs after them, in which the rate falls linearly to 0")
    code_size: Count = Field(100, description="numbers of a code, each U(-1, 1)")
    generator_filters: Count = Field(32, description="channels of the generators' last hidden layer")
    discriminator_filters: Count = Field(32, description="channels of the discriminators' first layer")
    untied_generator_layers: Count = Field(2, description="last layers that each generator has for itself; the others are shared")
    untied_discriminator_layers: Count = Field(2, description="first layers that each discriminator has for itself")
    learning_rate: Positive = Field(0.0002, description="of Adam")
    discriminator_dropout: bool = Field(True, description="of the template, for long trainings of wide networks")
    inversion_starts: Count = Field(4, description="codes that a search begins at")
    inversion_steps: Count = Field(200, description="steps of that search")
    inversion_learning_rate: Positive = Field(0.05, description="of Adam, in that search")

    @model_validator(mode="after")
    def _layers_fit_the_size(self) -> Settings:
        size = self.crop_pixels
        if size < 16 or size & (size - 1):
            raise ValueError(f"crop_pixels: CoGAN's networks need a power of two from 16, got {size}")
        doublings = size.bit_length() - 1
        for name, layers in (("untied_generator_layers", doublings), ("untied_discriminator_layers", doublings + 1)):
            if (untied := getattr(self, name)) >= layers:
                raise ValueError(f"{name}: of the {layers} layers at {size} pixels at least one is shared; got {untied}")
        return self


class CoGAN(BetweenDomains[Settings]):
    """Losses: of each domain's generator ('adversarial') and discriminator, log loss (non-saturating)."""

    title = "CoGAN"
    paper = "arXiv:1606.07536; as compared in arXiv:1703.10593, section 5.1.2"

    def __init__(self, settings: Settings, data: DataSpec, files: Mapping[str, Path] | None = None):
        super().__init__(settings, data, files)
        # what searches found, as long as the network lives: two outputs need it
        self._codes: weakref.WeakKeyDictionary[torch.nn.Module, dict[bytes, torch.Tensor]] = weakref.WeakKeyDictionary()

    def feed(self) -> Feed:
        return Feed(self.both, noise={"code": Uniform((self.settings.code_size,))})

    def outputs(self) -> tuple[Output, ...]:
        outputs = (self._found(domain) for domain in (self.source, self.target))
        return self.forward(), self.backward(), *outputs

    def _found(self, domain: str) -> Output:
        """What the search found of an image: its rendering in its own domain."""
        of = self.data.domains[domain]
        return Output(f"{of.slug}-found", domain, domain, f"{of.word[:1].upper()}{of.word[1:]}, as rendered by the generator")

    def losses(self) -> tuple[Loss, ...]:
        panels = {"real": "Discriminator, loss on real images", "fake": "Discriminator, loss on fakes"}
        judged = [
            Loss(f"discriminator_{domain}_{side}", panel)
            for domain in (self.target, self.source)
            for side, panel in panels.items()
        ]
        return *(Loss(f"adversarial_{domain}", "Generator, adversarial loss") for domain in (self.target, self.source)), *judged

    def networks(self, random: Random) -> dict[str, torch.nn.Module]:
        from ganrepro.nets.cogan import coupled

        s, channels = self.settings, {domain: self.data.channels(domain) for domain in (self.source, self.target)}
        untied, sizes = (s.untied_generator_layers, s.untied_discriminator_layers), (s.generator_filters, s.discriminator_filters)
        return coupled(s.crop_pixels, channels, untied, *sizes, s.code_size, s.discriminator_dropout, random)

    def players(self) -> dict[str, Player]:
        adam = Adam(self.settings.learning_rate, 0.5, 0.999, weight_decay=1e-4)
        return {
            "generators": Player(self.generators(), adam),
            "discriminators": Player(("d_shared", f"d_{self.source}", f"d_{self.target}"), adam),
        }

    def step(self, players: Players, batch: Batch) -> dict[str, torch.Tensor]:
        net, both = players.networks, (self.target, self.source)

        def judge(domain: str, images: torch.Tensor, is_real: bool) -> torch.Tensor:
            return log_loss(net["d_shared"](net[f"d_{domain}"](images)), is_real)

        players.turn("generators")
        shared = net["g_shared"](batch.noise["code"])
        fake = {domain: net[f"g_{domain}"](shared) for domain in both}

        players.turn("discriminators")
        terms = {f"discriminator_{domain}_real": judge(domain, batch.images[domain], True) for domain in both}
        terms |= {f"discriminator_{domain}_fake": judge(domain, fake[domain].detach(), False) for domain in both}
        losses = players.update("discriminators", dict.fromkeys(terms, 0.5), terms)

        players.turn("generators")
        terms = {f"adversarial_{domain}": judge(domain, fake[domain], True) for domain in both}
        return losses | players.update("generators", dict.fromkeys(terms, 1.0), terms)

    def generators(self) -> tuple[str, ...]:
        return "g_shared", f"g_{self.source}", f"g_{self.target}"

    def generate(
        self, output: Output, networks: Mapping[str, torch.nn.Module], batch: Batch, random: torch.Generator
    ) -> torch.Tensor:
        from ganrepro.nets.inversion import invert

        for network in networks.values():
            network.eval().to(memory_format=torch.channels_last)  # the search is more than twice as fast so on a CPU
        source, images, s = str(output.source), batch.images[str(output.source)], self.settings

        def make(code: torch.Tensor, domain: str = source) -> torch.Tensor:
            images: torch.Tensor = networks[f"g_{domain}"](networks["g_shared"](code))
            return images

        known = self._codes.setdefault(networks["g_shared"], {})
        name = source.encode() + hashlib.sha256(images.cpu().contiguous().numpy().tobytes()).digest()
        if name not in known:
            starts = Uniform((len(images), s.code_size)).draw(s.inversion_starts, random).to(images.device)
            known[name], _ = invert(make, images, starts, s.inversion_steps, s.inversion_learning_rate, -1.0, 1.0)
        return make(known[name], output.target)

"""pix2pix: one generator against one discriminator, on pairs (Isola et al. 2017, section 3).

DEVIATION(discriminator-first): the generator is judged by the discriminator of after its update, as in the
PyTorch reference; the Lua code saves a pass by reusing activations of before it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ganrepro.lazy import torch
from ganrepro.methods.base import Batch, Feed, Loss, Player, Players, Random
from ganrepro.methods.outputs import Output
from ganrepro.methods.translation import TranslationMethod, TranslationSettings
from ganrepro.objectives.adversarial import log_loss
from ganrepro.objectives.reconstruction import l1
from ganrepro.schema.fields import CountOrZero, Positive

Term = Literal["adversarial", "l1", "identity"]


class Settings(TranslationSettings):
    """pix2pix's recipe at 256 × 256 (section 3, appendix 6.2; lambda = 100)."""

    epochs_constant: CountOrZero = Field(200, description="epochs at the full learning rate; to the end in the Lua code")
    epochs_decay: CountOrZero = Field(0, description="epochs after them, in which the rate falls linearly to 0")
    generator: Literal["resnet", "unet", "encoder-decoder"] = Field("unet", description="pix2pix 6.1.1; CycleGAN 7.2")
    generator_blocks: CountOrZero = Field(0, description="residual blocks of 'resnet': 6 at 128 × 128, 9 from 256 × 256")
    bottleneck_norm: bool = Field(
        True,
        description="unet, encoder-decoder: batch norm on the innermost layer, as when the paper's tables were made "
        "(erratum); the public code of both flavours has none",
    )
    conditional: bool = Field(True, description="the discriminator sees the input beside the output (section 3.1)")
    terms: dict[Term, Positive] = Field(
        {"adversarial": 1, "l1": 100},
        min_length=1,
        description="weight of each loss term; an absent one is not computed. Without 'adversarial' there is no discriminator. "
        "identity: the generator leaves images of its target as they are (CycleGAN 5.2), no part of the paper",
    )


class Pix2Pix(TranslationMethod[Settings]):
    """Terms: 'adversarial' (log loss, non-saturating), 'l1' and 'identity'. All norms use the batch's statistics."""

    title = "pix2pix"
    paper = "arXiv:1611.07004"

    @property
    def keeps_target(self) -> bool:
        return "identity" in self.settings.terms

    def feed(self) -> Feed:
        return Feed(self.both, paired=True)

    def outputs(self) -> tuple[Output, ...]:
        return (self.forward(),)

    def losses(self) -> tuple[Loss, ...]:
        losses = [
            Loss("discriminator_real", "Discriminator, loss on real images"),
            Loss("discriminator_fake", "Discriminator, loss on fakes"),
            Loss("adversarial", "Generator, adversarial loss"),
        ]
        terms, panels = self.settings.terms, {"l1": "L1 loss", "identity": "Identity loss"}
        kept = [Loss(name, panel) for name, panel in panels.items() if name in terms]
        return *(losses if "adversarial" in terms else ()), *kept

    def networks(self, random: Random) -> dict[str, torch.nn.Module]:
        (generator,) = self.generators()
        networks = {generator: self.generator(self.source, self.target, random)}
        if "adversarial" in self.settings.terms:
            seen = (self.source, self.target) if self.settings.conditional else (self.target,)
            channels, name = self.data.channels(*seen), f"d_{self.target}"
            networks[name] = self.discriminator(name, channels, "batch", random)
        return networks

    def players(self) -> dict[str, Player]:
        players = {"generator": Player(self.generators(), self.adam())}
        if "adversarial" in self.settings.terms:
            players["discriminator"] = Player((f"d_{self.target}",), self.adam())
        return players

    def step(self, players: Players, batch: Batch) -> dict[str, torch.Tensor]:
        weights, given, wanted = self.settings.terms, batch.images[self.source], batch.images[self.target]
        (generator,) = self.generators()

        def judge(shown: torch.Tensor, is_real: bool) -> torch.Tensor:
            seen = torch.cat([given, shown], 1) if self.settings.conditional else shown
            return log_loss(players.networks[f"d_{self.target}"](seen), is_real)

        players.turn("generator")
        fake = players.networks[generator](given)
        losses: dict[str, torch.Tensor] = {}
        if "adversarial" in weights:
            players.turn("discriminator")
            terms = {"discriminator_real": judge(wanted, True), "discriminator_fake": judge(fake.detach(), False)}
            # The paper halves the discriminator's objective (section 3.3).
            losses = players.update("discriminator", dict.fromkeys(terms, 0.5), terms)

        players.turn("generator")
        terms = {}
        if "adversarial" in weights:
            terms["adversarial"] = judge(fake, True)
        if "l1" in weights:
            terms["l1"] = l1(fake, wanted)
        terms |= {"identity": l1(players.networks[generator](wanted), wanted)} if self.keeps_target else {}
        return losses | players.update("generator", {name: weights[name] for name in terms}, terms)  # type: ignore[index]

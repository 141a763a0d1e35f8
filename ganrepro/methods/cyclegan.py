"""CycleGAN: two generators against two discriminators, on images that form no pairs (Zhu et al. 2017, section 3).

X, the source, is the domain of label maps (a), so the paper's forward cycle is a -> b -> a. The text does not say which
domain is X (UNCONFIRMED); the collapse it reports for each one-sided row fits this order only.

DEVIATION(joint-generator-step): both generators step together, then both discriminators; the
Lua code steps g, d, g, d in turn. The total gradient is the same; the joint step needs half
the passes.
DEVIATION(rgb): images are RGB; the Lua code trains in BGR.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ganrepro.lazy import torch
from ganrepro.methods.base import Batch, Feed, Loss, Player, Players, Pool, Random
from ganrepro.methods.outputs import Output
from ganrepro.methods.translation import TranslationMethod, TranslationSettings, route
from ganrepro.objectives.adversarial import least_squares
from ganrepro.objectives.reconstruction import l1
from ganrepro.schema.fields import CountOrZero, Pixels, Positive

Term = Literal["adversarial", "cycle_forward", "cycle_backward", "identity"]


class Settings(TranslationSettings):
    """CycleGAN's recipe at 128 × 128 (section 4, appendix 7.1; lambda = 10)."""

    load_pixels: Pixels = Field(143, description="jitter: images are resized to this size, then cropped at random")
    crop_pixels: Pixels = Field(128, description="of the crop that the networks see: side of a square, or shorter side")
    pool_images: CountOrZero = Field(50, description="history of generated images for each discriminator; 0: none (section 4)")
    terms: dict[Term, Positive] = Field(
        {"adversarial": 1, "cycle_forward": 10, "cycle_backward": 10},
        min_length=1,
        description="weight of each loss term; an absent one is not computed. Without 'adversarial' there are no discriminators. "
        "identity: each generator leaves images of its target as they are, which keeps colours; 5, half of lambda, where the "
        "paper has it (section 5.2, paintings to photos)",
    )


class CycleGAN(TranslationMethod[Settings]):
    """Terms: 'adversarial' (least squares, both ways), 'cycle_forward' (a -> b -> a), 'cycle_backward', 'identity'."""

    title = "CycleGAN"
    paper = "arXiv:1703.10593"

    def feed(self) -> Feed:
        pool = self.settings.pool_images
        adversarial = "adversarial" in self.settings.terms
        return Feed(self.both, pools={domain: Pool(pool, (domain,)) for domain in self.both} if adversarial else {})

    @property
    def keeps_target(self) -> bool:
        return "identity" in self.settings.terms

    def outputs(self) -> tuple[Output, ...]:
        return self.forward(), self.backward()

    def losses(self) -> tuple[Loss, ...]:
        terms = self.settings.terms
        cycles = [Loss(name, "Cycle loss") for name in ("cycle_forward", "cycle_backward") if name in terms]
        if self.keeps_target:
            cycles += [Loss(f"identity_{domain}", "Identity loss") for domain in (self.target, self.source)]
        if "adversarial" not in terms:
            return tuple(cycles)
        fooled = [Loss(f"adversarial_{domain}", "Generator, adversarial loss") for domain in (self.target, self.source)]
        panels = {"real": "Discriminator, loss on real images", "fake": "Discriminator, loss on fakes"}
        sides = [
            Loss(f"discriminator_{domain}_{side}", panel)
            for domain in (self.target, self.source)
            for side, panel in panels.items()
        ]
        return *fooled, *cycles, *sides

    def networks(self, random: Random) -> dict[str, torch.nn.Module]:
        a, b = self.source, self.target
        networks = {route(*way): self.generator(*way, random) for way in ((a, b), (b, a))}
        if "adversarial" in self.settings.terms:
            for domain in (a, b):
                networks[f"d_{domain}"] = self.discriminator(f"d_{domain}", self.data.channels(domain), "instance", random)
        return networks

    def players(self) -> dict[str, Player]:
        players = {"generators": Player(self.generators(), self.adam())}
        if "adversarial" in self.settings.terms:
            players["discriminators"] = Player((f"d_{self.source}", f"d_{self.target}"), self.adam())
        return players

    def step(self, players: Players, batch: Batch) -> dict[str, torch.Tensor]:
        weights, real, a, b = self.settings.terms, batch.images, self.source, self.target
        g_ab, g_ba = (players.networks[name] for name in self.generators())

        players.turn("generators")
        fake = {b: g_ab(real[a]), a: g_ba(real[b])}
        terms: dict[str, torch.Tensor] = {}
        if "adversarial" in weights:
            for domain in (b, a):
                terms[f"adversarial_{domain}"] = least_squares(players.networks[f"d_{domain}"](fake[domain]), True)
        if "cycle_forward" in weights:
            terms["cycle_forward"] = l1(g_ba(fake[b]), real[a])
        if "cycle_backward" in weights:
            terms["cycle_backward"] = l1(g_ab(fake[a]), real[b])
        if self.keeps_target:
            terms[f"identity_{b}"] = l1(g_ab(real[b]), real[b])
            terms[f"identity_{a}"] = l1(g_ba(real[a]), real[a])
        by_loss = {f"{term}_{domain}": term for term in ("adversarial", "identity") for domain in (a, b)}
        losses = players.update("generators", {name: weights[by_loss.get(name, name)] for name in terms}, terms)  # type: ignore[index]
        if "adversarial" not in weights:
            return losses

        players.turn("discriminators")
        terms = {}
        for domain in (a, b):
            shown = players.pools[domain].query(fake[domain].detach(), batch.pools[domain])
            of_real, of_fake = players.judge(f"d_{domain}", real[domain], shown)
            terms[f"discriminator_{domain}_real"] = least_squares(of_real, True)
            terms[f"discriminator_{domain}_fake"] = least_squares(of_fake, False)
        # The paper halves the discriminators' objective; under Adam nearly a no-op, kept for fidelity.
        return losses | players.update("discriminators", dict.fromkeys(terms, 0.5), terms)

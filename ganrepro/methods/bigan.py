"""BiGAN/ALI as CycleGAN's tables compare it: two generators against one discriminator that sees pairs of both domains.

CycleGAN, section 5.1.2: "the same objective for mapping a source image x to a target image y". junyanz/CycleGAN
models/bigan_model.lua: the pair (a, G(a)) is to be told from the pair (E(b), b); G makes photos, E makes labels, both
CycleGAN's generators, without noise or code. Least squares, and nothing else: no reconstruction, no cycle.

DEVIATION(pool-aliasing): the published code's history keeps references while it fills, so that its first 50 entries are
all the present pair; here they are copies.
DEVIATION(joint-generator-step): G and E step together, E before G's weights have changed; their losses share no weight.
"""

from __future__ import annotations

from pydantic import Field

from ganrepro.lazy import torch
from ganrepro.methods.base import Batch, Feed, Loss, Player, Players, Pool, Random
from ganrepro.methods.outputs import Output
from ganrepro.methods.translation import TranslationMethod, TranslationSettings, route
from ganrepro.objectives.adversarial import least_squares
from ganrepro.schema.fields import CountOrZero, Pixels


class Settings(TranslationSettings):
    """CycleGAN's recipe at 128 × 128."""

    load_pixels: Pixels = Field(143, description="jitter: images are resized to this size, then cropped at random")
    crop_pixels: Pixels = Field(128, description="of the crop that the networks see: side of a square, or shorter side")
    pool_images: CountOrZero = Field(50, description="history of generated pairs, of each kind, for the discriminator; 0: none")


class BiGAN(TranslationMethod[Settings]):
    """Pairs that begin with a real image of the source count as real (1), those that end with one of the target as fake (0).

    Losses: the discriminator's on both kinds, and what each generator pays until its pair counts as the other kind.
    """

    title = "BiGAN/ALI, as compared with CycleGAN"
    paper = "arXiv:1703.10593, section 5.1.2; arXiv:1605.09782; arXiv:1606.00704"

    def feed(self) -> Feed:
        return Feed(
            self.both, pools={domain: Pool(self.settings.pool_images, self.both) for domain in (self.target, self.source)}
        )

    def outputs(self) -> tuple[Output, ...]:
        return self.forward(), self.backward()

    def losses(self) -> tuple[Loss, ...]:
        panels = {"adversarial": "Generator, adversarial loss", "discriminator": "Discriminator, loss on pairs"}
        return tuple(Loss(f"{name}_{domain}", panel) for name, panel in panels.items() for domain in (self.target, self.source))

    def networks(self, random: Random) -> dict[str, torch.nn.Module]:
        a, b = self.source, self.target
        return {
            **{route(*way): self.generator(*way, random) for way in ((a, b), (b, a))},
            "d": self.discriminator("d_pairs", self.data.channels(a, b), "instance", random),
        }

    def players(self) -> dict[str, Player]:
        return {"generators": Player(self.generators(), self.adam()), "discriminator": Player(("d",), self.adam())}

    def step(self, players: Players, batch: Batch) -> dict[str, torch.Tensor]:
        a, b, discriminator = batch.images[self.source], batch.images[self.target], players.networks["d"]
        g_ab, g_ba = (players.networks[name] for name in self.generators())

        players.turn("generators")
        # by the domain of the generated side, and whether the discriminator is to take the pair for real
        pairs = {
            self.target: (torch.cat([a, g_ab(a)], 1), True),
            self.source: (torch.cat([g_ba(b), b], 1), False),
        }

        players.turn("discriminator")
        terms = {}
        for domain, (pair, is_real) in pairs.items():
            shown = players.pools[domain].query(pair.detach(), batch.pools[domain])
            terms[f"discriminator_{domain}"] = least_squares(discriminator(shown), is_real)
        losses = players.update("discriminator", dict.fromkeys(terms, 0.5), terms)

        players.turn("generators")
        terms = {
            f"adversarial_{domain}": least_squares(discriminator(pair), not is_real) for domain, (pair, is_real) in pairs.items()
        }
        return losses | players.update("generators", dict.fromkeys(terms, 1.0), terms)

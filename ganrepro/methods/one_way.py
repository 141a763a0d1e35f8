"""What methods of one direction share: one generator against one least-squares discriminator, as junyanz/CycleGAN has them.

Those are its models content_gan (SimGAN; feature loss) and pix2pix, compared with CycleGAN in Tables 2 and 3 "using
the same architecture and details" (Zhu et al. 2017, section 5.1.2): generator, discriminator, squared distances,
history of generated images, Adam.

DEVIATION(fresh-discriminator): the generator is judged by a pass of its present image through the present
discriminator, as the paper's text has it. The published code reuses the discriminator's own pass, on an image of
the pool (`stale_discriminator`); so for SimGAN and the feature loss, not for pix2pix.
DEVIATION(stale-weights): with that setting, activations and weights are those of before the discriminator's update; the
published code has the activations of before and the weights of after it.
DEVIATION(content-weight): 10 is the published code's default, set twelve days after its release; the weight behind
the paper's numbers is UNCONFIRMED.
DEVIATION(rgb-one-way): images are RGB; the Lua code trains in BGR.
"""

from __future__ import annotations

from typing import ClassVar, TypeVar

from pydantic import Field

from ganrepro.lazy import torch
from ganrepro.methods.base import Batch, Feed, Loss, Player, Players, Pool, Random
from ganrepro.methods.outputs import Output
from ganrepro.methods.translation import TranslationMethod, TranslationSettings
from ganrepro.objectives.adversarial import least_squares
from ganrepro.objectives.given_gradient import given_gradient
from ganrepro.objectives.reconstruction import l1
from ganrepro.schema.fields import CountOrZero, Pixels, Weight


class OneWaySettings(TranslationSettings):
    """CycleGAN's recipe at 128 × 128, for one direction."""

    load_pixels: Pixels = Field(143, description="jitter: images are resized to this size, then cropped at random")
    crop_pixels: Pixels = Field(128, description="of the crop that the networks see: side of a square, or shorter side")
    pool_images: CountOrZero = Field(50, description="history of generated images for the discriminator; 0: none (section 4)")
    content_weight: Weight = Field(
        10, description="weight of the loss beside the adversarial one (the published code's default); 0: a plain GAN"
    )
    identity_weight: Weight = Field(
        0, description="of a loss by which images of the target are left as they are (CycleGAN 5.2), no part of these rows"
    )


S = TypeVar("S", bound=OneWaySettings)


class OneWay(TranslationMethod[S]):
    """Losses: of the discriminator on real and generated images, 'adversarial', 'content' and 'identity' of the generator.

    paired: images form pairs, and the discriminator sees both sides.  stale: the generator is judged by the pass that
    the discriminator learnt from, in which it saw an image of the pool instead of the present one.
    """

    content_panel: ClassVar[str] = "Content loss"
    paired: ClassVar[bool] = False

    @property
    def stale(self) -> bool:
        """A mistake of the published code, where a method has it as a setting."""
        return False

    @property
    def keeps_target(self) -> bool:
        return self.settings.identity_weight > 0

    @property
    def seen(self) -> tuple[str, ...]:
        """Whose images the discriminator sees."""
        return (self.source, self.target) if self.paired else (self.target,)

    def content(self, players: Players, given: torch.Tensor, fake: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        """The loss beside the adversarial one, (n,).  given: the input.  wanted: a real image; of paired images the truth."""
        raise NotImplementedError

    def feed(self) -> Feed:
        return Feed(self.both, paired=self.paired, pools={"fakes": Pool(self.settings.pool_images, self.seen)})

    def outputs(self) -> tuple[Output, ...]:
        return (self.forward(),)

    def losses(self) -> tuple[Loss, ...]:
        losses: tuple[Loss, ...] = (
            Loss("adversarial", "Generator, adversarial loss"),
            Loss("discriminator_real", "Discriminator, loss on real images"),
            Loss("discriminator_fake", "Discriminator, loss on fakes"),
        )
        if self.settings.content_weight:
            losses = (*losses, Loss("content", self.content_panel))
        return (*losses, Loss("identity", "Identity loss")) if self.keeps_target else losses

    def networks(self, random: Random) -> dict[str, torch.nn.Module]:
        (generator,) = self.generators()
        return {
            generator: self.generator(self.source, self.target, random),
            "d": self.discriminator(f"d_{self.target}", self.data.channels(*self.seen), "instance", random),
        }

    def players(self) -> dict[str, Player]:
        return {"generator": Player(self.generators(), self.adam()), "discriminator": Player(("d",), self.adam())}

    def step(self, players: Players, batch: Batch) -> dict[str, torch.Tensor]:
        given, wanted = batch.images[self.source], batch.images[self.target]
        (generator,) = self.generators()

        def seen(image: torch.Tensor) -> torch.Tensor:
            return torch.cat([given, image], 1) if self.paired else image

        players.turn("generator")
        fake = players.networks[generator](given)

        players.turn("discriminator")
        shown = players.pools["fakes"].query(seen(fake.detach()), batch.pools["fakes"]).requires_grad_(self.stale)
        logits, of_real = players.judge("d", shown, seen(wanted))
        terms = {"discriminator_real": least_squares(of_real, True), "discriminator_fake": least_squares(logits, False)}
        if self.stale:
            judged = least_squares(logits, True)
            (slope,) = torch.autograd.grad(judged.sum(), shown, retain_graph=True)
        # halved as in the paper's section 4; the published code halves what it prints, not the gradient (no matter under Adam)
        losses = players.update("discriminator", dict.fromkeys(terms, 0.5), terms)

        players.turn("generator")
        if self.stale:
            terms = {"adversarial": given_gradient(judged, fake, slope)}
        else:
            terms = {"adversarial": least_squares(players.networks["d"](seen(fake)), True)}
        if self.settings.content_weight:
            terms["content"] = self.content(players, given, fake, wanted)
        terms |= {"identity": l1(players.networks[generator](wanted), wanted)} if self.keeps_target else {}
        weights = {"adversarial": 1.0, "content": self.settings.content_weight, "identity": self.settings.identity_weight}
        return losses | players.update("generator", {name: weights[name] for name in terms}, terms)

"""A GAN of points in the plane, on which mode collapse is seen and three remedies catch it; pictures show a point as a spot.

The game is non-saturating. D judges a point, or

- packed: `together` points at once, all real or all made (Lin et al., arXiv:1712.04086, section 3): equal points give G away;
- with minibatch discrimination: a point, and how near it is to the others of its batch (Salimans et al., arXiv:1606.03498,
  section 3.2);
- unrolled: G goes down its loss against the D that there will be after some more steps of D, through which its gradients flow
  (Metz et al., arXiv:1611.02163, section 2.3). D itself makes one step.

DEVIATION(points-networks): perceptrons of two hidden layers of 64 units and Adam for all; the papers' toy networks are wider.
DEVIATION(points-uneven): G learns at twice D's rate, chosen so that the plain game collapses at this size.
DEVIATION(points-unrolled): D's further steps are plain gradient steps, on the step's real points and new made ones; the rate is a
choice of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import Field, model_validator

from ganrepro.data.spots import HALF, SPOT, shown_by
from ganrepro.errors import UnfitData
from ganrepro.lazy import torch
from ganrepro.methods.base import Adam, Batch, Feed, Loss, Normal, Player, Players, Random
from ganrepro.methods.noise import AdamSettings, FromNoise
from ganrepro.methods.outputs import Output
from ganrepro.objectives.gan_losses import LOSSES
from ganrepro.schema.fields import Count, CountOfTwo, CountOrZero, Few, Pixels, Positive, Width


class Settings(AdamSettings):
    """Choices of ours, at which a training takes half a minute. The pictures only show points: networks see two numbers each."""

    load_pixels: Pixels = Field(16, description="images are read at this size")
    crop_pixels: Pixels = Field(16, description="the same: no jitter")
    batch_images: CountOfTwo = Field(128, description="points of a step")
    epoch_images: Count | None = Field(25600, description="points of an epoch: 200 steps of 128")
    epochs_constant: CountOrZero = Field(10, description="epochs at the full learning rate")
    code_size: Count = Field(16, description="numbers of a code z, each N(0, 1)")
    width: Width = Field(64, description="units of the hidden layers")
    learning_rate: Positive = Field(0.001, description="of G")
    discriminator_learning_rate: Positive = Field(0.0005, description="of D")
    together: Few = Field(1, description="packing: so many points that D judges as one input, all real or all made")
    minibatch_discrimination: bool = Field(False, description="D sees how near a point is to the others of its batch")
    unrolled: CountOrZero = Field(0, description="further steps of D that G looks ahead")
    unrolled_rate: Positive = Field(0.02, description="learning rate of these")

    @model_validator(mode="after")
    def _whole_packs(self) -> Settings:
        if self.batch_images % self.together:
            raise ValueError(f"together: expected a divisor of batch_images ({self.batch_images}), got {self.together}")
        return self


class PointsGAN(FromNoise[Settings]):
    """Losses: -log D(x), -log(1 - D(G(z))), -log D(G(z)), the last against the D that is looked ahead to."""

    title = "GAN of points"
    paper = "arXiv:1611.02163, arXiv:1712.04086, arXiv:1606.03498"

    def check(self) -> None:
        super().check()
        if not shown_by(self.data.domains[self.domain]):
            raise UnfitData("needs pictures that show a point as a spot, as the datasets ring and grid")

    def feed(self) -> Feed:
        s = self.settings
        more = {"ahead": Normal((s.unrolled, s.code_size))} if s.unrolled else {}  # codes for each step of D that is looked ahead
        return Feed((self.domain,), noise={"z": Normal((s.code_size,)), "g": Normal((s.code_size,)), **more})

    def losses(self) -> tuple[Loss, ...]:
        return Loss("real", "Discriminator"), Loss("fake", "Discriminator"), Loss("generator", "Generator")

    def networks(self, random: Random) -> dict[str, torch.nn.Module]:
        from ganrepro.nets.fresh import fresh
        from ganrepro.nets.points import Judge, maker

        s = self.settings
        return {
            "generator": fresh(lambda: maker(s.code_size, s.width), random("generator")),
            "discriminator": fresh(lambda: Judge(s.width, s.together, s.minibatch_discrimination), random("discriminator")),
        }

    def players(self) -> dict[str, Player]:
        s = self.settings
        return {
            "discriminator": Player(("discriminator",), Adam(s.discriminator_learning_rate, s.beta1)),
            "generator": Player(("generator",), Adam(s.learning_rate, s.beta1)),
        }

    def step(self, players: Players, batch: Batch) -> dict[str, torch.Tensor]:
        s, judge, make = self.settings, players.networks["discriminator"], players.networks["generator"]
        real = points_of(batch.images[self.domain])
        players.turn("discriminator")
        terms = _game(judge, real, make(batch.noise["z"]))
        losses = players.update("discriminator", dict.fromkeys(terms, 1.0), terms)
        players.turn("generator")
        weights = {name: weight.detach().requires_grad_() for name, weight in judge.named_parameters()}

        def ahead(points: torch.Tensor) -> torch.Tensor:
            said: torch.Tensor = torch.func.functional_call(judge, weights, (points,))
            return said

        for further in range(s.unrolled):
            terms = _game(ahead, real, make(batch.noise["ahead"][:, further]))
            total = torch.stack([term.mean() for term in terms.values()]).sum()
            slopes = torch.autograd.grad(total, list(weights.values()), create_graph=True)
            weights = {name: weights[name] - s.unrolled_rate * slope for name, slope in zip(weights, slopes, strict=True)}
        term = LOSSES["non-saturating"].generator(ahead(make(batch.noise["g"])))
        return losses | players.update("generator", {"generator": 1.0}, {"generator": term})

    def generate(
        self, output: Output, networks: Mapping[str, torch.nn.Module], batch: Batch, random: torch.Generator
    ) -> torch.Tensor:
        return pictures_of(networks["generator"].eval()(batch.noise["z"]), self.settings.crop_pixels)


def _game(judge: Callable[[torch.Tensor], torch.Tensor], real: torch.Tensor, fake: torch.Tensor) -> dict[str, torch.Tensor]:
    """What D minimises, one value for each pack of points."""
    loss = LOSSES["non-saturating"]
    return {"real": loss.real(judge(real)), "fake": loss.fake(judge(fake))}


def points_of(images: torch.Tensor) -> torch.Tensor:
    """Where spots lie, their centres of mass: (n, 1, side, side) in [-1, 1] -> (n, 2)."""
    light, at = (images[:, 0] + 1) / 2, _places(images)
    sums = [light.sum(axis) for axis in (1, 2)]
    return torch.stack([(of * at).sum(1) / of.sum(1).clamp_min(1e-6) for of in sums], 1)  # of a black picture: the middle


def pictures_of(points: torch.Tensor, side: int) -> torch.Tensor:
    """Points (n, 2) as spots, (n, 1, side, side) in [-1, 1]; black where a point lies outside."""
    at = _places(points.new_empty(side))
    near = (-(((at - points[:, :, None]) * (side / (2 * HALF * SPOT))) ** 2) / 2).exp()  # (n, 2, side)
    return 2 * (near[:, 1, :, None] * near[:, 0, None, :])[:, None] - 1


def _places(like: torch.Tensor) -> torch.Tensor:
    """Where the pixels of a line or column lie, `data.spots.places`, made on the device: a recorded step copies nothing to it."""
    side = like.shape[-1]
    return (torch.arange(side, dtype=like.dtype, device=like.device) + 0.5) * (2 * HALF / side) - HALF

"""The conditional GAN: both players are told the class y (Mirza and Osindero, arXiv:1411.1784).

    min over G, max over D of  V(D, G) = E log D(x | y) + E log(1 - D(G(z | y)))            (equation 2)

Section 4.1, MNIST: z, 100 numbers, to 200 ReLU; y to 1000; both to 1200; 784 sigmoids. In D x goes to a maxout layer of 240
units and 5 pieces, y to one of 50 and 5, both to one of 240 and 4. SGD with momentum, batches of 100, dropout 0.5 in both.

Weights are drawn as in the first GAN's code (methods/gan.py), on which theirs is built, and D's terms are halved as there; codes
are U(-1, 1).

DEVIATION(cgan-schedule): learning rate and momentum stay 0.1 and 0.5; the paper's go to 1e-6 and 0.7.
DEVIATION(cgan-loss): G goes up log D, as in the code that the paper builds on; the paper prints equation 2 alone.
DEVIATION(cgan-dropout): dropout in D alone, so that a code and a class make one image.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from ganrepro.lazy import torch
from ganrepro.methods.base import SGD, Adam, Batch, Categorical, Feed, Loss, Player, Players, Random, Uniform
from ganrepro.methods.noise import FromNoise, NoiseSettings
from ganrepro.methods.outputs import Output, samples, samples_by_class
from ganrepro.objectives.gan_losses import LOSSES
from ganrepro.schema.fields import Beta, Count, Positive, Width


class Settings(NoiseSettings):
    """The paper's MNIST recipe."""

    batch_images: Count = Field(100, description="images of a step")
    epoch_images: Count | None = Field(50000, description="images of an epoch")
    code_size: Count = Field(100, description="numbers of a code z, each U(-1, 1)")
    generator_width: Width = Field(1200, description="units of G's joint layer; a sixth of it for z, the rest for y")
    discriminator_width: Width = Field(240, description="maxout units of D for x, and of its joint layer; for y, 50")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.5, description="share of D's units left out")
    optimiser: Literal["sgd", "adam"] = Field("sgd", description="of both players; adam learns to obey the class in fewer steps")
    learning_rate: Positive = Field(0.1, description="of both players")
    momentum: Beta = Field(0.5, description="of both players; of adam, beta1")


class ConditionalGAN(FromNoise[Settings]):
    """Losses: -log D(x | y), -log(1 - D(G(z | y))), -log D(G(z | y))."""

    title = "Conditional GAN"
    paper = "arXiv:1411.1784"

    def feed(self) -> Feed:
        # real images come with their class; the class that G is asked for is drawn apart
        z, asked = Uniform((self.settings.code_size,)), Categorical(len(self.data.classes))
        return Feed((self.domain,), labels=True, noise={"z": z, "asked": asked})

    def outputs(self) -> tuple[Output, ...]:
        return samples(self.domain), samples_by_class(self.domain, len(self.data.classes))

    def losses(self) -> tuple[Loss, ...]:
        return Loss("real", "Discriminator"), Loss("fake", "Discriminator"), Loss("generator", "Generator")

    def networks(self, random: Random) -> dict[str, torch.nn.Module]:
        from ganrepro.nets import conditional, small

        s = self.settings
        classes, shape = len(self.data.classes), self.shape
        G = conditional.Maker(s.code_size, classes, s.generator_width, *shape)
        D = conditional.Judge(classes, s.discriminator_width, s.dropout, *shape)
        return {
            "G": small.initialise_uniform(G, random("generator"), 0.05),
            "D": small.initialise_uniform(D, random("discriminator"), 0.005),
        }

    def players(self) -> dict[str, Player]:
        s = self.settings
        kind = Adam(s.learning_rate, s.momentum) if s.optimiser == "adam" else SGD(s.learning_rate, s.momentum)
        return {"discriminator": Player(("D",), kind), "generator": Player(("G",), kind)}

    def generators(self) -> tuple[str, ...]:
        return ("G",)

    def step(self, players: Players, batch: Batch) -> dict[str, torch.Tensor]:
        D, G, loss = players.networks["D"], players.networks["G"], LOSSES["non-saturating"]
        x, y, z, asked = batch.images[self.domain], batch.labels[self.domain], batch.noise["z"], batch.noise["asked"]
        players.turn("discriminator")
        terms = {"real": loss.real(D(x, y)), "fake": loss.fake(D(G(z, asked), asked))}
        losses = players.update("discriminator", dict.fromkeys(terms, 0.5), terms)
        players.turn("generator")
        return losses | players.update("generator", {"generator": 1.0}, {"generator": loss.generator(D(G(z, asked), asked))})

    def generate(
        self, output: Output, networks: Mapping[str, torch.nn.Module], batch: Batch, random: torch.Generator
    ) -> torch.Tensor:
        asked = batch.labels[self.domain] if output.asked else batch.noise["asked"]
        images: torch.Tensor = networks["G"](batch.noise["z"], asked)
        return images

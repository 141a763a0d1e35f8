"""The first GAN, equation by equation (Goodfellow et al., arXiv:1406.2661).

D(x) is the probability that x is real; G makes an image of a code z. They play (equation 1)

    min over G, max over D of  V(D, G) = E log D(x) + E log(1 - D(G(z)))

by turns (algorithm 1): k steps of D up V, then one of G. G goes down E log(1 - D(G(z))) (`loss: minimax`), which hardly
slopes while D tells fakes with ease, or up E log D(G(z)) (`non-saturating`, section 3). Both slopes are measured at every
step, whichever of them G follows: the length of the gradient in G's weights.

Networks and recipe are those of the authors' MNIST experiment (goodfeli/adversarial at 1720041, mnist.yaml and __init__.py):
multilayer perceptrons, maxout and dropout in D, weights uniform at first (within 0.05 in G and 0.005 in D), codes uniform of
variance 1, half of each of D's terms. (G's tanh, in [-1, 1], is a sigmoid in [0, 1], where D looks.)

DEVIATION(gan-momentum): momentum and learning rate stay 0.5 and 0.1; the authors' go to 0.7 and fall by 1.000004 a step.
DEVIATION(gan-turns): by turns, as in algorithm 1; the authors' code takes both gradients from one pass, with the same codes and
the same dropout, and then steps both players at once.
DEVIATION(gan-bias): the biases of G's last layer begin at 0; the authors' make the mean image.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from ganrepro.lazy import torch
from ganrepro.methods.base import SGD, Batch, Feed, Loss, Player, Players, Random, Uniform
from ganrepro.methods.noise import FromNoise, NoiseSettings
from ganrepro.methods.outputs import Output
from ganrepro.objectives.gan_losses import LOSSES
from ganrepro.schema.fields import Beta, Count, Few, Positive, Width


class Settings(NoiseSettings):
    """The authors' MNIST recipe."""

    batch_images: Count = Field(100, description="images of a step")
    epoch_images: Count | None = Field(50000, description="images of an epoch")
    code_size: Count = Field(100, description="numbers of a code z, each uniform, of variance 1")
    loss: Literal["minimax", "non-saturating"] = Field("non-saturating", description="what G goes down")
    k: Few = Field(1, description="steps of D for each of G; an epoch counts steps of G")
    generator_width: Width = Field(1200, description="units of G's two hidden layers")
    discriminator_width: Width = Field(240, description="maxout units of D's two hidden layers, of 5 pieces each")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.5, description="share of D's hidden units left out; of its input, 0.2")
    learning_rate: Positive = Field(0.1, description="of both players")
    momentum: Beta = Field(0.5, description="of both players")


class GAN(FromNoise[Settings]):
    """Losses: -log D(x), -log(1 - D(G(z))), what G goes down, and the slopes of its two losses."""

    title = "GAN"
    paper = "arXiv:1406.2661"

    def feed(self) -> Feed:
        z = Uniform((self.settings.code_size,), -(3**0.5), 3**0.5)
        return Feed((self.domain,), noise={"z": z}, batches=self.settings.k)

    def losses(self) -> tuple[Loss, ...]:
        slopes = ("slope_non_saturating", "slope_minimax")
        measured = [Loss(name, "Slope of G's loss, -log D (solid) and log(1 - D)", figure="saturation") for name in slopes]
        return Loss("real", "Discriminator"), Loss("fake", "Discriminator"), Loss("generator", "Generator"), *measured

    def networks(self, random: Random) -> dict[str, torch.nn.Module]:
        from torch import nn

        from ganrepro.nets import small

        s, (channels, side) = self.settings, self.shape
        size, width, judge = channels * side**2, s.generator_width, s.discriminator_width
        make = small.image_from(small.mlp([s.code_size, width, width, size], nn.ReLU), channels, side)
        see = nn.Sequential(
            nn.Flatten(1), small.Levels(), nn.Dropout(0.2 if s.dropout else 0.0),
            small.Maxout(size, judge, 5), nn.Dropout(s.dropout), small.Maxout(judge, judge, 5), nn.Dropout(s.dropout),
        )  # fmt: skip
        judged = small.Judge(see, nn.Linear(judge, 1))
        return {
            "G": small.initialise_uniform(make, random("generator"), 0.05),
            "D": small.initialise_uniform(judged, random("discriminator"), 0.005),
        }

    def players(self) -> dict[str, Player]:
        kind = SGD(self.settings.learning_rate, self.settings.momentum)
        return {"discriminator": Player(("D",), kind), "generator": Player(("G",), kind)}

    def generators(self) -> tuple[str, ...]:
        return ("G",)

    def step(self, players: Players, batch: Batch) -> dict[str, torch.Tensor]:
        D, G = players.networks["D"], players.networks["G"]
        losses: dict[str, torch.Tensor] = {}
        minimax, non_saturating = LOSSES["minimax"], LOSSES["non-saturating"]
        for part in batch.split(self.settings.k):
            x, z = part.images[self.domain], part.noise["z"]
            players.turn("discriminator")  # up V(D, G) is down -V(D, G)
            terms = {"real": minimax.real(D(x)), "fake": minimax.fake(D(G(z)))}
            losses |= players.update("discriminator", dict.fromkeys(terms, 0.5), terms)

        players.turn("generator")
        judged = D(G(z))
        both = {"minimax": minimax.generator(judged), "non-saturating": non_saturating.generator(judged)}
        for name, term in both.items():
            slope = torch.autograd.grad(term.mean(), players.parameters["generator"], retain_graph=True)
            losses[f"slope_{name.replace('-', '_')}"] = torch.stack([part.square().sum() for part in slope]).sum().sqrt()
        return losses | players.update("generator", {"generator": 1.0}, {"generator": both[self.settings.loss]})

    def generate(
        self, output: Output, networks: Mapping[str, torch.nn.Module], batch: Batch, random: torch.Generator
    ) -> torch.Tensor:
        images: torch.Tensor = networks["G"](batch.noise["z"])
        return images

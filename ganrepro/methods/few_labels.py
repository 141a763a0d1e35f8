"""Learning classes from few labels by a GAN: its discriminator is the classifier.

- feature-matching: K logits, D = Z / (Z + 1) with Z the sum of their exponentials, so that the fake's logit is 0; G matches the
  mean features of real images (Salimans et al., arXiv:1606.03498, sections 3.1 and 5).
- minibatch: the same D with minibatch discrimination; G goes up log D. It "does not work at all" for this (section 5).
- sgan: K + 1 classes, of which one is fake; G goes down log(fake), which saturates (Odena, arXiv:1606.01583, sections 2 and 3).
- catgan: D is sure of real images, whose classes are even, and unsure of fakes (Springenberg, arXiv:1511.06390).
- alone: the labelled images, and nothing else.

Networks, noise and Adam are those of Salimans et al. for MNIST, for all of them.
DEVIATION(few-networks): Odena's and Springenberg's networks are convolutions; here all methods have the same perceptrons.
DEVIATION(few-mean): classes are read by the last weights; their code reads by a running mean (`ema_decay` has one).
DEVIATION(few-matched): G is matched to the real images that D saw; their code draws others.
DEVIATION(few-scales): every layer learns its scale; in their code the last one alone.
DEVIATION(few-start): weights start as torch's layers do; their code sets scales by a first batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from pydantic import Field

from ganrepro.lazy import torch
from ganrepro.methods.base import FEW, Adam, Batch, Feed, Loss, Player, Players, Random, Uniform
from ganrepro.methods.encodes import Encodes
from ganrepro.methods.noise import AdamSettings, FromNoise
from ganrepro.methods.outputs import Output, samples
from ganrepro.schema.fields import Beta, Count, CountOfTwo, Positive, Width


class Settings(AdamSettings):
    """Salimans et al., MNIST."""

    objective: Literal["feature-matching", "minibatch", "sgan", "catgan", "alone"] = Field(
        "feature-matching", description="what G and D play, or nothing"
    )
    labels: Count = Field(100, description="images whose class is known, equally many of each; which, the seed draws")
    batch_images: CountOfTwo = Field(100, description="images of a step, and as many labelled ones")
    epoch_images: Count | None = Field(60000, description="images of an epoch")
    epochs_constant: Count = Field(300, description="epochs at the full learning rate")
    code_size: Count = Field(100, description="numbers of a code z, each U(0, 1)")
    width: Width = Field(1000, description="units of D's first layer; the others have a half, and a quarter")
    generator_width: Width = Field(500, description="units of G's two layers")
    learning_rate: Positive = Field(0.003, description="of both players")
    beta1: Beta = Field(0.5, description="of Adam")


class FewLabels(FromNoise[Settings], Encodes[Settings]):
    """D is `discriminator`, G is `generator`."""

    title = "GAN that learns from few labels"
    paper = "arXiv:1606.03498, arXiv:1606.01583, arXiv:1511.06390"

    @property
    def alone(self) -> bool:
        """Whether there is no game."""
        return self.settings.objective == "alone"

    def feed(self) -> Feed:
        return Feed((self.domain,), noise={"z": Uniform((self.settings.code_size,), 0.0, 1.0)}, few=self.settings.labels)

    def outputs(self) -> tuple[Output, ...]:
        return (replace(samples(self.domain), reads=True),)

    def losses(self) -> tuple[Loss, ...]:
        known = Loss("labelled", "Classes of labelled images")
        game = Loss("real", "Discriminator"), Loss("fake", "Discriminator"), Loss("generator", "Generator")
        return (known,) if self.alone else (known, *game)

    def networks(self, random: Random) -> dict[str, torch.nn.Module]:
        from ganrepro.nets.few_labels import Maker, Reader
        from ganrepro.nets.fresh import fresh

        s, (channels, side) = self.settings, self.shape
        outputs = len(self.data.classes) + (s.objective == "sgan")
        read = channels * side**2, outputs, s.width, s.objective == "minibatch"
        return {
            "generator": fresh(lambda: Maker(s.code_size, self.shape, s.generator_width), random("generator")),
            "discriminator": fresh(lambda: Reader(*read), random("discriminator")),
        }

    def players(self) -> dict[str, Player]:
        adam = Adam(self.settings.learning_rate, self.settings.beta1)
        reader = {"discriminator": Player(("discriminator",), adam)}
        return reader if self.alone else reader | {"generator": Player(("generator",), adam)}

    def step(self, players: Players, batch: Batch) -> dict[str, torch.Tensor]:
        judge, real, known = players.networks["discriminator"], batch.images[self.domain], batch.images[FEW]
        classes = batch.labels[FEW]
        if self.alone:
            players.turn("discriminator")
            terms = {"labelled": torch.nn.functional.cross_entropy(judge(known)[0], classes, reduction="none")}
            return players.update("discriminator", {"labelled": 1.0}, terms)
        make = players.networks["generator"]
        players.turn("generator")
        fake = make(batch.noise["z"])
        players.turn("discriminator")
        terms = {"labelled": torch.nn.functional.cross_entropy(judge(known)[0], classes, reduction="none")}
        terms |= self.game(judge(real)[0], judge(fake.detach())[0])
        share = 1.0 if self.settings.objective == "catgan" else 0.5  # as their code halves both
        losses = players.update("discriminator", {"labelled": 1.0, "real": share, "fake": share}, terms)
        players.turn("generator")
        of_fake, features = judge(fake)
        if self.settings.objective == "feature-matching":
            wanted = judge(real)[1].mean(0).detach()
            term = (features.mean(0) - wanted).square().mean().expand(len(fake))
        else:
            term = self.fooled(of_fake)
        return losses | players.update("generator", {"generator": 1.0}, {"generator": term})

    def game(self, real: torch.Tensor, fake: torch.Tensor) -> dict[str, torch.Tensor]:
        """What D minimises besides: by its logits of real and of made images, (n, outputs), one value for each image."""
        functional = torch.nn.functional
        if self.settings.objective == "catgan":
            return {"real": _unsure(real) - _even(real), "fake": -_unsure(fake)}
        if self.settings.objective == "sgan":
            odds = [logits[:, :-1].logsumexp(1) - logits[:, -1] for logits in (real, fake)]
        else:
            odds = [logits.logsumexp(1) for logits in (real, fake)]
        return {"real": functional.softplus(-odds[0]), "fake": functional.softplus(odds[1])}

    def fooled(self, fake: torch.Tensor) -> torch.Tensor:
        """What G minimises, by D's logits of what it made, (n,)."""
        if self.settings.objective == "catgan":
            return _unsure(fake) - _even(fake)
        if self.settings.objective == "sgan":  # log of the chance of being fake
            return torch.nn.functional.log_softmax(fake, 1)[:, -1]
        return torch.nn.functional.softplus(-fake.logsumexp(1))

    def generators(self) -> tuple[str, ...]:
        return "generator", "discriminator"

    def encode(
        self, networks: Mapping[str, torch.nn.Module], images: torch.Tensor, random: torch.Generator
    ) -> dict[str, torch.Tensor]:
        judge = networks["discriminator"].eval()
        if self.settings.objective == "minibatch":  # what a batch has in common grows with it: as large as in training, filled up
            n = len(images)
            whole = torch.cat([images, images[torch.arange(-n % self.settings.batch_images) % n]])
            parts = [judge(part) for part in torch.split(whole, self.settings.batch_images)]
            logits, features = (torch.cat([part[i] for part in parts])[:n] for i in range(2))
        else:
            logits, features = judge(images)
        return {"code": features, "class": logits[:, : len(self.data.classes)].argmax(1)}


def _unsure(logits: torch.Tensor) -> torch.Tensor:
    """Entropy of the classes of each image, (n,)."""
    log = torch.nn.functional.log_softmax(logits, 1)
    return -(log.exp() * log).sum(1)


def _even(logits: torch.Tensor) -> torch.Tensor:
    """Entropy of the classes of all images together, the same for each, (n,)."""
    shares = torch.nn.functional.softmax(logits, 1).mean(0)
    return -(shares * (shares + 1e-8).log()).sum().expand(len(logits))

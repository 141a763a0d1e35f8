"""BEGAN: D is an auto-encoder, and its error is what tells real from generated images (Berthelot et al., arXiv:1703.10717).

    D goes down  L(x) - k L(G(z)),   G down  L(G(z)),   k <- k + lambda (gamma L(x) - L(G(z))), kept in [0, 1], from 0

L is the mean absolute error of the auto-encoder, of pixels in [0, 1]. The error that falls with training is
L(x) + |gamma L(x) - L(G(z))|, the paper's measure of convergence.

DEVIATION(began-balance): k moves once for each step of G and is kept in [0, 1], as the paper has it; in the comparison of Lucic
et al. it moves at every step of D and is not kept.
DEVIATION(began-networks): the auto-encoder of Lucic et al. (google/compare_gan, src/gans/BEGAN.py), which, they say, is not
the paper's; the generator is the one of their comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from ganrepro.lazy import torch
from ganrepro.methods.base import Batch, Feed, Loss, Player, Players, Random, Uniform
from ganrepro.methods.noise import ConvolutionSettings, FromNoiseByAdam
from ganrepro.schema.fields import Few, Positive

ADVERSARIAL = 0.01  # k below which generated images hardly count in D's loss


class Settings(ConvolutionSettings):
    """The first guess of Lucic et al., but that D and G step by turns (they have five steps of D for each of G)."""

    critic_steps: Few = Field(1, description="steps of D for each of G; an epoch counts steps of G")
    balance: Annotated[float, Field(gt=0, le=1)] = Field(0.75, description="gamma: L(G(z)) over L(x) that k aims at")
    balance_rate: Positive = Field(0.001, description="lambda: how fast k moves")
    learning_rate: Positive = Field(0.0001, description="of Adam")


class BEGAN(FromNoiseByAdam[Settings]):
    """Losses: both errors, k, and the measure of convergence."""

    title = "BEGAN"
    paper = "arXiv:1703.10717"

    def feed(self) -> Feed:
        return Feed((self.domain,), noise={"z": Uniform((self.settings.code_size,))}, batches=self.settings.critic_steps)

    def losses(self) -> tuple[Loss, ...]:
        names = ("real", "fake", "generator", "k", "convergence")
        panels = ("Discriminator", "Discriminator", "Generator", "Balance of BEGAN", "Balance of BEGAN")
        return tuple(Loss(name, panel) for name, panel in zip(names, panels, strict=True))

    def failed(self, losses: Sequence[Mapping[str, float]]) -> str:
        largest = max(epoch["k"] for epoch in losses)
        return "" if largest >= ADVERSARIAL else f"k never passed {largest:.3f}: D hardly looked at generated images"

    def networks(self, random: Random) -> dict[str, torch.nn.Module]:
        from torch import nn

        from ganrepro.nets import small

        s, (channels, side) = self.settings, self.shape
        make = small.lucic_generator(s.code_size, channels, side, s.filters, nn.BatchNorm1d, nn.BatchNorm2d)
        judge = small.autoencoder(s.code_size, channels, side, s.filters)
        return {
            "generator": small.initialise(make, random("generator"), truncated=True),
            "discriminator": small.initialise(judge, random("discriminator"), truncated=True),
        }

    def players(self) -> dict[str, Player]:
        return {name: Player((name,), self.adam()) for name in ("discriminator", "generator")}

    def buffers(self) -> dict[str, torch.Tensor]:
        return {"k": torch.zeros(())}

    def step(self, players: Players, batch: Batch) -> dict[str, torch.Tensor]:
        s, k = self.settings, players.buffers["k"]
        judge, make = players.networks["discriminator"], players.networks["generator"]

        def error(images: torch.Tensor) -> torch.Tensor:
            """L, (n,): halved, since pixels are in [-1, 1] here."""
            return 0.5 * (judge(images) - images).abs().mean((1, 2, 3))

        for part in batch.split(s.critic_steps):
            players.turn("generator")
            fake = make(part.noise["z"])
            players.turn("discriminator")
            real, generated = error(part.images[self.domain]), error(fake.detach())
            players.descend("discriminator", (real - k * generated).mean())
        players.turn("generator")
        losses = players.update("generator", {"generator": 1.0}, {"generator": error(fake)})
        of_real, of_made = real.mean().detach(), generated.mean().detach()
        apart = s.balance * of_real - of_made
        k.copy_((k + s.balance_rate * apart).clamp(0, 1))
        return losses | {"real": of_real, "fake": of_made, "k": k.clone(), "convergence": of_real + apart.abs()}

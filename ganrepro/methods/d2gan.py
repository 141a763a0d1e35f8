"""D2GAN: one discriminator rewards real images, the other generated ones (Nguyen et al., arXiv:1709.03831).

    D1 and D2 go down  -alpha log D1(x) + D1(G(z)) + D2(x) - beta log D2(G(z)),   G down  -D1(G(z)) + beta log D2(G(z))

with positive D1 and D2 (softplus), so that G trades the Kullback-Leibler divergence off against its reverse: it may miss no
class for the sake of good ones. Signs and softplus as in the authors' code for points in the plane (tund/D2GAN at b0d9e6d).

DEVIATION(d2gan-digits): alpha, beta and networks of the paper's MNIST run are UNCONFIRMED; 1 and 1 as for points in the plane,
and the networks of Lucic et al.
"""

from __future__ import annotations

from pydantic import Field

from ganrepro.lazy import torch
from ganrepro.methods.base import Batch, Feed, Loss, Player, Players, Random, Uniform
from ganrepro.methods.noise import ConvolutionSettings, FromNoiseByAdam
from ganrepro.schema.fields import Positive

TINY = 1e-8  # inside the logarithms


class Settings(ConvolutionSettings):
    """Adam 2e-4 with beta1 0.5, as the authors have it; the rest as in the comparison of Lucic et al."""

    alpha: Positive = Field(1.0, description="weight of log D1(x)")
    beta: Positive = Field(1.0, description="weight of log D2(G(z))")


class D2GAN(FromNoiseByAdam[Settings]):
    """Losses: each discriminator's, and the generator's two parts."""

    title = "D2GAN"
    paper = "arXiv:1709.03831"

    def feed(self) -> Feed:
        return Feed((self.domain,), noise={"z": Uniform((self.settings.code_size,))})

    def losses(self) -> tuple[Loss, ...]:
        named = {"d1": "Two discriminators", "d2": "Two discriminators", "generator_d1": "Generator", "generator_d2": "Generator"}
        return tuple(Loss(name, panel) for name, panel in named.items())

    def networks(self, random: Random) -> dict[str, torch.nn.Module]:
        from torch import nn

        from ganrepro.nets import small

        s, (channels, side) = self.settings, self.shape
        make = small.lucic_generator(s.code_size, channels, side, s.filters, nn.BatchNorm1d, nn.BatchNorm2d)
        networks: dict[str, nn.Module] = {"generator": make}
        for name in ("d1", "d2"):
            features, width = small.lucic_features(channels, side, s.filters, norm=True)
            networks[name] = small.Judge(features, nn.Sequential(nn.Linear(width, 1), nn.Softplus()))
        return {name: small.initialise(part, random(name)) for name, part in networks.items()}

    def players(self) -> dict[str, Player]:
        kind = self.adam()
        return {"discriminators": Player(("d1", "d2"), kind), "generator": Player(("generator",), kind)}

    def step(self, players: Players, batch: Batch) -> dict[str, torch.Tensor]:
        s, x = self.settings, batch.images[self.domain]
        d1, d2, make = (players.networks[name] for name in ("d1", "d2", "generator"))
        players.turn("generator")
        fake = make(batch.noise["z"])
        players.turn("discriminators")
        shown = fake.detach()
        terms = {
            "d1": d1(shown) - s.alpha * (d1(x) + TINY).log(),
            "d2": d2(x) - s.beta * (d2(shown) + TINY).log(),
        }
        losses = players.update("discriminators", dict.fromkeys(terms, 1.0), terms)
        players.turn("generator")
        terms = {"generator_d1": -d1(fake), "generator_d2": s.beta * (d2(fake) + TINY).log()}
        return losses | players.update("generator", dict.fromkeys(terms, 1.0), terms)

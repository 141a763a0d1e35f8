"""The variational auto-encoder (Kingma and Welling, arXiv:1312.6114).

The encoder says of an image which codes could have made it, N(mean, sigma²) in each number; the decoder makes an image of a
code. Both go up the bound on the log likelihood (equation 3),

    log p(x)  >=  E log p(x | z)  -  KL(N(mean, sigma²) || N(0, 1)),   z = mean + sigma e,   e ~ N(0, 1),

in nats, pixels taken for probabilities of being white (Bernoulli). Networks are those of Lucic et al. (google/compare_gan,
src/gans/VAE.py): their discriminator's layers, and a decoder with ReLU.

DEVIATION(vae-recipe): the paper's training details are UNCONFIRMED; unless a study says otherwise the learning rate,
5e-5, and length are those of the comparison.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from ganrepro.lazy import torch
from ganrepro.methods.base import Batch, Feed, Loss, Normal, Player, Players, Random
from ganrepro.methods.encodes import Encodes
from ganrepro.methods.noise import ConvolutionSettings, FromNoiseByAdam
from ganrepro.methods.outputs import Output, reconstructions, samples
from ganrepro.schema.fields import CountOfTwo, Positive


class Settings(ConvolutionSettings):
    """As in the comparison of Lucic et al."""

    code_size: CountOfTwo = Field(64, description="numbers of a code z, each N(0, 1)")
    learning_rate: Positive = Field(0.00005, description="of Adam")


class VAE(FromNoiseByAdam[Settings], Encodes[Settings]):
    """Losses, nats for an image: -log p(x | z) and the divergence; their sum is the bound, negated."""

    title = "Variational auto-encoder"
    paper = "arXiv:1312.6114"

    def feed(self) -> Feed:
        return Feed((self.domain,), noise={"e": Normal((self.settings.code_size,))})

    def outputs(self) -> tuple[Output, ...]:
        title = "The plane of the two numbers of the code that change the image most, each from -2 to 2"
        plane = Output("plane", None, self.domain, title, picture=True)
        return samples(self.domain), reconstructions(self.domain), plane

    def losses(self) -> tuple[Loss, ...]:
        return Loss("reconstruction", "Reconstruction, nats"), Loss("divergence", "Divergence from the prior, nats")

    def networks(self, random: Random) -> dict[str, torch.nn.Module]:
        from torch import nn

        from ganrepro.nets import small

        s, (channels, side) = self.settings, self.shape
        features, width = small.lucic_features(channels, side, s.filters, norm=True)
        decoder = small.lucic_generator(s.code_size, channels, side, s.filters, nn.BatchNorm1d, nn.BatchNorm2d, nn.ReLU)
        parts = {"encoder": nn.Sequential(features, nn.Linear(width, 2 * s.code_size)), "decoder": decoder[:-1]}
        return {name: small.initialise(part, random(name), truncated=True) for name, part in parts.items()}

    def players(self) -> dict[str, Player]:
        return {"both": Player(("encoder", "decoder"), self.adam())}

    def generators(self) -> tuple[str, ...]:
        return "encoder", "decoder"

    def step(self, players: Players, batch: Batch) -> dict[str, torch.Tensor]:
        players.turn("both")
        terms, _ = self._bound(players.networks, batch.images[self.domain], batch.noise["e"])
        return players.update("both", dict.fromkeys(terms, 1.0), terms)

    def _bound(
        self, networks: Mapping[str, torch.nn.Module], x: torch.Tensor, e: torch.Tensor
    ) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """The two parts of the negated bound, (n,) each, and the means of the codes."""
        mean, raw = networks["encoder"](x).chunk(2, 1)
        sigma = torch.nn.functional.softplus(raw) + 1e-6
        logits = networks["decoder"](mean + sigma * e)
        white = torch.nn.functional.binary_cross_entropy_with_logits(logits, (x + 1) / 2, reduction="none")
        divergence = 0.5 * (mean.square() + sigma.square() - 2 * sigma.log() - 1).sum(1)
        return {"reconstruction": white.flatten(1).sum(1), "divergence": divergence}, mean

    def encode(
        self, networks: Mapping[str, torch.nn.Module], images: torch.Tensor, random: torch.Generator
    ) -> dict[str, torch.Tensor]:
        e = torch.randn((len(images), self.settings.code_size), generator=random).to(images.device)
        terms, mean = self._bound({name: network.eval() for name, network in networks.items()}, images, e)
        return {"code": mean, "bound": -(terms["reconstruction"] + terms["divergence"])}

    def generate(
        self, output: Output, networks: Mapping[str, torch.nn.Module], batch: Batch, random: torch.Generator
    ) -> torch.Tensor:
        code, encoder, decoder = batch.noise["e"], networks["encoder"].eval(), networks["decoder"].eval()
        if output.renders_input:
            code = encoder(batch.images[self.domain]).chunk(2, 1)[0]
        if output.picture:  # ten by ten, all other numbers 0
            across, down = self._telling(decoder, code.device)
            steps, code = torch.arange(len(code), device=code.device), torch.zeros_like(code)
            code[:, across], code[:, down] = steps % 10 * 4 / 9 - 2, steps // 10 * 4 / 9 - 2
        images: torch.Tensor = (decoder(code) / 2).tanh()  # 2 sigmoid - 1
        return images

    def _telling(self, decoder: torch.nn.Module, device: torch.device) -> tuple[int, int]:
        """The two numbers of a code that change the image most between -2 and 2, all others 0: many of them say nothing."""
        ends = 2 * torch.eye(self.settings.code_size, device=device)
        change = ((decoder(ends) / 2).tanh() - (decoder(-ends) / 2).tanh()).abs().flatten(1).mean(1)
        across, down = change.topk(2).indices.tolist()
        return across, down

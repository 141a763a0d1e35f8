"""BiGAN, or ALI: an encoder E learns beside G, since D judges pairs of an image and its code (arXiv:1605.09782, 1606.00704).

    min over G and E, max over D of  E log D(x, E(x)) + E log(1 - D(G(z), z))                                  (equation 2)

At the optimum G and E are each other's inverse. The permutation-invariant MNIST experiment (BiGAN, section 4.1; code
jeffdonahue/bigan at 06342ee): codes of 50 numbers, U(-1, 1), three multilayer perceptrons of 1024 units, Adam 2e-4 with
beta1 0.5, batches of 128, 400 epochs, half of them decaying. Codes are judged by their nearest neighbour's class: 97.39 %.
(methods/bigan.py is the rival of CycleGAN's tables, which has images on both sides.)

DEVIATION(bigan-epochs): an epoch is as long as params.yaml says; the authors' rate falls exponentially, here linearly.
DEVIATION(bigan-norms): batch norm after both hidden layers of G and E and none in D, LeakyReLU everywhere, no weight decay; the
authors have batch norm in other places, ReLU in G, and a decay of 2.5e-5.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from ganrepro.lazy import torch
from ganrepro.methods.base import Batch, Feed, Loss, Player, Players, Random, Uniform
from ganrepro.methods.encodes import Encodes
from ganrepro.methods.noise import AdamSettings, FromNoiseByAdam
from ganrepro.methods.outputs import Output, reconstructions, samples
from ganrepro.objectives.gan_losses import LOSSES
from ganrepro.schema.fields import Count, CountOfTwo, CountOrZero, Width


class Settings(AdamSettings):
    """The authors' permutation-invariant MNIST recipe."""

    batch_images: CountOfTwo = Field(128, description="images of a step; batch norm needs two")
    epoch_images: Count | None = Field(49920, description="images of an epoch: 390 steps of 128")
    epochs_constant: CountOrZero = Field(200, description="epochs at the full learning rate")
    epochs_decay: CountOrZero = Field(200, description="epochs after them, in which the rate falls linearly to 0")
    code_size: Count = Field(50, description="numbers of a code z, each U(-1, 1)")
    width: Width = Field(1024, description="units of each hidden layer of G, E and D, two of them each")


class BiGANCodes(FromNoiseByAdam[Settings], Encodes[Settings]):
    """Losses: D's on (x, E(x)) and (G(z), z), and what G and E pay until each pair counts as the other."""

    title = "BiGAN/ALI with codes"
    paper = "arXiv:1605.09782; arXiv:1606.00704"

    def feed(self) -> Feed:
        return Feed((self.domain,), noise={"z": Uniform((self.settings.code_size,))})

    def outputs(self) -> tuple[Output, ...]:
        return samples(self.domain), reconstructions(self.domain)

    def losses(self) -> tuple[Loss, ...]:
        named = {"real": "Discriminator", "fake": "Discriminator", "generator": "Generator", "encoder": "Encoder"}
        return tuple(Loss(name, panel) for name, panel in named.items())

    def networks(self, random: Random) -> dict[str, torch.nn.Module]:
        from torch import nn

        from ganrepro.nets import small

        s, (channels, side) = self.settings, self.shape
        size, code, width = channels * side**2, s.code_size, s.width

        def inner(inputs: int, outputs: int) -> nn.Sequential:
            layers: list[nn.Module] = []
            for size in (inputs, width):
                layers += [nn.Linear(size, width), nn.BatchNorm1d(width), nn.LeakyReLU(0.2)]
            return nn.Sequential(*layers, nn.Linear(width, outputs))

        networks = {
            "generator": small.image_from(inner(code, size), channels, side),
            "encoder": nn.Sequential(nn.Flatten(1), *inner(size, code)),
            "discriminator": small.mlp([size + code, width, width, 1], lambda: nn.LeakyReLU(0.2)),
        }
        return {name: small.initialise(part, random(name)) for name, part in networks.items()}

    def players(self) -> dict[str, Player]:
        kind = self.adam()
        return {"discriminator": Player(("discriminator",), kind), "generators": Player(("generator", "encoder"), kind)}

    def generators(self) -> tuple[str, ...]:
        return "generator", "encoder"

    def step(self, players: Players, batch: Batch) -> dict[str, torch.Tensor]:
        net, loss, x, z = players.networks, LOSSES["non-saturating"], batch.images[self.domain], batch.noise["z"]

        def judge(image: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
            judged: torch.Tensor = net["discriminator"](torch.cat([image.flatten(1), code], 1))[:, 0]
            return judged

        players.turn("generators")
        code, image = net["encoder"](x), net["generator"](z)
        players.turn("discriminator")
        terms = {"real": loss.real(judge(x, code.detach())), "fake": loss.fake(judge(image.detach(), z))}
        losses = players.update("discriminator", dict.fromkeys(terms, 1.0), terms)
        players.turn("generators")
        terms = {"generator": loss.real(judge(image, z)), "encoder": loss.fake(judge(x, code))}
        return losses | players.update("generators", dict.fromkeys(terms, 1.0), terms)

    def encode(
        self, networks: Mapping[str, torch.nn.Module], images: torch.Tensor, random: torch.Generator
    ) -> dict[str, torch.Tensor]:
        return {"code": networks["encoder"].eval()(images)}

    def generate(
        self, output: Output, networks: Mapping[str, torch.nn.Module], batch: Batch, random: torch.Generator
    ) -> torch.Tensor:
        code = networks["encoder"].eval()(batch.images[self.domain]) if output.renders_input else batch.noise["z"]
        images: torch.Tensor = networks["generator"].eval()(code)
        return images

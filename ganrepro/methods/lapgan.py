"""LAPGAN: from coarse to fine, a GAN for what each doubling of the size adds (Denton et al., arXiv:1506.05751).

The coarsest images come from a code. At every finer size G is shown the coarse image, enlarged, and a plane of noise, and makes
the difference to the fine one; D is shown the enlarged image and a difference, real or made. All sizes train at once, each on
real images of its own (section 3.1); samples go through all of them (equation 5). Recipe of the CIFAR code (facebook/eyescream
at ad6f484): noise U(-1, 1), SGD 0.02 with momentum 0.5, batches of 128, convolutions of 7, 7 and 5 pixels.

DEVIATION(lapgan-sizes): 7, 14, 28 (8, 16, 32), where CIFAR has 8, 16, 32; the coarsest GAN has two hidden layers each.
DEVIATION(lapgan-judges): D sees the enlarged image and the difference side by side, through two convolutions of stride 2 with
LeakyReLU; the code adds the two up, begins with stride 1, and has ReLU and dropout.
DEVIATION(lapgan-pyramid): halved by means of four pixels, enlarged by repeating them.
DEVIATION(lapgan-optimiser): Adam 2e-4 with beta1 0.5, as for the other GANs here; the code has SGD.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from ganrepro.lazy import torch
from ganrepro.methods.base import Batch, Feed, Loss, Player, Players, Random, Uniform
from ganrepro.methods.noise import ConvolutionSettings, FromNoiseByAdam
from ganrepro.methods.outputs import Output
from ganrepro.objectives.gan_losses import LOSSES
from ganrepro.schema.fields import Count, Width


class Settings(ConvolutionSettings):
    """Of the CIFAR code, at the size of digits."""

    batch_images: Count = Field(128, description="images of a step")
    epoch_images: Count | None = Field(49920, description="images of an epoch: 390 steps of 128")
    code_size: Count = Field(100, description="numbers of the code of the coarsest image, each U(-1, 1)")
    width: Width = Field(600, description="units of the hidden layers at the coarsest size")


class LAPGAN(FromNoiseByAdam[Settings]):
    """Losses of each size: D's on real and made differences, and G's (log loss, non-saturating)."""

    title = "LAPGAN"
    paper = "arXiv:1506.05751"

    def feed(self) -> Feed:
        side = self.settings.crop_pixels
        planes = {f"noise_{level}": Uniform((1, side // 2 ** (2 - level), side // 2 ** (2 - level))) for level in (1, 2)}
        return Feed((self.domain,), noise={"z": Uniform((self.settings.code_size,)), **planes})

    def losses(self) -> tuple[Loss, ...]:
        panels = {"real": "Discriminators", "fake": "Discriminators", "generator": "Generators"}
        return tuple(Loss(f"{name}_{level}", panel) for name, panel in panels.items() for level in range(3))

    def networks(self, random: Random) -> dict[str, torch.nn.Module]:
        from torch import nn

        from ganrepro.nets import small

        s, (c, pixels) = self.settings, self.shape
        side = pixels // 4
        size = c * side**2
        networks: dict[str, nn.Module] = {
            "g_0": small.image_from(small.mlp([s.code_size, s.width, s.width, size], nn.ReLU), c, side),
            "d_0": small.Judge(nn.Flatten(1), small.mlp([size, s.width, s.width, 1], lambda: nn.LeakyReLU(0.2))),
        }
        for level in (1, 2):
            networks[f"g_{level}"] = small.refiner(c + 1, c, s.filters)
            networks[f"d_{level}"] = small.Judge(*small.difference_judge(2 * c, pixels // 2 ** (2 - level), s.filters))
        # without norms the small weights of DCGAN would leave the coarsest networks almost silent
        return {
            name: small.initialise(part, random(name), 0.05 if name.endswith("0") else 0.02) for name, part in networks.items()
        }

    def players(self) -> dict[str, Player]:
        kind = self.adam()
        return {f"{player}_{level}": Player((f"{player}_{level}",), kind) for level in range(3) for player in "dg"}

    def generators(self) -> tuple[str, ...]:
        return "g_0", "g_1", "g_2"

    def step(self, players: Players, batch: Batch) -> dict[str, torch.Tensor]:
        loss, sizes = LOSSES["non-saturating"], [batch.images[self.domain]]
        for _ in range(2):
            sizes.insert(0, torch.nn.functional.avg_pool2d(sizes[0], 2))
        losses: dict[str, torch.Tensor] = {}
        for level, real in enumerate(sizes):
            judge, make = players.networks[f"d_{level}"], players.networks[f"g_{level}"]
            players.turn(f"g_{level}")
            if level == 0:
                fake = make(batch.noise["z"])
            else:  # what is judged: the enlarged image beside what is to be added to it
                coarse = _enlarged(sizes[level - 1])
                fake = torch.cat([coarse, make(torch.cat([coarse, batch.noise[f"noise_{level}"]], 1))], 1)
                real = torch.cat([coarse, real - coarse], 1)
            players.turn(f"d_{level}")
            terms = {f"real_{level}": loss.real(judge(real)), f"fake_{level}": loss.fake(judge(fake.detach()))}
            losses |= players.update(f"d_{level}", dict.fromkeys(terms, 1.0), terms)
            players.turn(f"g_{level}")
            losses |= players.update(
                f"g_{level}", {f"generator_{level}": 1.0}, {f"generator_{level}": loss.generator(judge(fake))}
            )
        return losses

    def generate(
        self, output: Output, networks: Mapping[str, torch.nn.Module], batch: Batch, random: torch.Generator
    ) -> torch.Tensor:
        images: torch.Tensor = networks["g_0"](batch.noise["z"])
        for level in (1, 2):
            coarse = _enlarged(images)
            images = (coarse + networks[f"g_{level}"](torch.cat([coarse, batch.noise[f"noise_{level}"]], 1))).clamp(-1, 1)
        return images


def _enlarged(images: torch.Tensor) -> torch.Tensor:
    """Each pixel four times."""
    return images.repeat_interleave(2, 2).repeat_interleave(2, 3)

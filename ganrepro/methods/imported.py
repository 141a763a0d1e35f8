"""A published generator as a row: nothing is trained, its weights come from a file, and it is scored like any other row.

The file is one that pytorch-CycleGAN-and-pix2pix saved (…_net_G.pth); its network is read from the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from ganrepro.lazy import torch
from ganrepro.methods.base import Batch, Feed, Loss, Player, Players, Random
from ganrepro.methods.outputs import Output
from ganrepro.methods.translation import BetweenDomains, TwoDomainSettings
from ganrepro.schema.fields import CountOrZero


class Settings(TwoDomainSettings):
    """Which file, and what it translates."""

    epochs_constant: CountOrZero = Field(1, description="no meaning here: nothing is trained")
    epochs_decay: CountOrZero = Field(0, description="no meaning here")
    weights: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.pth$")] = Field(
        "latest_net_G.pth", description="name of the file in downloads/archives/"
    )
    dropout: bool = Field(True, description="false: it was trained without dropout, which weights cannot tell")
    padding: Literal["reflect", "replicate"] = Field("reflect", description="of ResNet blocks, which weights cannot tell")


class Imported(BetweenDomains[Settings]):
    """No players: the workflow writes its checkpoint without a step."""

    title = "Imported weights"
    paper = "whoever published them"

    def reads(self) -> tuple[str, ...]:
        return (self.settings.weights,)

    def feed(self) -> Feed:
        return Feed(self.both)

    def outputs(self) -> tuple[Output, ...]:
        return (self.forward(),)

    def losses(self) -> tuple[Loss, ...]:
        return ()

    def networks(self, random: Random) -> dict[str, torch.nn.Module]:
        from ganrepro.nets.published import read_published

        s = self.settings
        how = {"dropout": s.dropout, "replicate": s.padding == "replicate"}
        return {"generator": read_published(self.files[s.weights], s.crop_pixels, **how)[1]}

    def players(self) -> dict[str, Player]:
        return {}

    def step(self, players: Players, batch: Batch) -> dict[str, torch.Tensor]:
        return {}

    def generators(self) -> tuple[str, ...]:
        return ("generator",)

    def generate(
        self, output: Output, networks: Mapping[str, torch.nn.Module], batch: Batch, random: torch.Generator
    ) -> torch.Tensor:
        # as its own test command runs it: norms of the image at hand, dropout on
        images: torch.Tensor = networks["generator"].train()(batch.images[str(output.source)])
        return images

"""pix2pix as CycleGAN's Tables 2 and 3 have it: trained on pairs with CycleGAN's networks, an upper bound.

junyanz/CycleGAN models/pix2pix_model.lua: least squares, a discriminator that sees the input too, a history of pairs, L1 of
weight 10. The pix2pix paper's own recipe (U-Net, log loss, weight 100) is the method `pix2pix`.

DEVIATION(pix2pix-row): that the tables' row was made so is UNCONFIRMED; section 5.1.2 says that all rivals but CoGAN
use the same architecture and details.
DEVIATION(pool-aliasing): the published code's history keeps references while it fills, so that its first 50 entries are
all the present pair; here they are copies.
"""

from __future__ import annotations

from ganrepro.lazy import torch
from ganrepro.methods.base import Players
from ganrepro.methods.one_way import OneWay, OneWaySettings
from ganrepro.objectives.reconstruction import l1


class Settings(OneWaySettings):
    """CycleGAN's recipe, on pairs."""


class Pix2PixLSGAN(OneWay[Settings]):
    """'content': mean absolute difference of output and truth."""

    title = "pix2pix, as compared with CycleGAN"
    paper = "arXiv:1703.10593, section 5.1.2; arXiv:1611.07004"
    content_panel = "L1 loss"
    paired = True

    def content(self, players: Players, given: torch.Tensor, fake: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return l1(fake, wanted)

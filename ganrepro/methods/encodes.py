"""For methods that find the code of an image: what is measured of codes needs the trained networks (evaluation/generation.py)."""

from __future__ import annotations

from collections.abc import Mapping

from ganrepro.lazy import torch
from ganrepro.methods.base import Method, S


class Encodes(Method[S]):
    """A method with an encoder."""

    def encode(
        self, networks: Mapping[str, torch.nn.Module], images: torch.Tensor, random: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """What is known of images (n, channels, pixels, pixels): `code`, (n, k), and other numbers by name, (n,).

        random: for whatever has to be drawn.
        """
        raise NotImplementedError

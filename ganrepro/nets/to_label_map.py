"""From the logits of a network that segments to label maps in their colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ganrepro.errors import UserError
from ganrepro.nets.unet import Segmenting, build, turned_back, turns, whole
from ganrepro.nets.unet_sizes import Kind


def probabilities(network: Segmenting, images: Tensor, turned: bool) -> Tensor:
    """Of each class at each pixel, (n, classes, h, w).  turned: the mean over the images turned and mirrored eight ways."""
    if not turned:
        return whole(network, images).softmax(1)
    maps = [turned_back(whole(network, seen).softmax(1), quarter, mirrored) for seen, quarter, mirrored in turns(images)]
    return torch.stack(maps).mean(0)


def drawn(shares: Tensor, colours: Tensor) -> Tensor:
    """Label maps (n, 3, h, w) in [-1, 1] of probabilities (n, classes, h, w); of two classes mixed by their probability.

    colours: (classes, 3) in 0..255.
    """
    values = colours.to(shares) / 127.5 - 1
    if len(values) != 2:
        shares = nn.functional.one_hot(shares.argmax(1), len(values)).movedim(-1, 1).to(shares)
    return torch.einsum("nkhw,kc->nchw", shares, values)


class ToLabelMap(nn.Module):
    """A network that segments as a generator: images (n, inputs, h, w) of any size -> label maps (n, 3, h, w), both in [-1, 1].

    Its weights are those of the network, by the same names. There is no dropout.  UserError for images that are smaller than the
    context that has to be mirrored.
    """

    def __init__(self, kind: Kind, inputs: int, colours: Sequence[Sequence[int]], filters: int, poolings: int, turned: bool):
        super().__init__()
        self.network = build(kind, inputs, len(colours), filters, poolings, 0.0, torch.Generator())
        self.colours, self.turned = torch.tensor([list(colour) for colour in colours]), turned

    def forward(self, images: Tensor) -> Tensor:
        try:
            return drawn(probabilities(self.network, images, self.turned), self.colours)
        except ValueError as error:
            raise UserError(str(error)) from None

    def state_dict(self, *words: Any, **named: Any) -> dict[str, Any]:  # type: ignore[override]
        return self.network.state_dict(*words, **named)

    def load_state_dict(self, state: Mapping[str, Any], *words: Any, **named: Any) -> Any:  # type: ignore[override]
        return self.network.load_state_dict(state, *words, **named)

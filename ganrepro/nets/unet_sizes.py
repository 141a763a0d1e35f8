"""Which sizes the networks of `nets.unet` take, and what they lose. No torch: settings are checked by it."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["u-net", "padded", "window", "grey", "constant"]
WINDOW = 79  # pixels that a sliding window sees


class Sizes(NamedTuple):
    """Sides of images that a network takes: `smallest`, and `step` more each.  lost: pixels of context, from side to side."""

    smallest: int = 1
    step: int = 1
    lost: int = 0

    def at_least(self, pixels: int) -> int:
        """The least side of an image that gives logits of so many pixels, or a few more."""
        wanted = max(pixels + self.lost, self.smallest)
        return self.smallest + self.step * -(-(wanted - self.smallest) // self.step)


def sizes_of(kind: Kind, poolings: int) -> Sizes:
    """Of a U-Net without padding each map that is pooled has to be even: with 4 poolings 188, 204 ... 572, and 184 are lost."""
    two = 2**poolings
    if kind == "u-net":
        lost = 12 * two - 8  # two convolutions take 4 pixels off a map, whose pixels are 1, 2, 4 ... of the image, both ways
        smallest = 9 * two - 4  # 5 pixels at the bottom
        while smallest <= lost:
            smallest += two
        return Sizes(smallest, two, lost)
    return {"padded": Sizes(two, two), "window": Sizes(WINDOW, 1, WINDOW - 1)}.get(kind, Sizes())

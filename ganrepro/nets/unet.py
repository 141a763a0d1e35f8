"""Networks that segment: U-Net as published (Ronneberger et al., arXiv:1505.04597, section 2), and simpler ones beside it.

Each turns images (n, inputs, h, w) into logits (n, classes, h - lost, w - lost): those of the middle, of which it has seen the
whole context. `whole` gives the logits of a whole image, tile by tile.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganrepro.nets.unet_sizes import Kind, Sizes, sizes_of

TILE = 400  # pixels of the logits that `whole` computes at once, at most: only memory depends on it


class Segmenting(nn.Module):
    """A network that segments.  sizes: of images that it takes; shifting one by `sizes.step` pixels shifts the logits."""

    sizes = Sizes()


class UNet(Segmenting):
    """Halves `poolings` times, then doubles as often, each time beside the map of that size on the way down.

    padded: convolutions keep the size, by zeros, as in most code in circulation; else none is padded, and what comes from the way
    down is cropped.  The paper's has 64 filters and 4 poolings: 572 pixels give 388.  norms: batch norms, which it has none of.
    Weights: N(0, sqrt(2 / N)), N the values that a unit sees (section 3).
    """

    def __init__(
        self, inputs: int, classes: int, filters: int, poolings: int, generator: torch.Generator, padded: bool = False,
        dropout: float = 0.5, norms: bool = False,
    ):  # fmt: skip
        super().__init__()
        widths = [filters * 2**level for level in range(poolings + 1)]
        self.down = nn.ModuleList(_twice(a, b, padded, norms) for a, b in zip([inputs, *widths[:-1]], widths, strict=True))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * width, width, 2, 2) for width in reversed(widths[:-1]))
        self.after = nn.ModuleList(_twice(2 * width, width, padded, norms) for width in reversed(widths[:-1]))
        self.dropout = nn.Dropout(dropout)
        self.classes = nn.Conv2d(filters, classes, 1)
        self.sizes = sizes_of("padded" if padded else "u-net", poolings)
        _he(self, generator)

    def way_down(self, x: Tensor) -> list[Tensor]:
        """The map of each size, the image's first."""
        kept: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(functional.max_pool2d(x, 2) if level else x)
            kept.append(x)
        return kept

    def forward(self, x: Tensor) -> Tensor:
        kept = self.way_down(x)
        x = self.dropout(kept.pop())  # at the end of the contracting path
        for up, after in zip(self.up, self.after, strict=True):
            x = up(x)
            x = after(torch.cat([_cropped(kept.pop(), x), x], 1))
        logits: Tensor = self.classes(x)
        return logits


class SlidingWindow(Segmenting):
    """Tells the class of a pixel from a window of WINDOW pixels around it, as Ciresan et al. (NIPS 2012) do; smaller than theirs.

    All windows of an image at once: layers behind a pooling have their pixels as far apart as the pooling had, so that each value
    is what the network gives for that window alone (a test compares). On one window: `of_window`.
    """

    sizes = sizes_of("window", 0)
    KERNELS = (4, 3, 3, 3)  # of the convolutions, a pooling behind each; then all that is left
    LAST = 3

    def __init__(self, inputs: int, classes: int, filters: int, generator: torch.Generator, dropout: float = 0.5):
        super().__init__()
        widths = [inputs, filters, *[2 * filters] * (len(self.KERNELS) - 1)]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, k) for a, b, k in zip(widths[:-1], widths[1:], self.KERNELS, strict=True))
        self.gathered = nn.Conv2d(widths[-1], 4 * filters, self.LAST)
        self.dropout = nn.Dropout(dropout)
        self.classes = nn.Conv2d(4 * filters, classes, 1)
        _he(self, generator)

    def forward(self, x: Tensor) -> Tensor:
        apart = 1
        for layer in self.layers:
            assert isinstance(layer, nn.Conv2d)
            x = functional.relu(functional.conv2d(x, layer.weight, layer.bias, dilation=apart))
            x = functional.max_pool2d(x, 2, stride=1, dilation=apart)
            apart *= 2
        x = functional.relu(functional.conv2d(x, self.gathered.weight, self.gathered.bias, dilation=apart))
        logits: Tensor = self.classes(self.dropout(x))
        return logits

    def of_window(self, x: Tensor) -> Tensor:
        """Logits (n, classes, 1, 1) of windows (n, inputs, WINDOW, WINDOW)."""
        for layer in self.layers:
            x = functional.max_pool2d(functional.relu(layer(x)), 2)
        logits: Tensor = self.classes(self.dropout(functional.relu(self.gathered(x))))
        return logits


class PixelByPixel(Segmenting):
    """Tells the class of a pixel from its own levels: of grey images with two classes, a threshold."""

    def __init__(self, inputs: int, classes: int):
        super().__init__()
        self.classes = nn.Conv2d(inputs, classes, 1)
        nn.init.zeros_(self.classes.weight)
        nn.init.zeros_(self.classes.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classes(x)
        return logits


class Constant(Segmenting):
    """The same class everywhere, whatever the image."""

    def __init__(self, classes: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, x: Tensor) -> Tensor:
        n, _, height, width = x.shape
        return self.bias[None, :, None, None].expand(n, -1, height, width)


def build(
    kind: Kind, inputs: int, classes: int, filters: int, poolings: int, dropout: float, generator: torch.Generator
) -> Segmenting:
    """One of the networks above by its name, with fresh weights."""
    if kind == "window":
        return SlidingWindow(inputs, classes, filters, generator, dropout)
    if kind == "grey":
        return PixelByPixel(inputs, classes)
    if kind == "constant":
        return Constant(classes)
    return UNet(inputs, classes, filters, poolings, generator, kind == "padded", dropout)


def whole(network: Segmenting, images: Tensor, tile: int = TILE) -> Tensor:
    """Logits (n, classes, h, w) of whole images, borders mirrored (overlap-tile strategy, section 2).

    tile: pixels of logits that are computed at once. Tiles abut exactly, at multiples of `step`; a network that loses no
    pixels would see the borders of its tiles, so that it gets the whole image at once, whatever memory that takes.
    ValueError where the image is no larger than the context that has to be mirrored.
    """
    *_, height, width = images.shape
    sizes, lost = network.sizes, network.sizes.lost
    before = lost // 2
    if before >= min(height, width):
        raise ValueError(f"images of {width} x {height} pixels; each side has to be longer than the mirrored context, {before}")
    if lost == 0:
        down, right = sizes.at_least(height) - height, sizes.at_least(width) - width
        return network(mirrored(images, 0, down, right))[..., :height, :width]
    made = sizes.at_least(min(tile, max(height, width))) - lost  # pixels of logits of a tile
    while made < sizes.step:  # a tile has to go on by a step
        made += sizes.step
    advance = made // sizes.step * sizes.step
    down, across = _ends(height, made, advance), _ends(width, made, advance)
    x = mirrored(images, before, down - height + lost - before, across - width + lost - before)
    rows = []
    for top in range(0, down - made + 1, advance):
        parts = [
            network(x[..., top : top + made + lost, left : left + made + lost])[..., :advance, :advance]
            for left in range(0, across - made + 1, advance)
        ]
        rows.append(torch.cat(parts, -1))
    return torch.cat(rows, -2)[..., :height, :width]


def _ends(side: int, made: int, advance: int) -> int:
    """Where the last tile ends, of as many as cover the side."""
    tiles = max(1, math.ceil(side / advance))
    return (tiles - 1) * advance + made


def mirrored(images: Tensor, before: int, below: int, right: int) -> Tensor:
    """With borders that mirror the image, as often as it takes: `before` pixels above and to the left, others opposite."""
    for axis, after in ((-2, below), (-1, right)):
        if before or after:
            images = images.index_select(axis, _mirror(images.shape[axis], before, after, images.device))
    return images


def _mirror(side: int, before: int, after: int, device: torch.device) -> Tensor:
    """Indices of a row that is mirrored at its ends, the last pixel not repeated."""
    period = max(1, 2 * (side - 1))
    at = torch.arange(-before, side + after, device=device) % period
    return torch.where(at < side, at, period - at)


def turns(images: Tensor) -> Iterator[tuple[Tensor, int, bool]]:
    """The images turned by 0, 90, 180 and 270 degrees, and the same mirrored: eight, and how each was turned."""
    for mirrored in (False, True):
        for quarter in range(4):
            turned = torch.rot90(images, quarter, (-2, -1))
            yield turned.flip(-1) if mirrored else turned, quarter, mirrored


def turned_back(maps: Tensor, quarter: int, mirrored: bool) -> Tensor:
    """The inverse of `turns`."""
    return torch.rot90(maps.flip(-1) if mirrored else maps, -quarter, (-2, -1))


def _twice(inputs: int, outputs: int, padded: bool, norms: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [nn.Conv2d(channels, outputs, 3, padding=int(padded)), *[nn.BatchNorm2d(outputs)] * norms, nn.ReLU()]
    return nn.Sequential(*layers)


def _cropped(x: Tensor, like: Tensor) -> Tensor:
    """The middle of a map, as large as another."""
    top, left = (x.shape[-2] - like.shape[-2]) // 2, (x.shape[-1] - like.shape[-1]) // 2
    return x[..., top : top + like.shape[-2], left : left + like.shape[-1]]


def _he(network: nn.Module, generator: torch.Generator) -> None:
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            seen = layer.in_channels * (math.prod(layer.kernel_size) if isinstance(layer, nn.Conv2d) else 1)
            nn.init.normal_(layer.weight, 0.0, math.sqrt(2 / seen), generator=generator)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

"""U-Net: a network that segments images, trained on their label maps (Ronneberger et al., arXiv:1505.04597).

Its output is the label map in its colours; of two classes, a mix of both by their probability, so that a threshold can be chosen.

DEVIATION(eight-turns): maps are averaged over the image turned by quarters and mirrored; the paper turns it seven ways, and does
not say which.
DEVIATION(mirrored): training images are mirrored at random too, as those of all methods here.
DEVIATION(adam): studies for a CPU learn by Adam, which takes a tenth of the steps (`optimiser`).
DEVIATION(small-networks): studies for a CPU have 16 filters and three poolings on tiles of 204 pixels, a 64th of the published
weights (64, four, 572; study isbi-unet-published).
DEVIATION(small-window): the sliding window sees 79 pixels and has few channels; Ciresan's networks are larger.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ganrepro.errors import UnfitData, UserError
from ganrepro.lazy import torch
from ganrepro.methods.base import (
    CLASSES,
    SGD,
    Adam,
    Batch,
    Categorical,
    Feed,
    Loss,
    Method,
    Normal,
    Player,
    Players,
    Random,
    ScheduleSettings,
    Uniform,
)
from ganrepro.methods.outputs import Output, translation
from ganrepro.nets.unet_sizes import Kind, Sizes, sizes_of
from ganrepro.schema.fields import Beta, Count, CountOrZero, Filters, Pixels, Positive, Weight

MAP = "map"  # among the images of a step: class of each pixel, and what it counts
GRID = 3  # points of the coarse grid of displacements, to each side
BORDER_WEIGHT = 10.0  # w0


class Settings(ScheduleSettings):
    """The paper's network on images of 512 pixels, a tile a step.

    Learning rate, number of steps, the share of units that drop out, how far tiles are turned and how grey values vary are
    UNCONFIRMED: the text has no numbers for them.
    """

    load_pixels: Pixels = Field(512, description="images are resized to this size; tiles are cut out of a crop of them")
    crop_pixels: Pixels = Field(512, description="of the crop: the whole image unless load_pixels is larger")
    epoch_images: Count | None = Field(None, description="tiles of an epoch; null: as many as there are images")
    epochs_constant: CountOrZero = Field(200, description="epochs at the full learning rate")
    epochs_decay: CountOrZero = Field(0, description="epochs after them, in which the rate falls linearly to 0")
    network: Kind = Field(
        "u-net",
        description="u-net: as published, without padding. padded: with zeros, as in most code in circulation. window: a sliding "
        "window of 79 pixels. grey: a pixel by its own levels. constant: the same everywhere",
    )
    filters: Filters = Field(64, description="channels of the first layer; twice as many after each pooling")
    poolings: Annotated[int, Field(ge=1, le=6)] = Field(4, description="how often a U-Net halves")
    dropout: Beta = Field(0.5, description="share of units that drop out at the end of the way down")
    tile_pixels: Pixels = Field(572, description="side of a training tile, context included: 572 gives 388 at 4 poolings")
    turned: bool = Field(
        True, description="things look alike whichever way up: tiles are turned by any angle, test images read eight ways"
    )
    elastic_pixels: Weight = Field(10.0, description="standard deviation of the displacements on a grid of 3 x 3 points; 0: none")
    grey_deviation: Weight = Field(0.1, description="standard deviation of brightness and contrast, of [-1, 1]")
    class_weights: bool = Field(True, description="classes count the same in sum, however rare")
    border_weight: Weight | None = Field(
        None,
        description="of the background between two objects: w0; null: 10 where there are two classes (background, objects), "
        "nothing where there are more",
    )
    optimiser: Literal["sgd", "adam"] = Field(
        "sgd", description="sgd: with momentum, as in the paper; adam: learns in a tenth of the steps"
    )
    learning_rate: Positive = Field(0.001, description="of the optimiser")
    momentum: Beta = Field(0.99, description="of sgd")

    @model_validator(mode="after")
    def _tiles_fit_the_network(self) -> Settings:
        smallest, step, _ = sizes_of(self.network, self.poolings)
        if (larger := self.tile_pixels - smallest) < 0 or larger % step:
            near = sorted({max(smallest, smallest + step * (larger // step + more)) for more in (0, 1)})
            takes = f"network '{self.network}' with {self.poolings} poolings takes tiles of {smallest}, and of {step} more each"
            raise ValueError(f"tile_pixels: {takes}, got {self.tile_pixels}; nearest: {' or '.join(map(str, near))}")
        return self


class UNet(Method[Settings]):
    """One network, and one loss: cross-entropy of pixels, weighted."""

    title = "U-Net"
    paper = "arXiv:1505.04597"
    any_shape = True

    @property
    def source(self) -> str:
        """The images that are read."""
        return str(self.data.readable)

    @property
    def target(self) -> str:
        """The label maps."""
        return str(self.data.label_maps)

    @property
    def sizes(self) -> Sizes:
        """Of images that the network takes."""
        return sizes_of(self.settings.network, self.settings.poolings)

    def check(self) -> None:
        if self.data.label_maps is None or self.data.readable is None:
            raise UnfitData("needs pairs of images and label maps, whose colours a palette names; the dataset has none")
        if self.settings.border_weight and len(self.data.palette) != 2:
            raise UnfitData(f"border_weight: needs two classes, background and objects; the dataset has {len(self.data.palette)}")
        context, shorter = self.sizes.lost // 2, self.settings.crop_pixels
        if context >= shorter:
            raise UnfitData(f"needs images of more than {context} pixels, which it sees to each side; crop_pixels is {shorter}")
        super().check()

    def feed(self) -> Feed:
        noise: dict[str, Normal | Uniform | Categorical] = {
            "place": Uniform((2,), 0.0, 1.0),
            "angle": Uniform((), 0.0, 1.0),
            "bent": Normal((2, GRID, GRID)),
            "grey": Normal((2,)),
        }
        return Feed((self.source,), paired=True, noise=noise, pixels=True)

    def outputs(self) -> tuple[Output, ...]:
        return (translation(self.data, self.source, self.target),)

    def losses(self) -> tuple[Loss, ...]:
        return (Loss("cross_entropy", "Weighted cross-entropy of pixels"),)

    def training_images(self, images: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The images, and of their label maps the class of each pixel and what it counts, (n, h, w, 2)."""
        import numpy as np

        from ganrepro.objectives.pixel_weights import border_weights, class_weights

        s, many = self.settings, len(self.data.palette)
        classes = images[CLASSES][..., 0].cpu().numpy()
        weights = np.ones(256, np.float32)
        if s.class_weights:
            try:
                weights[:many] = class_weights(classes, many)
            except ValueError as error:
                raise UserError(
                    f"class '{list(self.data.palette)[int(str(error))]}' has no pixel in any training label map; say "
                    "`class_weights: false`, or name its colour under `void` of the dataset"
                ) from None
        weights[many:] = 0  # not scored
        counted = weights[classes]
        between = s.border_weight if s.border_weight is not None else BORDER_WEIGHT * (many == 2)
        if between:
            counted += np.stack([border_weights(of == 1, between) * (of < many) for of in classes])
        both = torch.from_numpy(np.stack([np.where(classes < many, classes, 0).astype(np.float32), counted], -1))
        return {self.source: images[self.source], MAP: both.to(images[self.source].device)}

    def networks(self, random: Random) -> dict[str, torch.nn.Module]:
        from ganrepro.nets.unet import build

        s = self.settings
        inputs, many = self.data.channels(self.source), len(self.data.palette)
        return {"network": build(s.network, inputs, many, s.filters, s.poolings, s.dropout, random("network"))}

    def players(self) -> dict[str, Player]:
        s = self.settings
        optimiser = Adam(s.learning_rate) if s.optimiser == "adam" else SGD(s.learning_rate, s.momentum)
        return {"network": Player(("network",), optimiser)}

    def step(self, players: Players, batch: Batch) -> dict[str, torch.Tensor]:
        players.turn("network")
        tiles, truth, weights = self.tiles(batch)
        logits = players.networks["network"](tiles)
        loss = torch.nn.functional.cross_entropy(logits, truth, reduction="none")
        return players.update("network", {"cross_entropy": 1.0}, {"cross_entropy": (weights * loss).mean((1, 2))})

    def tiles(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """A tile of each image (n, c, t, t), and of its middle the classes (n, m, m) and what they count."""
        from ganrepro.nets.elastic import angles, centres, displacements, places, sampled

        s, images, noise = self.settings, batch.images[self.source], batch.noise
        height, width = images.shape[-2:]
        lost = self.sizes.lost
        bent = displacements(noise["bent"] * s.elastic_pixels, s.tile_pixels)
        angle = angles(noise["angle"]) if s.turned else torch.zeros_like(noise["angle"])
        where = places(centres(noise["place"], height, width, s.tile_pixels - lost), angle, bent)
        tiles = sampled(images, where)
        brightness, contrast = (s.grey_deviation * part[:, None, None, None] for part in noise["grey"].unbind(1))
        inner = slice(lost // 2, s.tile_pixels - lost // 2)
        classes, weights = sampled(batch.images[MAP], where[:, inner, inner], nearest=True).unbind(1)
        return tiles * (1 + contrast) + brightness, classes.long(), weights

    def generators(self) -> tuple[str, ...]:
        return ("network",)

    def generate(
        self, output: Output, networks: Mapping[str, torch.nn.Module], batch: Batch, random: torch.Generator
    ) -> torch.Tensor:
        from ganrepro.nets.to_label_map import drawn, probabilities

        network: Any = networks["network"].eval()
        return drawn(probabilities(network, batch.images[self.source], self.settings.turned), self.colours)

    def network_of(self, output: Output) -> tuple[str, dict[str, Any]]:
        s = self.settings
        return "network", {
            "generator": "segmenting", "filters": s.filters, "inputs": self.data.channels(self.source), "segmenting": s.network,
            "poolings": s.poolings, "turned": s.turned, "colours": tuple(tuple(c) for c in self.data.palette.values()),
        }  # fmt: skip

    @property
    def colours(self) -> torch.Tensor:
        """Of the classes, (classes, 3) in 0..255."""
        return torch.tensor(list(self.data.palette.values()))

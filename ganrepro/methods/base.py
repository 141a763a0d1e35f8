"""What a method has to say: its settings, what a step feeds on, its networks and players, its step, its outputs.

A method is one file of this folder: a class `Settings` and one subclass of `Method`. It describes; it holds no
state. Networks, optimisers and everything else that a step changes are held by `training.players.Players`, the images
of a step are laid out by `training.batches`, and the loop in `training/` runs any method without knowing which.
No torch at import: see `ganrepro.lazy`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Literal, NamedTuple, Protocol, Self, TypeVar

from pydantic import Field, model_validator

from ganrepro.data.spec import DataSpec, Size
from ganrepro.errors import UnfitData
from ganrepro.lazy import torch
from ganrepro.methods.outputs import Output
from ganrepro.schema.fields import Closed, Count, CountOrZero, Pixels

CROP_MULTIPLE = 4  # of the longer side of crops that are no squares: what a ResNet halves, it doubles again
CLASSES = "classes"  # among the training images: see `Feed`
FEW = "few"  # among the images and labels of a step: see `Feed`
READER = "reader"  # among the files of a method: the network that scores its study

Random = Callable[[str], "torch.Generator"]  # purpose -> a random stream of its own


class ScheduleSettings(Closed):
    """What every training has, whatever its method. A method may set other defaults.

    Classes whose name ends in Settings hold fields and checks only. Their values are part of a result's key where
    they differ from the default; their code is not, so that a new setting with a default moves no key. Hence a
    default never changes once results exist (tests/defaults.json remembers it).
    """

    load_pixels: Pixels = Field(286, description="jitter: images are resized to this size, then cropped at random")
    crop_pixels: Pixels = Field(256, description="of the crop that the networks see: side of a square, or shorter side")
    batch_images: Count = Field(1, description="images of a step (of each domain)")
    epoch_images: Count | None = Field(
        None, description="images drawn in an epoch, from each domain; null: as many as the larger domain has"
    )
    epochs_constant: CountOrZero = Field(100, description="epochs at the full learning rate")
    epochs_decay: CountOrZero = Field(100, description="epochs after them, in which the rate falls linearly to 0")
    resize: Literal["bicubic", "lua"] = Field(
        "bicubic",
        description="how stored images are brought to load_pixels, and test images to crop_pixels: Pillow's bicubic "
        "filter, as in the PyTorch reference, or image.scale of the Lua code",
    )
    engine: Literal["fast", "plain"] = Field(
        "fast",
        description="fast: one CUDA graph per step on a GPU, faster convolutions on a CPU; plain: torch's own operations",
    )
    precision: Literal["float32", "tf32", "bfloat16"] = Field(
        "float32",
        description="of the passes through the networks; weights, losses and optimisers are float32 always. tf32: float32 with "
        "10-bit mantissas in products, on GPUs that have them; scores and gates are always computed without",
    )
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None,
        description="images are made by a running mean of the generators' weights, which keeps this share of itself in each step "
        "(0.999, say); null: by the last weights, as in the papers",
    )
    start_from: Annotated[str, Field(pattern=r"^[^\x00\n]+$")] | None = Field(
        None,
        description="whose weights a training begins with, in all networks of equal names: ROW of its study, STUDY/ROW, a folder "
        "that `ganrepro export` made, or a .pth of pytorch-CycleGAN-and-pix2pix in downloads/archives (the last two hold one "
        "generator, which the first generator takes). null: fresh weights",
    )

    @model_validator(mode="after")
    def _whole_epochs_and_crops(self) -> ScheduleSettings:
        if self.epochs_constant + self.epochs_decay < 1:
            raise ValueError("epochs_constant: with epochs_decay it makes 0 epochs; expected at least one")
        if self.epoch_images is not None and self.epoch_images % self.batch_images:
            raise ValueError(f"epoch_images: expected a multiple of batch_images ({self.batch_images}), got {self.epoch_images}")
        if self.load_pixels < self.crop_pixels:
            raise ValueError(f"load_pixels: {self.load_pixels} is smaller than crop_pixels ({self.crop_pixels})")
        return self


def epochs(settings: ScheduleSettings) -> int:
    """All epochs of a training."""
    return settings.epochs_constant + settings.epochs_decay


@dataclass(frozen=True)
class Normal:
    """N(0, 1) of the given shape for each image."""

    shape: tuple[int, ...]

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        return torch.randn((count, *self.shape), generator=generator)


@dataclass(frozen=True)
class Uniform:
    """U(low, high) of the given shape for each image."""

    shape: tuple[int, ...]
    low: float = -1.0
    high: float = 1.0

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        return torch.rand((count, *self.shape), generator=generator) * (self.high - self.low) + self.low


@dataclass(frozen=True)
class Categorical:
    """A class from 0 to classes - 1 for each image, int64 (count,)."""

    classes: int

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        return torch.randint(0, self.classes, (count,), generator=generator)


@dataclass(frozen=True)
class Pool:
    """A history of up to `size` generated images (training.image_pool); of: the domains whose channels they have.

    Every image of a step has to be shown to it once, in order: how full it is follows from the number of the step.
    """

    size: int
    of: tuple[str, ...]


@dataclass(frozen=True)
class Feed:
    """What is laid out ahead for each step.

    domains: whose images a step sees.  paired: they belong together, and are cut and mirrored alike; otherwise each
    domain is drawn on its own.  labels: the images come with their classes.  noise: random numbers by name, one of
    each for every image.  pools: histories of generated images by name, whose random choices are laid out too.
    batches: a step sees this many batches, to be taken apart with `Batch.split` (critic steps).  few: of so many images, equally
    many of each class, the class is known: as many as a step has are drawn of these besides, as images and labels FEW.
    pixels: of images with label maps, `training_images` is given the class of each pixel too, as CLASSES.
    """

    domains: tuple[str, ...]
    paired: bool = False
    labels: bool = False
    noise: Mapping[str, Normal | Uniform | Categorical] = field(default_factory=dict)
    pools: Mapping[str, Pool] = field(default_factory=dict)
    batches: int = 1
    few: int = 0
    pixels: bool = False

    def names(self, manifest: Mapping[str, Any]) -> dict[str, list[str]]:
        """The training images of each domain: all of them, or each domain's own share where several are drawn independently."""
        names: dict[str, list[str]] = (
            manifest["names"]["train"] if self.paired or len(self.domains) == 1 else manifest["unpaired"]
        )
        return names


@dataclass(frozen=True)
class Batch:
    """What one step sees, on the device.

    images: by domain, (n, channels, pixels, pixels) in [-1, 1].  labels: int64 (n,), by domain.  noise: by name,
    (n, ...).  pools: the image pools' decisions, by name, (n, 3).  n is batches × batch_images.
    """

    images: Mapping[str, torch.Tensor]
    labels: Mapping[str, torch.Tensor] = field(default_factory=dict)
    noise: Mapping[str, torch.Tensor] = field(default_factory=dict)
    pools: Mapping[str, torch.Tensor] = field(default_factory=dict)

    def split(self, parts: int) -> list[Batch]:
        """The batches of a step whose `Feed.batches` is `parts`, in order."""
        groups = (self.images, self.labels, self.noise, self.pools)
        return [Batch(*({name: x.chunk(parts)[i] for name, x in group.items()} for group in groups)) for i in range(parts)]


@dataclass(frozen=True)
class Adam:
    """torch.optim.Adam."""

    learning_rate: float
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 0.0


@dataclass(frozen=True)
class RMSprop:
    """torch.optim.RMSprop."""

    learning_rate: float
    alpha: float = 0.99


@dataclass(frozen=True)
class SGD:
    """torch.optim.SGD."""

    learning_rate: float
    momentum: float = 0.0


class Player(NamedTuple):
    """Who learns together: networks by name, and the optimiser that steps them. Weights that two networks share count once.

    optimiser: None for networks that are stored and never stepped (a running mean of another's weights, say).
    """

    networks: tuple[str, ...]
    optimiser: Adam | RMSprop | SGD | None


class Loss(NamedTuple):
    """A number that a step returns.

    name: its column in history.csv.  panel: heading under which reports draw it.  figure: a figure that compares it, by its name
    in `reporting.page`.
    """

    name: str
    panel: str
    figure: str = ""


class Players(Protocol):
    """What `Method.step` works with (`training.players.Players`): everything that it changes, by name."""

    networks: dict[str, torch.nn.Module]
    parameters: dict[str, list[torch.nn.Parameter]]
    buffers: dict[str, torch.Tensor]

    @property
    def pools(self) -> Mapping[str, History]:
        """Histories of generated images."""

    def turn(self, player: str) -> None:
        """From here on gradients reach the weights of this player alone."""

    def judge(self, name: str, *images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What a discriminator says of several batches, (n, ...) each. Its norms must take every image by itself."""

    def update(self, player: str, weights: Mapping[str, float], terms: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """One step of a player down the weighted sum of its terms, (n,) each. Returns each term's unweighted mean."""

    def descend(self, player: str, total: torch.Tensor) -> None:
        """One step of a player's optimiser down a loss that is one number."""


class History(Protocol):
    """A history of generated images (`training.image_pool.ImagePool`)."""

    def query(self, fakes: torch.Tensor, decisions: torch.Tensor) -> torch.Tensor:
        """The images to show the discriminator, (n, c, h, w).  fakes: detached.  decisions: of `Batch.pools`."""


S = TypeVar("S", bound=ScheduleSettings)


class Method(Generic[S]):
    """One way to train networks that make images. Subclasses say the rest; see CONTRIBUTING.md.

    settings: of params.yaml.  data: what the dataset has.  files: what `reads` names, once it is to train or to make images.
    """

    title: ClassVar[str]  # as printed in the provenance of reports
    paper: ClassVar[str]  # where it was published, or "a baseline"
    any_shape: ClassVar[bool] = False  # whether its networks take images that are no squares

    def __init__(self, settings: S, data: DataSpec, files: Mapping[str, Path] | None = None):
        self.settings, self.data, self.files = settings, data, dict(files or {})

    @property
    def name(self) -> str:
        """As in params.yaml: the name of its file."""
        return type(self).__module__.rsplit(".", 1)[-1]

    def with_settings(self, **changes: Any) -> Self:
        """The same method with some other settings, checked."""
        return type(self)(type(self.settings)(**(self.settings.model_dump() | changes)), self.data, self.files)

    def with_files(self, files: Mapping[str, Path]) -> Self:
        """The same method, told where its files lie."""
        return type(self)(self.settings, self.data, files)

    @property
    def size(self) -> Size:
        """Of the crops that the networks see, and of what is made."""
        return self.data.size(self.settings.crop_pixels, CROP_MULTIPLE)

    def failed(self, losses: Sequence[Mapping[str, float]]) -> str:
        """Why a training cannot have learned what the method is for, told by its losses (epoch by epoch); '' where it can."""
        return ""

    def check(self) -> None:
        """UnfitData where the dataset lacks something that the method needs. Called when params.yaml is read.

        What the feed says is looked at here; a method with needs of its own adds to it, before or after.
        """
        feed = self.feed()
        if self.data.shape != (1, 1) and not self.any_shape:
            raise UnfitData("makes squares alone, and the dataset has a shape of its own")
        if lacking := [domain for domain in feed.domains if domain not in self.data.domains]:
            have = ", ".join(self.data.domains)
            raise UnfitData(f"needs a domain '{lacking[0]}'; the dataset has {have}")
        if feed.pixels and self.data.label_maps is None:
            raise UnfitData("needs label maps, whose colours a palette names, and the dataset has none")
        if feed.paired and not self.data.paired:
            raise UnfitData("needs pairs, and the images of the dataset form none")
        if (feed.labels or feed.few) and not self.data.classes:
            raise UnfitData("needs the classes of the images, and the dataset has none")
        if feed.few and feed.few % len(self.data.classes):
            raise UnfitData(
                f"needs equally many labels of each class, and {feed.few} are no multiple of {len(self.data.classes)}"
            )

    def reads(self) -> tuple[str, ...]:
        """Files that training or making images reads besides the images, part of its key.

        Names: a source of the registry (its folder is given), READER, or a .pth file of downloads/archives.
        """
        return ()

    def feed(self) -> Feed:
        """What a step feeds on."""
        raise NotImplementedError

    def outputs(self) -> tuple[Output, ...]:
        """What it can make once trained."""
        raise NotImplementedError

    def losses(self) -> tuple[Loss, ...]:
        """What `step` returns, in the order of the tables."""
        raise NotImplementedError

    def networks(self, random: Random) -> dict[str, torch.nn.Module]:
        """All networks by name, with fresh weights drawn from `random`, on the CPU.

        Two of them may share modules (tied weights). One that no player has is frozen, but for what it shares: built
        anew from the same seed whenever it is needed, never stored.
        """
        raise NotImplementedError

    def players(self) -> dict[str, Player]:
        """Who learns, by name."""
        raise NotImplementedError

    def buffers(self) -> dict[str, torch.Tensor]:
        """Other state that a step changes in place, by name, with its first values: BEGAN's running factor, a count."""
        return {}

    def training_images(self, images: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        """What steps see of the training images by domain, levels (n, h, w, c): these, or maps that a method makes of them.

        Where the feed says `pixels`, CLASSES is there too: uint8 (n, h, w, 1), 255 where a pixel is not scored.

        What it adds, by names of its own, is cut as the images are; floating point stays as it is. The feed has to be paired.
        """
        return images

    def step(self, players: Players, batch: Batch) -> dict[str, torch.Tensor]:
        """One update of every player: reads and writes tensors only, and never waits for the device.

        Returns the losses by name, unweighted means over the batch, on the device.
        """
        raise NotImplementedError

    def generators(self) -> tuple[str, ...]:
        """The networks that `generate` uses; they alone are kept of the epochs that are looked back at."""
        raise NotImplementedError

    def network_of(self, output: Output) -> tuple[str, dict[str, Any]] | None:
        """The network that makes an output by itself, and its make in words of `nets.architecture`; None: there is none."""
        return None

    def images_at_once(self) -> int:
        """How many images `generate` is given at most: as many as a step has, since norms use the images at hand."""
        return self.settings.batch_images

    def generate(
        self, output: Output, networks: Mapping[str, torch.nn.Module], batch: Batch, random: torch.Generator
    ) -> torch.Tensor:
        """Images of an output, (n, channels, pixels, pixels) in [-1, 1].

        batch: the images of the output's source domain (none where it has none), noise as in `feed`, and, where the output has no
        source, what each image is asked for, as labels of its target domain: by turns 0, 1, 2 and so on.
        random: for whatever else has to be drawn. Networks are in training mode, so that norms use the statistics of
        the images at hand and dropout stays on, as in the papers; call `eval()` where a method wants it otherwise. No
        gradients are recorded, but inside `torch.enable_grad()`. Two outputs of one pass get the same noise.
        """
        raise NotImplementedError

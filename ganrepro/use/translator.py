"""A generator of one direction that can be called: of a row, an exported folder, a published file, or a model in MLflow."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ganrepro.data.images import Values, levels_of, range_of, scaled
from ganrepro.data.spec import MOST_NAMED, DataSpec, Size
from ganrepro.methods.imported import Imported
from ganrepro.methods.outputs import Output
from ganrepro.nets.architecture import Architecture
from ganrepro.nets.published import read_published
from ganrepro.nets.unet import mirrored
from ganrepro.plan import paths
from ganrepro.seeding import reseed
from ganrepro.use.exported import (
    CONFIG,
    TranslatorConfig,
    damaged,
    expect_shapes,
    own_about,
    read_config,
    read_weights,
    unfit,
)
from ganrepro.use.rows import ModelError, finite, known_of, weights_of

if TYPE_CHECKING:
    from PIL import Image


OTHER_VALUES = (
    "{name}: its pixels are not of the numbers that {model} was trained on, {low:g} to {high:g}; taken from the black to the "
    "white of 8 or 16 bits. --values LOW HIGH says otherwise"
)
NATIVE = 0  # in place of a size: that which an image has
MOST_ENLARGED = 8  # times, of pictures that are smaller than those of the training


@dataclass(frozen=True)
class Translator:
    """A generator of one direction, in the mode its scores were made in: norms use the image at hand, dropout stays on.

    name: as it was asked for.   source, target: domains.   output: the kind of image it makes, as in 'labels2photo'.   title: its
    row.  pixels: shorter side of the images it was trained and scored at.  shape: width to height of these.  palette: class ->
    colour of the dataset's label maps, where it has any.  about: what else is known: study, seed, scores, data, licence,
    provenance; plain values.  label_maps: the domain that holds them.  given_values: black and white of the images that it is
    given, where its user says them.  cautions: sentences on what its file does not tell.
    """

    name: str
    architecture: Architecture
    network: nn.Module
    source: str
    target: str
    output: str
    title: str
    pixels: int
    palette: dict[str, list[int]]
    about: dict[str, Any]
    label_maps: str | None = None
    shape: tuple[int, int] = (1, 1)
    depth: int = 8
    given_values: Values | None = None
    cautions: tuple[str, ...] = ()

    @property
    def size(self) -> Size:
        """Of the images that it was trained and scored at."""
        return DataSpec({}, shape=self.shape).size(self.pixels, self.architecture.multiple)

    @property
    def colours(self) -> dict[str, list[int]]:
        """Of the label maps that it takes; {} where it takes anything else."""
        return self.palette if self.source == self.label_maps else {}

    @property
    def values(self) -> Values | None:
        """Black and white of the images that it was trained on, where these had no range of their own."""
        known = self.about.get("values", {}).get(self.source)
        return None if known is None else (float(known[0]), float(known[1]))

    @property
    def opacity(self) -> bool:
        """Whether it takes the opacity of images as their fourth channel."""
        return self.architecture.inputs == 4

    @property
    def pictured(self) -> bool:
        """Whether a page can show what it takes and makes, which are of one, three or four channels."""
        return max(self.architecture.inputs, self.architecture.outputs) <= MOST_NAMED

    @property
    def noisy(self) -> bool:
        """Whether two translations of one image differ."""
        return any(isinstance(module, nn.Dropout) and module.p > 0 for module in self.network.modules())

    def __call__(self, image: Any, seed: int = 0, pixels: int | None = None) -> Any:
        """The translation of a PIL image (any size, any mode), of a picture by its path, or of a tensor (c, h, w) or (n, c, h, w)
        in [-1, 1].

        The same type comes back, of a path a PIL image, in the same size; a PIL image of colour has 8 bits.  seed: of the dropout
        of noisy models.  pixels: to which the shorter side of a picture is brought, its translation being enlarged plainly; None:
        those that the model was trained at; NATIVE: as it is. A tensor stays as it is.  ModelError for a tensor of another shape,
        ImageError for an image that cannot be read.
        """
        if pixels is not None and (not isinstance(pixels, int) or pixels < NATIVE):
            raise ModelError(f"pixels: expected a whole number, got {pixels!r}")
        if isinstance(image, (str, Path)):
            from ganrepro.use import files

            return self._picture(files.read(Path(image), self.opacity), seed, pixels)
        if hasattr(image, "convert"):
            return self._picture(levels_of(image, self.opacity), seed, pixels)
        if not isinstance(image, Tensor) or not image.is_floating_point():
            got = image.dtype if isinstance(image, Tensor) else type(image).__name__
            raise ModelError(f"expected a PIL image, a picture's path, or a tensor of floats in [-1, 1]; got {got}")
        batch = image if image.ndim == 4 else image[None]
        if batch.ndim != 4 or batch.shape[1] != self.architecture.inputs:
            raise ModelError(f"expected (n, {self.architecture.inputs}, h, w) in [-1, 1], got {tuple(image.shape)}")
        reseed(seed, "use/translate")
        translated = self.whole(batch.float())
        return translated if image.ndim == 4 else translated[0]

    def levels(self, levels: np.ndarray, seed: int = 0) -> np.ndarray:
        """The translation of levels (h, w, c) as `data.images.read_levels` gives them, all at once: see `tiles.translate`."""
        reseed(seed, "use/translate")
        values = forth(self, levels, *self.range_of(levels))
        return back(self.whole(values[None])[0], kind_of(levels, self))

    def range_of(self, levels: np.ndarray) -> Values:
        """Black and white of an image that it is given: as its user says; else those of its training images, unless the image
        shows that it has others; else those of 8 or 16 bits.
        """
        known = self.given_values or self.values
        if known is None or self.has_other_values(levels):
            return range_of(levels, "the image", "say --values LOW HIGH")
        return known

    def has_other_values(self, levels: np.ndarray) -> bool:
        """Whether an image of 8 or 16 bits is not of the numbers that the model was trained on, as a scan that was saved as a
        picture: its kind cannot hold them, or most of it lies far beyond them.
        """
        if self.values is None or self.given_values is not None or levels.dtype.kind != "u":
            return False
        low, high = self.values
        if low < 0 or high > np.iinfo(levels.dtype).max:
            return True
        colours = levels[..., :3] if levels.shape[-1] <= MOST_NAMED else levels
        return bool(2 * (colours > low + 2 * (high - low)).sum() > colours.size)

    def caution_on(self, levels: np.ndarray, name: str) -> str:
        """A sentence where an image is read otherwise than those of training, else ''."""
        if self.values is None or not self.has_other_values(levels):
            return ""
        low, high = self.values
        return OTHER_VALUES.format(name=name, model=self.title, low=low, high=high)

    def __repr__(self) -> str:
        return f"Translator({self.name!r}: {self.title}, {self.output}, {self.architecture.generator} for {self.pixels} pixels)"

    def at_scale(
        self, levels: np.ndarray, pixels: int | None, translate: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:  # fmt: skip
        """What `translate` makes of levels (h, w, c) whose shorter side is brought to `pixels`, enlarged plainly to their size.

        pixels: see `__call__`; unasked no picture is enlarged more than MOST_ENLARGED times, so that a strip two pixels high
        becomes no wall.  A network sees things at the size that it was trained on; label maps keep their colours.
        """
        self.range_of(levels)  # an error names the image's own numbers, not those between its pixels
        height, width = levels.shape[:2]
        side = min(self.pixels, MOST_ENLARGED * min(height, width)) if pixels is None else pixels
        if side in (NATIVE, min(height, width)):
            return translate(levels)
        small = tuple(max(1, round(size * side / min(height, width))) for size in (height, width))
        translated = translate(resized(levels, small, bool(self.colours)))
        return resized(translated, (height, width), self.target == self.label_maps)

    def _picture(self, levels: np.ndarray, seed: int, pixels: int | None) -> Image.Image:
        from PIL import Image as pillow

        if caution := self.caution_on(levels, "the image"):
            warnings.warn(caution, stacklevel=3)
        levels = self.at_scale(levels, pixels, lambda small: self.levels(small, seed))
        if levels.dtype != np.uint8 and levels.shape[-1] == 3:  # Pillow has no colour of 16 bits
            levels = scaled(levels, (0, 65535))
        return pillow.fromarray(levels.squeeze(-1) if levels.shape[-1] == 1 else levels)

    @torch.no_grad()
    def whole(self, batch: Tensor) -> Tensor:
        """(n, c, h, w) of any size: mirrored at its edges up to what the network needs, and cut back; each image by itself."""
        height, width = batch.shape[-2:]
        m = self.architecture.multiple
        least = 2 * m if self.architecture.any_size else m  # instance norm needs more than one value
        down, right = (max(least, -(-size // m) * m) - size for size in (height, width))
        padded = mirrored(batch, 0, down, right)
        # batch norm would let the images of a batch depend on one another
        mixed = any(isinstance(module, nn.BatchNorm2d) for module in self.network.modules())
        translated = torch.cat([self.network(image) for image in padded[:, None]]) if mixed else self.network(padded)
        return finite(translated, self.name)[..., :height, :width]


def resized(levels: np.ndarray, size: tuple[int, ...], nearest: bool) -> np.ndarray:
    """Levels (h, w, c) in another size (h, w), of the same kind: bicubic without aliases, or the nearest pixel."""
    values = torch.from_numpy(levels.astype(np.float32)).permute(2, 0, 1)[None]
    how: dict[str, Any] = {"mode": "nearest-exact"} if nearest else {"mode": "bicubic", "antialias": True, "align_corners": False}
    values = torch.nn.functional.interpolate(values, size, **how)[0].permute(1, 2, 0)
    if levels.dtype.kind == "f":
        return values.numpy()
    limits = np.iinfo(levels.dtype)
    return values.round().double().clamp(limits.min, limits.max).numpy().astype(levels.dtype)


def kind_of(levels: np.ndarray, model: Translator) -> np.dtype:
    """Of a translation: uint8 of uint8 by a model of 8 bits, uint16 of all others."""
    return np.dtype(np.uint8 if levels.dtype == np.uint8 and model.depth == 8 else np.uint16)


def forth(model: Translator, levels: np.ndarray, black: float, white: float) -> Tensor:
    """(c, h, w) in [-1, 1], with as many channels as the model takes.

    Grey is repeated, colour becomes its luminance, opacity is full where there is none and left out where it is not taken.
    """
    values = (torch.from_numpy(levels.astype(np.float32)).permute(2, 0, 1) - black) / ((white - black) / 2) - 1
    values = values.clamp_(-1, 1)
    if values.shape[0] == model.architecture.inputs:
        return values
    if values.shape[0] > MOST_NAMED or model.architecture.inputs not in (1, 3, 4):
        raise ModelError(f"expected an image of {model.architecture.inputs} channels, got one of {values.shape[0]}")
    if values.shape[0] == 4:  # onto white, as where images are read
        share = (values[3:] + 1) / 2
        values = values[:3] * share + (1 - share)
        return values if model.architecture.inputs == 3 else luminance(values)
    if model.opacity:
        return torch.cat([values.expand(3, -1, -1), torch.ones_like(values[:1])])
    if values.shape[0] == 1:
        return values.expand(model.architecture.inputs, -1, -1)
    return luminance(values)


def luminance(values: Tensor) -> Tensor:
    """(3, h, w) -> (1, h, w)."""
    weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)  # ITU-R 601, as Pillow
    return (values * weights).sum(0, keepdim=True)


def back(values: Tensor, kind: np.dtype) -> np.ndarray:
    """[-1, 1] (clipped) -> levels (h, w, c), rounded to nearest; in place, since a large photo fills the memory."""
    most = float(np.iinfo(kind).max)
    scaled = values.add_(1).mul_(most / 2).round_().clamp_(0, most)
    return np.ascontiguousarray(scaled.permute(1, 2, 0).numpy().astype(kind))


def of_row(run: paths.Run, output: Output) -> Translator:
    """The generator of a trained row."""
    method = run.method
    if isinstance(method, Imported):
        s = method.settings
        return of_published(method.files[s.weights], output.name, s.dropout, s.padding == "replicate")
    made_by = method.network_of(output)
    if made_by is None:
        raise ModelError(
            f"{run.study.name}/{run.row}: {method.title} has no network that translates by itself, which this command loads; "
            "what it made of the test images lies in images/"
        )
    name, words = made_by
    architecture = Architecture(**words)
    network = architecture.build()
    network.load_state_dict(weights_of(run)[name])
    title = run.study.rows[run.row].title
    return Translator(
        f"{run.study.name}/{run.row}/{run.seed}:{output.name}", architecture, network.train().requires_grad_(False),
        str(output.source), output.target, output.name, title, run.study.pixels, method.data.palette, known_of(run, [output]),
        method.data.label_maps, method.data.shape, method.data.depth,
    )  # fmt: skip


NOISY = (
    "{model}: has dropout, which stays on as in the published test command, for weights cannot tell whether it was trained so; "
    "if it was not: ganrepro import {model} --no-dropout"
)
MIRRORED = (
    "{model}: a ResNet whose weights cannot tell how its blocks pad; taken as mirrored, as the published code does unasked; "
    "if it was trained otherwise: ganrepro import {model} --padding replicate"
)
WAYS = {"a2b": ("a", "b"), "b2a": ("b", "a"), "labels2photo": ("a", "b"), "photo2labels": ("b", "a")}


def of_published(file: Path, output: str | None, dropout: bool = True, replicate: bool = False) -> Translator:
    """A generator that pytorch-CycleGAN-and-pix2pix saved.

    output: what it makes, where that is known.  dropout, replicate: as in `read_published`.
    """
    architecture, network = read_published(file, dropout=dropout, replicate=replicate)
    if any(channels in (0, 2) for channels in (architecture.inputs, architecture.outputs)):
        raise ModelError(f"{file}: from {architecture.inputs} to {architecture.outputs} channels; no picture has 2")
    name = output or "a2b"
    source, target = WAYS.get(name, ("a", "b"))
    pixels = architecture.pixels if architecture.generator == "unet" else 256
    about = {"imported": file.name, "licence": "unknown: that of whoever published the weights"}
    model = Translator(str(file), architecture, network, source, target, name, file.stem, pixels, {}, about)
    cautions = [NOISY.format(model=file)] if model.noisy else []
    if architecture.generator == "resnet" and not architecture.zero_padding and not replicate:
        cautions.append(MIRRORED.format(model=file))
    return replace(model, cautions=tuple(cautions))


def read_folder(folder: Path) -> Translator:
    """A folder that `export` made. ModelError where it is damaged or of another make."""
    config = read_config(folder, TranslatorConfig)
    if config.source == config.target:
        raise damaged(folder, f"source and target: expected two domains, got {config.source!r} twice")
    architecture, weights = Architecture(**config.architecture.model_dump()), read_weights(folder, config.weights)
    try:
        expect_shapes(folder, lambda: architecture.build().state_dict(), weights)
        network = architecture.build()
        network.load_state_dict(weights)
    except (ValueError, RuntimeError) as error:
        raise unfit(folder, error) from None
    about = own_about(config.about, folder)
    palette = {name: list(colour) for name, colour in config.palette.items()}
    network.train().requires_grad_(False)
    output = config.output or ("labels2photo" if config.source == "a" else "photo2labels")  # of folders of before
    way = config.source, config.target, output
    shape: dict[str, Any] = {"label_maps": config.label_maps, "shape": config.shape, "depth": config.depth}
    return Translator(str(folder), architecture, network, *way, config.title, config.pixels, palette, about, **shape)


def folder_of_mlflow(address: str) -> Path:
    """The exported folder inside an MLflow model that the report stage logged."""
    import mlflow

    from ganrepro.errors import without_secrets
    from ganrepro.tracking import moved
    from ganrepro.tracking.client import tracking_uri

    uri = tracking_uri()
    mlflow.set_tracking_uri(uri)
    try:
        if uri.startswith("sqlite:///"):
            moved.correct(Path(uri.removeprefix("sqlite:///")))
        place = Path(mlflow.artifacts.download_artifacts(artifact_uri=address))
    except Exception as error:  # MLflow's own, and those of its stores
        reason = without_secrets((str(error).splitlines() or [type(error).__name__])[0])[:160]
        raise ModelError(f"{address}: not found in MLflow ({reason})") from None
    config = next(iter(sorted(place.rglob(CONFIG))), None)
    if config is None:
        raise ModelError(f"{address}: an MLflow model, but none that this project logged: it holds no {CONFIG}")
    return config.parent

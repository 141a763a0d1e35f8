"""MODEL, the one kind of name that every command takes, and what stands behind it: a generator that can be called.

A name is a row (`streets-tiny/cyclegan`, with a seed `streets-tiny/cyclegan/1`), a folder that `export` made, a published
`.pth` of pytorch-CycleGAN-and-pix2pix, or an MLflow address (`models:/NAME/1`, `runs:/ID/generator`). Where a row makes several
outputs, `:OUTPUT` behind it chooses one (`streets-tiny/cyclegan:photo2labels`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ganrepro import checkpoints, settings
from ganrepro.artifacts import datasets, paths
from ganrepro.artifacts.files import read_json
from ganrepro.data.images import as_array, as_tensor, to_float, to_uint8
from ganrepro.data.registry import registry
from ganrepro.methods.imported import Imported
from ganrepro.methods.translation import TranslationMethod
from ganrepro.nets.architecture import Architecture
from ganrepro.nets.published import read_published
from ganrepro.outputs import OUTPUTS, Output
from ganrepro.seeding import reseed
from ganrepro.use.exported import CONFIG, TranslatorConfig, damaged, read_config, read_weights, starts_from_noise, unfit
from ganrepro.use.rows import ModelError, checkpoint_of, known_of, run_of, split_output

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Model:
    """A generator of one direction, in the mode its scores were made in: norms use the image at hand, dropout stays on.

    name: as it was asked for.  source, target: domains, 'a' (label maps or edges) or 'b' (photos).  title: its row.
    pixels: side of the images it was trained and scored at.  palette: class -> colour of the label maps, where there
    are any.  about: what else is known: study, seed, scores, data, licence, provenance; plain values.
    """

    name: str
    architecture: Architecture
    network: nn.Module
    source: str
    target: str
    title: str
    pixels: int
    palette: dict[str, list[int]]
    about: dict[str, Any]

    @property
    def output(self) -> str:
        """The kind of image it makes: 'labels2photo', or that of its domains."""
        return next(o.name for o in OUTPUTS.values() if (o.source, o.target) == (self.source, self.target))

    @property
    def noisy(self) -> bool:
        """Whether two translations of one image differ."""
        return any(isinstance(module, nn.Dropout) and module.p > 0 for module in self.network.modules())

    def __call__(self, image: Any, seed: int = 0) -> Any:
        """The translation of a PIL image (any size, any mode), or of a tensor (c, h, w) or (n, c, h, w) in [-1, 1].

        The same type comes back, in the same size. seed: of the dropout of noisy models.
        ModelError for a tensor of another shape.
        """
        if hasattr(image, "convert"):
            return self._picture(image, seed)
        if not isinstance(image, Tensor) or not image.is_floating_point():
            got = image.dtype if isinstance(image, Tensor) else type(image).__name__
            raise ModelError(f"expected a PIL image, or a tensor of floats in [-1, 1]; got {got}")
        batch = image if image.ndim == 4 else image[None]
        if batch.ndim != 4 or batch.shape[1] != self.architecture.inputs:
            raise ModelError(f"expected (n, {self.architecture.inputs}, h, w) in [-1, 1], got {tuple(image.shape)}")
        reseed(seed, "use/translate")
        made = self.whole(batch.float())
        return made if image.ndim == 4 else made[0]

    def __repr__(self) -> str:
        return f"Model({self.name!r}: {self.title}, {self.output}, {self.architecture.generator} for {self.pixels} pixels)"

    def _picture(self, image: Image.Image, seed: int) -> Image.Image:
        from PIL import Image as pillow

        mode = "L" if self.architecture.inputs == 1 else "RGB"
        made = self(to_float(as_tensor(image.convert(mode))), seed)
        return pillow.fromarray(as_array(to_uint8(made)))

    @torch.no_grad()
    def whole(self, batch: Tensor) -> Tensor:
        """(n, c, h, w) of any size: mirrored at its edges up to what the network needs, and cut back; each image by itself."""
        height, width = batch.shape[-2:]
        m = self.architecture.multiple
        least = 2 * m if self.architecture.generator == "resnet" else m  # instance norm needs more than one value
        down, right = (max(least, -(-size // m) * m) - size for size in (height, width))
        padded = pad(batch, down, right)
        # batch norm would let the images of a batch depend on one another
        mixed = any(isinstance(module, nn.BatchNorm2d) for module in self.network.modules())
        made = torch.cat([self.network(one) for one in padded[:, None]]) if mixed else self.network(padded)
        return made[..., :height, :width]


def pad(batch: Tensor, down: int, right: int) -> Tensor:
    """Rows below and columns to the right, mirrored as often as it takes."""
    for axis, extra in ((-2, down), (-1, right)):
        size = batch.shape[axis]
        if extra:
            period = [*range(size), *range(size - 2, 0, -1)] if size > 1 else [0]
            places = torch.tensor([period[i % len(period)] for i in range(size + extra)], device=batch.device)
            batch = batch.index_select(axis, places)
    return batch


def load(name: str | Path, params: str | Path = "params.yaml") -> Model:
    """The model of that name: STUDY/ROW, STUDY/ROW/SEED, an exported folder, a published .pth, models:/… or runs:/…

    :OUTPUT behind it chooses a direction. ModelError where there is none, with what is like it or the command that makes it.
    """
    text, output = split_output(str(name))
    path = Path(text)
    if text.startswith(("models:/", "runs:/")) or (path / CONFIG).exists():
        model = _of_mlflow(text) if text.startswith(("models:/", "runs:/")) else read_folder(path)
        if output not in (None, model.output):
            raise ModelError(f"{text}: makes {model.output}, not {output}")
        return replace(model, name=str(name))
    if path.suffix == ".pth":
        return _of_published(path, output)
    if path.exists():
        raise ModelError(f"{text}: no exported model: it has no {CONFIG}; of exports the folder is read, not .onnx or .pt2")
    return _of_row(text, output, params)


def of_row(run: paths.Run, output: Output) -> Model:
    """The generator of a trained row."""
    method = run.method
    if isinstance(method, Imported):
        return _of_published(method.files[method.settings.weights], output.name)
    if run.study.from_noise:
        where = f"{run.study.name}/{run.row}"
        raise ModelError(f"{where}: {method.title} starts from noise, not from a photo; ganrepro sample {where} makes images")
    if not isinstance(method, TranslationMethod):
        raise ModelError(f"{run.study.name}/{run.row}: {method.title} translates by a search, not by a network; nothing to load")
    name = f"g_{output.source}{output.target}"
    weights = checkpoints.load(checkpoint_of(run), run.spec)["players"]["networks"][name]
    s, dataset = method.settings, run.params.datasets[run.study.dataset]
    architecture = Architecture(
        s.generator, s.generator_filters, blocks=s.generator_blocks, pixels=s.crop_pixels, flavour=s.network_flavour,
        bottleneck_norm=s.bottleneck_norm,
    )  # fmt: skip
    network = architecture.build()
    network.load_state_dict(weights)
    entry = registry().get(dataset.source, {})
    # a dataset of edges has no label maps, though its source may
    palette = {} if dataset.edges else dataset.palette or entry.get("palette") or _manifest_palette(run)
    title = run.study.rows[run.row].title
    return Model(
        f"{run.study.name}/{run.row}/{run.seed}:{output.name}", architecture, network.train().requires_grad_(False),
        str(output.source), output.target, title, run.study.pixels, dict(palette or {}), known_of(run, [output]),
    )  # fmt: skip


def _manifest_palette(run: paths.Run) -> dict[str, list[int]]:
    manifest = datasets.dataset_dir(run.params, run.study.dataset) / "manifest.json"
    return dict(read_json(manifest)["classes"]) if manifest.exists() else {}


def _of_row(text: str, output: str | None, params: str | Path) -> Model:
    run = run_of(text, settings.load(params))
    if run.reference:
        raise ModelError(f"{text}: a reference row, which nothing was trained for")
    made = {o.name: o for o in run.outputs}
    if output is not None and output not in made:
        raise ModelError(f"{text}: makes {', '.join(made)}, not {output}")
    return of_row(run, made[output] if output else run.outputs[0])


def _of_published(file: Path, output: str | None) -> Model:
    architecture, network = read_published(file)
    way = OUTPUTS[output or "labels2photo"]
    pixels = architecture.pixels if architecture.generator == "unet" else 256
    about = {"imported": file.name, "licence": "unknown: that of whoever published the weights"}
    return Model(str(file), architecture, network, str(way.source), way.target, file.stem, pixels, {}, about)


def read_folder(folder: Path) -> Model:
    """A folder that `export` made. ModelError where it is damaged or of another make."""
    if starts_from_noise(folder):
        raise ModelError(f"{folder}: starts from noise, not from a photo; ganrepro sample {folder} makes images")
    config = read_config(folder, TranslatorConfig)
    if config.source == config.target:
        raise damaged(folder, f"source and target: expected a and b, got {config.source!r} twice")
    architecture, weights = Architecture(**config.architecture.model_dump()), read_weights(folder)
    try:
        network = architecture.build()
        network.load_state_dict(weights)
    except (ValueError, RuntimeError) as error:
        raise unfit(folder, error) from None
    about = config.about | {"folder": str(folder)}
    palette = {name: list(colour) for name, colour in config.palette.items()}
    network.train().requires_grad_(False)
    return Model(str(folder), architecture, network, config.source, config.target, config.title, config.pixels, palette, about)


def _of_mlflow(address: str) -> Model:
    """An MLflow model that the report stage logged: the exported folder is one of its files."""
    import mlflow

    from ganrepro.tracking.client import tracking_uri

    mlflow.set_tracking_uri(tracking_uri())
    try:
        place = Path(mlflow.artifacts.download_artifacts(artifact_uri=address))
    except Exception as error:  # MLflow's own, and those of its stores
        raise ModelError(f"{address}: not found in MLflow ({str(error).splitlines()[0][:160]})") from None
    found = next(iter(sorted(place.rglob(CONFIG))), None)
    if found is None:
        raise ModelError(f"{address}: an MLflow model, but none that this project logged: it holds no {CONFIG}")
    return read_folder(found.parent)

"""A model as something others can use: a folder for the Hugging Face hub, an ONNX file, a torch.export program.

What is exported is the function that was scored: norms use the statistics of the image at hand. Each export is run
beside the original on real images, and refused where it computes something else.
"""

from __future__ import annotations

import copy
import dataclasses
import importlib.util
import io
import math
import shutil
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ganrepro.data.images import height_and_width, range_of, read_rgb, resize, write_png
from ganrepro.reporting.current import shown
from ganrepro.reporting.markdown import in_words, quoted
from ganrepro.reporting.templates import render
from ganrepro.store.files import filling, replacing
from ganrepro.use.exported import ON_CARDS, TranslatorConfig, schema_of, scores_of, write
from ganrepro.use.rows import ModelError
from ganrepro.use.translator import Translator, forth, read_folder
from ganrepro.version import __version__

Kind = Literal["folder", "onnx", "pt2"]
EXAMPLES = "examples"  # folder of an exported model: pictures to try it on, where their licence allows
TRANSLATED = "translated"  # what the model made of them when it was exported
TOLERANCE = 1e-3  # of values in [-1, 1]: an eighth of a level of 8 bits


class Check(NamedTuple):
    """The largest difference from the original over some images, in values of [-1, 1]."""

    difference: float
    images: int


def export(model: Translator, kind: Kind, path: Path, images: Sequence[Tensor], examples: Sequence[Path] = ()) -> Check:
    """Writes the model and compares it with the original on images (c, h, w) in [-1, 1].

    examples: pictures that go into a folder, to begin with; whoever names them may pass them on.
    Nothing is left behind where the two differ by more than TOLERANCE, or a graph cannot hold the model (ModelError).
    """
    if not images:
        raise ModelError("export: expected at least one image to compare on, got none")
    if kind != "folder" and model.architecture.by_tiles:
        raise ModelError(f"{model.name}: segments tile by tile, which no graph holds; use `--to folder`")
    if examples and kind != "folder":
        raise ModelError(f"examples: an exported {kind} file holds none; with `--to folder` they go into it")
    if kind == "folder":
        to_folder(model, path, examples)
    else:
        {"onnx": to_onnx, "pt2": to_pt2}[kind](model, path)
    try:
        check = compare(model, READERS[kind](path), images, kind == "pt2" and not model.architecture.any_size)
        if not check.difference <= TOLERANCE:
            raise ModelError(f"{path}: differs from the original by {check.difference:.2g}, more than {TOLERANCE}; not kept")
    except BaseException:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        raise
    return check


def compare(model: Translator, other: Callable[[Tensor], Tensor], images: Sequence[Tensor], own_size: bool = False) -> Check:
    """On images cut to a size that the network takes as it is; where there is dropout, both meet the same.

    own_size: resized to the size the network was built for.
    """
    worst, m = 0.0, model.architecture.multiple
    for image in images:
        size = [m if own_size else max(m, side - side % m) for side in image.shape[-2:]]
        given = nn.functional.interpolate(image[None], size, mode="bilinear", align_corners=False)
        given = torch.cat([given, given.flip(-1)])  # two, which must not depend on one another
        with torch.no_grad():
            torch.manual_seed(0)
            mine = model.whole(given)
            torch.manual_seed(0)
            difference = float((mine - other(given)).abs().max())
            if not math.isfinite(difference):
                raise ModelError(f"{model.name}: what was exported makes values that are not finite")
            worst = max(worst, difference)
    return Check(worst, len(images))


def refuse_noise(model: Translator, kind: str) -> None:
    """A graph for others holds no random numbers of ours. ModelError for a model whose dropout stays on."""
    if model.noisy:
        raise ModelError(
            f"{model.name}: its scores were made with dropout on, which {kind} runtimes switch off or draw otherwise: the graph "
            "would be another function. `--to folder` keeps it; `--no-dropout` exports that other function, and marks it"
        )


# --- a folder -----------------------------------------------------------------------------------


def config(model: Translator) -> dict[str, object]:
    """config.json: the architecture as arguments, what goes in and comes out, what is known of its making."""
    return {
        "schema": schema_of(TranslatorConfig), "ganrepro": __version__, "architecture": model.architecture.as_values(),
        "source": model.source, "target": model.target, "output": model.output, "title": model.title, "pixels": model.pixels,
        "shape": model.shape, "depth": model.depth,
        "palette": model.palette, "label_maps": model.label_maps,
        "range": [-1, 1], "layout": "NCHW, RGB where of 3 channels, float32", "multiple": model.architecture.multiple,
        "mode": "train: norms use the image at hand" + (", dropout stays on" if model.noisy else ""),
        "about": {name: value for name, value in model.about.items() if name not in ("folder", "dataset_folder")},
    }  # fmt: skip


def to_folder(model: Translator, path: Path, examples: Sequence[Path] = ()) -> None:
    """Weights as safetensors, config.json, and a model card: what `huggingface_hub.upload_folder` takes as it is.

    examples: pictures to try it on; where none are named, those of the exported folder that the model is of, or test images of
    the embedded dataset, which this program drew and anybody may pass on, and none of others.
    """
    from ganrepro.use import files

    chosen = [path for path, _ in files.find(list(examples))] if examples and model.pictured else []
    pictures = [_shown(model, path) for path in chosen]
    pictures = pictures or (example_pictures(model) if model.about.get("drawn") or "folder" in model.about else [])
    with filling(path) as folder:
        write(folder, config(model), model.network.state_dict(), card(model))
        for name in (EXAMPLES, TRANSLATED) if pictures else ():
            (folder / name).mkdir()
        for number, picture in enumerate(pictures):
            write_png(folder / EXAMPLES / f"{number}.png", resize(picture, model.size))
            with warnings.catch_warnings(action="ignore", category=UserWarning):  # its numbers are told by `translate`
                write_png(folder / TRANSLATED / f"{number}.png", model(resize(picture, model.size)))


def _shown(model: Translator, path: Path) -> Image.Image:
    """A picture as one of 8 bits that the model reads as it read the file: of its own numbers, where 8 bits hold them."""
    from ganrepro.use import files

    levels = files.read(path)
    picture = read_rgb(path, model.range_of(levels))
    if model.values is None or model.has_other_values(np.asarray(picture)):
        return picture
    low, high = model.values
    return Image.fromarray((np.asarray(picture) * ((high - low) / 255) + low).round().astype(np.uint8))


def card(model: Translator) -> str:
    """The model card: what it is for, what it was trained on, what it scored, how to call it."""
    about = quoted(dict.fromkeys(ON_CARDS) | model.about)
    others = {model.label_maps: "label map"} if model.label_maps else {}
    source, target = (others.get(name, "photo" if others else name) for name in (model.source, model.target))
    return render(
        "model_card.md.j2", model=model, about=about, scores=scores_of(model.about), version=__version__,
        parameters=sum(p.numel() for p in model.network.parameters()), title=quoted(model.title), source=source, target=target,
        palette=quoted(model.palette), size=in_words(model.size),
        channels=defaultdict(lambda: "in the order of its training images", {1: "grey", 3: "RGB", 4: "RGB and opacity"}),
    )  # fmt: skip


# --- graphs -------------------------------------------------------------------------------------


def to_onnx(model: Translator, path: Path) -> None:
    """One file, any height and width that the network takes, any number of images. Needs the extra `export`."""
    _need("onnx", "onnxscript")
    refuse_noise(model, "ONNX")
    with replacing(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _plain(model.network), (_example(model),), dynamo=True, external_data=False, verbose=False,
            input_names=["image"], output_names=["translation"], dynamic_shapes=_dynamic(model),
        )  # fmt: skip
        assert program is not None
        program.save(str(temporary))


def to_pt2(model: Translator, path: Path) -> None:
    """A torch.export program; of a U-Net, for images of the size it was built for."""
    refuse_noise(model, "torch.export")
    example, dynamic = _example(model), _dynamic(model)
    if not model.architecture.any_size:
        example, dynamic = example[..., : model.architecture.multiple, : model.architecture.multiple], ({0: dynamic[0][0]},)
    with replacing(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program, content = torch.export.export(_plain(model.network), (example,), dynamic_shapes=dynamic), io.BytesIO()
        torch.export.save(program, content)  # into memory: on a full disk its own writer aborts the process
        temporary.write_bytes(content.getvalue())


class _ImageNorm(nn.Module):
    """A norm over each image by itself, written out: at one image at a time the same as every norm of these networks."""

    def __init__(self, norm: nn.BatchNorm2d | nn.InstanceNorm2d):
        super().__init__()
        self.eps, self.weight, self.bias = norm.eps, norm.weight, norm.bias

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
        x = (x - mean) * (variance + self.eps).rsqrt()
        return x if self.weight is None else x * self.weight[:, None, None] + self.bias[:, None, None]


def _plain(network: nn.Module) -> nn.Module:
    """A copy whose norms a graph can hold for any number of images."""
    copied = copy.deepcopy(network)
    for parent in list(copied.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, (nn.BatchNorm2d, nn.InstanceNorm2d)):
                setattr(parent, name, _ImageNorm(child))
    return copied


def without_dropout(model: Translator) -> Translator:
    """The same weights with dropout off: another function than the one that was scored, and so marked.

    ModelError for a model that has none.
    """
    if not model.noisy:
        raise ModelError(f"{model.name}: has no dropout that is on; leave --no-dropout out")
    architecture = dataclasses.replace(model.architecture, dropout=False)
    network = architecture.build()
    network.load_state_dict(model.network.state_dict())
    about = model.about | {"dropout": "off; its scores were made with it on"}
    return dataclasses.replace(model, architecture=architecture, network=network.train().requires_grad_(False), about=about)


def _example(model: Translator) -> Tensor:
    side = 2 * model.architecture.multiple  # a dimension of one would be taken for fixed
    return torch.zeros(2, model.architecture.inputs, side, side)


def _dynamic(model: Translator) -> tuple[dict[int, object]]:
    m, rows, columns = model.architecture.multiple, torch.export.Dim("rows", min=1), torch.export.Dim("columns", min=1)
    return ({0: torch.export.Dim("images", min=1), 2: m * rows, 3: m * columns},)


def _need(*modules: str) -> None:
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelError(f"{', '.join(missing)}: not installed; pip install 'ganrepro[export]'")


def read_onnx(path: Path) -> Callable[[Tensor], Tensor]:
    """An ONNX file as a function, run by ONNX Runtime."""
    _need("onnxruntime")
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda image: torch.from_numpy(np.asarray(session.run(None, {"image": image.numpy()})[0]))


def read_pt2(path: Path) -> Callable[[Tensor], Tensor]:
    """A torch.export program as a function."""
    program = torch.export.load(str(path)).module()
    return lambda image: program(image)


READERS: dict[str, Callable[[Path], Callable[[Tensor], Tensor]]] = {
    "folder": lambda path: read_folder(path).whole, "onnx": read_onnx, "pt2": read_pt2,
}  # fmt: skip


# --- images to compare on, or to begin with -------------------------------------------------------


def real_images(model: Translator, photos: Sequence[Path], most: int = 10) -> list[Tensor]:
    """Images (c, h, w) in [-1, 1] of the model's source: those named, else its examples, else test images of its study.

    Of a model that knows no images, as an imported one: noise of all frequencies, which any network tells apart.
    """
    from ganrepro.use import files

    chosen = [path for path, _ in files.find(list(photos))] if photos else _sources(model)
    height, width = height_and_width(model.size)
    if not chosen:
        random = torch.Generator().manual_seed(0)
        return [torch.rand(model.architecture.inputs, height, width, generator=random) * 2 - 1 for _ in range(3)]
    images = []
    for file in chosen[:most]:
        levels = files.read(file, model.opacity)
        own = bool(photos) or "dataset_folder" not in model.about  # other files were prepared for the model
        values = model.range_of(levels) if own else range_of(levels, file)
        image = forth(model, levels, *values)[None]
        images.append(nn.functional.interpolate(image, (height, width), mode="bicubic", antialias=True)[0].clamp(-1, 1))
    return images


def example_pictures(model: Translator, most: int = 4) -> list[Image.Image]:
    """Pictures of the model's source: its own examples, or test images of its study; none where there are none."""
    return [read_rgb(path) for path in _sources(model)[:most]] if model.pictured else []


def _sources(model: Translator) -> list[Path]:
    """Files of the model's source domain, evenly from the first to the last."""
    examples = Path(str(model.about["folder"])) / EXAMPLES if "folder" in model.about else None
    # a stranger's folder names no file elsewhere by a link
    inside = sorted(examples.glob("*.png")) if examples is not None and not examples.is_symlink() else []
    kept = [file for file in inside if file.is_file() and not file.is_symlink()]
    if kept or "dataset_folder" not in model.about:
        return kept
    files_of_dataset = sorted((Path(str(model.about["dataset_folder"])) / "test" / model.source).glob("*"))
    return shown(files_of_dataset, 10)

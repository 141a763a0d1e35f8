"""The segmentation network that reads generated photos, trained on the dataset's own real ones.

Resolution is handled as the papers' FCN-score handles it: photos are shrunk to the size the
generators work at, enlarged again to the size of the label maps, and compared with label maps that
were never resized.

DEVIATION(own-segmenter): the papers use one FCN-8s trained on Cityscapes; this one is smaller and
trained per dataset, so scores compare within a dataset, and its ground-truth row is the scale.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from ganrepro.data.images import VOID, read_labels, read_rgb, resize, to_float, write_png
from ganrepro.data.spec import DataSpec, Size
from ganrepro.evaluation.label_maps import confusion, enlarged, read_truth
from ganrepro.evaluation.readers.base import Gate, Reader, ReaderError, ReaderKind, Task
from ganrepro.evaluation.segmentation import rates
from ganrepro.nets.segmenter import Segmenter, UNetSegmenter
from ganrepro.schema.readers import ReaderSettings
from ganrepro.seeding import reseed, stream

REQUIRED = 0.80  # per-pixel accuracy of real test photos


class Segmentation(ReaderKind):
    """Cross-entropy over scored pixels, AdamW with a cosine schedule, mirrored at random."""

    title = "a segmentation network, trained on real training images of this dataset,"

    def make(self, task: Task) -> tuple[nn.Module, list[dict[str, float]]]:
        """Rows: {epoch, loss}. ImageError for a label map with unknown ids, ReaderError on a non-finite loss."""
        dataset, names, recipe, device = task.folder, task.names("train"), task.trained, task.device
        classes = len(task.data.palette)
        for name in names:
            read_truth(dataset / "train" / "labels" / name, classes)
        # only the shrunk photos stay in memory: label maps (and enlarged photos) may be large
        photos = {name: resize(read_rgb(dataset / "train" / task.domain / name), task.pixels) for name in names}
        with torch.random.fork_rng(devices=[]):
            reseed(recipe.seed, "segmenter/weights")
            network = build(recipe, classes).to(device)
        optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=1e-4, fused=True)
        steps = len(_batches(torch.arange(len(names)), recipe.batch_images))
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, recipe.learning_rate, total_steps=steps * recipe.epochs, pct_start=0.1
        )
        rows: list[dict[str, float]] = []
        parts: dict[str, Any] = {"network": network, "optimiser": optimiser, "schedule": schedule}
        if task.resume is not None:
            rows = task.resume["rows"]
            for name, part in parts.items():
                part.load_state_dict(task.resume[name])
        interval = 0.5 if sys.stderr.isatty() else 30.0
        total_steps, done = steps * recipe.epochs, steps * len(rows)
        with tqdm(total=total_steps, initial=done, desc="reader", unit="it", mininterval=interval) as bar:
            for epoch in range(len(rows) + 1, recipe.epochs + 1):
                generator = stream(recipe.seed, f"segmenter/{epoch}")
                total = 0.0
                for chosen in _batches(torch.randperm(len(names), generator=generator), recipe.batch_images):
                    x, y = _batch(dataset, photos, [names[i] for i in chosen], generator)
                    loss = functional.cross_entropy(network(to_float(x.to(device))), y.to(device), ignore_index=VOID)
                    optimiser.zero_grad(set_to_none=True)
                    torch.autograd.backward(loss)
                    optimiser.step()
                    schedule.step()
                    total += loss.item() * len(chosen)
                    bar.update()
                if not math.isfinite(total):
                    raise ReaderError(f"the reader's loss became {total} in epoch {epoch}; lower readers.*.learning_rate")
                rows.append({"epoch": epoch, "loss": total / len(names)})
                task.save({name: part.state_dict() for name, part in parts.items()} | {"rows": rows})
                bar.set_postfix(loss=f"{rows[-1]['loss']:.3f}", refresh=False)
        return network.eval(), rows

    def load(self, state: Mapping[str, Tensor], recipe: Any, data: DataSpec) -> Reader:
        network = build(recipe, len(data.palette))
        network.load_state_dict(state)
        network.eval()
        return Reader(network, features=lambda x: network.features(x).mean((2, 3)))

    def gate(self, reader: Reader, task: Task) -> Gate:
        counts = read_real_photos(reader, task, task.pixels)
        return Gate("per-pixel accuracy", float(rates(counts.sum(0))["pixel_accuracy"]), task.trained.required or REQUIRED)


def build(recipe: ReaderSettings, classes: int) -> Segmenter | UNetSegmenter:
    """The network of a recipe, with weights drawn by its seed."""
    if recipe.network == "unet":
        return UNetSegmenter(classes, recipe.filters, stream(recipe.seed, "segmenter/weights"))
    return Segmenter(classes, recipe.filters)


def read_photos(reader: Reader, folder: Path, names: list[str], data: Path, classes: int, device: torch.device) -> np.ndarray:
    """Counts of a reader's reading of one folder of photos, image by image: (images, classes, outputs)."""
    outputs, labels = reader.outputs or classes, data / "test" / "labels"
    return confusion(
        folder, names, labels, classes, outputs, enlarged, lambda photos: reader.network(to_float(photos)).argmax(1), device
    )


def read_real_photos(reader: Reader, task: Task, pixels: Size) -> np.ndarray:
    """The same of the real test photos, shrunk as generated ones are."""
    names, classes = task.names("test"), len(task.data.palette)
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            write_png(Path(scratch) / name, resize(read_rgb(task.folder / "test" / task.domain / name), pixels))
        return read_photos(reader, Path(scratch), names, task.folder, classes, task.device)


def _batches(order: Tensor, size: int) -> list[Tensor]:
    """`order` in batches; a last one of a single image, which batch norm cannot use, joins its neighbour."""
    batches = list(torch.split(order, size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _batch(dataset: Path, photos: dict[str, Image.Image], names: list[str], generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Photos enlarged to their label maps' size, mirrored at random; odd sizes follow the first's."""
    xs: list[Tensor] = []
    ys: list[Tensor] = []
    for name in names:
        label = Image.fromarray(read_labels(dataset / "train" / "labels" / name))
        if ys:
            height, width = ys[0].shape
            label = label.resize((width, height), Image.Resampling.NEAREST)
        x, y = enlarged(photos[name], label.height, label.width), torch.from_numpy(np.array(label))
        mirrored = bool(torch.randint(0, 2, (), generator=generator))
        xs.append(x.flip(-1) if mirrored else x)
        ys.append(y.flip(-1) if mirrored else y)
    return torch.stack(xs), torch.stack(ys).long()


KIND = Segmentation()

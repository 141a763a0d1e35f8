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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from ganrepro.data.images import VOID, as_tensor, nearest_colour, read_labels, read_rgb, resize, to_float
from ganrepro.errors import UserError
from ganrepro.evaluation.label_maps import read_truth
from ganrepro.seeding import reseed, stream
from ganrepro.settings.models import ScorerSettings


class SegmenterError(UserError):
    """The segmentation network cannot be trained; the message says what to do."""


class _Residual(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.body(x))


def _down(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


class Segmenter(nn.Module):
    """Fully convolutional, strides 4, 8 and 16, each scored and summed upwards as in FCN-8s.

    (n, 3, h, w) in [-1, 1] -> logits (n, classes, h, w), any size from 16.
    """

    def __init__(self, classes: int, filters: int):
        super().__init__()
        f = filters
        self.quarter = _down(3, f, 7, 4)
        self.eighth = nn.Sequential(_down(f, 2 * f, 3, 2), _Residual(2 * f), _Residual(2 * f))
        self.sixteenth = nn.Sequential(_down(2 * f, 4 * f, 3, 2), _Residual(4 * f), _Residual(4 * f))
        self.scores = nn.ModuleList(nn.Conv2d(w, classes, 3, padding=1) for w in (f, 2 * f, 4 * f))

    def forward(self, x: Tensor) -> Tensor:
        quarter = self.quarter(x)
        eighth = self.eighth(quarter)
        logits = self.scores[2](self.sixteenth(eighth))
        for score, features in ((self.scores[1], eighth), (self.scores[0], quarter)):
            logits = _enlarge(logits, features) + score(features)
        return _enlarge(logits, x)


def _enlarge(logits: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(logits, size=like.shape[-2:], mode="bilinear", align_corners=False)


def enlarged(photo: Image.Image, height: int, width: int) -> Tensor:
    """A photo bilinearly resized to the label map's size, uint8 (3, height, width)."""
    return as_tensor(photo if photo.size == (width, height) else photo.resize((width, height), Image.Resampling.BILINEAR))


def train_segmenter(
    dataset: Path,
    names: list[str],
    classes: int,
    scorer: ScorerSettings,
    pixels: int,
    device: torch.device,
    resume: dict[str, Any] | None = None,
    save: Callable[[dict[str, Any]], None] = lambda state: None,
) -> tuple[Segmenter, list[dict[str, float]]]:
    """A segmenter trained on the real training photos and label maps of a prepared dataset.

    Returns it in eval mode with one row {epoch, loss} per epoch. Cross-entropy over scored pixels,
    AdamW with a cosine schedule, mirrored at random. save(state) is called after every epoch;
    resume: such a state, to go on from. ImageError for a label map with unknown ids, SegmenterError on a non-finite loss.
    """
    for name in names:
        read_truth(dataset / "train" / "labels" / name, classes)
    # only the shrunk photos stay in memory: label maps (and enlarged photos) may be large
    photos = {name: resize(read_rgb(dataset / "train" / "b" / name), pixels) for name in names}
    with torch.random.fork_rng(devices=[]):
        reseed(scorer.seed, "segmenter/weights")
        network = Segmenter(classes, scorer.filters).to(device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=scorer.learning_rate, weight_decay=1e-4, fused=True)
    steps = len(_batches(torch.arange(len(names)), scorer.batch_images))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, scorer.learning_rate, total_steps=steps * scorer.epochs, pct_start=0.1
    )
    rows: list[dict[str, float]] = []
    parts: dict[str, Any] = {"network": network, "optimiser": optimiser, "schedule": schedule}
    if resume is not None:
        rows = resume["rows"]
        for name, part in parts.items():
            part.load_state_dict(resume[name])
    interval = 0.5 if sys.stderr.isatty() else 30.0
    total_steps, done = steps * scorer.epochs, steps * len(rows)
    with tqdm(total=total_steps, initial=done, desc="segmenter", unit="it", mininterval=interval) as bar:
        for epoch in range(len(rows) + 1, scorer.epochs + 1):
            generator = stream(scorer.seed, f"segmenter/{epoch}")
            total = 0.0
            for chosen in _batches(torch.randperm(len(names), generator=generator), scorer.batch_images):
                x, y = _batch(dataset, photos, [names[i] for i in chosen], generator)
                loss = functional.cross_entropy(network(to_float(x.to(device))), y.to(device), ignore_index=VOID)
                optimiser.zero_grad(set_to_none=True)
                torch.autograd.backward(loss)
                optimiser.step()
                schedule.step()
                total += loss.item() * len(chosen)
                bar.update()
            if not math.isfinite(total):
                raise SegmenterError(f"the segmenter's loss became {total} in epoch {epoch}; lower scorers.*.learning_rate")
            rows.append({"epoch": epoch, "loss": total / len(names)})
            save({name: part.state_dict() for name, part in parts.items()} | {"rows": rows})
            bar.set_postfix(loss=f"{rows[-1]['loss']:.3f}", refresh=False)
    return network.eval(), rows


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


@torch.no_grad()
def segment(network: Segmenter, photo: Image.Image, height: int, width: int, device: torch.device) -> Tensor:
    """Class map (height, width), int64 on the CPU, of a photo of any size."""
    return network(to_float(enlarged(photo, height, width)[None].to(device))).argmax(1)[0].cpu()


def classify_colours(image: Image.Image, palette: dict[str, list[int]], height: int, width: int) -> Tensor:
    """Class map (height, width) of a label image: nearest palette colour, then enlarged by nearest.

    Euclidean distance in RGB. Enlarging to the label maps' size is UNCONFIRMED for the papers; no
    script was released. Unscored (void) is not a colour of the palette, so every pixel gets a class.
    """
    index, _ = nearest_colour(image, np.array(list(palette.values())))
    return torch.from_numpy(np.array(Image.fromarray(index).resize((width, height), Image.Resampling.NEAREST)))

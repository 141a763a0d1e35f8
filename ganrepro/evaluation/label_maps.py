"""Folders of images against label maps: read by threads, predicted in batches, counted where the network is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganrepro.data.images import VOID, ImageError, as_tensor, nearest_colour, read_labels, read_rgb
from ganrepro.evaluation.segmentation import confusion_matrix
from ganrepro.process import cores

DECODERS = max(2, min(8, cores()))  # threads that read and unpack images; more wait for one another
BATCH_PIXELS = 2**19  # of the images that are predicted at once; larger batches gain nothing and take memory

Loaded = tuple[Tensor, Tensor]  # class map, and what its prediction is read from, at its size


def confusion(
    folder: Path,
    names: list[str],
    labels: Path,
    classes: int,
    outputs: int,
    prepare: Callable[[Image.Image, int, int], Tensor],
    predict: Callable[[Tensor], Tensor],
    device: torch.device,
) -> np.ndarray:
    """Counts of one folder image by image, int64 (images, classes, outputs).

    labels: folder of class maps at native size, named alike.  prepare: an image and the height and width of its class
    map -> what is read.  predict: a batch of those -> class maps.
    ImageError names an image that is missing, unreadable, not RGB, of another size than the first, or a label map with
    unknown ids.
    """
    size = read_made(folder / names[0]).size

    def load(name: str) -> Loaded:
        truth = torch.from_numpy(read_truth(labels / name, classes))
        image = read_made(folder / name)
        if image.size != size:
            raise ImageError(f"{folder / name}: {image.size} is not the size of {names[0]}, {size}; expected images of one size")
        return truth, prepare(image, *truth.shape)

    total = torch.zeros(len(names), classes, outputs, dtype=torch.int64, device=device)
    done = 0
    for batch in _batches(_ahead(load, names)):
        truth = torch.stack([pair[0] for pair in batch]).to(device)
        with torch.no_grad():
            prediction = predict(torch.stack([pair[1] for pair in batch]).to(device))
        total[done : done + len(batch)] = confusion_matrix(truth, prediction, classes, outputs)
        done += len(batch)
    return total.cpu().numpy()


def read_made(path: Path) -> Image.Image:
    """A generated image. ImageError unless it is RGB: a grey one would be scored as if it had colours."""
    image = read_rgb(path)
    with Image.open(path) as file:
        if file.mode != "RGB":
            raise ImageError(f"{path}: expected three channels (RGB), got mode {file.mode}; write it as RGB")
    return image


def read_truth(path: Path, classes: int) -> np.ndarray:
    """A class map, uint8 (h, w). ImageError if it is unreadable or holds anything but the classes and 255 (unscored)."""
    truth = read_labels(path)
    strange = [str(i) for i in np.bincount(truth.ravel(), minlength=256).nonzero()[0] if classes <= i != VOID]
    if strange:
        raise ImageError(f"{path}: ids {', '.join(strange[:5])}; expected 0..{classes - 1}, or {VOID} for unscored pixels")
    return truth


def _ahead(load: Callable[[str], Loaded], names: list[str]) -> Iterator[Loaded]:
    """load(name) of every name, in order; threads work a few ahead."""
    with ThreadPoolExecutor(DECODERS) as pool:
        waiting = [pool.submit(load, name) for name in names[: 4 * DECODERS]]
        for name in [*names[4 * DECODERS :], *[None] * len(waiting)]:
            yield waiting.pop(0).result()
            if name is not None:
                waiting.append(pool.submit(load, name))


def _batches(stream: Iterator[Loaded]) -> Iterator[list[Loaded]]:
    """Neighbours of one size together, as many as BATCH_PIXELS allows."""
    for (height, width), group in groupby(stream, key=lambda pair: tuple(pair[0].shape)):
        limit = max(1, BATCH_PIXELS // (height * width))
        batch: list[Loaded] = []
        for pair in group:
            batch.append(pair)
            if len(batch) == limit:
                yield batch
                batch = []
        if batch:
            yield batch


def enlarged(photo: Image.Image, height: int, width: int) -> Tensor:
    """A photo bilinearly resized to the label map's size, uint8 (3, height, width)."""
    return as_tensor(photo if photo.size == (width, height) else photo.resize((width, height), Image.Resampling.BILINEAR))


def classify_colours(image: Image.Image, palette: dict[str, list[int]], height: int, width: int) -> Tensor:
    """Class map (height, width) of a label image: nearest palette colour, then enlarged by nearest.

    Euclidean distance in RGB. Enlarging to the label maps' size is UNCONFIRMED for the papers; no
    script was released. Unscored (void) is not a colour of the palette, so every pixel gets a class.
    """
    index, _ = nearest_colour(image, np.array(list(palette.values())))
    return torch.from_numpy(np.array(Image.fromarray(index).resize((width, height), Image.Resampling.NEAREST)))

"""Scores folders of translations: labels -> photo by FCN-score and colours, photo -> labels by nearest label colour.

PNG images on disk are all that is read of a translation, so anything that writes such folders can
be scored. Images are decoded by threads, read by the network in batches, and counted where the network is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganrepro.config import Direction
from ganrepro.data.images import VOID, ImageError, read_labels, read_rgb, resize, to_float
from ganrepro.evaluation.colours import colour_counts, intersections
from ganrepro.evaluation.confusion import confusion_matrix
from ganrepro.evaluation.rates import overflowing, rates
from ganrepro.evaluation.segmenter import classify_colours, enlarged

DECODERS = 2  # threads that read and unpack images; more wait for one another
BATCH_PIXELS = 2**19  # of the photos that the network reads at once; larger batches gain nothing and take memory


Network = Callable[[Tensor], Tensor]  # reads photos: (n, 3, h, w) in [-1, 1] -> logits (n, outputs, h, w)
Loaded = tuple[Tensor, Tensor]  # class map, and what its prediction is read from, at its size


def score_translations(
    passes: list[Path],
    test: Path,
    names: list[str],
    directions: Iterable[Direction],
    palette: dict[str, list[int]],
    network: Network,
    device: torch.device,
    outputs: int | None = None,
    overflow: bool = False,
) -> tuple[dict[str, dict[str, object]], dict[str, np.ndarray]]:
    """Scores by direction over all test images and passes, and the counts they follow from.

    passes: folders that hold <direction>/NAME, one for each translation of the test set.  test: the prepared
    test split with class maps at native size under labels/, named alike.  outputs: of the network, where it has more
    than there are classes; pixels that it takes for none of them are wrong, or, with overflow, counted as
    `overflowing` says. `passes` in the scores has those of each pass alone. Counts: '<direction>.confusion', summed
    over passes, (images, classes, outputs).
    ImageError names an image that is missing, unreadable, not RGB, of another size than the first, or a label map with
    unknown ids.
    """
    found: dict[str, dict[str, object]] = {}
    counts: dict[str, np.ndarray] = {}
    for direction in directions:
        many = outputs or len(palette) if direction == "labels2photo" else len(palette)
        each = [_count(folder / direction, test, names, direction, palette, network, many, device) for folder in passes]
        confusion = np.stack(each)
        beyond = int(confusion[..., len(palette) :].sum())
        if overflow and many > len(palette):
            confusion = np.stack([overflowing(one) for one in confusion])
        counts[f"{direction}.confusion"] = confusion.sum(0)
        values: dict[str, object] = {k: v.tolist() for k, v in rates(confusion.sum((0, 1))).items()}
        if direction == "labels2photo":
            values["beyond_classes"] = beyond
        single = [{k: float(v) for k, v in rates(one.sum(0)).items() if v.ndim == 0} for one in confusion]
        found[direction] = values | {"images": len(names), "passes": single}
    return found, counts


def _count(
    folder: Path, test: Path, names: list[str], direction: str, palette: dict[str, list[int]], network: Network,
    outputs: int, device: torch.device,
) -> np.ndarray:  # fmt: skip
    """Confusion of one translation of the test set, image by image."""
    size = read_made(folder / names[0]).size

    def load(name: str) -> Loaded:
        truth = torch.from_numpy(read_truth(test / "labels" / name, len(palette)))
        image = read_made(folder / name)
        if image.size != size:
            raise ImageError(f"{folder / name}: {image.size} is not the size of {names[0]}, {size}; expected images of one size")
        height, width = truth.shape
        if direction == "photo2labels":
            return truth, classify_colours(image, palette, height, width)
        return truth, enlarged(image, height, width)

    total = torch.zeros(len(names), len(palette), outputs, dtype=torch.int64, device=device)
    done = 0
    for batch in _batches(_ahead(load, names)):
        truth = torch.stack([one[0] for one in batch]).to(device)
        prediction = torch.stack([one[1] for one in batch]).to(device)
        if direction == "labels2photo":
            with torch.no_grad():
                prediction = network(to_float(prediction)).argmax(1)
        total[done : done + len(batch)] = confusion_matrix(truth, prediction, len(palette), outputs)
        done += len(batch)
    return total.cpu().numpy()


def score_colours(made: Sequence[Path], real: Path, names: Sequence[str]) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Intersections of photos of the same names, and the counts behind them, `colours` and `real_colours` (images, bins).

    made: folders, one for each pass; their counts are summed.  real: brought to the size of the first one generated.
    """
    pixels = read_made(made[0] / names[0]).width

    def count(path: Path) -> np.ndarray:
        return colour_counts(resize(read_rgb(path), pixels))

    with ThreadPoolExecutor(DECODERS) as pool:
        folders = [np.stack(list(pool.map(count, [folder / name for name in names]))) for folder in (*made, real)]
    counts = {"colours": np.sum(folders[:-1], 0), "real_colours": folders[-1]}
    shared = intersections(counts["colours"].sum(0), counts["real_colours"].sum(0))
    return {name: float(value) for name, value in shared.items()}, counts


def read_made(path: Path) -> Image.Image:
    """A generated image. ImageError unless it is RGB: a grey one would be scored as if it had colours."""
    image = read_rgb(path)
    with Image.open(path) as file:
        if file.mode != "RGB":
            raise ImageError(f"{path}: expected three channels (RGB), got mode {file.mode}; write it as RGB")
    return image


def read_truth(path: Path, classes: int) -> np.ndarray:
    """A class map, uint8 (h, w). ImageError if it is unreadable or holds anything but the classes and 255 (unscored)."""
    try:
        truth = read_labels(path)
    except (ValueError, Image.DecompressionBombError) as error:
        raise ImageError(f"{path}: not a readable label map ({error})") from None
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
    for (height, width), group in groupby(stream, key=lambda one: tuple(one[0].shape)):
        limit = max(1, BATCH_PIXELS // (height * width))
        batch: list[Loaded] = []
        for one in group:
            batch.append(one)
            if len(batch) == limit:
                yield batch
                batch = []
        if batch:
            yield batch

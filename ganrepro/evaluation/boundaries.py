"""The boundary benchmark of BSDS500: precision and recall of edge maps against several human annotators.

Edge pixels are matched one to one within 0.0075 of the image diagonal. Recall counts, over all annotators,
their boundary pixels that found a partner; precision counts edge pixels that found one with any annotator.
Source: Martin, Fowlkes and Malik 2004; Arbelaez et al. 2011, section 3.1; their boundaryBench code. Maps of strength
are smoothed by one pixel before suppression, as HED's own evaluation does and pix2pix's edges do not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from scipy.io import loadmat
from scipy.sparse import coo_array
from scipy.sparse.csgraph import maximum_flow
from skimage.color import rgb2gray
from skimage.feature import canny
from skimage.filters import sobel
from skimage.morphology import thin
from tqdm import tqdm

from ganrepro.data.edges import EdgeDetector, suppress
from ganrepro.data.images import read_rgb

TOLERANCE = 0.0075  # of the image diagonal
THRESHOLDS = np.arange(1, 31) / 31
Maps = Callable[[Image.Image], list[np.ndarray]]  # RGB photo -> one bool map (h, w) for each threshold


def methods_beside(detector: EdgeDetector) -> dict[str, Maps]:
    """HED, Canny (sigma 2) and Sobel by name; all but Canny, which has its own, suppressed alike."""
    return {"HED": partial(_hed_maps, detector), "Canny": _canny_maps, "Sobel": _sobel_maps}


def _hed_maps(detector: EdgeDetector, photo: Image.Image) -> list[np.ndarray]:
    return _maps(detector.strength(photo), THRESHOLDS)


def _canny_maps(photo: Image.Image) -> list[np.ndarray]:
    grey = rgb2gray(np.asarray(photo))
    # the lower threshold in the usual ratio
    return [canny(grey, sigma=2, low_threshold=0.4 * t, high_threshold=t) for t in THRESHOLDS]  # type: ignore[no-untyped-call]


def _sobel_maps(photo: Image.Image) -> list[np.ndarray]:
    return _maps(sobel(rgb2gray(np.asarray(photo))), 0.4 * THRESHOLDS)  # type: ignore[no-untyped-call]


def _maps(strength: np.ndarray, thresholds: np.ndarray) -> list[np.ndarray]:
    """Smoothed by a triangle filter of radius 1, suppressed, cut.  Source: eval/nms_process.m of the authors of HED."""
    triangle = np.array([1, 2, 1]) / 4
    smooth = ndimage.convolve1d(ndimage.convolve1d(strength, triangle, 0, mode="reflect"), triangle, 1, mode="reflect")
    thinned = suppress(smooth)
    return [thinned >= threshold for threshold in thresholds]


class Benchmark(NamedTuple):
    """counts: by method, (photos, thresholds, 4), see `count`.  photos: their files.  rate: photos a second of the edge stage."""

    split: str
    photos: list[Path]
    counts: dict[str, np.ndarray]
    rate: float


def benchmark(folder: Path, detector: EdgeDetector, workers: int) -> Benchmark:
    """All methods on the test split of BSDS500, or on val where that is not there.  folder: the data folder."""
    split = "test" if (folder / "images/test").is_dir() else "val"
    photos = sorted((folder / "images" / split).glob("*.jpg"))
    methods = methods_beside(detector)
    truths = [folder / "groundTruth" / split / f"{photo.stem}.mat" for photo in photos]
    with ProcessPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        work = pool.map(partial(measure, methods=methods), photos, truths, chunksize=4)  # each loads the weights again
        measured = list(tqdm(work, total=len(photos), unit="photo", mininterval=5))
        started = time.perf_counter()
        timed = list(pool.map(partial(_edges_of, detector=detector), photos[:48], chunksize=8))  # as datasets are prepared
        rate = len(timed) / (time.perf_counter() - started)
    return Benchmark(split, photos, {name: np.stack([of_photo[name] for of_photo in measured]) for name in methods}, rate)


def _edges_of(photo: Path, detector: EdgeDetector) -> Image.Image:
    """The whole edge stage of one photo, decoding included."""
    return detector(read_rgb(photo))


def measure(photo: Path, truth: Path, methods: dict[str, Maps]) -> dict[str, np.ndarray]:
    """Counts of one photo by method.  truth: its annotations as BSDS500 stores them (.mat)."""
    image = read_rgb(photo)
    drawn = [annotation["Boundaries"][0, 0] > 0 for annotation in loadmat(truth)["groundTruth"][0]]
    return {name: count(maps(image), drawn) for name, maps in methods.items()}


def match(edges: np.ndarray, annotated: np.ndarray, tolerance: float = TOLERANCE) -> np.ndarray:
    """Pixels of `found` that have a partner in `annotated`: as many pairs as possible, none used twice.

    found, annotated: bool (h, w).  tolerance: greatest distance of a pair, as a share of the diagonal.
    The published code takes, of all such pairings, the one of least total distance, which takes ten times as long.
    The number of pairs is the same; which pixels were paired, which precision sees with several annotators, moved
    ODS by at most 0.003 on ten photos of the val split.
    """
    reach = tolerance * np.hypot(*edges.shape)
    number = np.full(annotated.shape, -1)
    number[annotated] = np.arange(annotated.sum())
    y, x = np.nonzero(edges)
    span = np.arange(-int(reach), int(reach) + 1)
    sources, targets = [], []
    for dy in span:
        for dx in span:
            if np.hypot(dy, dx) > reach:
                continue
            inside = (y + dy >= 0) & (y + dy < edges.shape[0]) & (x + dx >= 0) & (x + dx < edges.shape[1])
            target = np.where(inside, number[(y + dy) * inside, (x + dx) * inside], -1)
            sources.append(np.flatnonzero(target >= 0))
            targets.append(target[target >= 0])
    matched = np.zeros_like(edges)
    matched[y, x] = _paired(np.concatenate(sources), np.concatenate(targets), len(y), int(annotated.sum()))
    return matched


def _paired(sources: np.ndarray, targets: np.ndarray, n: int, m: int) -> np.ndarray:
    """Which of n sources a largest pairing with m targets pairs, bool (n,): a flow, each node letting one unit through.

    SciPy's own maximum_bipartite_matching needed up to minutes for single maps, this flow hundredths of a second.
    """
    start, end = n + m, n + m + 1
    rows = np.concatenate([np.full(n, start), sources, n + np.arange(m)])
    columns = np.concatenate([np.arange(n), n + targets, np.full(m, end)])
    graph = coo_array((np.ones(len(rows), np.int32), (rows, columns)), shape=(n + m + 2, n + m + 2)).tocsr()
    return maximum_flow(graph, start, end).flow[[start], :n].toarray()[0] > 0


def count(maps: Sequence[np.ndarray], annotations: Sequence[np.ndarray]) -> np.ndarray:
    """Counts of one image, int64 (maps, 4): annotated pixels matched, annotated, found pixels matched, found.

    maps: bool (h, w), one for each threshold; thinned here.  annotations: bool (h, w), one per annotator.
    """
    lines = []
    for edges in maps:
        edges = thin(edges)  # type: ignore[no-untyped-call]
        matches = [match(edges, annotated) for annotated in annotations]
        hits, total = sum(int(m.sum()) for m in matches), sum(int(a.sum()) for a in annotations)
        lines.append((hits, total, int(np.any(matches, 0).sum()), int(edges.sum())))
    return np.array(lines, np.int64)


def summary(counts: np.ndarray) -> dict[str, float]:
    """F-measure at the best threshold of the dataset (ODS) and of each image (OIS), and average precision (AP).

    counts: (images, thresholds, 4) as from `count`. As in the published code, ODS is sought on lines between
    neighbouring thresholds too, and AP is the area under the curve, sampled at 101 recalls, over recalls it reaches.
    """
    recall, precision = _rates(counts.sum(0))
    steps = np.linspace(0, 1, 100)[:, None]
    between = [(steps * v[1:] + (1 - steps) * v[:-1]).ravel() for v in (recall, precision)]
    best = int(np.argmax(_f_measure(*between)))
    chosen = np.argmax(_f_measure(*_rates(counts)), -1)
    image_recall, image_precision = _rates(counts[np.arange(len(counts)), chosen].sum(0))
    order = np.unique(recall, return_index=True)[1]
    sampled = np.linspace(0, 1, 101)
    area = np.interp(sampled, recall[order], precision[order], left=0, right=0).sum() * 0.01 if len(order) > 1 else 0.0
    return {
        "ods": float(_f_measure(*between)[best]),
        "ods_recall": float(between[0][best]),
        "ods_precision": float(between[1][best]),
        "ois": float(_f_measure(image_recall, image_precision)),
        "ap": float(area),
    }


def _rates(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision; of no pixels at all 0, as in the published code."""
    values = counts.astype(np.float64)
    return values[..., 0] / (values[..., 1] + (values[..., 1] == 0)), values[..., 2] / (values[..., 3] + (values[..., 3] == 0))


def _f_measure(recall: np.ndarray, precision: np.ndarray) -> np.ndarray:
    total = recall + precision
    return 2 * recall * precision / (total + (total == 0))

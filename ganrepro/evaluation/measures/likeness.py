"""How near translations are to their truth, pixel by pixel and in structure, where the true translation is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ganrepro.data.spec import DataSpec
from ganrepro.evaluation.measures.base import IDENTITY, UNTRAINED, Job, Limits, Measure, Measured, Score
from ganrepro.methods.outputs import Output

if TYPE_CHECKING:
    import numpy as np

MOST = 100.0  # decibels of an image that is its truth
SAME_DECIBELS = 0.5  # so near to the untouched input or to untrained networks nothing was learned
SIGMA, WINDOW = 1.5, 11  # of SSIM's Gaussian window: its standard deviation and width in pixels


class Likeness(Measure):
    """Means over test images of three scores of images with levels from 0 to 1.

    PSNR: 10 log10 (1 / mean squared error), at most MOST.  SSIM: Wang et al., IEEE Trans. Image Processing 13 (2004), a Gaussian
    window of standard deviation 1.5, 11 pixels wide, K1 0.01, K2 0.03, mean over channels.  Mean error: mean absolute difference.
    Blurred images do well by all three.
    """

    scores = {
        "psnr": Score("PSNR, dB", high=None, digits=1),
        "ssim": Score("SSIM", low=-1.0),
        "mean_error": Score("Mean error", better="lower", digits=3),
    }
    table = tuple(scores)
    last_resort = True
    reading = (
        "distance to the true translation: decibels (PSNR), structural similarity (SSIM, 1 for equal images), mean absolute "
        "difference of levels from 0 to 1. A blurred image does well by all three."
    )

    def applies(self, output: Output, data: DataSpec) -> bool:
        return data.paired and output.translates and output.target != data.label_maps

    def measure(self, job: Job) -> Measured:
        """Counts (passes, images, 4): the three scores of each image, and 1."""
        import numpy as np

        from ganrepro.evaluation.images import load_levels

        folder, _ = job.real("test")
        counts: list[list[list[float]]] = []
        for place in job.folders:
            counts.append([])
            for name in job.names:  # one at a time: a large test set would fill the memory
                made = load_levels(place, [name], job.channels, None, job.data.depth)[0].float().numpy() / job.most
                size = made.shape[2], made.shape[1]
                real = load_levels(folder, [name], job.channels, size, job.data.depth)[0].float().numpy() / job.most
                counts[-1].append([*scores_of(made, real), 1.0])
        own = job.manifest.get("values", {}).get(job.output.target)
        return Measured(np.array(counts, np.float64), more={"unit": own[1] - own[0]} if own else {})

    def note(self, more: Mapping[str, Any]) -> str:
        unit = more.get("unit")
        own = "" if unit is None else f" In the unit of the images themselves a mean error of 0.01 is {0.01 * unit:g}."
        return self.reading + own

    def statistic(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        return {name: counts[..., i] / counts[..., 3] for i, name in enumerate(self.scores)}

    def collapsed(
        self, scores: Mapping[str, float], floors: Mapping[str, Mapping[str, float]], limits: Limits, data: DataSpec
    ) -> bool:
        known = [floors[row] for row in (UNTRAINED, IDENTITY) if row in floors]
        return any(
            abs(scores["psnr"] - floor["psnr"]) <= SAME_DECIBELS and abs(scores["ssim"] - floor["ssim"]) <= limits.above
            for floor in known
        )

    def fallen(self, limits: Limits) -> str:
        near = f"within {SAME_DECIBELS:g} dB of PSNR and {limits.above:g} of SSIM"
        return f"are as like to the truth as those of networks before training or the untouched input, {near}"


def scores_of(made: np.ndarray, real: np.ndarray) -> tuple[float, float, float]:
    """PSNR, SSIM and mean error of an image and its truth, (channels, h, w) from 0 to 1."""
    import numpy as np
    from skimage.metrics import structural_similarity

    error = float(np.square(made - real, dtype=np.float64).mean())
    side = min(made.shape[1:])
    # an image smaller than the window: a plain mean over a window of its size
    window = {"gaussian_weights": True, "sigma": SIGMA} if side >= WINDOW else {"win_size": side - (side + 1) % 2}
    how = {"use_sample_covariance": False, "data_range": 1.0, "channel_axis": 0}
    same = structural_similarity(made, real, **how, **window)  # type: ignore[no-untyped-call]
    psnr = min(MOST, 10 * float(np.log10(1 / max(error, 1e-12))))
    return psnr, float(same), float(np.abs(made - real, dtype=np.float64).mean())


MEASURE = Likeness()

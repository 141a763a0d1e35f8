"""How near a generator comes to an image that it was searched for: what a method translates badly it may not even render.

For outputs that render their own input, as CoGAN's, which translates by looking for the input's code.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ganrepro.data.spec import DataSpec
from ganrepro.evaluation.measures.base import Job, Measure, Measured, Score
from ganrepro.methods.outputs import Output

if TYPE_CHECKING:
    import numpy as np


class Inversion(Measure):
    """Root mean square difference to the input, 0 (equal) to 1 (black for white), and in what share of the images the
    rendering is nearer to the input than the average test image is: where it is not, the search found nothing."""

    scores = {
        "inversion_error": Score("Error (RMS)", better="lower"),
        "inverted": Score("Nearer than the average image"),
    }
    reading = (
        "root mean square difference of a rendering to its input, of 1 for black against white, and the share of renderings that "
        "are nearer to their input than the average test image is."
    )

    section = "What was found of the input"

    def applies(self, output: Output, data: DataSpec) -> bool:
        return output.renders_input

    def measure(self, job: Job) -> Measured:
        """Counts (passes, images, 4): squared differences, values, whether it is nearer than the average image, 1."""
        import numpy as np

        from ganrepro.data.images import read_rgb, resize

        side, inputs = read_rgb(job.folders[0] / job.names[0]).size, job.real("test")[0]

        def levels(path: Path) -> np.ndarray:
            """From 0 to 1, (h, w, 3)."""
            return np.asarray(resize(read_rgb(path), side), np.float64) / 255

        average = sum(levels(inputs / name) for name in job.names) / len(job.names)
        counts = np.ones((len(job.folders), len(job.names), 4))
        for number, folder in enumerate(job.folders):
            for i, name in enumerate(job.names):
                given = levels(inputs / name)
                error = np.square(levels(folder / name) - given).sum()
                counts[number, i, :3] = error, given.size, error < np.square(average - given).sum()
        return Measured(counts)

    def statistic(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        return {
            "inversion_error": (counts[..., 0] / counts[..., 1]) ** 0.5,
            "inverted": counts[..., 2] / counts[..., 3],
        }


MEASURE = Inversion()

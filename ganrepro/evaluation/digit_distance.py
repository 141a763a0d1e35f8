"""How far samples are from real held-out digits: the Fréchet distance of features of the digit classifier. Not FID."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ganrepro.evaluation.base import Evaluator, Job, Measured
from ganrepro.outputs import SAMPLES, Output
from ganrepro.seeding import numpy_stream

if TYPE_CHECKING:
    import numpy as np


class DigitDistance(Evaluator):
    """As many samples as there are test digits, against these; for the ground truth, so many training digits."""

    scores = {"digit_frechet": "Fréchet, classifier"}
    reads = ("reader",)

    def applies(self, output: Output, classes: bool) -> bool:
        return output == SAMPLES

    def measure(self, job: Job) -> Measured:
        from ganrepro.evaluation.distances import extrapolated, frechet, standard_error

        made, real = _both(job, None)
        values = {
            "digit_frechet": frechet(made, real),
            "digit_frechet_error": standard_error(frechet, made, real),
            "digit_frechet_infinite": extrapolated(made, real),
            "made": len(made),
            "real": len(real),
            "features": made.shape[1],
        }
        return Measured(None, values)


def frechet_of(job: Job, folder: Path) -> float:
    """The distance of the samples in a folder."""
    from ganrepro.evaluation.distances import frechet

    return frechet(*_both(job, folder))


def _both(job: Job, folder: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Features of samples and of real test digits, (n, d) and (m, d).  folder: None: the job's own."""
    from ganrepro.data.images import ImageError
    from ganrepro.evaluation.digit_classifier import readings
    from ganrepro.evaluation.digit_images import load_digits

    names, network = job.manifest["names"], job.reader().network.get_submodule("features")
    real = load_digits(job.data / "test" / "b", names["test"]["b"])
    if folder is None and job.row == "ground-truth":
        made = load_digits(job.data / "train" / "b", names["train"]["b"][: len(real)])
    else:
        made = load_digits(folder or job.folders[0], job.names)
    if min(len(made), len(real)) < 2:
        raise ImageError(f"a distance needs at least 2 images on each side, got {len(made)} samples and {len(real)} test digits")
    # drawn digits and samples lie class by class in turn, and the jackknife leaves out every tenth: it would be a class
    order = numpy_stream(0, "digit-distance").permutation
    pair = [readings(network, images, job.device).numpy()[order(len(images))] for images in (made, real)]
    return pair[0], pair[1]


EVALUATOR = DigitDistance()

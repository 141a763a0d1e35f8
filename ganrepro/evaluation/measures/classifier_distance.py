"""How far samples are from real held-out images: the Fréchet distance of features of the classifier. Not FID."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ganrepro.data.spec import DataSpec
from ganrepro.evaluation.measures.base import GROUND_TRUTH, UNTRAINED, Job, Limits, Measure, Measured, Score
from ganrepro.methods.outputs import Output
from ganrepro.seeding import numpy_stream

if TYPE_CHECKING:
    import numpy as np


class ClassifierDistance(Measure):
    """As many samples as there are test images, against these; for the ground truth, so many training images."""

    scores = {"classifier_frechet": Score("Fréchet, classifier", better="lower", high=None)}
    table = tuple(scores)
    reader = ("classifier",)
    over_training = True
    headline = "classifier_frechet"
    reading = (
        "the Fréchet distance of features of the classifier, samples against test images. **It is not FID**, which is of "
        "Inception's features. Lower is nearer; real images are training images against test images, the floor."
    )

    def applies(self, output: Output, data: DataSpec) -> bool:
        return output.source is None and output.asked is None

    def collapsed(
        self, scores: Mapping[str, float], floors: Mapping[str, Mapping[str, float]], limits: Limits, data: DataSpec
    ) -> bool:
        return UNTRAINED in floors and scores[self.headline] >= floors[UNTRAINED][self.headline]

    def fallen(self, limits: Limits) -> str:
        return "lie no nearer to real images than those of networks before training"

    def measure(self, job: Job) -> Measured:
        from ganrepro.evaluation.distances import extrapolated, frechet, standard_error

        generated, real = self._features(job)
        (name,) = self.scores
        more = {
            "infinite": extrapolated(generated, real),
            "made": len(generated),
            "real": len(real),
            "features": generated.shape[1],
        }
        return Measured(None, {name: frechet(generated, real)}, {name: standard_error(frechet, generated, real)}, more)

    def _features(self, job: Job) -> tuple[np.ndarray, np.ndarray]:
        """Of samples and of real test images, (n, d) and (m, d)."""
        from ganrepro.data.images import ImageError
        from ganrepro.evaluation.images import load_levels
        from ganrepro.evaluation.readers.classifier import readings

        features = job.reader().features
        assert features is not None
        real = load_levels(*job.real("test"), job.channels, job.pixels)
        if job.row == GROUND_TRUTH:
            folder, names = job.real("train")
            generated = load_levels(folder, names[: len(real)], job.channels, job.pixels)
        else:
            generated = load_levels(job.folders[0], job.names, job.channels)
        if min(len(generated), len(real)) < 2:
            got = f"{len(generated)} samples and {len(real)} test images"
            raise ImageError(f"a distance needs at least 2 images on each side, got {got}")
        # samples (and drawn images) lie class by class in turn; the jackknife leaves out every tenth: it would be a class
        order = numpy_stream(0, "digit-distance").permutation
        pair = [readings(features, images, job.device).numpy()[order(len(images))] for images in (generated, real)]
        return pair[0], pair[1]


MEASURE = ClassifierDistance()

"""Whether codes of an encoder keep the class: each test digit's is compared with the nearest training digit's (BiGAN, 4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganrepro.evaluation.base import Evaluator, Job, Measured
from ganrepro.outputs import RECONSTRUCTIONS, Output

if TYPE_CHECKING:
    import numpy as np


class DigitCodesNearest(Evaluator):
    """The share of test digits whose nearest training digit, by the Euclidean distance of codes, is of their class."""

    scores = {"nearest_code": "1NN of codes"}

    def applies(self, output: Output, classes: bool) -> bool:
        return output == RECONSTRUCTIONS

    def measure(self, job: Job) -> Measured:
        import numpy as np

        from ganrepro.evaluation.digit_images import nearest

        file = job.folders[0].parent / "codes.npz"
        if job.row is not None or not file.exists():
            return Measured(None, {})
        names, labels = job.manifest["names"], job.manifest["labels"]
        with np.load(file, allow_pickle=False) as codes:
            places, _ = nearest(codes["test.code"], codes["train.code"])
        right = [labels[names["train"]["b"][i]] == labels[name] for i, name in zip(places, names["test"]["b"], strict=True)]
        return Measured(np.stack([np.array(right, float), np.ones(len(right))], 1)[None], {})

    def statistic(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        return {"nearest_code": counts[..., 0] / counts[..., 1]}


EVALUATOR = DigitCodesNearest()

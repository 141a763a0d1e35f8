"""Photo -> labels: every generated pixel becomes the class of the nearest label colour (CycleGAN 5.1.2; pix2pix 4.5)."""

from __future__ import annotations

from ganrepro.data.spec import DataSpec
from ganrepro.evaluation.measures.base import Job, Measured
from ganrepro.evaluation.measures.confusion import Confusion
from ganrepro.methods.outputs import Output


class LabelColours(Confusion):
    """The same three scores as the FCN-score's, without a network."""

    reading = "each generated pixel becomes the class of the nearest label colour."

    def applies(self, output: Output, data: DataSpec) -> bool:
        return data.paired and output.translates and output.target == data.label_maps

    def measure(self, job: Job) -> Measured:
        import numpy as np

        from ganrepro.evaluation.label_maps import classify_colours, confusion

        palette, labels = job.data.palette, job.folder / "test" / "labels"
        many = len(palette)
        counts = [
            confusion(
                folder, job.names, labels, many, many, lambda *image: classify_colours(image[0], palette, *image[1:]),
                lambda maps: maps, job.device,
            )
            for folder in job.folders
        ]  # fmt: skip
        return Measured(np.stack(counts))


MEASURE = LabelColours()

"""FCN-score: a segmentation network reads generated photos, and its reading is compared with the label maps they were
made from (pix2pix 3.3, CycleGAN 5.1.2)."""

from __future__ import annotations

from ganrepro.data.spec import DataSpec
from ganrepro.evaluation.measures.base import Job, Measured
from ganrepro.evaluation.measures.confusion import Confusion
from ganrepro.methods.outputs import Output


class FCNScore(Confusion):
    """Pixels that the network takes for none of the classes are wrong; `beyond_classes` says how many."""

    reader = ("segmentation", "fcn8s")
    reading = (
        "a segmentation network reads the generated photos; its reading is compared with the label maps they were made from "
        "(FCN-score). *Ground truth* is the same network on real test photos: the scale. *Identity* scores the input passed "
        "through unchanged: the floor. Label maps keep their native size, and predictions are brought to it. One confusion "
        "matrix over all test images; a class that never occurs scores 0 and counts in the means, as in the reference evaluation."
    )

    def applies(self, output: Output, data: DataSpec) -> bool:
        return data.label_maps is not None and (output.source, output.target) == (data.label_maps, data.readable)

    def measure(self, job: Job) -> Measured:
        import numpy as np

        from ganrepro.evaluation.readers.segmentation import read_photos

        reader, classes = job.reader(), len(job.data.palette)
        counts = np.stack([read_photos(reader, folder, job.names, job.folder, classes, job.device) for folder in job.folders])
        return Measured(reader.counted(counts, classes), more={"beyond_classes": int(counts[..., classes:].sum())})


MEASURE = FCNScore()

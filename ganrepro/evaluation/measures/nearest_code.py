"""Whether codes of an encoder keep the class: each test image's is compared with the nearest training image's (BiGAN, 4.1)."""

from __future__ import annotations

from ganrepro.data.spec import DataSpec
from ganrepro.evaluation.measures.base import Job, Measure, Measured, Score, mean_of
from ganrepro.methods.outputs import Output


class NearestCode(Measure):
    """The share of test images whose nearest training image, by the Euclidean distance of codes, is of their class."""

    scores = {"nearest_code": Score("1NN of codes")}
    reading = "test images whose nearest training image, by the codes that the encoder gives them, is of their class."

    section = "What the codes tell"

    def applies(self, output: Output, data: DataSpec) -> bool:
        return output.renders_input and bool(data.classes)

    def measure(self, job: Job) -> Measured:
        from ganrepro.evaluation.images import nearest, read_codes

        file = job.folders[0].parent / "codes.npz"
        if job.row is not None or not file.exists():
            return Measured()
        (_, known), (_, tested), classes = job.real("train"), job.real("test"), job.manifest["classes"]
        codes = read_codes(file, {"test.code": len(tested), "train.code": len(known)})
        if not {"test.code", "train.code"} <= {*codes}:
            return Measured()
        places, _ = nearest(codes["test.code"], codes["train.code"])
        right = [classes[known[i]] == classes[name] for i, name in zip(places, tested, strict=True)]
        return mean_of(right)


MEASURE = NearestCode()

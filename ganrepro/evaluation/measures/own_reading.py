"""How well a method that learns from few labels tells the classes of images that it never saw."""

from __future__ import annotations

from collections.abc import Mapping

from ganrepro.data.spec import DataSpec
from ganrepro.evaluation.measures.base import Job, Limits, Measure, Measured, Score, mean_of
from ganrepro.methods.outputs import Output


class OwnReading(Measure):
    """The share of test images whose class the method itself reads wrong, as the field reports it."""

    scores = {"read_wrong": Score("Read wrong", better="lower", digits=3)}
    table, of_reading = tuple(scores), True
    reading = "share of test images whose class the method, which was told few labels, reads wrong."

    def applies(self, output: Output, data: DataSpec) -> bool:
        return output.reads

    def measure(self, job: Job) -> Measured:
        from ganrepro.evaluation.images import read_codes

        _, tested = job.real("test")
        file, classes = job.folders[0].parent / "codes.npz", job.manifest["classes"]
        if job.row is not None or not file.exists():
            return Measured()  # real images read nothing
        read = read_codes(file, {"test.class": len(tested)}, "test.class")["test.class"]
        return mean_of([float(classes[name] != number) for name, number in zip(tested, read.tolist(), strict=True)])

    def collapsed(
        self, scores: Mapping[str, float], floors: Mapping[str, Mapping[str, float]], limits: Limits, data: DataSpec
    ) -> bool:
        return scores["read_wrong"] >= 1 - 1 / len(data.classes) - limits.above

    def fallen(self, limits: Limits) -> str:
        return f"are read wrong as often as by chance, within {limits.above:g}"


MEASURE = OwnReading()

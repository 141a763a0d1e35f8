"""Whether a conditional generator makes the class that it is asked for, as the classifier reads it."""

from __future__ import annotations

from ganrepro.data.spec import DataSpec
from ganrepro.evaluation.measures.base import Job, Measure, Measured, Score, mean_of
from ganrepro.methods.outputs import Output


class ClassAsked(Measure):
    """The share of samples that are read as the class asked for, each class equally often."""

    scores = {"asked": Score("Read as asked")}
    reader = ("classifier",)
    reading = "samples that the classifier reads as the class that was asked for."

    section = "What the codes tell"

    def applies(self, output: Output, data: DataSpec) -> bool:
        return output.asked == "class"

    def measure(self, job: Job) -> Measured:
        from ganrepro.evaluation.images import asked_class
        from ganrepro.evaluation.measures.class_coverage import read_classes

        if job.row is not None:
            return Measured()  # nobody asked for real images
        read = read_classes(job)
        right = [shares[asked_class(name, job.output.values)] for shares, name in zip(read, job.names, strict=True)]
        return mean_of(right)


MEASURE = ClassAsked()

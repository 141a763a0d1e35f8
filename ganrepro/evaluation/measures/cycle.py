"""How much of an image is left once it was translated and translated back, where nobody knows the true translation."""

from __future__ import annotations

from ganrepro.data.spec import DataSpec
from ganrepro.evaluation.measures.base import Job, Measure, Measured, Score, mean_of
from ganrepro.methods.outputs import Output

FILE = "cycles.npz"  # beside the images of a row that has generators for both ways


class Cycle(Measure):
    """Mean absolute difference of levels from 0 to 1. 0 says that nothing is lost, not that the translation is good."""

    scores = {"cycle_error": Score("Cycle error", better="lower", digits=3)}
    table = tuple(scores)
    reading = (
        "mean absolute difference of an image from itself, translated there and back (levels from 0 to 1). A generator that "
        "changes nothing has 0."
    )

    def applies(self, output: Output, data: DataSpec) -> bool:
        return output.translates and not data.paired

    def measure(self, job: Job) -> Measured:
        from ganrepro.evaluation.images import read_codes

        file = job.folders[0].parent / FILE
        if not file.exists():
            return Measured()  # one way alone
        errors = read_codes(file, {job.output.name: len(job.names)})
        return mean_of(errors[job.output.name]) if job.output.name in errors else Measured()


MEASURE = Cycle()

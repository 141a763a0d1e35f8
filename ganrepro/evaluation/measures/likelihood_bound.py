"""The bound on the log likelihood of test images, in nats, of methods that have one (VAE, equation 3)."""

from __future__ import annotations

from ganrepro.data.spec import DataSpec
from ganrepro.evaluation.measures.base import Job, Measure, Measured, Score, mean_of
from ganrepro.methods.outputs import Output


class LikelihoodBound(Measure):
    """Mean over test images of the bound, one draw of the code for each; higher is better."""

    scores = {"bound": Score("Bound, nats", low=None, high=None)}
    reading = "of the log likelihood of test images, their pixels read as probabilities of white."

    section = "What the codes tell"

    def applies(self, output: Output, data: DataSpec) -> bool:
        return output.renders_input

    def measure(self, job: Job) -> Measured:
        from ganrepro.evaluation.images import read_codes

        file = job.folders[0].parent / "codes.npz"
        if job.row is not None or not file.exists():
            return Measured()
        codes = read_codes(file, {"test.bound": len(job.real("test")[1])})
        return mean_of(codes["test.bound"]) if "test.bound" in codes else Measured()


MEASURE = LikelihoodBound()

"""How far generated photos are from real ones, as an evaluator; the arithmetic is in `distances`."""

from __future__ import annotations

from ganrepro.evaluation.base import Evaluator, Job, Measured
from ganrepro.outputs import Output


class Distance(Evaluator):
    """Photos of the first pass against real test photos; for the ground truth, real training photos instead."""

    scores = {"frechet": "Fréchet distance", "kernel": "Kernel distance", "inception_score": "Inception Score"}
    reads = ("reader", "features")

    def applies(self, output: Output, classes: bool) -> bool:
        return output.target == "b"

    def measure(self, job: Job) -> Measured:
        from ganrepro.evaluation import distances

        found = distances.of_job(job)
        return Measured(None, {"of": job.distance} | found if found else {})


EVALUATOR = Distance()

"""Whether translations between several domains look like their target, as a classifier of domains reads them.

Source: StarGAN (arXiv:1711.09020), section 5.5 and Table 3: classification error of a network trained on real images.
"""

from __future__ import annotations

from collections.abc import Mapping

from ganrepro.data.spec import DataSpec
from ganrepro.evaluation.measures.base import IDENTITY, Job, Limits, Measure, Measured, Needs, Score, mean_of
from ganrepro.methods.outputs import Output


class DomainError(Measure):
    """The share of translations of which some attribute of the target is read otherwise."""

    scores = {"domain_error": Score("Classifier error", better="lower", digits=3)}
    table = tuple(scores)
    reader = ("domains",)
    reading = (
        "share of translations that a classifier of domains, trained on real images, does not take for the target. A translation "
        "that is far from its truth may still be taken for the right domain."
    )
    section = "Each translation"

    def applies(self, output: Output, data: DataSpec) -> bool:
        return output.translates and data.told_apart

    def measure(self, job: Job) -> Measured:
        from ganrepro.evaluation.images import load_levels
        from ganrepro.evaluation.readers.domains import UNKNOWN, read_values, values_of

        wanted, network, wrong = values_of(job.output.target, job.data), job.reader().network, []
        for place in job.folders:
            images = load_levels(place, job.names, job.channels, None, job.data.depth)
            read = read_values(network, images, job.data, job.device)
            wrong.append([any(r != w for r, w in zip(of, wanted, strict=True) if w != UNKNOWN) for of in read.tolist()])
        return mean_of([sum(of) / len(of) for of in zip(*wrong, strict=True)])

    def collapsed(
        self, scores: Mapping[str, float], floors: Mapping[str, Mapping[str, float]], limits: Limits, data: DataSpec
    ) -> bool:
        """Nothing learned: the untouched input is read as the target hardly less often."""
        untouched = floors.get(IDENTITY)
        if untouched is None or untouched["domain_error"] <= limits.above:
            return False  # the input is taken for the target as it is
        return scores["domain_error"] > untouched["domain_error"] - limits.above

    def fallen(self, limits: Limits) -> str:
        return "are taken for their target hardly more often than the untouched input"

    def lacks(self, output: Output, needs: Needs) -> str:
        return "" if needs.reader == "domains" else "no network reads the domains: set `reader: domains`"


MEASURE = DomainError()

"""How well a code that was learnt without classes tells the class, as the classifier reads it (InfoGAN)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ganrepro.data.spec import DataSpec
from ganrepro.evaluation.measures.base import Job, Measure, Measured, Score
from ganrepro.methods.outputs import Output

if TYPE_CHECKING:
    import numpy as np


class ClassOfCode(Measure):
    """The share of samples read as the class of their code, codes and classes matched one to one as well as can be."""

    scores = {"code_tells_class": Score("Code tells the class")}
    reader = ("classifier",)
    reading = (
        "samples read as the class of their code, codes and classes matched one to one as well as can be; codes that tell "
        "nothing score what stands under 'by chance'."
    )

    section = "What the codes tell"

    def applies(self, output: Output, data: DataSpec) -> bool:
        return output.asked == "code"

    def measure(self, job: Job) -> Measured:
        import numpy as np

        from ganrepro.evaluation.images import asked_class
        from ganrepro.evaluation.measures.class_coverage import read_classes

        if job.row is not None:
            return Measured()  # real images have no code
        read = read_classes(job)
        values = job.output.values
        codes = np.eye(values)[[asked_class(name, values) for name in job.names]]
        return Measured((codes[:, :, None] * read[:, None, :])[None], more={"chance": chance(values, read.shape[1], len(read))})

    def columns(self, more: Mapping[str, Any]) -> dict[str, str]:
        return {"by chance": f"{more['chance']:.2f}"} if more else {}

    def statistic(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """counts: (..., codes, classes)."""
        return {"code_tells_class": best_match(counts)}


def best_match(counts: np.ndarray) -> np.ndarray:
    """The largest share of samples on a one-to-one matching of codes with classes: (..., codes, classes) -> (...)."""
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    flat = counts.reshape(-1, *counts.shape[-2:])
    best = [table[linear_sum_assignment(table, maximize=True)].sum() / table.sum() for table in flat]
    return np.array(best).reshape(counts.shape[:-2])


def chance(codes: int, classes: int, samples: int, draws: int = 200) -> float:
    """What codes that tell nothing score on average, by drawing, always the same.

    More than 1 / classes, since the best of all matchings counts: of ten codes 0.130 with 2,000 samples, 0.114 with 10,000.
    """
    import numpy as np

    tables = np.random.default_rng(0).multinomial(samples, np.full(codes * classes, 1 / (codes * classes)), draws)
    return float(best_match(tables.reshape(draws, codes, classes)).mean())


MEASURE = ClassOfCode()

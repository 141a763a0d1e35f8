"""How well a code that was learnt without classes tells the class, as the classifier reads it (InfoGAN)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganrepro.data.spec import DataSpec
from ganrepro.evaluation.measures.base import Job, Measure, Measured, Score
from ganrepro.methods.outputs import Output

if TYPE_CHECKING:
    import numpy as np


class ClassOfCode(Measure):
    """The share of samples read as the class of their code, codes and classes matched one to one as well as can be."""

    scores = {"code_tells_class": Score("Code tells the class")}
    reader = ("classifier",)
    reading = "samples read as the class of their code, codes and classes matched one to one as well as can be."

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
        return Measured((codes[:, :, None] * read[:, None, :])[None])

    def statistic(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """counts: (..., codes, classes)."""
        import numpy as np
        from scipy.optimize import linear_sum_assignment

        flat = counts.reshape(-1, *counts.shape[-2:])
        best = [table[linear_sum_assignment(table, maximize=True)].sum() / table.sum() for table in flat]
        return {"code_tells_class": np.array(best).reshape(counts.shape[:-2])}


MEASURE = ClassOfCode()

"""How well a code that was learnt without classes tells the class, as the digit classifier reads it (InfoGAN)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganrepro.evaluation.base import Evaluator, Job, Measured
from ganrepro.outputs import BY_CODE, Output

if TYPE_CHECKING:
    import numpy as np


class DigitCode(Evaluator):
    """The share of samples read as the class of their code, codes and classes matched one to one as well as can be."""

    scores = {"code_tells_class": "Code tells the class"}
    reads = ("reader",)

    def applies(self, output: Output, classes: bool) -> bool:
        return output == BY_CODE

    def measure(self, job: Job) -> Measured:
        import numpy as np

        from ganrepro.evaluation.digit_classes import read_classes
        from ganrepro.evaluation.digit_images import asked_class

        if job.row is not None:
            return Measured(None, {})  # real digits have no code
        read = read_classes(job)
        codes = np.eye(read.shape[1])[[asked_class(name, read.shape[1]) for name in job.names]]
        return Measured((codes[:, :, None] * read[:, None, :])[None], {})

    def statistic(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """counts: (..., codes, classes)."""
        import numpy as np
        from scipy.optimize import linear_sum_assignment

        flat = counts.reshape(-1, *counts.shape[-2:])
        best = [table[linear_sum_assignment(table, maximize=True)].sum() / table.sum() for table in flat]
        return {"code_tells_class": np.array(best).reshape(counts.shape[:-2])}


EVALUATOR = DigitCode()

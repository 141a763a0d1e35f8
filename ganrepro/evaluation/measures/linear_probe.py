"""How well a linear classifier that is told few labels tells the class by the codes of an encoder that saw none (ALI, 4.3).

ALI trains a linear support vector machine on what its encoder learned (arXiv:1606.00704, section 4.3, SVHN); so here. Images with
labels are drawn as for methods that learn from few (`data.few.chosen_few`), so that draw n has those of seed n.

DEVIATION(probe-codes): their machine reads the last hidden layers of the encoder, and its penalty is chosen on held-out labels;
here it reads the code alone, all numbers of it scaled to one variance, 1 in sum, and the penalty is 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganrepro.data.spec import DataSpec
from ganrepro.evaluation.measures.base import GROUND_TRUTH, Job, Measure, Measured, Score
from ganrepro.methods.outputs import Output

if TYPE_CHECKING:
    import numpy as np
    import torch

LABELS = (50, 100, 1000)  # images whose class is told, equally many of each class
DRAWS = 5


class LinearProbe(Measure):
    """The share of test images that a linear support vector machine reads wrong, a mean over DRAWS draws of labelled images."""

    scores = {f"probe_{many}": Score(f"Read wrong, {many:,} labels", better="lower", digits=3) for many in LABELS}
    reading = (
        f"share of test images whose class a linear support vector machine reads wrong by their codes, when it is told the "
        f"classes of so many training images; mean of {DRAWS} draws of them, whose spread is not in the interval."
    )

    section = "What the codes tell"

    def applies(self, output: Output, data: DataSpec) -> bool:
        return output.renders_input and bool(data.classes)

    def measure(self, job: Job) -> Measured:
        import numpy as np
        import torch

        from ganrepro.evaluation.images import lines, read_codes

        (trained, known), (held_out, tested) = job.real("train"), job.real("test")
        if job.row == GROUND_TRUTH:
            codes = [lines(trained, known, job.channels, job.pixels), lines(held_out, tested, job.channels, job.pixels)]
        elif job.row is None and (file := job.folders[0].parent / "codes.npz").exists():
            read = read_codes(file, {"train.code": len(known), "test.code": len(tested)})
            codes = [read[f"{split}.code"] for split in ("train", "test") if f"{split}.code" in read]
        else:
            return Measured()
        if len(codes) < 2:
            return Measured()
        centre, spread = codes[0].mean(0, dtype=np.float64), codes[0].std(0, dtype=np.float64)
        scale = np.where(spread > 0, spread, 1) * np.sqrt(len(spread))
        codes = [(part - centre) / scale for part in codes]
        truth, right = (torch.tensor([job.manifest["classes"][name] for name in names]) for names in (known, tested))
        classes, fewest = len(job.data.classes), int(truth.bincount().min())
        counts = np.zeros((len(tested), 2 * len(LABELS)))
        for i, many in enumerate(LABELS):
            if many % classes == 0 and many // classes <= fewest:  # equally many of each can be drawn
                counts[:, 2 * i] = np.mean([read_wrong(codes, truth, right, many, draw) for draw in range(DRAWS)], 0)
                counts[:, 2 * i + 1] = 1
        return Measured(counts[None]) if counts.any() else Measured()

    def statistic(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """counts: (..., 2 x LABELS): for each a share read wrong and a one, or zeros where so many could not be drawn."""
        read = {many: (counts[..., 2 * i], counts[..., 2 * i + 1]) for i, many in enumerate(LABELS)}
        return {f"probe_{many}": wrong / images for many, (wrong, images) in read.items() if (images > 0).all()}


def read_wrong(codes: list[np.ndarray], truth: torch.Tensor, right: torch.Tensor, many: int, draw: int) -> np.ndarray:
    """Which test images a machine reads wrong that is told `many` classes: (images,), 0 or 1.

    codes: of training and test images, (n, k).  truth, right: their classes.
    """
    from sklearn.svm import LinearSVC

    from ganrepro.data.few import chosen_few

    chosen = chosen_few(truth, many, draw).numpy()
    machine = LinearSVC(random_state=0, dual=True, max_iter=5000).fit(codes[0][chosen], truth.numpy()[chosen])
    return (machine.predict(codes[1]) != right.numpy()).astype(float)


MEASURE = LinearProbe()

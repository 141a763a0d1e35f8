"""GANs as Lucic et al. compare them: one pair of networks for all, the loss and its penalty as settings.

"Are GANs Created Equal?", arXiv:1711.10337. Facts are those of their code, google/compare_gan at d6c5976.

DEVIATION(one-run): the paper prints the best of a search over settings (100 and 50 runs for each loss and dataset, the best
repeated with 50 seeds); here each loss has the settings of its authors, in which their search begins (in short studies with
learning rates that params.yaml says).
DEVIATION(batch-norm-memory): running statistics, by which samples are made, keep 0.9 at a step (0.999 in their code), eps
is 1e-5 (1e-3): trainings here are shorter.
"""

from __future__ import annotations

from pydantic import Field

from ganrepro.methods.adversarial import Adversarial, AdversarialSettings
from ganrepro.schema.fields import Count


class Settings(AdversarialSettings):
    """Their MNIST recipe; learning rates and the rest differ by loss (papers/gans-equal.yaml)."""

    code_size: Count = Field(64, description="numbers of a code z, each U(-1, 1)")


class LucicGAN(Adversarial[Settings]):
    """Two linear layers and two transposed convolutions against their mirror image."""

    title = "GANs as compared by Lucic et al."
    paper = "arXiv:1711.10337"
    architecture = "lucic"

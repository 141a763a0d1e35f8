"""The losses that GANs are compared by, under one signature: one value per image, from the logits of a discriminator.

s is the logit, D = sigmoid(s) the probability of being real; a critic has no sigmoid, and s is its score. Logits are (n,),
unbounded; losses are (n,). The caller takes means over the batch.
Source: Lucic et al., arXiv:1711.10337, Table 1, and their code (google/compare_gan at d6c5976, src/gans).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ganrepro.lazy import torch

if TYPE_CHECKING:
    Logits = Callable[[torch.Tensor], torch.Tensor]


class GanLoss(NamedTuple):
    """A game: what the discriminator minimises on real and on generated images, and what the generator minimises.

    critic: the network scores without limits; there is no probability, so neither a sigmoid nor a smoothed label fits.
    """

    real: Logits
    fake: Logits
    generator: Logits
    critic: bool = False


def _softplus(s: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.softplus(s)


def smoothed(loss: GanLoss, s: torch.Tensor, target: float) -> torch.Tensor:
    """The discriminator's loss on real images where they count as real with probability `target` (one-sided smoothing).

    -target log D - (1 - target) log(1 - D); the fakes' target stays 0.  Source: Salimans et al., section 3.4.
    """
    return loss.real(s) if target == 1 else target * loss.real(s) + (1 - target) * _softplus(s)


LOSSES: dict[str, GanLoss] = {
    # D: -log D(x) - log(1 - D(G));  G: log(1 - D(G)), which saturates while D is sure
    "minimax": GanLoss(lambda s: _softplus(-s), _softplus, lambda s: -_softplus(s)),
    # the same D;  G: -log D(G)
    "non-saturating": GanLoss(lambda s: _softplus(-s), _softplus, lambda s: _softplus(-s)),
    # Mao et al.: squared distance of the score to 1 (real) and 0 (fake); G wants 1
    "least-squares": GanLoss(
        lambda s: 0.5 * (s - 1).square(), lambda s: 0.5 * s.square(), lambda s: 0.5 * (s - 1).square(), critic=True
    ),
    # as Lucic et al. coded it: the same of the sigmoid
    "least-squares-sigmoid": GanLoss(
        lambda s: 0.5 * (s.sigmoid() - 1).square(),
        lambda s: 0.5 * s.sigmoid().square(),
        lambda s: 0.5 * (s.sigmoid() - 1).square(),
    ),
    # Arjovsky et al.: difference of mean scores; needs a critic whose slope is bounded
    "wasserstein": GanLoss(lambda s: -s, lambda s: s, lambda s: -s, critic=True),
    # Lim and Ye (arXiv:1705.02894; not in that comparison): scores beyond 1 and -1 are good enough
    "hinge": GanLoss(lambda s: (1 - s).relu(), lambda s: (1 + s).relu(), lambda s: -s, critic=True),
}

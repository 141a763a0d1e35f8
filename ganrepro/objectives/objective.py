"""An objective is a weighted sum of named terms; a term that is absent is not computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor


def weighted_sum(weights: Mapping[str, float], terms: Mapping[str, Callable[[], Tensor]]) -> tuple[Tensor, dict[str, Tensor]]:
    """The batch mean of the weighted terms, and each term's own unweighted batch mean.

    weights: loss name -> weight.  terms: the same names -> function returning (n,).
    Raises ValueError if the names differ or none is given.
    """
    if not weights or set(weights) != set(terms):
        raise ValueError(f"objective: weights for {sorted(weights)}, terms for {sorted(terms)}")
    values = {name: term().mean() for name, term in terms.items()}
    total = sum((weights[name] * value for name, value in values.items()), start=next(iter(values.values())) * 0)
    return total, {name: value.detach() for name, value in values.items()}

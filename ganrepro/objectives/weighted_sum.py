"""An objective is a weighted sum of named terms; a term that is absent is not computed."""

from __future__ import annotations

from collections.abc import Mapping

from ganrepro.lazy import torch


def weighted_sum(weights: Mapping[str, float], terms: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The batch mean of the weighted terms, and each term's own unweighted batch mean.

    weights: loss name -> weight.  terms: the same names -> (n,).
    Raises ValueError if the names differ, none is given, or a term is not one value per image.
    """
    if not weights or set(weights) != set(terms):
        raise ValueError(f"objective: weights for {sorted(weights)}, terms for {sorted(terms)}")
    for name, term in terms.items():
        if term.ndim != 1:
            raise ValueError(f"objective: term '{name}' is {tuple(term.shape)}; expected one value per image, (n,)")
    means = {name: term.mean() for name, term in terms.items()}
    total = sum((weights[name] * mean for name, mean in means.items()), start=next(iter(means.values())) * 0)
    return total, {name: mean.detach() for name, mean in means.items()}

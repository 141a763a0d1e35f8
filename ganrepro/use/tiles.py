"""A photo of any size through a network, piece by piece, in bounded memory and without seams.

Pieces overlap; where they do, one fades into the next. Norms that use the image at hand would give every piece statistics of its
own, which shows as patches of another brightness. So a first pass over some pieces takes each norm's mean and
variance over all of them, and the last pass uses these everywhere.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from ganrepro.seeding import reseed
from ganrepro.use.rows import finite
from ganrepro.use.translator import Translator, back, forth, kind_of

STATISTICS_FROM = 16  # pieces, evenly over the photo
ROUNDS = 2  # what passes a norm depends on the norms before it: once more with theirs put right


def translate(
    model: Translator, levels: np.ndarray, tile: int | None = None, overlap: int = 64, seed: int = 0
) -> np.ndarray:  # fmt: skip
    """The translation of levels (h, w, c) as `data.images.read_levels` gives them: uint8 of uint8, uint16 of all others.

    Black and white are those of the images that the model was trained on, where it knows them, else of the levels' own kind.
    tile: side of the pieces (None: all at once), brought up to a multiple that the network can take.  overlap: pixels that
    two neighbours share.  seed: of the dropout of noisy models.  ValueError unless 0 <= overlap < tile.
    """
    height, width = levels.shape[:2]
    if tile is None or (height <= tile and width <= tile) or model.architecture.by_tiles:
        return model.levels(levels, seed)
    if not 0 <= overlap < tile:
        raise ValueError(f"overlap: expected 0 to {tile - 1}, less than a tile, got {overlap}")
    reseed(seed, "use/translate")
    (black, white), kind = model.range_of(levels), kind_of(levels, model)
    m = model.architecture.multiple
    side = -(-tile // m) * m
    if overlap and side - overlap < m:  # pieces go on in steps of m: of a size that leaves them an overlap
        side = -(-(overlap + m) // m) * m
    # the network is the same everywhere only at steps that it halves and doubles without rest
    high, wide = (max(side, -(-size // m) * m) for size in (height, width))
    levels = np.pad(levels, ((0, high - height), (0, wide - width), (0, 0)), "symmetric")
    tops, lefts = places(high, side, overlap, m), places(wide, side, overlap, m)
    pieces = [(top, left) for top in tops for left in lefts]

    def piece(top: int, left: int) -> Tensor:
        return forth(model, levels[top : top + side, left : left + side], black, white)[None]

    apart = [(top, left) for top in places(high, side, 0, m) for left in places(wide, side, 0, m)]
    chosen = [apart[i] for i in np.linspace(0, len(apart) - 1, min(STATISTICS_FROM, len(apart))).round().astype(int)]
    total = np.zeros((high, wide, model.architecture.outputs), np.float32)
    down = {start: fade(tops, start, side, high) for start in tops}
    across = {start: fade(lefts, start, side, wide) for start in lefts}
    with fixed_norms(model.network) as fix, torch.no_grad():
        for left_over in reversed(range(ROUNDS)):
            for place in chosen:
                model.network(piece(*place))
            fix(left_over == 0)
        for top, left in pieces:
            translated = finite(model.network(piece(top, left)), model.name)[0].permute(1, 2, 0).numpy()
            total[top : top + side, left : left + side] += translated * down[top][:, None, None] * across[left][None, :, None]
    return back(torch.from_numpy(total[:height, :width]).permute(2, 0, 1), kind)


def places(size: int, side: int, overlap: int, step: int = 1) -> list[int]:
    """Where pieces begin along one axis, at multiples of `step`, so that neighbours share `overlap` pixels or more."""
    onward = max(step, (side - overlap) // step * step)
    return [*range(0, size - side, onward), size - side]


def fade(starts: list[int], start: int, side: int, size: int) -> np.ndarray:
    """A piece's share of each of its pixels along one axis, float32 (side,): of all pieces they add up to 1."""

    def bump(at: int) -> np.ndarray:
        """Rises from the piece's edge to its middle, and is zero outside."""
        inside = np.arange(size) - at
        return np.where((inside >= 0) & (inside < side), np.minimum(inside + 0.5, side - inside - 0.5), 0.0)

    total = np.sum([bump(at) for at in starts if abs(at - start) < side], 0)
    end = min(start + side, size)
    share: np.ndarray = (bump(start)[start:end] / total[start:end]).astype(np.float32)
    return share


@contextlib.contextmanager
def fixed_norms(network: nn.Module) -> Iterator[Callable[[bool], None]]:
    """Norms take note of mean and variance of what passes. The function that comes with it makes them use what they noted since
    it was called last, and, called with True, take no more notes. What was theirs before comes back at the end.
    """
    norms = [m for m in network.modules() if isinstance(m, (nn.BatchNorm2d, nn.InstanceNorm2d))]
    notes: dict[nn.Module, list[Tensor]] = {norm: [] for norm in norms}

    def take(norm: nn.Module, given: tuple[Tensor]) -> None:
        x = given[0]
        notes[norm].append(torch.stack([x.mean((0, 2, 3)), x.square().mean((0, 2, 3))]))

    hooks = [norm.register_forward_pre_hook(take) for norm in norms]

    def fix(last: bool) -> None:
        for hook in hooks if last else []:
            hook.remove()
        for norm in norms:
            mean, square = torch.stack(notes[norm]).mean(0)
            norm.__dict__["forward"] = _fixed(norm, mean, (square - mean.square()).clamp(min=0))
            notes[norm].clear()

    try:
        yield fix
    finally:
        for hook in hooks:
            hook.remove()
        for norm in norms:
            norm.__dict__.pop("forward", None)


def _fixed(norm: nn.Module, mean: Tensor, variance: Tensor) -> Callable[[Tensor], Tensor]:
    weight, bias, eps = (getattr(norm, name) for name in ("weight", "bias", "eps"))
    scale = (weight if weight is not None else torch.ones_like(mean)) / (variance + eps).sqrt()
    shift = (bias if bias is not None else torch.zeros_like(mean)) - mean * scale

    def forward(x: Tensor) -> Tensor:
        return x * scale[:, None, None] + shift[:, None, None]

    return forward

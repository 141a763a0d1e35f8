"""Points of a plane as small pictures: a grey spot where the point is. No NumPy at import.

The picture shows the plane from -HALF to HALF on both axes, the second one downwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganrepro.data.spec import Domain

if TYPE_CHECKING:
    import numpy as np

HALF = 1.8
SPOT = 1.0  # standard deviation of a spot, in pixels


def shown_by(domain: Domain) -> bool:
    """Whether pictures of a domain show a point each, as the registry says it."""
    return domain.attributes == {"shows": "spot"}


def places(side: int) -> list[float]:
    """Where the pixels of a line or column lie."""
    return [(pixel + 0.5) * (2 * HALF / side) - HALF for pixel in range(side)]


def read(levels: np.ndarray) -> np.ndarray:
    """Where spots lie, their centres of mass: levels (n, side, side) -> (n, 2). A black picture has its spot in the middle."""
    import numpy as np

    light, at = levels.astype(np.float64), np.array(places(levels.shape[-1]))
    sums = [light.sum(axis) for axis in (1, 2)]
    return np.stack([(of * at).sum(1) / np.maximum(of.sum(1), 1e-6) for of in sums], 1)


def draw(point: np.ndarray, side: int) -> np.ndarray:
    """One point (2,) as levels, uint8 (side, side): a Gaussian of height 255."""
    import numpy as np

    pixels = np.array(places(side))
    along, down = (np.exp(-(((pixels - at) * side / (2 * HALF * SPOT)) ** 2) / 2) for at in point)
    levels: np.ndarray = np.outer(down, along)
    return (255 * levels).round().astype(np.uint8)

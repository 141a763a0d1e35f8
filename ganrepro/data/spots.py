"""Points of a plane as small pictures: a grey spot where the point is. No NumPy at import.

The picture shows the plane from -HALF to HALF on both axes, the second one downwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

HALF = 1.8
SPOT = 1.0  # standard deviation of a spot, in pixels


def places(side: int) -> list[float]:
    """Where the pixels of a line or column lie."""
    return [(pixel + 0.5) * (2 * HALF / side) - HALF for pixel in range(side)]


def draw(point: np.ndarray, side: int) -> np.ndarray:
    """One point (2,) as levels, uint8 (side, side): a Gaussian of height 255."""
    import numpy as np

    pixels = np.array(places(side))
    along, down = (np.exp(-(((pixels - at) * side / (2 * HALF * SPOT)) ** 2) / 2) for at in point)
    levels: np.ndarray = np.outer(down, along)
    return (255 * levels).round().astype(np.uint8)

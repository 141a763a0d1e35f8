"""Images of 28 × 28, as digits come: kept as they are, or with a margin for networks that halve more often."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ganrepro.errors import SourceError

SIDE, MARGIN = 28, 2  # pixels; more on each side at 32


def margin_of(pixels: int) -> int:
    """Pixels to add on each side. SourceError for a stored size that these images do not have."""
    margin = {SIDE: 0, SIDE + 2 * MARGIN: MARGIN}.get(pixels)
    if margin is None:
        raise SourceError(f"these images are {SIDE} × {SIDE}, or with a margin {SIDE + 2 * MARGIN}; got pixels: {pixels}")
    return margin


def padded(levels: np.ndarray, margin: int) -> Image.Image:
    """A grey image of uint8 (28, 28) in a black margin."""
    return Image.fromarray(np.pad(levels, margin))

"""Files of arrays, as they are read back."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from ganrepro.errors import UserError
from ganrepro.store.files import plain


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays of an .npz file by name. UserError where it is damaged or cut short, OSError where there is none."""
    content = io.BytesIO(plain(path).read_bytes())
    try:
        with np.load(content, allow_pickle=False) as file:
            arrays = dict(file.items())
        if odd := [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]:
            raise ValueError(f"{odd[0]}: no array")
        return arrays
    except Exception as error:  # of every kind: numpy reads an array's header before its sum is looked at
        why = str(error)[:120]  # of an archive it may be all that is in it
        raise UserError(f"{path}: damaged or cut short ({why}); remove {path.parent} and run snakemake again") from None

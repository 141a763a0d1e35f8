"""Files of arrays, as they are read back."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np

from ganrepro.errors import UserError
from ganrepro.store.files import plain


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays of an .npz file by name. UserError where it is damaged or cut short, OSError where there is none."""
    content = io.BytesIO(plain(path).read_bytes())
    try:
        with np.load(content, allow_pickle=False) as file:
            return dict(file.items())
    except (ValueError, EOFError, KeyError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        why = str(error)[:120]  # of an archive it may be all that is in it
        raise UserError(f"{path}: damaged or cut short ({why}); remove {path.parent} and run snakemake again") from None

"""What a key is made of: canonical JSON of values, and settings that differ from their defaults."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

KEY_DIGITS = 12


def canonical(value: object) -> str:
    """Canonical JSON of plain values: sorted keys, 5 and 5.0 alike."""

    def plain(v: object) -> object:
        if isinstance(v, Mapping):
            return {str(k): plain(x) for k, x in v.items()}
        if isinstance(v, (list, tuple)):
            return [plain(x) for x in v]
        if isinstance(v, float) and v.is_integer():
            return int(v)
        return v

    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: object) -> str:
    """sha256 of the canonical JSON of `value`, 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def key_of(*parts: object) -> str:
    """The short digest that folders carry."""
    return digest(parts)[:KEY_DIGITS]


def changed(settings: BaseModel) -> dict[str, Any]:
    """The settings that differ from their defaults, as plain values: a new one with a default moves no key."""
    fields, values = type(settings).model_fields, settings.model_dump()
    return {name: value for name, value in values.items() if fields[name].is_required() or value != fields[name].default}


LENGTHS = ("epochs_constant", "epochs_decay")  # settings that say how long a training is


def without_length(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Of what determines a training, that which determines its steps up to the end of its constant phase."""
    return {**spec, "settings": {name: value for name, value in spec["settings"].items() if name not in LENGTHS}}

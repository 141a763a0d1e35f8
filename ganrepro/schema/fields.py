"""Types of fields that settings are made of."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

# An upper bound that a field needs is a type of its own: pydantic lets the bound of a type win over one of the field.
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]  # of a loss; 0: without it
Share = Annotated[float, Field(allow_inf_nan=False)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(gt=0, le=1_000_000)]
CountOrZero = Annotated[int, Field(ge=0, le=1_000_000)]
CountOfTwo = Annotated[int, Field(ge=2, le=1_000_000)]  # of what batch norm sees, say
Few = Annotated[int, Field(gt=0, le=100)]  # steps of one player for each of another's, say
Pixels = Annotated[int, Field(gt=0, le=8192)]
Width = Annotated[int, Field(gt=0, le=4096)]  # channels of a layer
Filters = Annotated[int, Field(gt=0, le=512)]  # channels of a layer of which others have several times as many
Channels = Annotated[int, Field(ge=1, le=64), AfterValidator(lambda count: known_channels(count))]  # of an image
Level = Annotated[int, Field(ge=0, le=255)]
Colour = Annotated[list[Level], Field(min_length=3, max_length=3)]

# Marks a setting of a method that shapes what is made with trained networks and no training: `Annotated[Few, MAKING]`.
MAKING = "making"

# Names of folders that something else than a study, a report or a dataset owns.
RESERVED = ("all", "archives", "bsds500", "claims", "features", "readers", "survey")


class Closed(BaseModel):
    """A group of settings: unknown keys are refused, values are checked as they are, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def known_channels(count: int) -> int:
    """ValueError for two, which may be anything: grey and its opacity, or two measurements."""
    if count == 2:
        raise ValueError("expected 1 (grey), 3 (colour), 4 (colour and opacity) or more, got 2")
    return count


def checked_name(name: str) -> str:
    """A name that can be a folder and a word of a command line. ValueError otherwise."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name) or ".." in name:
        raise ValueError(f"names become folders; expected a-z, 0-9, '-', '_' and '.', beginning with a-z or 0-9, got {name!r}")
    if name in RESERVED:
        raise ValueError(f"'{name}' is taken; choose another name ({', '.join(RESERVED)} are)")
    return name


Name = Annotated[str, AfterValidator(checked_name)]

"""Readers: networks that read images, so that what a method made can be scored. No torch at import.

A kind of reader is one file of this folder that sets `KIND`, and one line here.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from ganrepro.data.spec import DataSpec
from ganrepro.schema.readers import PublishedReaderSettings, ReaderSettings

if TYPE_CHECKING:
    from ganrepro.evaluation.readers.base import ReaderKind

KINDS = ("segmentation", "classifier", "fcn8s")


def kind_of(data: DataSpec, recipe: ReaderSettings | PublishedReaderSettings) -> str | None:
    """Which kind reads the images of a dataset; None where there is nothing that a network could learn to read."""
    if isinstance(recipe, PublishedReaderSettings):
        return "fcn8s"
    return data.read_by


def find(kind: str) -> ReaderKind:
    """A kind of reader by name."""
    found: ReaderKind = importlib.import_module(f"{__name__}.{kind}").KIND
    return found

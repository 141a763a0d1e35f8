"""Readers: networks that read images, so that what a method made can be scored. No torch at import.

A kind of reader is one file of this folder that sets `KIND`, and one line here.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganrepro.data.spec import DataSpec
from ganrepro.schema.readers import PublishedReaderSettings, ReaderSettings
from ganrepro.store.digests import canonical

if TYPE_CHECKING:
    import torch

    from ganrepro.evaluation.readers.base import Reader, ReaderKind

# kind -> whether its features are compared where a study compares those of its reader
KINDS = {"segmentation": True, "classifier": False, "domains": False, "fcn8s": False}


def kind_of(data: DataSpec, recipe: ReaderSettings | PublishedReaderSettings) -> str | None:
    """Which kind reads the images of a dataset; None where there is nothing that a network could learn to read."""
    if isinstance(recipe, PublishedReaderSettings):
        return "fcn8s"
    if data.told_apart:
        return "domains"
    return None if data.readable is None else "segmentation" if data.label_maps else "classifier"


def find(kind: str) -> ReaderKind:
    """A kind of reader by name."""
    reader: ReaderKind = importlib.import_module(f"{__name__}.{kind}").KIND
    return reader


def load(
    file: Path,
    spec: Mapping[str, Any],
    recipe: ReaderSettings | PublishedReaderSettings,
    data: DataSpec,
    device: torch.device,
) -> Reader:
    """The reader of a file that the workflow made, on the device, named by its spec so that features can be kept."""
    from ganrepro.store import checkpoints

    state = checkpoints.load(file, dict(spec), device)["network"]
    reader = dataclasses.replace(find(spec["kind"]).load(state, recipe, data), digest=canonical(spec))
    reader.network.to(device)
    return reader

"""Checkpoints: everything a training needs to go on, written whole or not at all.

Loading runs no pickled code (torch.load with weights_only).
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from ganrepro.errors import UserError
from ganrepro.store.digests import canonical, without_length
from ganrepro.store.files import plain, replacing

SCHEMA = "checkpoint/1"


class CheckpointError(UserError):
    """A checkpoint cannot be written or used; the message says which and what to do."""


def save(path: Path, spec: dict[str, Any], state: dict[str, Any]) -> None:
    """Writes `state` (tensors and plain values) with the spec it belongs to.

    CheckpointError if the disk is full or the folder not writable; the previous file stays.
    """
    try:
        # an open file, not a name: the name would become part of the archive's bytes
        with replacing(path) as temporary, temporary.open("wb") as file:
            torch.save(_interned({"schema": SCHEMA, "spec": canonical(spec), "state": state}), file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"{path}: cannot be written ({error}); the previous checkpoint is kept, free some space and start again to continue"
        ) from None


def _interned(value: Any) -> Any:
    """The same plain containers with equal strings made one object: pickle writes an object once and then refers to
    it, so a resumed training, half of whose strings were read from a file, would else be written to other bytes."""
    if isinstance(value, dict):
        return {_interned(key): _interned(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_interned(item) for item in value)
    return sys.intern(value) if type(value) is str else value


def flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every value inside nested containers by its place, as text; of a tensor its type, shape and a digest of its bytes."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from flat(part, f"{name}.{key}".removeprefix("."))
    elif isinstance(value, (list, tuple)):
        for number, part in enumerate(value):
            yield from flat(part, f"{name}.{number}")
    elif isinstance(value, torch.Tensor):
        content = value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
        yield name, f"{value.dtype} {tuple(value.shape)} {hashlib.sha256(content).hexdigest()}"
    else:
        yield name, repr(value)


def load(path: Path, spec: dict[str, Any] | None = None, device: torch.device | str = "cpu") -> dict[str, Any]:
    """The state in `path`. CheckpointError if it is missing, damaged (by a single bit) or (with spec) of another run."""
    content = _content(path, device)
    if spec is not None and content["spec"] != canonical(spec):
        raise CheckpointError(f"{path}: belongs to another experiment (its settings differ); remove it to start anew")
    state: dict[str, Any] = content["state"]
    return state


def load_course(path: Path, spec: dict[str, Any], device: torch.device | str = "cpu") -> dict[str, Any]:
    """The same of a training whose spec may differ in the lengths of its schedule."""
    content = _content(path, device)
    if content["spec"] != canonical(spec):
        theirs = json.loads(content["spec"])
        if canonical(without_length(theirs)) != canonical(without_length(spec)):
            raise CheckpointError(f"{path}: belongs to another experiment (its settings differ); remove it to start anew")
    state: dict[str, Any] = content["state"]
    return state


def making(checkpoint: dict[str, Any]) -> dict[str, dict[str, torch.Tensor]]:
    """Of a training's state, the networks that images are made with: running means where it has any, else its last weights."""
    players = checkpoint["players"]
    return players["networks"] | players.get("means", {})


def _content(path: Path, device: torch.device | str) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(plain(path)) as archive:  # torch writes a sum for each array and never looks at it
            if (damaged := archive.testzip()) is not None:
                raise zipfile.BadZipFile(f"wrong checksum of {damaged}")
        content = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such checkpoint") from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{path}: damaged, cut short or not a checkpoint ({first[:120]}); remove it to start anew"
        ) from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise CheckpointError(f"{path}: not a checkpoint of this program ({SCHEMA}); remove it to start anew")
    checked: dict[str, Any] = content
    return checked

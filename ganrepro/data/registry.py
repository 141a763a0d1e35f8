"""The registered sources of data and weights, as in registry.yaml. No torch."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ganrepro.errors import SourceError

DRAWN, FOLDER = ("streets", "digits"), "folder"  # drawn by the pipeline; the user's own
NOT_DOWNLOADED = (*DRAWN, FOLDER)
INCEPTION = "inception-2015-12-05"
# of an entry, what says nothing about the data
NOT_HASHED = ("title", "licence", "archives", "mirror_archives")


@functools.cache
def registry() -> dict[str, dict[str, Any]]:
    """Every source by name."""
    text = Path(__file__).with_name("registry.yaml").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = YAML(typ="safe", pure=True).load(text)
    return found


def entry(source: str) -> dict[str, Any]:
    """One registered dataset. SourceError where there is none."""
    entries = registry()
    if source not in entries:
        raise SourceError(f"source '{source}' is not registered; there are: {', '.join(entries)}, folder")
    return dict(entries[source])

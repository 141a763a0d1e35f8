"""Where downloads and prepared datasets live, and what their keys are made of. No torch."""

from __future__ import annotations

import functools
from pathlib import Path

from ganrepro.artifacts.fingerprint import changed, code_digest, digest, key_of
from ganrepro.data.registry import NOT_DOWNLOADED, NOT_HASHED, registry
from ganrepro.settings import ConfigError, Params, has_digits, has_label_maps


def inside(root: str, *parts: str) -> Path:
    """A path below a folder of the project. ConfigError if the parts lead out of it."""
    path = Path(root, *parts)
    if not all(part and part not in (".", "..") and not set(part) & {"/", "\\"} for part in parts):
        raise ConfigError(f"{'/'.join(parts)!r}: leads out of {root}/; names may hold a-z, 0-9, '-', '_' and '.'")
    return path


def download_dir(source: str) -> Path:
    """Verified, extracted files of one registered source."""
    return inside("downloads", f"{source}-{registry_digest(source)[:8]}")


def registry_digest(source: str) -> str:
    """Digest of what shapes a source's data: its registry entry without title, licence and addresses."""
    return digest({k: v for k, v in registry().get(source, {}).items() if k not in NOT_HASHED})


def has_classes(params: Params, name: str) -> bool:
    """Whether a dataset has label maps, so that translations can be scored."""
    return has_label_maps(params.datasets[name])


def has_image_classes(params: Params, name: str) -> bool:
    """Whether every image of a dataset has a class, so that what is made from noise can be read."""
    return has_digits(params.datasets[name])


@functools.cache
def folder_digest(path: str | None) -> str:
    """Digest of names and sizes in a bring-your-own folder, so that a changed folder is prepared again.

    An edit that keeps the size of a file to the byte (uncompressed formats) is not noticed.
    """
    root = Path(path or "").expanduser()
    if path is None or not root.is_dir():
        return "none"
    return digest(sorted((p.relative_to(root).as_posix(), p.stat().st_size) for p in root.rglob("*") if p.is_file()))


def downloads_of(params: Params, name: str) -> list[str]:
    """Sources that a dataset is prepared from, and weights where edges are to be found."""
    dataset = params.datasets[name]
    return [source for source in (dataset.source, dataset.edges) if source and source not in NOT_DOWNLOADED]


def dataset_key(params: Params, name: str) -> str:
    """Key of a prepared dataset: its settings, its source, the code that prepares it."""
    dataset = params.datasets[name]
    module = "data.digits" if has_digits(dataset) else "data.prepare"
    code = [code_digest(module), registry_digest(dataset.source), folder_digest(dataset.path)]
    if dataset.edges is not None:
        code += [code_digest("data.edges"), registry_digest(dataset.edges)]
    return key_of("dataset", changed(dataset), code)


def dataset_dir(params: Params, name: str) -> Path:
    """Prepared images, label maps and manifest."""
    return inside("data", f"{name}-{dataset_key(params, name)}")

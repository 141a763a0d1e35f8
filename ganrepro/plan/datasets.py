"""Where downloads and prepared datasets live, and what their keys are made of. No torch."""

from __future__ import annotations

import functools
from pathlib import Path

from ganrepro.arithmetic import PORTABLE, VERSION
from ganrepro.data.own import data_spec, entry_of, files_of
from ganrepro.errors import ConfigError, SourceError
from ganrepro.plan import code
from ganrepro.schema.datasets import DatasetSettings
from ganrepro.schema.registry import FOLDER, is_downloaded, registry_digest
from ganrepro.settings import Params
from ganrepro.store.digests import changed, digest, key_of
from ganrepro.store.files import kept_digests, sha256, write_json

FOLDERS = Path("work/folders.json")  # digests of the images of one's own folders, as `remember` left them


def inside(root: str, *parts: str) -> Path:
    """A path below a folder of the project. ConfigError if the parts lead out of it."""
    path = Path(root, *parts)
    if not all(part and part not in (".", "..") and not set(part) & {"/", "\\"} for part in parts):
        raise ConfigError(f"{'/'.join(parts)!r}: leads out of {root}/; names may hold a-z, 0-9, '-', '_' and '.'")
    return path


def download_dir(source: str) -> Path:
    """Verified, extracted files of one registered source."""
    return inside("downloads", f"{source}-{registry_digest(source)[:8]}")


def downloads_of(params: Params, name: str) -> list[str]:
    """Sources that a dataset is prepared from, and weights where edges are to be found."""
    dataset = params.datasets[name]
    return [source for source in (dataset.source, dataset.edges) if source and is_downloaded(source)]


def folder_digest(dataset: DatasetSettings) -> str:
    """Of names and content of the images that are used of a folder of one's own: a changed one is prepared again."""
    return _folder_digest(dataset.model_dump_json())


@functools.cache
def _folder_digest(settings: str) -> str:
    dataset = DatasetSettings.model_validate_json(settings)
    return digest([[name, sha256(path, FOLDERS)] for name, path in files_of(dataset)])


def remember(dataset: DatasetSettings) -> None:
    """Keeps the digests of a folder's images, so that they are read anew only where a file changed."""
    if dataset.source == FOLDER:
        known = {
            str(path.resolve()): [path.stat().st_mtime_ns, path.stat().st_size, sha256(path)]
            for name, path in files_of(dataset)
            if name.isprintable()  # JSON cannot hold a name that is not UTF-8, which preparation refuses
        }
        write_json(FOLDERS, kept_digests(FOLDERS) | known)


def arithmetic(params: Params) -> dict[str, str]:
    """What keys of computed results hold of their arithmetic: nothing where it is the usual one."""
    return {} if params.arithmetic == "usual" else {"arithmetic": f"portable {VERSION} {digest(PORTABLE)[:8]}"}


def dataset_key(params: Params, name: str) -> str:
    """Key of a prepared dataset: its settings, its source, the code that prepares it; where edges are detected, arithmetic."""
    dataset = params.datasets[name]
    return _dataset_key(dataset.model_dump_json(), **(arithmetic(params) if dataset.edges else {}))


@functools.cache
def _dataset_key(settings: str, **more: str) -> str:
    dataset = DatasetSettings.model_validate_json(settings)
    try:
        layout = entry_of(dataset)["layout"]
        prepared_by = code.version(f"prepare/{layout}")
    except (SourceError, FileNotFoundError):
        prepared_by = "none"  # of a folder that is not here; its preparation says so
    source = folder_digest(dataset) if dataset.source == FOLDER else registry_digest(dataset.source)
    edges = [code.version("edges"), registry_digest(dataset.edges)] if dataset.edges else []
    edges += [code.version("derived")] if dataset.derived else []
    asked = {
        name: value for name, value in changed(dataset).items() if name not in ("path", "folders")
    }  # what a folder holds counts, not where
    data = data_spec(dataset).as_values()
    for domain in data["domains"].values():
        del domain["title"], domain["word"]  # words for people
    return key_of("dataset", asked, data, prepared_by, source, edges, *more.items())


def dataset_dir(params: Params, name: str) -> Path:
    """Prepared images, label maps and manifest."""
    return inside("data", f"{name}-{dataset_key(params, name)}")

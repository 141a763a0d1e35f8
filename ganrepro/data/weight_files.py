"""Sources that are one file of weights: fetched, verified by the checksum in its name, put into place."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ganrepro.artifacts import filling
from ganrepro.data.sources import ARCHIVES, SourceError, _join, _sha256, download, entry


def obtain_file(source: str, mirror: str | None, folder: Path, archives: Path = ARCHIVES) -> str:
    """Fetches the file of a source with `layout: file` into `folder`; returns its sha256.

    mirror: folder, file:// or http(s):// address that holds the file, or None.  sha256 in the registry may be the
    beginning that the publisher states. SourceError with one line for anything that is not right.
    """
    (spec,) = entry(source)["archives"]
    target = archives / spec["name"]
    if not target.exists():
        archives.mkdir(parents=True, exist_ok=True)
        download(_join(mirror, spec["name"]) if mirror else spec["url"], target)
    found = _sha256(target)
    if not found.startswith(spec["sha256"]):
        raise SourceError(
            f"{target}: wrong checksum, expected sha256 {spec['sha256']}…, got {found[:12]}…; remove it and try again"
        )
    with filling(folder) as inside:
        try:
            os.link(target, inside / target.name)
        except OSError:
            shutil.copyfile(target, inside / target.name)
    return found

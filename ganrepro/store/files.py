"""Atomic writing: a file or folder is there as a whole, or as it was before."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ganrepro.errors import UserError
from ganrepro.store.digests import canonical


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary name beside `path`; on success renames it there, on failure removes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:40]}.{hash(path.name):x}.{os.getpid()}.tmp")  # some names have no room for more
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:  # of a full disk, which does not say what it could not take
        error.filename = error.filename or str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def filling(folder: Path) -> Iterator[Path]:
    """Yields an empty sibling folder; on success it takes the place of `folder` at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    temporary.chmod(0o755)
    try:
        yield temporary
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(temporary, folder)
    except OSError as error:  # as above
        error.filename = error.filename or str(folder)
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def again(file: Path, name: Path) -> None:
    """The same file under another name, without a copy where that can be: results are replaced as a whole, never written into."""
    try:
        os.link(file, name)
    except OSError:  # some file systems have no links
        shutil.copyfile(file, name)


def replace_section(page: Path, name: str, text: str) -> bool:
    """Puts `text` between <!-- name: ... --> and <!-- /name --> of a page; False if it has no such section."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name.split(':')[0]} -->"
    old = page.read_text(encoding="utf-8") if page.exists() else ""
    if begin not in old:
        return False
    before, rest = old.split(begin, 1)
    with replacing(page) as temporary:
        temporary.write_text(f"{before}{begin}\n{text}\n{end}{rest.split(end, 1)[1]}", encoding="utf-8")
    return True


def write_json(path: Path, value: object) -> None:
    """Sorted keys, so equal values give equal bytes."""
    with replacing(path) as temporary:
        temporary.write_text(
            json.dumps(json.loads(canonical(value)), indent=1, sort_keys=True, ensure_ascii=False) + "\n", "utf-8"
        )


SPECIAL = {stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFSOCK: "a socket"}


def plain(path: Path) -> Path:
    """The same path, to be read. UserError for a pipe or a device, which could make the reader wait for ever.

    Whoever opens it says what is wrong with a folder, or where there is nothing.
    """
    try:
        kind = SPECIAL.get(stat.S_IFMT(path.stat().st_mode))
    except (OSError, ValueError):
        return path
    if kind is not None:
        raise UserError(f"{path}: expected a file, found {kind}; name another, or remove it")
    return path


def expect_new(path: Path) -> None:
    """UserError where something has that name already, which nobody asked to lose, or where no file can have it."""
    try:
        there = path.is_symlink() or path.exists()
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: no name for a file ({error})") from None
    if there:
        raise UserError(f"{path}: is there already; name another file, or remove it")
    if not path.name:
        raise UserError(f"{path}: no name for a file; name one")


def read_json(path: Path) -> dict[str, Any]:
    """A file that a stage wrote. UserError where it is empty, cut short or no mapping."""
    try:
        content = json.loads(plain(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path}: damaged or cut short ({str(error)[:80]}); remove {path.parent} and run snakemake again"
        ) from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a mapping, got {type(content).__name__}; remove {path.parent} and run snakemake again")
    return content


def sha256(path: Path, kept: Path | None = None) -> str:
    """Of a file's content, read once for as long as it does not change; 'none' where there is no file.

    kept: a file of digests (`kept_digests`) from an earlier process.
    """
    state = path.stat() if path.is_file() else None
    if state is None:
        return "none"
    known = kept_digests(kept).get(str(path.resolve())) if kept is not None else None
    if known is not None and known[:2] == [state.st_mtime_ns, state.st_size]:
        return str(known[2])
    return _sha256(path, state.st_mtime_ns, state.st_size)


@functools.cache
def _sha256(path: Path, changed_at: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def kept_digests(file: Path) -> dict[str, list[Any]]:
    """Path -> time of its last change, size, sha256; {} where there is no such file, or a damaged one."""
    return _kept(file, file.stat().st_mtime_ns) if file.exists() else {}


@functools.cache
def _kept(file: Path, changed_at: int) -> dict[str, list[Any]]:
    try:
        entries = read_json(file)
    except UserError:
        return {}
    return {name: entry for name, entry in entries.items() if isinstance(entry, list) and len(entry) == 3}

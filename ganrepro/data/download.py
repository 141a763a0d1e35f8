"""One file from an address: continued where it was cut off, verified, renamed when it is whole."""

from __future__ import annotations

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import IO

from tqdm import tqdm

from ganrepro.errors import SourceError, without_secrets
from ganrepro.store.files import plain

CHUNK = 1 << 20
LEAST_RATE, PATIENCE_SECONDS = 1000, 60  # bytes a second on average, after that long: slower is as good as not at all


def address(mirror: str, name: str) -> str:
    """Where a mirror (a folder, or an address) holds a file. SourceError if it is neither."""
    if "://" not in mirror:
        try:
            mirror = Path(mirror).expanduser().resolve().as_uri()
        except (RuntimeError, ValueError) as error:
            raise SourceError(f"mirror {mirror!r}: neither a folder nor an address ({error})") from None
    return f"{mirror.rstrip('/')}/{urllib.parse.quote(name)}"


def exists(url: str) -> bool:
    """Whether there is something at an address."""
    if url.startswith("file:"):
        return Path(urllib.request.url2pathname(urllib.parse.urlsplit(url).path)).exists()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=30):
            return True
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError):
        return False


def download(url: str, target: Path, sha256: str | None = None) -> None:
    """Fetches `url` to `target`; a partial file beside it is continued. Verified, then renamed.

    SourceError if the server is away or too slow, the file is missing, cut short or has another checksum.
    """
    part, named = target.with_name(f"{target.name}.part"), without_secrets(url)
    done = part.stat().st_size if part.exists() else 0
    try:
        stream, done, total = _open(url, done)
        with (
            stream,
            part.open("ab" if done else "wb") as file,
            tqdm(total=total, initial=done, unit="B", unit_scale=True, desc=target.name, mininterval=1) as bar,
        ):
            started, came = time.monotonic(), 0
            while chunk := stream.read1(CHUNK):  # type: ignore[attr-defined]
                file.write(chunk)
                bar.update(len(chunk))
                came += len(chunk)
                passed = time.monotonic() - started
                if passed > PATIENCE_SECONDS and came < LEAST_RATE * passed:
                    raise TimeoutError(f"only {came / passed:.0f} bytes a second")
    except urllib.error.HTTPError as error:
        raise SourceError(
            f"{named}: {error.code} {error.reason}; check GANREPRO_MIRROR, or put the file into {target.parent}/"
        ) from None
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        reason = without_secrets(str(getattr(error, "reason", error)))
        raise SourceError(
            f"{named}: cannot be fetched ({reason}); try again to continue, check GANREPRO_MIRROR, or put it in {target.parent}/"
        ) from None
    size = part.stat().st_size
    if total is not None and size < total:
        raise SourceError(f"{named}: cut short at {size:,} of {total:,} bytes; try again to continue")
    if sha256 is not None and (digest := sha256_of(part)) != sha256:
        part.unlink()
        raise SourceError(
            f"{named}: wrong checksum (sha256 {digest[:12]}…, expected {sha256[:12]}…); removed, try another mirror"
        )
    os.replace(part, target)


def _open(url: str, done: int) -> tuple[IO[bytes], int, int | None]:
    """A stream from byte `done` on, where it really starts, and the whole size if known."""
    if url.startswith("file:"):
        path = Path(urllib.request.url2pathname(urllib.parse.urlsplit(url).path))
        if not path.is_file():
            raise OSError(f"{path}: no such file")
        total = path.stat().st_size
        stream = path.open("rb")
        done = done if done <= total else 0
        stream.seek(done)
        return stream, done, total
    headers = {"Range": f"bytes={done}-"} if done else {}
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not done:  # the partial file is already as long as (or longer than) the whole one
            raise
        return _open(url, 0)
    if response.status != 206:
        done = 0
    length = response.headers.get("Content-Length") or ""
    return response, done, int(length) + done if length.isdecimal() else None


def sha256_of(path: Path) -> str:
    """Of a file's bytes, 64 hexadecimal digits."""
    with plain(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

"""Images inside a bundle: losslessly as WebP, a quarter smaller than PNG, compared pixel by pixel when unpacked."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

from PIL import Image


def as_webp(file: Path) -> bytes:
    """A PNG as lossless WebP."""
    picture = io.BytesIO()
    with Image.open(file) as image:
        image.convert("RGB").save(picture, "WEBP", lossless=True, exact=True)
    return picture.getvalue()


def unpack(pack: zipfile.ZipFile, folder: Path, plan: dict[str, Any]) -> None:
    """Files of the bundle; images become PNG again and must equal the manifest, else the program stops."""
    data = plan["data"]
    if (folder / data / "manifest.json").exists():
        return
    manifest = json.loads(pack.read(f"{data}/manifest.json"))
    files = manifest["files"]
    grey = {"labels"} | {name for name, domain in manifest["data"]["domains"].items() if domain["channels"] == 1}
    for name in sorted(pack.namelist(), key=lambda name: name.endswith("manifest.json")):  # last: it says that all is there
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix != ".webp":
            target.write_bytes(pack.read(name))
            continue
        inside = target.with_suffix(".png").relative_to(folder / data).as_posix()
        with Image.open(io.BytesIO(pack.read(name))) as picture:
            image = picture.convert("L" if inside.split("/")[1] in grey else "RGB")
        digest = hashlib.sha256(f"{image.mode} {image.size} ".encode() + image.tobytes()).hexdigest()
        if digest != files[inside]:
            sys.exit(f"error: {inside}: other pixels than were packed; carry the bundle over again")
        image.save(target.with_suffix(".png"))

"""Every tagged deviation in the package's source, so that no departure from the papers goes unprinted."""

from __future__ import annotations

import functools
import re

from ganrepro.artifacts.fingerprint import PACKAGE


@functools.cache
def deviations() -> tuple[str, ...]:
    """One Markdown line for each tag, with its reason and the file that holds it."""
    pattern = re.compile(r"DEVIATION\(([a-z-]+)\): ((?:[^\n]+\n?)+?)(?=\n|\s*DEVIATION|\s*\"\"\")")
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for tag, words in pattern.findall(path.read_text("utf-8")):
            text = " ".join(line.strip().lstrip("#").strip() for line in words.splitlines())
            found.append(f"**{tag}** (`{path.relative_to(PACKAGE.parent).as_posix()}`): {text}")
    return tuple(found)

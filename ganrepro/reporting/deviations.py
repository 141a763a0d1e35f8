"""Every tagged deviation in the package's source, so that no departure from the papers goes unprinted."""

from __future__ import annotations

import functools
import re

from ganrepro.store.code import PACKAGE, modules_of


@functools.cache
def deviations(*modules: str, without: tuple[str, ...] = ()) -> tuple[str, ...]:
    """One Markdown line for each tag, with its reason and the file that holds it.

    modules: where the code of some results begins, as in `code_digest`; its files alone are looked at (none: all files), but for
    those that are imported and not used.
    """
    used = {f"{module.replace('.', '/')}.py" for module in modules_of(*modules) if module not in without}
    pattern = re.compile(r"DEVIATION\(([a-z0-9-]+)\): ((?:[^\n]+\n?)+?)(?=\n|\s*DEVIATION|\s*\"\"\")")
    lines = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if modules and path.relative_to(PACKAGE).as_posix() not in used:
            continue
        for tag, words in pattern.findall(path.read_text("utf-8")):
            text = " ".join(line.strip().lstrip("#").strip() for line in words.splitlines())
            lines.append(f"**{tag}** (`{path.relative_to(PACKAGE.parent).as_posix()}`): {text}")
    return tuple(lines)

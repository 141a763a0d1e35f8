"""Tables in Markdown: one function that lays them out."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ganrepro.data.spec import Size
from ganrepro.errors import harmless


def plain(text: str) -> str:
    """Somebody's words inside a Markdown page: no HTML, no end of a table's cell."""
    return html.escape(text, quote=False).replace("|", "\\|")


def quoted(value: Any) -> Any:
    """The same value, words in it (also in lists and mappings) as plain text of one line: no HTML, link, code or table."""
    if isinstance(value, str):
        text = " ".join(harmless(plain(value)).replace("`", "'").split())
        return text.replace("[", "\\[").replace("](", "] (")
    if isinstance(value, Mapping):
        return {quoted(key): quoted(inside) for key, inside in value.items()}
    return [quoted(inside) for inside in value] if isinstance(value, (list, tuple)) else value


def markdown(head: Sequence[str], lines: Iterable[Iterable[str]], left: int = 1) -> str:
    """A Markdown table.  left: how many columns are set flush left; the others are centred."""
    rule = [":--"] * left + [":-:"] * (len(head) - left)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *lines))


def in_words(size: Size) -> str:
    """As in '192 × 128'."""
    width, height = size if isinstance(size, tuple) else (size, size)
    return f"{width} × {height}"

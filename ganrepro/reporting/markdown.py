"""Tables in Markdown: one function that lays them out."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence


def plain(text: str) -> str:
    """Somebody's words inside a Markdown page: no HTML, no end of a table's cell."""
    return html.escape(text, quote=False).replace("|", "\\|")


def markdown(head: Sequence[str], lines: Iterable[Iterable[str]], left: int = 1) -> str:
    """A Markdown table.  left: how many columns are set flush left; the others are centred."""
    rule = [":--"] * left + [":-:"] * (len(head) - left)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *lines))

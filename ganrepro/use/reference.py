"""The page of all commands, made from their parsers: python -m ganrepro.use.reference writes docs/commands.md."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from ganrepro.store.files import replacing
from ganrepro.use.cli import parser

PAGE = Path("docs/commands.md")
HEAD = """# Commands

What `ganrepro COMMAND --help` prints. Made from the code by `make pages`; a test keeps it current. Trainings and reports are
made by Snakemake, and what `make` does by itself `make help` lists.
"""


def reference() -> str:
    """The page."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "100"  # argparse asks the terminal
    try:
        parts = [f"## {name}\n\n```text\n{command.format_help().rstrip()}\n```\n" for name, command in _commands(parser())]
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
    return "\n".join([HEAD, *parts])


def _commands(of: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command that its parser lists, with those below it, by its words."""
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            listed = [choice.dest for choice in action._choices_actions]
            for name in listed:
                command: argparse.ArgumentParser = action.choices[name]
                yield command.prog.removeprefix("ganrepro "), command
                yield from _commands(command)


if __name__ == "__main__":
    with replacing(PAGE) as temporary:
        temporary.write_text(reference(), encoding="utf-8")

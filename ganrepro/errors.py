"""Errors that whoever started a command can mend."""

from __future__ import annotations

import sys
from collections.abc import Callable


class UserError(Exception):
    """One line: what was expected, what came, what to do. Stages print it and exit with status 1."""

    def __str__(self) -> str:
        """Without characters that would break the line or command a terminal: names may hold any."""
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in super().__str__())


class ConfigError(UserError):
    """A setting is wrong; the message says where, what came and what to do."""


class WeightsError(UserError):
    """A file of weights is not what it should be; the message names the layer."""


class SourceError(UserError):
    """A dataset cannot be had or is not what it should be; the message says what to do."""


class UnfitData(UserError):
    """A method cannot use a dataset; the message says what the dataset lacks."""


def in_one_line(run: Callable[[], None], stopped: str = "stopped") -> None:
    """Runs something; an error that the user can mend becomes one line and exit status 1.  stopped: said at Ctrl-C."""
    try:
        run()
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {f'{error.filename}: ' if error.filename else ''}{error.strerror or error}")
    except KeyboardInterrupt:
        sys.exit(stopped)

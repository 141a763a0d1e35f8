"""Errors that whoever started a command can mend."""

from __future__ import annotations

import contextlib
import io
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from typing import TextIO


class UserError(Exception):
    """One line: what was expected, what came, what to do. Stages print it and exit with status 1."""

    def __str__(self) -> str:
        """Without characters that would break the line or command a terminal: names may hold any."""
        return one_line(super().__str__())


def one_line(text: str) -> str:
    """Text without characters that would break a line or command a terminal, which stand as \\x1b and the like."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


COMMANDS = ("Cc", "Cs")  # Unicode's categories of characters that command, or are half of one
TURNS = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}  # characters that turn the direction of what follows


def commands(character: str) -> bool:
    """Whether a character is none that is shown, but commands whatever shows it; ends of lines and tabs are not meant."""
    return character not in "\n\t" and (unicodedata.category(character) in COMMANDS or ord(character) in TURNS)


def harmless(text: str) -> str:
    """The same of text of several lines, whose ends and tabs stay, as do spaces of any kind."""
    return "".join(c.encode("unicode_escape").decode() if commands(c) else c for c in text)


class _Harmless(io.TextIOBase):
    """A stream that takes what a terminal shows and nothing that commands it.  stream: the one behind it, which takes all."""

    def __init__(self, stream: TextIO):
        self.stream = stream

    def write(self, text: str) -> int:
        return self.stream.write(harmless(text))

    def flush(self) -> None:
        self.stream.flush()

    def isatty(self) -> bool:
        return self.stream.isatty()

    def fileno(self) -> int:
        return self.stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.stream.encoding


@contextlib.contextmanager
def plain_output() -> Iterator[None]:
    """What is printed meanwhile commands no terminal, and breaks off at no character that a locale has not."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with contextlib.redirect_stdout(_Harmless(sys.stdout)):
        yield


def without_secrets(text: str) -> str:
    """Addresses without whoever and whatever a password stands in them, and without what lies behind their ?, ; or #.

    Whoever prints an address prints this: a password may hold any character but a space.
    """

    def shown(match: re.Match[str]) -> str:
        scheme, rest = match[1], match[2]
        rest = re.split(r"[?#;]", rest)[0] + "…" * bool(re.search(r"[?#;]", rest))
        return scheme + rest.rpartition("@")[2]

    return re.sub(r"([A-Za-z][A-Za-z0-9+.-]*://)(\S*)", shown, text)


class ConfigError(UserError):
    """A setting is wrong; the message says where, what came and what to do."""


class WeightsError(UserError):
    """A file of weights is not what it should be; the message names the layer."""


class SourceError(UserError):
    """A dataset cannot be had or is not what it should be; the message says what to do."""


class UnfitData(UserError):
    """A method cannot use a dataset; the message says what the dataset lacks."""


# libraries that using a model does without, by the extra that brings them (pyproject.toml)
EXTRAS = {
    "workflow": (
        "snakemake", "dvc", "mlflow", "matplotlib", "skimage", "sklearn", "torch_fidelity", "torchvision", "h5py", "google",
    ),
    "survey": ("fastapi", "uvicorn"),
    "demo": ("gradio",),
    "export": ("onnx", "onnxscript", "onnxruntime"),
}  # fmt: skip


def in_one_line(run: Callable[[], None], stopped: str = "stopped") -> None:
    """Runs something; an error that the user can mend becomes one line and exit status 1.  stopped: said at Ctrl-C."""
    try:
        with plain_output():
            run()
    except UserError as error:
        sys.exit(f"error: {error}")
    except MemoryError as error:
        sys.exit(f"error: more memory is needed than there is ({one_line(str(error)) or 'of whatever was asked for'})")
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        extra = next((extra for extra, libraries in EXTRAS.items() if library in libraries), None)
        if extra is None:
            raise
        sys.exit(f"error: {library}: not installed; pip install 'ganrepro[{extra}]'")
    except OSError as error:
        sys.exit(one_line(f"error: {f'{error.filename}: ' if error.filename else ''}{error.strerror or error}"))
    except KeyboardInterrupt:
        sys.exit(stopped)

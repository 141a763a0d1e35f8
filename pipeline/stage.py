"""What all stages share: the command line, one-line errors, the paths they may write."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from ganrepro import arithmetic, settings
from ganrepro.errors import in_one_line
from ganrepro.settings import ConfigError


def arguments(description: str, *names: str) -> argparse.Namespace:
    """--params, --out, --threads, and the named words, which are required (--seed and --pixels are numbers)."""
    parser = common(description)
    for name in names:
        parser.add_argument(f"--{name}", required=True, type=int if name in ("seed", "pixels") else str)
    parser.add_argument("--out", required=True, type=Path, help="folder to write; its name carries the key")
    return parser.parse_args()


def common(description: str) -> argparse.ArgumentParser:
    """A command line with --params and --threads, to be added to."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", default="params.yaml", help="parameter file (default: %(default)s)")
    parser.add_argument("--threads", type=_positive, default=1, help="CPU threads (default: %(default)s)")
    return parser


def no_words(description: str) -> None:
    """The command line of what takes none: --help says what it does, and any other word is refused."""
    argparse.ArgumentParser(description=description).parse_args()


def _positive(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 10_000:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 9999, got {text!r}")
    return int(text)


def parameters(args: argparse.Namespace) -> settings.Params:
    """The parameters, in a process whose arithmetic is theirs: where it is not, the stage starts anew here."""
    params = settings.load(args.params)
    arithmetic.ensure(params.arithmetic)
    return params


def expect(out: Path, computed: Path) -> None:
    """ConfigError if the parameters no longer lead to the folder that was asked for."""
    if Path(out).parts[-len(computed.parts) :] != computed.parts:
        raise ConfigError(f"{out}: the current parameters and code lead to {computed}; they changed meanwhile, start again")


def run(main: Callable[[], None]) -> None:
    """Runs a stage; an error the user can mend becomes one line and exit status 1."""
    in_one_line(main, "stopped; start again to continue")

"""What all stages share: the command line, one-line errors, the device, the paths they may write."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from ganrepro.config import ConfigError, Params

T = TypeVar("T")


def arguments(description: str, *names: str) -> argparse.Namespace:
    """--params, --out, --threads, and the named words, which are required (--seed and --pixels are numbers)."""
    parser = argparse.ArgumentParser(description=description)
    for name in names:
        parser.add_argument(f"--{name}", required=True, type=int if name in ("seed", "pixels") else str)
    parser.add_argument("--params", default="params.yaml", help="parameter file (default: %(default)s)")
    parser.add_argument("--out", required=True, type=Path, help="folder to write; its name carries the key")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: %(default)s)")
    return parser.parse_args()


def known(table: Mapping[str, T], name: str, kind: str) -> T:
    """The entry of params.yaml. ConfigError where there is none of that name."""
    if name not in table:
        raise ConfigError(f"there is no {kind} '{name}' in params.yaml; there are: {', '.join(table)}")
    return table[name]


def expect(out: Path, computed: Path) -> None:
    """ConfigError if the parameters no longer lead to the folder that was asked for."""
    if Path(out).parts[-len(computed.parts) :] != computed.parts:
        raise ConfigError(f"{out}: the current parameters and code lead to {computed}; they changed meanwhile, start again")


def device(params: Params) -> str:
    """'cpu' or 'cuda', as params.yaml says."""
    import torch

    if params.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device: 'cuda' was asked for and torch finds no GPU; use auto or cpu")
    return "cuda" if params.device != "cpu" and torch.cuda.is_available() else "cpu"


def run(main: Callable[[], None]) -> None:
    """Runs a stage; an error the user can mend becomes one line and exit status 1."""
    from ganrepro.checkpoints import CheckpointError
    from ganrepro.data.images import ImageError
    from ganrepro.data.sources import SourceError
    from ganrepro.evaluation.gate import GateError
    from ganrepro.evaluation.segmenter import SegmenterError
    from ganrepro.training.loop import NonFiniteLoss

    try:
        main()
    except (ConfigError, CheckpointError, ImageError, SourceError, SegmenterError, GateError, NonFiniteLoss) as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {f'{error.filename}: ' if error.filename else ''}{error.strerror or error}")
    except KeyboardInterrupt:
        sys.exit("stopped; start again to continue")

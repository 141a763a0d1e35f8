"""What all stages share: the command line, one-line errors, the device, the paths they may write."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from ganrepro import config
from ganrepro.config import ConfigError, Params, Study


def arguments(description: str, *, row: bool = False) -> argparse.Namespace:
    """--study, --params and --out; with `row`, --row and --seed too."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--study", help="name under `studies` (default: the current one)")
    parser.add_argument("--params", default="params.yaml", help="parameter file (default: %(default)s)")
    parser.add_argument("--out", required=True, type=Path, help="folder to write; its name carries the key")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: %(default)s)")
    if row:
        parser.add_argument("--row", required=True, help="variant, or 'ground-truth' or 'identity'")
        parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def settings(args: argparse.Namespace) -> tuple[Params, Study]:
    params = config.load(args.params)
    return params, params.find_study(args.study)


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
    from ganrepro.evaluation.segmenter import SegmenterError
    from ganrepro.training.loop import NonFiniteLoss

    try:
        main()
    except (ConfigError, CheckpointError, ImageError, SourceError, SegmenterError, NonFiniteLoss) as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {f'{error.filename}: ' if error.filename else ''}{error.strerror or error}")
    except KeyboardInterrupt:
        sys.exit("stopped; start again to continue")

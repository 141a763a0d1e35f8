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
        run()
    except UserError as error:
        sys.exit(f"error: {error}")
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        extra = next((extra for extra, libraries in EXTRAS.items() if library in libraries), None)
        if extra is None:
            raise
        sys.exit(f"error: {library}: not installed; pip install 'ganrepro[{extra}]'")
    except OSError as error:
        sys.exit(f"error: {f'{error.filename}: ' if error.filename else ''}{error.strerror or error}")
    except KeyboardInterrupt:
        sys.exit(stopped)

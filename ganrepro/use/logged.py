"""Each row's first generator as an MLflow model: served with `mlflow models serve`, registered with one click."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from ganrepro.artifacts import paths
from ganrepro.methods.translation import TranslationMethod
from ganrepro.settings import Params, Study
from ganrepro.tracking.runs import start_run
from ganrepro.use import export
from ganrepro.use.model import Model, of_row

SERVED = Path(__file__).with_name("served.py")
MOST_MEGABYTES = float(os.environ.get("GANREPRO_MLFLOW_MODEL_MB", "50"))  # a larger generator is not copied into MLflow


def log_generators(params: Params, study: Study) -> None:
    """Logs what MLflow does not have yet; nothing where MLflow is off or away."""
    if os.environ.get("GANREPRO_MLFLOW") == "off":
        return
    for row, variant in study.rows.items():
        if not isinstance(variant.method, TranslationMethod):
            continue
        run = paths.Run(params, study, row, study.seeds[0])
        tracker = start_run(run)
        if tracker.run_id is not None and (run.folder / "checkpoint.pt").exists():  # a bundle brings none back
            model = of_row(run, run.outputs[0])
            with tempfile.TemporaryDirectory() as scratch:
                folder = Path(scratch) / "generator"
                export.to_folder(model, folder)
                size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
                if size <= MOST_MEGABYTES:
                    tracker.model(folder, SERVED, example(model), description(model), run.folder.name)
        tracker.close()


def example(model: Model) -> np.ndarray:
    """Two images of the model's source, (2, channels, pixels, pixels) in [-1, 1]."""
    images = export.real_images(model, [], most=2)
    return np.stack([image.numpy() for image in (images * 2)[:2]])


def description(model: Model) -> str:
    """One line: what goes in and comes out."""
    return (
        f"{model.title}: {model.output}; float32 (n, {model.architecture.inputs}, height, width) in [-1, 1], RGB, any size; "
        f"trained at {model.pixels} pixels; norms use the image at hand" + (", dropout stays on" if model.noisy else "")
    )

"""Each row's first generator as an MLflow model: served with `mlflow models serve`, registered with one click."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from ganrepro.plan import paths
from ganrepro.settings import Params, Study
from ganrepro.tracking import client
from ganrepro.tracking.runs import dataset_of, start_run
from ganrepro.use import export
from ganrepro.use.translator import Translator, of_row

SERVED = Path(__file__).with_name("served.py")
SIZE = "GANREPRO_MLFLOW_MODEL_MB"  # environment: a generator of more megabytes is not copied into MLflow (default 50)


def log_generators(params: Params, study: Study) -> None:
    """Logs what MLflow does not have yet; nothing where MLflow is off or away. A failure is said and stops nothing."""
    text = os.environ.get(SIZE, "50")
    most = float(text) if text.replace(".", "", 1).isdecimal() else 50.0
    for row, variant in study.rows.items():
        run = paths.Run(params, study, row, study.seeds[0])
        if variant.method.network_of(run.outputs[0]) is None or not (run.folder / "checkpoint.pt").exists():
            continue  # a search is no network; a bundle brings no checkpoint back
        tracker = start_run(run)
        if not tracker.has_model(run.key):
            with client.surviving():
                _log(run, tracker, most)
        tracker.close()


def _log(run: paths.Run, tracker: client.Tracker, most: float) -> None:
    model = of_row(run, run.outputs[0])
    if sum(p.numel() * p.element_size() for p in model.network.parameters()) / 1e6 > most:
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "generator"
        export.to_folder(model, folder)
        tracker.model(
            model.title, folder, SERVED, example(model), description(model), run.key, run.outputs[0].name, dataset_of(run)
        )


def example(model: Translator) -> np.ndarray:
    """Two images of the model's source, (2, channels, pixels, pixels) in [-1, 1]."""
    images = export.real_images(model, [], most=2)
    return np.stack([image.numpy() for image in (images * 2)[:2]])


def description(model: Translator) -> str:
    """One line: what goes in and comes out."""
    return (
        f"{model.title}: {model.output}; float32 (n, {model.architecture.inputs}, height, width) in [-1, 1], RGB, any size; "
        f"trained at {model.pixels} pixels; norms use the image at hand" + (", dropout stays on" if model.noisy else "")
    )

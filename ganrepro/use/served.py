"""What an MLflow model of this project does: images in, translations out. MLflow runs this file when it loads or serves one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import torch

from ganrepro.use.translator import read_folder


class Translator(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined, misc]
    """float32 (n, channels, height, width) in [-1, 1] -> the same, of any size; in the mode its scores were made in."""

    def load_context(self, context: Any) -> None:
        """Reads the exported folder that was logged with it."""
        self.model = read_folder(Path(context.artifacts["folder"]))

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # MLflow reads hints as a schema
        """The translations of a batch; `params` may hold a `seed`, of the dropout of noisy models."""
        images = torch.from_numpy(np.asarray(model_input, np.float32))
        return self.model(images, int((params or {}).get("seed", 0))).numpy()


mlflow.models.set_model(Translator())

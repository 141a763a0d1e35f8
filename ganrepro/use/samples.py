"""New images from a row that starts from noise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image

from ganrepro import checkpoints, settings
from ganrepro.artifacts import datasets
from ganrepro.artifacts.files import read_json
from ganrepro.data.images import as_array, to_uint8
from ganrepro.evaluation.generation import load_networks
from ganrepro.methods.base import Batch, DataSpec
from ganrepro.outputs import BY_CLASS, SAMPLES
from ganrepro.seeding import reseed, stream
from ganrepro.use.model import ModelError, checkpoint_of, run_of

AT_ONCE = 100


def of_row(
    name: str, count: int, seed: int = 0, label: int | None = None, params: str | Path = "params.yaml"
) -> Iterator[Image.Image]:
    """So many images of STUDY/ROW or STUDY/ROW/SEED; the same again for the same seed.

    label: the class to ask for, where the method takes one; None: each in turn.  ModelError with one line for anything unusable.
    """
    run = run_of(name, settings.load(params))
    if not run.study.from_noise or run.reference:
        raise ModelError(f"{name}: makes images of images, or was never trained; ganrepro translate is for the first")
    file = checkpoint_of(run)
    method, cpu = run.method, torch.device("cpu")
    prepared = datasets.dataset_dir(run.params, run.study.dataset) / "manifest.json"
    if not prepared.exists():
        raise ModelError(f"{prepared}: not made yet; snakemake --cores all {prepared}")
    manifest = read_json(prepared)
    data = DataSpec.of(manifest, method.settings)
    if label is not None and not 0 <= label < data.classes:
        raise ModelError(f"--label: expected a class from 0 to {data.classes - 1}, got {label}")
    if label is not None and BY_CLASS not in method.outputs():
        raise ModelError(f"{name}: {method.title} takes no class; leave --label out")
    output = SAMPLES if label is None else BY_CLASS
    networks = load_networks(method, checkpoints.load(file, run.spec)["players"]["networks"], data, run.seed, cpu)
    for first in range(0, count, AT_ONCE):
        of = range(first, min(count, first + AT_ONCE))
        random = stream(seed, f"sample/{first}")
        noise = {kind: draw.draw(len(of), random) for kind, draw in method.feed().noise.items()}
        asked = torch.tensor([number % data.classes if label is None else label for number in of])
        reseed(seed, f"sample/{first}/dropout")
        with torch.no_grad():
            made = method.generate(output, networks, Batch({}, {"b": asked}, noise), random)
        yield from (Image.fromarray(as_array(to_uint8(image))) for image in made)

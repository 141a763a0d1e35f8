"""Where a method that starts from noise meets the test set: samples, reconstructions, codes, and how near it came over time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganrepro import checkpoints
from ganrepro.artifacts.files import replacing
from ganrepro.data.images import as_array, to_float, to_uint8, write_png
from ganrepro.evaluation.base import Job
from ganrepro.evaluation.digit_classifier import BATCH, DigitClassifier
from ganrepro.evaluation.digit_distance import frechet_of
from ganrepro.evaluation.digit_images import load_digits
from ganrepro.evaluation.generation import load_networks
from ganrepro.evaluation.readers import Reader
from ganrepro.methods.base import Batch, DataSpec, Method
from ganrepro.methods.encodes import Encodes
from ganrepro.outputs import BY_CLASS, BY_CODE, RECONSTRUCTIONS, SAMPLES
from ganrepro.seeding import reseed, stream


def load_classifier(file: Path, spec: dict[str, Any], classes: int, device: torch.device) -> Reader:
    """The digit classifier that the segmenter's stage left, as `readers.load_reader`."""
    network = DigitClassifier(spec["scorer"]["filters"])
    network.load_state_dict(checkpoints.load(file, spec, device)["network"])
    return Reader(network.to(device).eval())


MEASURED = (SAMPLES, BY_CLASS, BY_CODE)  # as many as there are test digits; of any other output a picture of PICTURE images
PICTURE = 100


def make(
    method: Method[Any], weights: Mapping[str, Mapping[str, torch.Tensor]], data: DataSpec, seed: int,
    test: Path, manifest: Mapping[str, Any], folder: Path, device: torch.device,
) -> None:  # fmt: skip
    """Writes folder/<output>/NAME.png for every output of the method; see `generation.generate`.

    Samples are called 00000.png and so on; the class that one is asked for is its number modulo the classes. The noise is a
    function of the output's name and the number of the batch, the same for every method and training.
    """
    networks, names = load_networks(method, weights, data, seed, device), manifest["names"]["test"]["b"]
    for output in method.outputs():
        (folder / output.name).mkdir(parents=True, exist_ok=True)
        count = len(names) if output in (*MEASURED, RECONSTRUCTIONS) else PICTURE
        for first in range(0, count, BATCH):
            of = range(first, min(count, first + BATCH))
            random = stream(0, f"samples/{output.name}/{first}")
            noise = {name: kind.draw(len(of), random).to(device) for name, kind in method.feed().noise.items()}
            asked = torch.tensor([number % max(1, data.classes) for number in of], device=device)
            images, files = {}, [f"{number:05d}.png" for number in of]
            if output.source is not None:
                files = [names[number] for number in of]
                images = {output.source: to_float(load_digits(test / output.source, files).to(device))}
            reseed(0, f"samples/{output.name}/{first}/dropout")
            with torch.no_grad():
                made = method.generate(output, networks, Batch(images, {output.target: asked}, noise), random)
            for file, image in zip(files, made, strict=True):
                write_png(folder / output.name / file, as_array(to_uint8(image)))


def write_codes(
    method: Encodes[Any], weights: Mapping[str, Mapping[str, torch.Tensor]], data: DataSpec, seed: int,
    prepared: Path, manifest: Mapping[str, Any], file: Path, device: torch.device,
) -> None:  # fmt: skip
    """What a method's encoder says of every training and test image: 'train.code', (images, k), and so on."""
    networks = load_networks(method, weights, data, seed, device)
    found: dict[str, np.ndarray] = {}
    for split in ("train", "test"):
        images, random = load_digits(prepared / split / "b", manifest["names"][split]["b"]), stream(0, f"codes/{split}")
        with torch.no_grad():
            parts = [method.encode(networks, to_float(part.to(device)), random) for part in torch.split(images, BATCH)]
        found |= {f"{split}.{name}": torch.cat([part[name].cpu() for part in parts]).numpy() for name in parts[0]}
    with replacing(file) as temporary, temporary.open("wb") as opened:
        np.savez_compressed(opened, **found)  # type: ignore[arg-type]


def over_training(job: Job, folders: Mapping[int, Path]) -> dict[str, float]:
    """Fréchet distance of the samples of each epoch that is looked back at."""
    return {str(epoch): frechet_of(job, folder) for epoch, folder in folders.items()}

"""The only place where a trained method meets the test set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganrepro.data.images import as_array, as_tensor, read_rgb, resize, to_float, to_uint8, write_png
from ganrepro.methods.base import Batch, DataSpec, Method
from ganrepro.outputs import Output
from ganrepro.seeding import reseed, stream

SAMPLES = 64  # images of an output that is made from noise


def load_networks(
    method: Method[Any], weights: Mapping[str, Mapping[str, torch.Tensor]], data: DataSpec, seed: int, device: torch.device
) -> dict[str, torch.nn.Module]:
    """The networks that generation needs, with trained weights.

    weights: state by name; a frozen network has none.  seed: of the training, which frozen networks are drawn from.
    """
    networks = method.networks(data, lambda purpose: stream(seed, f"weights/{purpose}"))
    needed = {name: networks[name] for name in method.generators()}
    for name, network in needed.items():
        if name in weights:
            network.load_state_dict(weights[name])
        network.to(device).train(name in weights)
    return needed


def generate(
    method: Method[Any], weights: Mapping[str, Mapping[str, torch.Tensor]], data: DataSpec, seed: int,
    test: Path, manifest: Mapping[str, Any], folder: Path, device: torch.device, passes: int = 1,
) -> None:  # fmt: skip
    """Writes folder/<output>/NAME.png for every test image and every output of the method, at crop size.

    weights: state of its networks by name.  seed: of its training.  test, manifest: of the dataset.  passes: the second goes to
    folder/2/<output>, and so on. Networks stay in training mode, so norms use the statistics of the images at
    hand and dropout stays on, as in both papers. Test batches are as large as training batches (where the
    number of images allows; never one more than that): batch norm learnt to work with so many.
    """
    networks, feed = load_networks(method, weights, data, seed, device), method.feed()
    names, classes = manifest["names"]["test"], manifest.get("labels", {})
    for output in method.outputs():
        sources = [f"{i:05d}.png" for i in range(SAMPLES)] if output.source is None else names[output.source]
        batches = np.array_split(sources, -(-len(sources) // method.settings.batch_images))
        for number in range(1, passes + 1):
            place = pass_folder(folder, number) / output.name
            place.mkdir(parents=True, exist_ok=True)
            for batch in batches:
                images = {}
                if output.source is not None:
                    mode = "RGB" if data.channels[output.source] == 3 else "L"
                    photos = [read_rgb(test / output.source / name).convert(mode) for name in batch]
                    photos = [resize(photo, data.pixels, method.settings.resize) for photo in photos]
                    images[output.source] = to_float(torch.stack([as_tensor(photo) for photo in photos]).to(device))
                purpose = f"translate/{output.name}/{batch[0]}"
                random = stream(number - 1, f"translate/draws/{batch[0]}")
                noise = {name: kind.draw(len(batch), random).to(device) for name, kind in feed.noise.items()}
                labels = {}
                if feed.labels:  # of the images; of what is made from noise, each class in turn
                    told = [classes[n] for n in batch] if output.source else [int(n[:5]) % max(1, data.classes) for n in batch]
                    labels[output.source or output.target] = torch.tensor(told, device=device)
                reseed(number - 1, purpose)
                with torch.no_grad():
                    made = method.generate(output, networks, Batch(images, labels, noise), random)
                for name, image in zip(batch, made, strict=True):
                    write_png(place / name, as_array(to_uint8(image)))


def pass_folder(folder: Path, number: int) -> Path:
    """Where pass `number` (from 1) of a stochastic generator lies."""
    return folder if number == 1 else folder / str(number)


def reference(row: str, pixels: int, test: Path, names: Mapping[str, list[str]], folder: Path, outputs: Iterable[Output]) -> None:
    """The same folders without any training: 'identity' copies the input, 'ground-truth' the target."""
    for output in outputs:
        domain = output.source if row == "identity" else output.target
        if domain is None:
            continue  # what is made from noise has no input
        (folder / output.name).mkdir(parents=True, exist_ok=True)
        for name in names[domain]:
            write_png(folder / output.name / name, resize(read_rgb(test / domain / name), pixels))

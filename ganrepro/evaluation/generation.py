"""The only place where a trained method meets the test set, and where images are made from noise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganrepro.data.images import (
    as_array,
    levels_to_float,
    load_folder,
    load_image,
    read_rgb,
    reading_of,
    resize,
    to_levels,
    write_png,
)  # fmt: skip
from ganrepro.data.spec import DataSpec, Size
from ganrepro.methods.base import Batch, Method
from ganrepro.methods.encodes import Encodes
from ganrepro.methods.outputs import Output
from ganrepro.seeding import reseed, stream
from ganrepro.store.files import replacing

PICTURE = 100  # images of an output that is a picture to look at
ENCODED = 250  # images that an encoder is given at once
Weights = Mapping[str, Mapping[str, torch.Tensor]]


def load_networks(method: Method[Any], weights: Weights | None, seed: int, device: torch.device) -> dict[str, torch.nn.Module]:
    """The networks that making images needs, with trained weights.

    weights: state by name, a frozen network has none; None: all as a training of that seed begins.  seed: of the training, which
    frozen networks are drawn from.
    """
    networks = method.networks(lambda purpose: stream(seed, f"weights/{purpose}"))
    needed = {name: networks[name] for name in method.generators()}
    for name, network in needed.items():
        if weights is not None and name in weights:
            network.load_state_dict(weights[name])
        network.to(device).train(weights is None or name in weights)
    return needed


def generate(
    method: Method[Any], weights: Weights | None, seed: int, test: Path, names: Mapping[str, Sequence[str]], folder: Path,
    device: torch.device, passes: int = 1, only: Sequence[str] | None = None,
) -> None:  # fmt: skip
    """Writes folder/<output>/NAME.png for every output of the method (`only` some, by name), at crop size.

    weights: state of its networks by name; None: as before training.  seed: of its training.  test: folder of the test images by
    domain; names: of these.  passes: translations of the test set; the second goes to folder/2/<output>, and so on.

    From test images each is made by its name. From noise there are as many as test images (of a picture, PICTURE), called
    00000.png and so on; what one is asked for is its number, modulo the classes, and its noise is a function of the output's
    name and the number of the batch, the same for every method and training. Networks stay in training mode unless the method
    says otherwise: norms use the statistics of the images at hand and dropout stays on, as in both papers, so that batches are
    as large as in training (where the number of images allows; never one more than that).
    """
    networks = load_networks(method, weights, seed, device)
    for output in (output for output in method.outputs() if only is None or output.name in only):
        if output.source is None:
            _make_samples(method, networks, output, len(names[output.target]), folder, device)
            continue
        for number in range(1, passes + 1):
            _from_images(method, networks, output, test, names[output.source], pass_folder(folder, number), device, number - 1)


def _make_samples(
    method: Method[Any], networks: Mapping[str, torch.nn.Module], output: Output, tested: int, folder: Path, device: torch.device
) -> None:
    count, at_once = PICTURE if output.picture else tested, method.images_at_once()
    (folder / output.name).mkdir(parents=True, exist_ok=True)
    for first in range(0, count, at_once):
        of = range(first, min(count, first + at_once))
        random = stream(0, f"samples/{output.name}/{first}")
        noise = {name: kind.draw(len(of), random).to(device) for name, kind in method.feed().noise.items()}
        asked = {output.target: torch.tensor(asked_for(of, output), device=device)}
        reseed(0, f"samples/{output.name}/{first}/dropout")
        with torch.no_grad():
            images = method.generate(output, networks, Batch({}, asked, noise), random)
        _write(folder / output.name, [f"{number:05d}.png" for number in of], images, method.data.depth)


def asked_for(numbers: Iterable[int], output: Output) -> list[int]:
    """The classes, or values of a code, that images from noise are asked for, by turns."""
    return [number % output.values for number in numbers]


def _from_images(
    method: Method[Any], networks: Mapping[str, torch.nn.Module], output: Output, test: Path, names: Sequence[str], folder: Path,
    device: torch.device, repetition: int,
) -> None:  # fmt: skip
    assert output.source is not None
    (folder / output.name).mkdir(parents=True, exist_ok=True)
    reading, how = reading_of(method.data, output.source), method.settings.resize
    for batch in np.array_split(np.array(names), -(-len(names) // method.images_at_once())):
        levels = load_folder(test / output.source, list(batch), method.size, reading, how).permute(0, 3, 1, 2)
        levels = levels.clone(memory_format=torch.contiguous_format)
        images = {output.source: levels_to_float(levels.to(device), reading.depth)}
        random = stream(repetition, f"translate/draws/{batch[0]}")
        noise = {name: kind.draw(len(batch), random).to(device) for name, kind in method.feed().noise.items()}
        reseed(repetition, f"translate/{output.name}/{batch[0]}")
        with torch.no_grad():
            translated = method.generate(output, networks, Batch(images, {}, noise), random)
        _write(folder / output.name, batch, translated, method.data.depth)


def _write(folder: Path, names: Iterable[str], images: torch.Tensor, depth: int) -> None:
    for name, image in zip(names, images, strict=True):
        write_png(folder / name, as_array(to_levels(image, depth)))


def pass_folder(folder: Path, number: int) -> Path:
    """Where pass `number` (from 1) of a stochastic generator lies."""
    return folder if number == 1 else folder / str(number)


def write_cycles(
    method: Method[Any], weights: Weights, seed: int, test: Path, names: Mapping[str, Sequence[str]], file: Path,
    device: torch.device,
) -> None:  # fmt: skip
    """How far each test image is from itself, translated there and back: by output, (images,), levels from 0 to 1.

    Of outputs whose way back there is too; a file without any where there is none.
    """
    networks, outputs = load_networks(method, weights, seed, device), {(o.source, o.target): o for o in method.outputs()}
    errors: dict[str, np.ndarray] = {}
    there_and_back = [(str(s), t, output) for (s, t), output in outputs.items() if (t, s) in outputs]
    for source, target, output in there_and_back:
        found = []
        for batch in torch.split(torch.arange(len(names[source])), method.images_at_once()):
            chosen = [names[source][i] for i in batch]
            levels = load_folder(test / source, chosen, method.size, reading_of(method.data, source), method.settings.resize)
            x = (
                levels_to_float(levels.to(device), method.data.depth)
                .permute(0, 3, 1, 2)
                .clone(memory_format=torch.contiguous_format)
            )
            reseed(0, f"cycle/{output.name}/{chosen[0]}")
            random = stream(0, f"cycle/{output.name}/{chosen[0]}")
            with torch.no_grad():
                there = method.generate(output, networks, Batch({source: x}), random)
                back = method.generate(outputs[target, source], networks, Batch({target: there}), random)
            found.append((back - x).abs().mean((1, 2, 3)).cpu() / 2)
        errors[output.name] = torch.cat(found).double().numpy()
    with replacing(file) as temporary, temporary.open("wb") as opened:
        np.savez_compressed(opened, **errors)  # type: ignore[arg-type]


def write_codes(
    method: Encodes[Any],
    weights: Weights,
    seed: int,
    prepared: Path,
    manifest: Mapping[str, Any],
    file: Path,
    device: torch.device,
) -> None:
    """What a method's encoder says of every training and test image: 'train.code', (images, k), and so on."""
    from ganrepro.evaluation.images import load_levels

    networks = load_networks(method, weights, seed, device)
    (domain,) = method.feed().domains
    codes: dict[str, np.ndarray] = {}
    for split in ("train", "test"):
        names, random = manifest["names"][split][domain], stream(0, f"codes/{split}")
        images = load_levels(prepared / split / domain, names, method.data.channels(domain), method.size, method.data.depth)
        with torch.no_grad():
            parts = [
                method.encode(networks, levels_to_float(part.to(device), method.data.depth), random)
                for part in torch.split(images, ENCODED)
            ]
        codes |= {f"{split}.{name}": torch.cat([part[name].cpu() for part in parts]).numpy() for name in parts[0]}
    with replacing(file) as temporary, temporary.open("wb") as opened:
        np.savez_compressed(opened, **codes)  # type: ignore[arg-type]


def reference(
    row: str, size: Size, data: DataSpec, test: Path, names: Mapping[str, list[str]], folder: Path, outputs: Iterable[Output]
) -> None:
    """The same folders without any training: 'identity' copies the input, 'ground-truth' the target."""
    for output in outputs:
        domain = output.source if row == "identity" else output.target
        if domain is None:
            continue  # what is made from noise has no input
        (folder / output.name).mkdir(parents=True, exist_ok=True)
        for name in names[domain]:
            file, reading = test / domain / name, reading_of(data, domain)
            usual = reading.depth == 8 and reading.channels in (1, 3)
            image = resize(read_rgb(file), size) if usual else load_image(file, reading, size).permute(2, 0, 1)
            write_png(folder / output.name / name, as_array(image) if isinstance(image, torch.Tensor) else image)

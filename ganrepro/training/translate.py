"""The only place where a trained generator meets the test set."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from ganrepro.config import Training
from ganrepro.data.images import as_array, as_tensor, read_rgb, resize, to_float, to_uint8, write_png
from ganrepro.nets.generators import build_generator
from ganrepro.seeding import reseed, stream

# direction -> generator, input domain, target domain
ROUTES = {"labels2photo": ("g_ab", "a", "b"), "photo2labels": ("g_ba", "b", "a")}


@torch.no_grad()
def translate(weights: dict[str, dict[str, torch.Tensor]], training: Training, test: Path, names: dict[str, list[str]],
              folder: Path, device: torch.device, passes: int = 1) -> None:  # fmt: skip
    """Writes folder/<direction>/NAME.png for every test image and every way the game learns, at crop size.

    weights: state of every network by name.  test: the prepared test split.  passes: the second pass goes to
    folder/2/<direction>, and so on. Networks stay in training mode, so norms use the statistics of the images at
    hand and dropout stays on, as in both papers. Test batches are as large as training batches (where the
    number of images allows; never one more than that): batch norm learnt to work with so many.
    """
    for direction in training.directions:
        generator, source, _ = ROUTES[direction]
        network = build_generator(
            training.generator,
            blocks=training.generator_blocks,
            filters=training.generator_filters,
            pixels=training.crop_pixels,
            flavour=training.flavour,
            bottleneck_norm=training.bottleneck_norm,
            generator=stream(0, "replaced"),
        )
        network.load_state_dict(weights[generator])
        network.to(device).train()
        batches = np.array_split(names[source], -(-len(names[source]) // training.batch_images))
        for number in range(1, passes + 1):
            place = pass_folder(folder, number) / direction
            place.mkdir(parents=True, exist_ok=True)
            for batch in batches:
                images = [as_tensor(resize(read_rgb(test / source / name), training.crop_pixels)) for name in batch]
                reseed(number - 1, f"translate/{direction}/{batch[0]}")
                made = network(to_float(torch.stack(images).to(device)))
                for name, image in zip(batch, made, strict=True):
                    write_png(place / name, as_array(to_uint8(image)))


def pass_folder(folder: Path, number: int) -> Path:
    """Where pass `number` (from 1) of a stochastic generator lies."""
    return folder if number == 1 else folder / str(number)


def reference(row: str, pixels: int, test: Path, names: dict[str, list[str]], folder: Path, directions: Iterable[str]) -> None:
    """The same folders without any training: 'identity' copies the input, 'ground-truth' the target."""
    for direction in directions:
        _, source, target = ROUTES[direction]
        domain = source if row == "identity" else target
        (folder / direction).mkdir(parents=True, exist_ok=True)
        for name in names[domain]:
            write_png(folder / direction / name, resize(read_rgb(test / domain / name), pixels))

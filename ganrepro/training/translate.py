"""The only place where a trained generator meets the test set."""

from __future__ import annotations

from pathlib import Path

import torch

from ganrepro.config import Training
from ganrepro.data.images import as_array, as_tensor, read_rgb, resize, to_float, to_uint8, write_png
from ganrepro.nets.generators import build_generator
from ganrepro.seeding import reseed, stream

# direction -> generator, input domain, target domain
ROUTES = {"labels2photo": ("g_ab", "a", "b"), "photo2labels": ("g_ba", "b", "a")}


@torch.no_grad()
def translate(weights: dict[str, dict[str, torch.Tensor]], training: Training, test: Path, names: dict[str, list[str]],
              folder: Path, device: torch.device) -> None:  # fmt: skip
    """Writes folder/<direction>/NAME.png for every test image, at crop size.

    weights: state of every network by name.  test: the prepared test split.  Networks stay in
    training mode, so norms use the statistics of the image at hand and dropout stays on, as in both
    papers.
    """
    for direction, (generator, source, _) in ROUTES.items():
        network = build_generator(
            training.generator,
            blocks=training.generator_blocks,
            filters=training.generator_filters,
            pixels=training.crop_pixels,
            flavour=training.flavour,
            generator=stream(0, "replaced"),
        )
        network.load_state_dict(weights[generator])
        network.to(device).train()
        (folder / direction).mkdir(parents=True, exist_ok=True)
        for name in names[source]:
            image = as_tensor(resize(read_rgb(test / source / name), training.crop_pixels))
            reseed(0, f"translate/{direction}/{name}")
            made = network(to_float(image[None].to(device)))[0]
            write_png(folder / direction / name, as_array(to_uint8(made)))


def reference(row: str, pixels: int, test: Path, names: dict[str, list[str]], folder: Path) -> None:
    """The same folders without any training: 'identity' copies the input, 'ground-truth' the target."""
    for direction, (_, source, target) in ROUTES.items():
        domain = source if row == "identity" else target
        (folder / direction).mkdir(parents=True, exist_ok=True)
        for name in names[domain]:
            write_png(folder / direction / name, resize(read_rgb(test / domain / name), pixels))

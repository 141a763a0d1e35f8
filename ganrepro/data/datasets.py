"""Training images on the device that trains, and all randomness of an epoch laid out ahead, so that
a step is a pure function of (state, step number) and a resumed run repeats it exactly."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ganrepro.config import Training
from ganrepro.data.images import ImageError, load_folder, to_float
from ganrepro.seeding import stream

# A dataset stays on the GPU as a whole if it takes at most this share of the free memory. A larger one
# stays in the host's memory, from where each window of steps brings its images along.
RESIDENT_SHARE = 0.4
WINDOW_STEPS = 64


@dataclass(frozen=True)
class Plan:
    """The random choices of one epoch, by domain, in order of the steps; int64 on the host.

    draws: (steps, batch, 4): place of the image on the device, top, left, mirrored.
    order: (steps, batch): number of the image in the dataset.
    coins, slots: (steps, batch): what the image pool decides by.
    """

    draws: dict[str, Tensor]
    order: dict[str, Tensor]
    coins: dict[str, Tensor]
    slots: dict[str, Tensor]


class TrainingImages:
    """Two domains as uint8 at jitter size, cropped and mirrored on the device.

    a, b: uint8 (n, load, load, 3).  training: crop, batch, image pool; the game decides whether a step shows
    pairs, cut alike, or images drawn independently.  window: steps whose images are on the device at
    once; None keeps all of them there.  ValueError if pairs are asked for and the domains differ in number.
    """

    def __init__(self, a: Tensor, b: Tensor, training: Training, device: torch.device, window: int | None = None):
        self.crop, self.pool, self.batch = training.crop_pixels, training.pool_images, training.batch_images
        self.paired, self.device, self.window = training.game != "cycle", device, window
        if self.paired and len(a) != len(b):
            raise ValueError(f"pairs: {len(a)} images of domain a, {len(b)} of domain b")
        batch = self.batch
        self.source = {"a": a, "b": b}
        if window is None:
            self.images = {domain: images.to(device) for domain, images in self.source.items()}
        else:
            shape = (window * batch, *a.shape[1:])
            self.images = {domain: torch.zeros(shape, dtype=torch.uint8, device=device) for domain in self.source}

    def __len__(self) -> int:
        """Images per epoch unless set otherwise: the larger domain, as in the Torch code."""
        return max(len(images) for images in self.source.values())

    def plan(self, seed: int, epoch: int, steps: int) -> Plan:
        """Draws every image of an epoch with replacement, with its crop, mirror and pool draws.

        With replacement, and crop offsets 1..load - crop (never 0), as in the Torch code.
        """
        plan = Plan({}, {}, {}, {})
        for domain, images in self.source.items():
            if self.paired and domain == "b":
                for choices in (plan.draws, plan.order, plan.coins, plan.slots):
                    choices["b"] = choices["a"]
                break
            slack = images.shape[1] - self.crop

            def draw(purpose: str, low: int, high: int, domain: str = domain) -> Tensor:
                generator = stream(seed, f"{purpose}/{domain}/{epoch}")
                return torch.randint(low, max(high, low + 1), (steps, self.batch), generator=generator)

            order = draw("order", 0, len(images))
            place = order if self.window is None else torch.arange(order.numel()).view_as(order) % (self.window * self.batch)
            jitter = (min(1, slack), slack + 1)
            columns = (place, draw("crop-top", *jitter), draw("crop-left", *jitter), draw("flip", 0, 2))
            plan.draws[domain], plan.order[domain] = torch.stack(columns, -1), order
            plan.coins[domain], plan.slots[domain] = draw("pool-coin", 0, 2) > 0, draw("pool-slot", 0, self.pool)
        return plan

    def fetch(self, plan: Plan, step: int) -> None:
        """Brings the images of the window that holds `step` to the device; nothing to do where all are there."""
        if self.window is not None:
            first = step - step % self.window
            for domain, order in plan.order.items():
                chosen = self.source[domain][order[first : first + self.window].flatten()]
                # pinned memory is copied while the device computes; the order of its stream keeps the copy in its turn
                chosen = chosen.pin_memory() if self.device.type == "cuda" else chosen
                self.images[domain][: len(chosen)].copy_(chosen, non_blocking=True)

    def crops(self, draws: dict[str, Tensor]) -> dict[str, Tensor]:
        """The images of one step by domain, (batch, 3, crop, crop) in [-1, 1], channels last in memory.

        draws: one step of `Plan.draws`, on the device.
        """
        side, made = torch.arange(self.crop, device=self.device), {}
        for domain, images in self.images.items():
            place, top, left, mirrored = draws[domain].unbind(-1)
            down = top[:, None] + side
            across = left[:, None] + torch.where(mirrored[:, None] > 0, side.flip(0), side)
            levels = images[place[:, None, None], down[:, :, None], across[:, None, :]]
            made[domain] = to_float(levels).permute(0, 3, 1, 2)
        return made


def load_images(folder: Path, training: Training, device: torch.device) -> TrainingImages:
    """The training split of a prepared dataset: its pairs, or each domain's own half (or all) of the images.

    ImageError if the game wants pairs and the dataset has none.
    """
    manifest = json.loads((folder / "manifest.json").read_text())
    paired = training.game != "cycle"
    if paired and not manifest["paired"]:
        raise ImageError(f"{folder}: game '{training.game}' needs pairs, and the images of this dataset form none; use 'cycle'")
    names = manifest["names"]["train"] if paired else manifest["unpaired"]
    a, b = (load_folder(folder / "train" / d, names[d], training.load_pixels).permute(0, 2, 3, 1).contiguous() for d in "ab")
    window = None
    if device.type == "cuda" and a.numel() + b.numel() > RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]:
        window = WINDOW_STEPS
    return TrainingImages(a, b, training, device, window)

"""Training images on the device that trains, and all randomness of an epoch laid out ahead, so that
a step is a pure function of (state, step number) and a resumed run repeats it exactly."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganrepro.data.few import chosen_few
from ganrepro.data.images import ImageError, height_and_width, levels_to_float, load_folder, read_labels, reading_of
from ganrepro.data.prepare import read_manifest
from ganrepro.data.spec import Size
from ganrepro.methods.base import CLASSES, FEW, Batch, Feed, Method, ScheduleSettings
from ganrepro.seeding import stream

# A dataset stays on the GPU as a whole if it takes at most this share of the free memory. A larger one
# stays in the host's memory, from where each window of steps brings its images along.
RESIDENT_SHARE = 0.4
WINDOW_STEPS = 64


@dataclass(frozen=True)
class Plan:
    """The random choices of one epoch, in order of the steps, on the host. n: images of a step.

    draws: by domain, int64 (steps, n, 4): place of the image on the device, top, left, mirrored.
    order: by domain, int64 (steps, n): number of the image in the dataset.
    coins, slots: by image pool, (steps, n): what it decides by.  noise: by name, (steps, n, ...).
    """

    draws: dict[str, Tensor] = field(default_factory=dict)
    order: dict[str, Tensor] = field(default_factory=dict)
    coins: dict[str, Tensor] = field(default_factory=dict)
    slots: dict[str, Tensor] = field(default_factory=dict)
    noise: dict[str, Tensor] = field(default_factory=dict)


class TrainingImages:
    """The images of each domain as levels at jitter size, cropped and mirrored on the device.

    images: by domain, levels (n, h, w, channels).  labels: their classes by domain, int64 (n,), where the feed wants them.
    feed: whether a step shows pairs, cut alike, or images drawn independently, and what else it sees.  upright: none is mirrored.
    window: steps whose images are on the device at once; None keeps all of them there.  size: of crops; None: crop_pixels square.
    depth: bits of the levels.
    ValueError if pairs are asked for and the domains differ in number.
    """

    def __init__(
        self,
        images: dict[str, Tensor],
        feed: Feed,
        settings: ScheduleSettings,
        device: torch.device,
        labels: dict[str, Tensor] | None = None,
        upright: bool = False,
        window: int | None = None,
        size: Size | None = None,
        depth: int = 8,
    ):
        self.depth = depth
        self.crop = height_and_width(settings.crop_pixels if size is None else size)
        self.batch = settings.batch_images * feed.batches
        self.source, self.feed, self.device, self.upright, self.window = images, feed, device, upright, window
        counts = {domain: len(of) for domain, of in images.items()}
        if feed.paired and len(set(counts.values())) > 1:
            raise ValueError(f"pairs: {', '.join(f'{count} images of domain {d}' for d, count in counts.items())}")
        known = labels or {}
        if feed.few:
            (domain,) = feed.domains
            self.source = images = {**images, FEW: images[domain]}
            known = {**(known if feed.labels else {}), FEW: known[domain]}
        self.labels = {domain: of.to(device) for domain, of in known.items()}
        if window is None:
            self.images = {domain: of.to(device) for domain, of in images.items()}
        else:
            shapes = {domain: (window * self.batch, *of.shape[1:]) for domain, of in images.items()}
            self.images = {d: torch.zeros(shape, dtype=images[d].dtype, device=device) for d, shape in shapes.items()}

    def __len__(self) -> int:
        """Images per epoch unless set otherwise: the larger domain, as in the Lua code."""
        return max(len(images) for images in self.source.values())

    def plan(self, seed: int, epoch: int, steps: int) -> Plan:
        """Draws every image of an epoch with replacement, with its crop and mirror, noise and the draws of the pools.

        With replacement, and crop offsets 1..load - crop (never 0), as in the Lua code.
        """
        plan = Plan()

        def draw(purpose: str, low: int, high: int) -> Tensor:
            return torch.randint(low, max(high, low + 1), (steps, self.batch), generator=stream(seed, f"{purpose}/{epoch}"))

        for domain, images in self.source.items():
            first = next(iter(self.source))
            if self.feed.paired and domain != first:
                plan.draws[domain], plan.order[domain] = plan.draws[first], plan.order[first]
                continue
            jitter = [(min(1, slack), slack + 1) for slack in (images.shape[1] - self.crop[0], images.shape[2] - self.crop[1])]
            order = draw(f"order/{domain}", 0, self.feed.few if domain == FEW else len(images))
            if domain == FEW:
                known = chosen_few(self.labels[FEW].cpu(), self.feed.few, seed)
                order = known[order % len(known)]
            place = order if self.window is None else torch.arange(order.numel()).view_as(order) % (self.window * self.batch)
            corner = draw(f"crop-top/{domain}", *jitter[0]), draw(f"crop-left/{domain}", *jitter[1])
            mirrored = torch.zeros_like(order) if self.upright else draw(f"flip/{domain}", 0, 2)
            plan.draws[domain] = torch.stack((place, *corner, mirrored), -1)
            plan.order[domain] = order
        for name, pool in self.feed.pools.items():
            plan.coins[name], plan.slots[name] = draw(f"pool-coin/{name}", 0, 2) > 0, draw(f"pool-slot/{name}", 0, pool.size)
        for name, noise in self.feed.noise.items():
            drawn = noise.draw(steps * self.batch, stream(seed, f"noise/{name}/{epoch}"))
            plan.noise[name] = drawn.view(steps, self.batch, *drawn.shape[1:])
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
        """The images of one step by domain, (n, channels, h, w) in [-1, 1], channels last in memory.

        draws: one step of `Plan.draws`, on the device.
        """
        (high, wide), crops = (torch.arange(side, device=self.device) for side in self.crop), {}
        for domain, images in self.images.items():
            place, top, left, mirrored = draws[domain].unbind(-1)
            down = top[:, None] + high
            across = left[:, None] + torch.where(mirrored[:, None] > 0, wide.flip(0), wide)
            levels = images[place[:, None, None], down[:, :, None], across[:, None, :]]
            values = levels if levels.is_floating_point() else levels_to_float(levels, self.depth)
            crops[domain] = values.permute(0, 3, 1, 2)
        return crops

    def batch_of(
        self,
        draws: dict[str, Tensor],
        order: dict[str, Tensor],
        noise: dict[str, Tensor],
        pools: dict[str, Tensor],
        channels_last: bool = True,
    ) -> Batch:
        """What a step sees, from one step of the plan on the device and the image pools' decisions."""
        images = self.crops(draws)
        if not channels_last:
            images = {domain: of.contiguous() for domain, of in images.items()}
        return Batch(images, {domain: of[order[domain]] for domain, of in self.labels.items()}, noise, pools)


class Loaded(dict[tuple[object, ...], Tensor]):
    """Images that were read once, by what they are, for trainings of one process to share."""


def load_images(folder: Path, method: Method[Any], device: torch.device, loaded: Loaded | None = None) -> TrainingImages:
    """The training split of a prepared dataset, as the feed of a method wants it.

    Pairs; or, where a step sees several domains independently, each domain's own share (or all) of the images; or all
    images of a single domain. ImageError where there are too few images, or too many for this machine.
    """
    feed, settings, manifest = method.feed(), method.settings, read_manifest(folder)
    names = feed.names(manifest)
    images: dict[str, Tensor] = {}
    counts = [len(names[domain]) for domain in feed.domains]
    if settings.batch_images > min(counts):
        raise ImageError(
            f"{folder}: batch_images is {settings.batch_images}, more than its {min(counts)} training images; lower it"
        )
    load = method.data.size(settings.load_pixels)
    high, wide = height_and_width(load)
    size = sum(count * method.data.channels(d) for d, count in zip(feed.domains, counts, strict=True)) * high * wide
    size *= 1 if method.data.depth == 8 else 4
    if size > (memory := os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")):
        raise ImageError(
            f"{folder}: {sum(counts)} images at load_pixels {settings.load_pixels} take {size / 1e9:.0f} GB; this machine has "
            f"{memory / 1e9:.0f}; lower load_pixels, or train_images of the dataset"
        )
    window, loaded = None, Loaded() if loaded is None else loaded
    if device.type == "cuda" and size > RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]:
        window = WINDOW_STEPS
    for domain in feed.domains:
        place = folder / "train" / domain
        what = (place, names is manifest["names"]["train"], load, settings.resize, window)
        if what not in loaded:
            read = load_folder(place, names[domain], load, reading_of(method.data, domain), settings.resize)
            loaded[what] = read if window else read.to(device)
        images[domain] = loaded[what]
    classes = manifest["classes"]
    labels = {d: torch.tensor([classes[name] for name in names[d]]) for d in feed.domains} if feed.labels or feed.few else None
    if feed.few and labels:
        fewest = int(labels[feed.domains[0]].bincount(minlength=len(method.data.classes)).min())
        if fewest < (each := feed.few // len(method.data.classes)):
            raise ImageError(
                f"{folder}: a class has {fewest} training images, and {each} of each are to have labels; lower labels"
            )
    if feed.pixels:
        images[CLASSES] = _classes(folder / "train" / "labels", names[feed.domains[0]], load).to(device)
    seen = dict(method.training_images(images))
    return TrainingImages(seen, feed, settings, device, labels, method.data.upright, window, method.size, method.data.depth)


def _classes(folder: Path, names: list[str], size: Size) -> Tensor:
    """Class maps of a size, the nearest pixel's class each, uint8 (n, h, w, 1)."""
    height, width = height_and_width(size)
    maps = [Image.fromarray(read_labels(folder / name)).resize((width, height), Image.Resampling.NEAREST) for name in names]
    return torch.from_numpy(np.stack([np.asarray(of) for of in maps])[..., None])

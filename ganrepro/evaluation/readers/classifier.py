"""The network that reads the classes of images: trained on a dataset's own training images, trusted if it reads held-out ones.

Its features measure how far samples are from real images, under its own name: they are not Inception's, and what they give is
not FID. Adam with a rate that rises and falls once; images are not mirrored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganrepro.data.images import to_float
from ganrepro.data.spec import DataSpec
from ganrepro.evaluation.images import load_levels
from ganrepro.evaluation.readers.base import Gate, Reader, ReaderError, ReaderKind, Task
from ganrepro.nets.classifier import Classifier
from ganrepro.seeding import stream

REQUIRED = 0.97  # share of held-out images that must be read right
BATCH = 250  # images read at once


class ClassReader(ReaderKind):
    """Cross-entropy over the classes."""

    title = "a classifier, trained on real training images of this dataset,"

    def make(self, task: Task) -> tuple[nn.Module, list[dict[str, float]]]:
        """ReaderError on a non-finite loss."""
        recipe, device = task.trained, task.device
        images, truth = self._real(task, "train")
        images, truth = images.to(device), truth.to(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**31, (), generator=stream(recipe.seed, "classifier/weights"))))
            network = self._network(recipe.filters, task.data).to(device)
        batches = max(1, len(images) // recipe.batch_images)
        optimiser = torch.optim.AdamW(network.parameters(), recipe.learning_rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, recipe.epochs * batches)
        for epoch in range(recipe.epochs):
            order = torch.randperm(len(images), generator=stream(recipe.seed, f"classifier/order/{epoch}")).to(device)
            for chosen in order[: batches * recipe.batch_images].view(batches, -1):
                optimiser.zero_grad(set_to_none=True)
                loss = functional.cross_entropy(network(to_float(images[chosen])), truth[chosen])
                if not torch.isfinite(loss):
                    raise ReaderError("classifier: its loss is not finite; lower learning_rate of the reader")
                torch.autograd.backward(loss)
                optimiser.step()
                schedule.step()
        return network.eval(), [{"epoch": recipe.epochs, "loss": float(loss.detach())}]

    def load(self, state: Mapping[str, Tensor], recipe: Any, data: DataSpec) -> Reader:
        network = self._network(recipe.filters, data)
        network.load_state_dict(state)
        return Reader(network.eval(), features=network.features)

    def gate(self, reader: Reader, task: Task) -> Gate:
        images, truth = self._real(task, "test")
        read = readings(reader.network, images, task.device).argmax(1)
        return Gate("share of images read right", float((read == truth).double().mean()), task.trained.required or REQUIRED)

    def _network(self, filters: int, data: DataSpec) -> Classifier:
        return Classifier(filters, data.channels(str(data.readable)), len(data.classes))

    def _real(self, task: Task, split: str) -> tuple[Tensor, Tensor]:
        """Images of a split, uint8 (n, channels, side, side), and their classes."""
        names, folder = task.names(split), task.folder / split / task.domain
        images = load_levels(folder, names, task.data.channels(task.domain), task.pixels)
        return images, torch.tensor([task.manifest["classes"][name] for name in names])


def readings(network: Callable[[Tensor], Tensor], images: Tensor, device: torch.device) -> Tensor:
    """Logits of uint8 images (n, channels, side, side), or whatever else a network makes of them, on the CPU."""
    with torch.no_grad():
        return torch.cat([network(to_float(part.to(device))).cpu() for part in torch.split(images, BATCH)])


KIND = ClassReader()

"""The network that reads which domain an image is of: trained on all domains' training images, trusted if it reads held-out ones.

Domains that differ in several attributes (light, season) are read attribute by attribute, each by a softmax of its own; an image
counts for those alone that are known of its domain. It sees images as methods do: mirrored by chance, but for upright ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganrepro.data.images import levels_to_float
from ganrepro.data.spec import DataSpec
from ganrepro.evaluation.images import load_levels
from ganrepro.evaluation.readers.base import Gate, Reader, ReaderError, ReaderKind, Task
from ganrepro.nets.classifier import Classifier
from ganrepro.seeding import stream

REQUIRED = 0.95  # share of held-out images whose domain must be read right
BATCH = 250  # images read at once
UNKNOWN = -100  # in place of an attribute's value; cross-entropy leaves it out


class DomainReader(ReaderKind):
    """Cross-entropy over the values of each attribute, summed."""

    title = "a classifier of domains, trained on real training images of this dataset,"

    def make(self, task: Task) -> tuple[nn.Module, list[dict[str, float]]]:
        """ReaderError on a non-finite loss."""
        recipe, device = task.trained, task.device
        images, truth = (part.to(device) for part in _real(task, "train"))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**31, (), generator=stream(recipe.seed, "domains/weights"))))
            network = _network(recipe.filters, task.data).to(device)
        batches = max(1, len(images) // recipe.batch_images)
        optimiser = torch.optim.AdamW(network.parameters(), recipe.learning_rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, recipe.epochs * batches)
        for epoch in range(recipe.epochs):
            random = stream(recipe.seed, f"domains/order/{epoch}")
            order = torch.randperm(len(images), generator=random).to(device)
            mirrored = (torch.randint(0, 2, (len(images),), generator=random) > 0) & torch.tensor(not task.data.upright)
            for chosen in order[: batches * recipe.batch_images].view(batches, -1):
                seen = levels_to_float(images[chosen], task.data.depth)
                seen = torch.where(mirrored.to(device)[chosen][:, None, None, None], seen.flip(-1), seen)
                optimiser.zero_grad(set_to_none=True)
                logits, loss = network(seen), torch.zeros((), device=device)
                for number, part in enumerate(task.data.places().values()):
                    known = truth[chosen, number] != UNKNOWN
                    if bool(known.any()):
                        loss = loss + functional.cross_entropy(logits[known, part], truth[chosen, number][known])
                if not torch.isfinite(loss):
                    raise ReaderError("domains: its loss is not finite; lower learning_rate of the reader")
                torch.autograd.backward(loss)
                optimiser.step()
                schedule.step()
        return network.eval(), [{"epoch": recipe.epochs, "loss": float(loss.detach())}]

    def load(self, state: Mapping[str, Tensor], recipe: Any, data: DataSpec) -> Reader:
        network = _network(recipe.filters, data)
        network.load_state_dict(state)
        return Reader(network.eval())

    def gate(self, reader: Reader, task: Task) -> Gate:
        images, truth = _real(task, "test")
        read = read_values(reader.network, images, task.data, task.device)
        right = ((read == truth) | (truth == UNKNOWN)).all(1)
        return Gate("share of images whose domain is read right", float(right.double().mean()), task.trained.required or REQUIRED)


def values_of(domain: str, data: DataSpec) -> list[int]:
    """Number of the value of each attribute that the images of a domain have, UNKNOWN where nothing is said."""
    known = data.attributes_of(domain)
    return [values.index(known[name]) if name in known else UNKNOWN for name, values in data.attributes().items()]


def read_values(network: Callable[[Tensor], Tensor], images: Tensor, data: DataSpec, device: torch.device) -> Tensor:
    """The value of each attribute that is read in levels (n, channels, h, w): int64 (n, attributes), on the CPU."""
    with torch.no_grad():
        logits = torch.cat([network(levels_to_float(part.to(device), data.depth)).cpu() for part in torch.split(images, BATCH)])
    return torch.stack([logits[:, part].argmax(1) for part in data.places().values()], 1)


def _network(filters: int, data: DataSpec) -> Classifier:
    return Classifier(filters, data.channels(next(iter(data.domains))), sum(map(len, data.attributes().values())))


def _real(task: Task, split: str) -> tuple[Tensor, Tensor]:
    """Images of a split, levels (n, channels, h, w), and the values of their domains' attributes, (n, attributes)."""
    images, truth = [], []
    for domain in task.data.domains:
        names, folder = task.manifest["names"][split][domain], task.folder / split / domain
        images.append(load_levels(folder, names, task.data.channels(domain), task.pixels, task.data.depth))
        truth += [values_of(domain, task.data)] * len(names)
    return torch.cat(images), torch.tensor(truth)


KIND = DomainReader()

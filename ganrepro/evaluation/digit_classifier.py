"""The network that reads digits: trained on a dataset's own training digits, trusted if it reads held-out ones.

Its features measure how far samples are from real digits, under its own name: they are not Inception's, and what they give is
not FID. A few convolutions, each halving the size, and a hidden layer; Adam with a rate that rises and falls once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganrepro.data.images import to_float
from ganrepro.errors import UserError
from ganrepro.evaluation.digit_images import load_digits
from ganrepro.seeding import stream
from ganrepro.settings.models import ScorerSettings

GATE = 0.97  # share of held-out digits that must be read right before anything is measured with it
CLASSES = 10
BATCH = 250  # images read at once


class ClassifierError(UserError):
    """The network does not read real digits well enough; the message says what to do."""


class DigitClassifier(nn.Module):
    """(n, 1, side, side) in [-1, 1] -> logits (n, 10); `features` -> (n, 8 × filters), all at least 0."""

    def __init__(self, filters: int):
        super().__init__()

        def down(inputs: int, outputs: int) -> list[nn.Module]:
            return [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]

        convolutions = [*down(1, filters), *down(filters, 2 * filters), *down(2 * filters, 4 * filters), nn.AdaptiveAvgPool2d(4)]
        self.features = nn.Sequential(*convolutions, nn.Flatten(1), nn.Linear(64 * filters, 8 * filters), nn.ReLU())
        self.head = nn.Linear(8 * filters, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images))
        return logits


def train_classifier(
    data: Path, manifest: dict[str, Any], recipe: ScorerSettings, device: torch.device
) -> tuple[nn.Module, float]:
    """The network, and the share of the dataset's test digits that it reads right. ClassifierError if that is below GATE."""
    names, labels = manifest["names"], manifest["labels"]
    images = load_digits(data / "train" / "b", names["train"]["b"]).to(device)
    truth = torch.tensor([labels[name] for name in names["train"]["b"]], device=device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (), generator=stream(recipe.seed, "classifier/weights"))))
        network = DigitClassifier(recipe.filters).to(device)
    batches = max(1, len(images) // recipe.batch_images)
    optimiser = torch.optim.AdamW(network.parameters(), recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, recipe.epochs * batches)
    for epoch in range(recipe.epochs):
        order = torch.randperm(len(images), generator=stream(recipe.seed, f"classifier/order/{epoch}")).to(device)
        for chosen in order[: batches * recipe.batch_images].view(batches, -1):
            optimiser.zero_grad(set_to_none=True)
            loss = functional.cross_entropy(network(to_float(images[chosen])), truth[chosen])
            if not torch.isfinite(loss):
                raise ClassifierError("classifier: its loss is not finite; lower learning_rate of the scorer")
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
    network.eval()
    held_out = load_digits(data / "test" / "b", names["test"]["b"])
    read = readings(network, held_out, device).argmax(1)
    accuracy = float((read == torch.tensor([labels[name] for name in names["test"]["b"]])).double().mean())
    if accuracy < GATE:
        raise ClassifierError(
            f"gate: the classifier reads {accuracy:.1%} of {len(read)} held-out digits right, {GATE:.0%} is required; nothing is "
            f"measured with it: more epochs or filters of the scorer, or more training digits"
        )
    return network, accuracy


def readings(network: nn.Module, images: Tensor, device: torch.device) -> Tensor:
    """Logits of uint8 images (n, 1, side, side), or whatever else a network makes of them, on the CPU."""
    with torch.no_grad():
        return torch.cat([network(to_float(part.to(device))).cpu() for part in torch.split(images, BATCH)])

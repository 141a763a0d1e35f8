"""Training images that are never mirrored: a mirrored digit is another sign."""

from __future__ import annotations

from ganrepro.methods.base import ScheduleSettings
from ganrepro.training.batches import Plan, TrainingImages


class UprightImages(TrainingImages):
    """The same images in the same order, as they are."""

    def plan(self, seed: int, epoch: int, steps: int) -> Plan:
        plan = super().plan(seed, epoch, steps)
        for draws in plan.draws.values():
            draws[..., 3] = 0
        return plan


def upright(images: TrainingImages, settings: ScheduleSettings) -> UprightImages:
    """The same training images without mirrors."""
    kept = images.source, images.feed, settings, images.device, images.labels
    return UprightImages(*kept, images.spec.classes, images.window)

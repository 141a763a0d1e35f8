"""How near translations are to their truth in the features of a network, where the true translation is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganrepro.data.spec import MOST_NAMED, DataSpec
from ganrepro.evaluation.measures.base import MORE_CHANNELS, Job, Measure, Measured, Needs, Score
from ganrepro.methods.outputs import Output
from ganrepro.schema.registry import TRUNKS


class Perceptual(Measure):
    """Mean over test images of `nets.trunks.perceptual_distance`, images in colour and 8 bits: LPIPS with `features: vgg`."""

    scores = {"perceptual": Score("Perceptual distance", better="lower", high=None, digits=3)}
    table = tuple(scores)
    reading = "distance to the true translation in the features of a network, weighted as in LPIPS"

    def applies(self, output: Output, data: DataSpec) -> bool:
        return data.paired and output.translates and output.target != data.label_maps

    def lacks(self, output: Output, needs: Needs) -> str:
        if needs.data.channels(output.target) > MOST_NAMED:
            return MORE_CHANNELS
        return "" if needs.features in TRUNKS else "that needs `features: hed` (56 MB), or `features: vgg`, which makes LPIPS"

    def uses_features(self, needs: Needs) -> bool:
        return True

    def note(self, more: Mapping[str, Any]) -> str:
        if more["of"] == "vgg":
            return f"{self.reading}: LPIPS 0.1 with VGG-16."
        return f"{self.reading}: its heads on HED's trunk, **not LPIPS**, whose trunk is VGG-16 (`features: vgg`, 528 MB)."

    def measure(self, job: Job) -> Measured:
        """Counts (passes, images, 2): the distance of each image, and 1."""
        import numpy as np
        import torch

        from ganrepro.data.images import to_float
        from ganrepro.evaluation.distances import load_trunk
        from ganrepro.evaluation.images import load_levels
        from ganrepro.nets.trunks import perceptual_distance, read_heads
        from ganrepro.schema.registry import HEADS

        trunk, heads = load_trunk(job), [head.to(job.device) for head in read_heads(job.weights[HEADS])]
        folder, counts = job.real("test")[0], np.ones((len(job.folders), len(job.names), 2))
        for number, place in enumerate(job.folders):
            for i, name in enumerate(job.names):
                made = load_levels(place, [name], 3).to(job.device)
                real = load_levels(folder, [name], 3, (made.shape[3], made.shape[2])).to(job.device)
                with torch.no_grad():
                    counts[number, i, 0] = float(perceptual_distance(trunk, heads, to_float(made), to_float(real)))
        return Measured(counts, more={"of": job.features})


MEASURE = Perceptual()

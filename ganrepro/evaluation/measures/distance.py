"""How far generated images are from real ones, in the features of a network; the arithmetic is in `distances`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganrepro.data.spec import MOST_NAMED, DataSpec
from ganrepro.evaluation.measures.base import MORE_CHANNELS, OWN_FEATURES, UNTRAINED, Job, Limits, Measure, Measured, Needs, Score
from ganrepro.evaluation.readers import KINDS
from ganrepro.methods.outputs import Output
from ganrepro.schema.registry import TRUNKS


class Distance(Measure):
    """Images of the first pass against real test images; for the ground truth, real training images instead."""

    scores = {
        "frechet": Score("Fréchet distance", better="lower", high=None),
        "kernel": Score("Kernel distance", better="lower", low=None, high=None, digits=4),
        "inception_score": Score("Inception Score", high=None),
    }

    section = "Distance of generated images from real ones"

    def applies(self, output: Output, data: DataSpec) -> bool:
        return not output.renders_input and output.asked is None and data.domains[output.target].kind != "label maps"

    def lacks(self, output: Output, needs: Needs) -> str:
        if needs.data.channels(output.target) > MOST_NAMED:
            return MORE_CHANNELS
        if needs.features != OWN_FEATURES:
            return ""
        if needs.reader and KINDS[needs.reader] and output.target == needs.data.readable:
            return ""
        return "there is no network to take features from; `features: hed` takes an edge detector's, `inception-clean` makes FID"

    def uses_reader(self, needs: Needs) -> bool:
        return needs.features == OWN_FEATURES

    def uses_features(self, needs: Needs) -> bool:
        return needs.features != OWN_FEATURES

    def collapsed(
        self, scores: Mapping[str, float], floors: Mapping[str, Mapping[str, float]], limits: Limits, data: DataSpec
    ) -> bool:
        return UNTRAINED in floors and scores["frechet"] >= floors[UNTRAINED]["frechet"]

    def fallen(self, limits: Limits) -> str:
        return "lie no nearer to real images than those of networks before training"

    def columns(self, more: Mapping[str, Any]) -> dict[str, str]:
        limit = more.get("infinite")
        many = "–" if limit is None else f"{limit:.2f}"
        return {"Fréchet at n → ∞": many, "images": f"{more['made']} and {more['real']}"}

    def note(self, more: Mapping[str, Any]) -> str:
        if more["of"] == OWN_FEATURES:
            of = (
                f"Of {more['features']} features of the reader, means over the image: **not FID**, which needs Inception's "
                "weights (91 MB; `features: inception-clean` in params.yaml), and comparable within this table only."
            )
        elif more["of"] in TRUNKS:
            whose = {"hed": "of HED's trunk, which finds edges", "vgg": "of VGG-16"}[more["of"]]
            what = f"Of {more['features']} features {whose}, of length 1 in each pixel, means over the image"
            of = f"{what}: **not FID**, which needs Inception's (91 MB)."
        else:
            resize = more["of"].removeprefix("inception-")
            of = f"Of Inception of 2015-12-05, resize `{resize}`: FID and KID (100 subsets of 1000, or all at once)."
        return (
            f"{of} Lower is nearer. Images of the first translation of the test set, against its real images; for the ground "
            "truth, real training images. So few make the Fréchet distance too large, and the column beside says what "
            "endlessly many would give (a line in 1 / n). 95 % intervals: jackknife over images, spread over seeds."
        )

    def measure(self, job: Job) -> Measured:
        from ganrepro.evaluation import distances

        values, errors, more = distances.of_job(job)
        return Measured(None, values, errors, more)


MEASURE = Distance()

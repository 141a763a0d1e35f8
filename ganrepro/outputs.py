"""What a trained method can make, and from what: one table. No torch.

Translating, scoring, tables, grids and figures follow from the outputs that a method names (`Method.outputs`).
"""

from __future__ import annotations

from typing import NamedTuple


class Output(NamedTuple):
    """One kind of image that a trained method makes.

    name: folder of its images, and its name in every table.  source: domain of the images that it is made from
    (None: from noise).  target: domain that its images should look like.  title: as printed.
    Domain a holds label maps (or edges, or side A), domain b photos (or side B).
    """

    name: str
    source: str | None
    target: str
    title: str


LABELS_TO_PHOTO = Output("labels2photo", "a", "b", "Labels → photo")
PHOTO_TO_LABELS = Output("photo2labels", "b", "a", "Photo → labels")
SAMPLES = Output("samples", None, "b", "Samples")
BY_CLASS = Output("samples-by-class", None, "b", "Samples, class by class")  # of the class that was asked for
BY_CODE = Output("samples-by-code", None, "b", "Samples, code by code")  # of a code that was learnt without classes
RECONSTRUCTIONS = Output("reconstructions", "b", "b", "Reconstructions")
# In the order of tables and figures. A method may name others of its own.
OUTPUTS = {output.name: output for output in (LABELS_TO_PHOTO, PHOTO_TO_LABELS)}

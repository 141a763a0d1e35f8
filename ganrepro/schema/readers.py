"""What params.yaml says of a reader: a network that reads images, so that they can be scored. No torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ganrepro.schema.fields import Closed, Count, CountOrZero, Pixels, Positive, Width


class ReaderSettings(Closed):
    """Recipe of a network that is trained on the real images of a dataset and then reads the generated ones.

    What it learns follows from the dataset: label maps make it a segmentation network, image classes a classifier.
    """

    network: Literal["fcn", "unet"] = Field(
        "fcn",
        description="of networks that read label maps: fcn, small, with strides of 4, 8 and 16 as FCN-8s has them; unet, a U-Net "
        "that sees photos at half the size of the label maps",
    )
    filters: Width = Field(description="channels of its first layer")
    epochs: Count = Field(description="epochs of its training")
    batch_images: Count = Field(description="images of a step")
    learning_rate: Positive = Field(description="highest rate of its schedule")
    pixels: Pixels | None = Field(
        None, description="photos are shrunk to this before they are read; null: to the study's crop_pixels"
    )
    required: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None,
        description="share of held-out images (or of their pixels) that it has to read right, else nothing that it reads counts; "
        "null: 0.97 of images with classes, 0.95 of domains, 0.8 of pixels",
    )
    seed: CountOrZero = Field(0, description="of its weights, order and mirroring")


class PublishedReaderSettings(Closed):
    """A segmentation network with published weights, for Cityscapes alone."""

    weights: Literal["fcn8s-cityscapes"] = Field(description="its source in the registry")
    overflow: bool = Field(
        False,
        description="count pixels of the output after the last class as the published evaluation does, by mistake",
    )

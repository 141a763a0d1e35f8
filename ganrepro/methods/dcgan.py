"""DCGAN: convolutions in place of pooling, batch norm, no hidden linear layer (Radford et al., arXiv:1511.06434).

Section 3: ReLU in G and tanh at its end, LeakyReLU 0.2 in D, weights N(0, 0.02), Adam 2e-4 with beta1 0.5, batches of 128.
Loss, penalties and remedies are settings, as for every GAN that shares methods/adversarial.py.

DEVIATION(dcgan-digits): two convolutions of stride 2, for 28 or 32 pixels; the paper's networks are for 64, its MNIST code
(Newmu/dcgan_code) has labels and linear layers besides.
"""

from __future__ import annotations

from pydantic import Field

from ganrepro.methods.adversarial import Adversarial, AdversarialSettings
from ganrepro.schema.fields import Count, CountOfTwo


class Settings(AdversarialSettings):
    """The paper's, where it states them."""

    batch_images: CountOfTwo = Field(128, description="images that D sees at once; batch norm needs two")
    epoch_images: Count | None = Field(49920, description="images of an epoch: 390 steps of 128")


class DCGAN(Adversarial[Settings]):
    """Strided convolutions against transposed ones."""

    title = "DCGAN"
    paper = "arXiv:1511.06434"
    architecture = "dcgan"

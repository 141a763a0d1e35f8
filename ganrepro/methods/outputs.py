"""What a trained method can make, and from what. No torch.

Making images, scoring, tables, grids and figures follow from the outputs that a method names (`Method.outputs`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ganrepro.data.spec import DataSpec


@dataclass(frozen=True)
class Output:
    """One kind of image that a trained method makes.

    name: folder of its images, and its name in every table.   source: domain of the test images that it is made from (None: from
    noise).   target: domain that its images should look like; where that is the source, it renders its own input.   title: as
    printed.  asked: what each image is asked for: a class of the images, or a value of a code that was learnt without classes;
    by turns.  values: how many there are to ask for.  picture: a few images to look at, which no measure reads.  reads: beside it
    the method learns to tell the class of images (`class` of what it encodes).
    """

    name: str
    source: str | None
    target: str
    title: str
    asked: Literal["class", "code"] | None = None
    values: int = 1
    picture: bool = False
    reads: bool = False

    @property
    def renders_input(self) -> bool:
        """Whether it should look like the very image that it is made from."""
        return self.source == self.target

    @property
    def translates(self) -> bool:
        """Whether it makes an image of one domain from one of another."""
        return self.source is not None and self.source != self.target


def translation(data: DataSpec, source: str, target: str) -> Output:
    """From one domain to another: 'labels2photo', or 'summer2winter'."""
    a, b = data.domains[source], data.domains[target]
    return Output(f"{a.slug}2{b.slug}", source, target, f"{a.word[:1].upper()}{a.word[1:]} → {b.word}")


def samples(domain: str) -> Output:
    """Images from noise."""
    return Output("samples", None, domain, "Samples")


def samples_by_class(domain: str, classes: int) -> Output:
    """Images from noise, each of the class that was asked for."""
    return Output("samples-by-class", None, domain, "Samples, class by class", "class", classes)


def samples_by_code(domain: str, values: int) -> Output:
    """Images from noise, each of a value of a code that was learnt without classes."""
    return Output("samples-by-code", None, domain, "Samples, code by code", "code", values)


def reconstructions(domain: str) -> Output:
    """Test images, through an encoder and back."""
    return Output("reconstructions", domain, domain, "Reconstructions")

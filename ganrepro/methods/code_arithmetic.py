"""Sums of codes: a DCGAN whose codes are averaged, added and subtracted (Radford et al., arXiv:1511.06434, section 6.3.2).

Of images whose classes combine two attributes, 'man.glasses' say, another class follows from three by their codes:

    z(woman.glasses) = z(man.glasses) - z(man.plain) + z(woman.plain)

each the mean of the codes of a few samples (`exemplars`; three in the paper). The paper's authors chose these samples by eye and
judged the sum by eye. Here a classifier that learns beside the game, and takes no part in it, chooses: for every image
`exemplars` codes at random among the CHOSEN of POOL that it is surest of. Another one, the study's, reads what the sums show.

A mean of k codes, each U(-1, 1), is shorter than a code by the root of k, a sum of three longer by the root of three: at three
exemplars they cancel, and sums are as long as codes. `rescaled` brings sums of other numbers of exemplars to that length too.

DEVIATION(arithmetic-chosen): samples are chosen by a classifier; the paper's were by people.
DEVIATION(arithmetic-data): DCGAN's networks for 28 pixels; the paper has faces of 64.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from ganrepro.errors import UnfitData
from ganrepro.lazy import torch
from ganrepro.methods import dcgan
from ganrepro.methods.adversarial import Adversarial
from ganrepro.methods.base import Adam, Batch, Feed, Loss, Player, Players, Random, Uniform
from ganrepro.methods.outputs import Output
from ganrepro.schema.fields import MAKING

POOL, CHOSEN = 3000, 30  # codes; a fifth of those of a class, where there are twenty
ACROSS, NEAR = 10, 0.25  # images in a row of the picture; noise on a sum's code, as in the paper's figure 7


class Settings(dcgan.Settings):
    """Those of DCGAN, and what is done with the codes."""

    exemplars: Annotated[int, Field(gt=0, le=CHOSEN // 2), MAKING] = Field(
        3, description="codes of each class that a sum takes the mean of"
    )
    rescaled: Annotated[bool, MAKING] = Field(False, description="sums are brought to the length that codes have")
    single: Annotated[bool, MAKING] = Field(
        False, description="instead of sums, means of codes of the very class that is asked for: what no arithmetic gives"
    )


class CodeArithmetic(Adversarial[Settings]):
    """Networks `generator` and `discriminator`, and the `classifier` that chooses."""

    title = "DCGAN, and sums of its codes"
    paper = "arXiv:1511.06434, section 6.3.2"
    architecture = "dcgan"

    @property
    def attributes(self) -> tuple[tuple[str, ...], ...]:
        """The values of each attribute that the classes combine; () where they do not, or not in order."""
        parts = [name.split(".") for name in self.data.classes]
        values = tuple(tuple(dict.fromkeys(of)) for of in zip(*parts, strict=False))
        return values if parts == [list(of) for of in itertools.product(*values)] else ()

    def check(self) -> None:
        super().check()
        if len(self.attributes) != 2 or min(map(len, self.attributes)) < 2:
            raise UnfitData("needs classes of two attributes, two values each at least, named as in man.glasses, all combined")

    def feed(self) -> Feed:
        return replace(super().feed(), labels=True)

    def outputs(self) -> tuple[Output, ...]:
        sums = Output("sums", None, self.domain, "Sums of codes", "class", len(self.data.classes))
        title = "In each row: the means A, B and C, the sum A - B + C, and six codes near it"
        picture = Output("sums-picture", None, self.domain, title, "class", len(self.data.classes), picture=True)
        return *super().outputs(), sums, *(() if self.settings.single else (picture,))

    def losses(self) -> tuple[Loss, ...]:
        return *super().losses(), Loss("classes", "Classifier")

    def networks(self, random: Random) -> dict[str, torch.nn.Module]:
        from ganrepro.nets.classifier import Classifier
        from ganrepro.nets.fresh import fresh

        sizes = self.settings.filters, self.shape[0], len(self.data.classes)
        return super().networks(random) | {"classifier": fresh(lambda: Classifier(*sizes), random("classifier"))}

    def players(self) -> dict[str, Player]:
        return super().players() | {"classifier": Player(("classifier",), Adam(0.001))}

    def generators(self) -> tuple[str, ...]:
        return "generator", "classifier"

    def step(self, players: Players, batch: Batch) -> dict[str, torch.Tensor]:
        losses = super().step(players, batch)
        players.turn("classifier")
        logits = players.networks["classifier"](batch.images[self.domain])
        terms = {"classes": torch.nn.functional.cross_entropy(logits, batch.labels[self.domain], reduction="none")}
        return losses | players.update("classifier", {"classes": 1.0}, terms)

    def generate(
        self, output: Output, networks: Mapping[str, torch.nn.Module], batch: Batch, random: torch.Generator
    ) -> torch.Tensor:
        if output.asked is None:
            return super().generate(output, networks, batch, random)
        codes, asked = self._chosen(networks, batch.noise["z"].device, random), batch.labels[self.domain]
        if output.picture:
            z = torch.cat([self._row(codes, int(of), random) for of in asked[: -(-len(asked) // ACROSS)]])[: len(asked)]
        else:
            z = torch.stack([self._code(codes, int(of), random)[-1] for of in asked])
        images: torch.Tensor = networks["generator"].eval()(z)
        return images

    def _chosen(self, networks: Mapping[str, torch.nn.Module], device: torch.device, random: torch.Generator) -> torch.Tensor:
        """Codes whose images the classifier is surest are of each class: (classes, CHOSEN, code_size)."""
        make, read = networks["generator"].eval(), networks["classifier"].eval()
        pool = Uniform((self.settings.code_size,)).draw(POOL, random).to(device)
        sure = torch.cat([read(make(part)).softmax(1) for part in torch.split(pool, self.images_at_once())])
        return pool[sure.topk(CHOSEN, 0).indices.T]

    def _code(self, chosen: torch.Tensor, asked: int, random: torch.Generator) -> torch.Tensor:
        """A, B, C and A - B + C, the code of an image of class `asked`, (4, code_size); of `single` that code alone."""
        s, attributes = self.settings, self.attributes
        first, second = divmod(asked, len(attributes[1]))
        others = [_another(place, len(values), random) for place, values in zip((first, second), attributes, strict=True)]
        # what is asked for has the first attribute of A and the second one of C; B has neither
        classes = [asked] if s.single else [at * len(attributes[1]) + of for at, of in (
            (first, others[1]), (others[0], others[1]), (others[0], second),
        )]  # fmt: skip
        means = [chosen[of, torch.randperm(CHOSEN, generator=random)[: s.exemplars]].mean(0) for of in classes]
        z = means[0] if s.single else means[0] - means[1] + means[2]
        if s.rescaled:
            z = z * (s.code_size / 3) ** 0.5 / z.norm()  # a number of U(-1, 1) has the variance 1/3
        return torch.stack([z] if s.single else [*means, z])

    def _row(self, chosen: torch.Tensor, asked: int, random: torch.Generator) -> torch.Tensor:
        """Codes of a row of the picture: (ACROSS, code_size)."""
        row = self._code(chosen, asked, random)
        near = Uniform(row.shape[1:], -NEAR, NEAR).draw(ACROSS - len(row), random).to(row.device)
        return torch.cat([row, row[-1] + near])


def _another(value: int, values: int, random: torch.Generator) -> int:
    """One of 0 to values - 1 that is another."""
    return (value + int(torch.randint(1, values, (), generator=random, device="cpu"))) % values

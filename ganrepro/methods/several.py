"""What methods share that translate between several domains: which these are, what is known of their images, what is made."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TypeVar

from pydantic import Field

from ganrepro.errors import UnfitData
from ganrepro.lazy import torch
from ganrepro.methods.base import Batch, Method, Players, ScheduleSettings, Uniform
from ganrepro.methods.outputs import Output, translation
from ganrepro.schema.fields import Name


class SeveralDomainsSettings(ScheduleSettings):
    """Which domains of a dataset a method works between."""

    domains: list[Name] | None = Field(None, min_length=2, description="of the dataset; null: all")
    source: Name | None = Field(
        None, description="the domain whose test images are translated, into all others; null: those of each"
    )


S = TypeVar("S", bound=ScheduleSettings)


class SeveralDomains(Method[S]):
    """A method whose settings have `domains` and `source`, as in `SeveralDomainsSettings`."""

    @property
    def domains(self) -> tuple[str, ...]:
        """Those that it works between, in the order of the dataset."""
        wanted = getattr(self.settings, "domains", None)
        return tuple(name for name in self.data.domains if wanted is None or name in wanted)

    @property
    def source(self) -> str | None:
        """The domain that is translated into all others; None: each is."""
        source: str | None = getattr(self.settings, "source", None)
        return source

    @property
    def ways(self) -> list[tuple[str, str]]:
        """Source and target of every translation that is wanted."""
        return [(a, b) for a in self.domains for b in self.domains if a != b and self.source in (None, a)]

    def outputs(self) -> tuple[Output, ...]:
        return tuple(translation(self.data, *way) for way in self.ways)

    def check(self) -> None:
        wanted, have = getattr(self.settings, "domains", None) or [], ", ".join(self.data.domains)
        for name in [*wanted, *([self.source] if self.source else [])]:
            if name not in self.data.domains:
                raise UnfitData(f"needs a domain '{name}'; the dataset has {have}")
        if len(self.domains) < 2:
            raise UnfitData(f"translates between several domains; the dataset has {have} alone (layout: domains has several)")
        if self.source is not None and self.source not in self.domains:
            raise UnfitData(f"translates images of '{self.source}', which is not among its domains ({', '.join(self.domains)})")
        super().check()


class WithLabels(SeveralDomains[S]):
    """One network for all domains, which is told by a label what is wanted: one-of-n for each attribute of the dataset.

    Attributes that are not known of a domain are zeros in its label. A step is shown labels, and the same ones in another order
    as those that are wanted, so that these are distributed as the data are (yunjey/stargan, solver.py).
    """

    @cached_property
    def sets(self) -> dict[tuple[str, ...], list[str]]:
        """Domains of which the same attributes are known, by these: data sets that are trained jointly, or a single one."""
        sets: dict[tuple[str, ...], list[str]] = {}
        for domain in self.domains:
            sets.setdefault(tuple(sorted(self.data.attributes_of(domain))), []).append(domain)
        return sets

    @cached_property
    def parts(self) -> dict[str, slice]:
        """Places of each attribute's values in a label."""
        return self.data.places(*self.domains)

    def label(self, domain: str) -> list[float]:
        """What is known of a domain's images."""
        known, values = self.data.attributes_of(domain), self.data.attributes(*self.domains)
        return [float(known.get(attribute) == value) for attribute, of in values.items() for value in of]

    def buffers(self) -> dict[str, torch.Tensor]:
        """The label of each domain, where steps find it on the device; they never change."""
        return {"labels": torch.tensor([self.label(domain) for domain in self.domains])}

    def order(self) -> dict[str, Uniform]:
        """Random numbers of the feed, by which `shown` puts labels in another order."""
        return {f"order/{domain}": Uniform((), 0.0, 1.0) for domain in self.domains}

    def shown(self, players: Players, batch: Batch, domains: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Images of some domains, their labels, and those that are wanted: the same labels in another order."""
        images = torch.cat([batch.images[domain] for domain in domains])
        own = torch.stack([players.buffers["labels"][self.domains.index(domain)] for domain in domains])
        labels = own.repeat_interleave(len(images) // len(domains), 0)
        order = torch.cat([batch.noise[f"order/{domain}"] for domain in domains]).argsort()
        return images, labels, labels[order]

    def misread(self, read: torch.Tensor, labels: torch.Tensor, binary: bool = False) -> torch.Tensor:
        """Loss of the attributes' logits (n, values) against labels (n, values and more), (n,); unknown ones count nothing.

        Cross-entropy over the values of each attribute; binary: over each value being there or not, summed.
        """
        functional, lost = torch.nn.functional, torch.zeros(len(read), device=read.device)
        for part in self.parts.values():
            wanted = labels[:, part]
            if binary:
                of = functional.binary_cross_entropy_with_logits(read[:, part], wanted, reduction="none").sum(1)
            else:
                of = -(wanted * functional.log_softmax(read[:, part], 1)).sum(1)
            lost = lost + of * wanted.sum(1)  # 1 where the attribute is known
        return lost

    def check(self) -> None:
        super().check()
        if len({self.data.channels(domain) for domain in self.domains}) > 1:
            raise UnfitData("has one generator for all domains, and these differ in channels")
        for attributes, of in self.sets.items():
            if len({tuple(sorted(self.data.attributes_of(domain).items())) for domain in of}) < len(of):
                shared = f"{', '.join(of)} share theirs ({', '.join(attributes)})"
                raise UnfitData(f"needs a label of its own for each domain; {shared}")

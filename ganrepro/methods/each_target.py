"""What methods share that train networks of their own for each pair of domains, as a table of many domains counts them.

A training is that of each pair alone, side by side in one: the same first weights, images and steps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from ganrepro.lazy import torch
from ganrepro.methods.base import Batch, Feed, History, Loss, Player, Players, Random
from ganrepro.methods.outputs import Output
from ganrepro.methods.several import SeveralDomains
from ganrepro.methods.translation import TranslationMethod, TranslationSettings

S = TypeVar("S", bound=TranslationSettings)


class EachTarget(SeveralDomains[S]):
    """A method between two domains, once for each pair that is wanted: of `source` and every other domain, or of all.

    between: the method.  both_ways: whether one
    training of it translates both ways.
    """

    between: ClassVar[type[TranslationMethod[Any]]]
    settings_between: ClassVar[type[TranslationSettings]]
    both_ways: ClassVar[bool] = False
    any_shape = True

    @cached_property
    def parts(self) -> dict[str, TranslationMethod[Any]]:
        """The method of each pair, by its name: 'day2night'."""
        own, order, ways = self.settings.model_dump(exclude={"source"}), self.domains.index, self.ways
        if self.both_ways and self.source is None:
            ways = [(a, b) for a, b in ways if order(a) < order(b)]
        settings = {f"{a}2{b}": self.settings_between(**(own | {"domains": [a, b]})) for a, b in ways}
        return {name: self.between(of, self.data, self.files) for name, of in settings.items()}

    def check(self) -> None:
        super().check()
        for part in self.parts.values():
            part.check()

    def reads(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for part in self.parts.values() for name in part.reads()))

    def feed(self) -> Feed:
        feeds = {name: part.feed() for name, part in self.parts.items()}
        noise = {f"{name}/{key}": kind for name, feed in feeds.items() for key, kind in feed.noise.items()}
        pools = {f"{name}/{key}": pool for name, feed in feeds.items() for key, pool in feed.pools.items()}
        seen = {domain for feed in feeds.values() for domain in feed.domains}
        first = next(iter(feeds.values()))
        return replace(first, domains=tuple(d for d in self.data.domains if d in seen), noise=noise, pools=pools)

    def outputs(self) -> tuple[Output, ...]:
        return tuple(output for part in self.parts.values() for output in part.outputs())

    def losses(self) -> tuple[Loss, ...]:
        (_, part), *_ = self.parts.items()
        return tuple(loss._replace(name=_by_role(loss.name, part)) for loss in part.losses())

    def networks(self, random: Random) -> dict[str, torch.nn.Module]:
        return {f"{name}/{key}": network for name, part in self.parts.items() for key, network in part.networks(random).items()}

    def players(self) -> dict[str, Player]:
        return {
            f"{name}/{key}": Player(tuple(f"{name}/{network}" for network in player.networks), player.optimiser)
            for name, part in self.parts.items()
            for key, player in part.players().items()
        }

    def step(self, players: Players, batch: Batch) -> dict[str, torch.Tensor]:
        losses = []
        for name, part in self.parts.items():
            seen = {domain: batch.images[domain] for domain in part.feed().domains}
            shown = Batch(seen, batch.labels, _of_part(batch.noise, name), _of_part(batch.pools, name))
            losses.append({_by_role(key, part): loss for key, loss in part.step(_Part(players, name), shown).items()})
        return {key: torch.stack([of[key] for of in losses]).mean() for key in losses[0]}

    def generators(self) -> tuple[str, ...]:
        return tuple(f"{name}/{key}" for name, part in self.parts.items() for key in part.generators())

    def _part_of(self, output: Output) -> str:
        return next(name for name, part in self.parts.items() if output in part.outputs())

    def network_of(self, output: Output) -> tuple[str, dict[str, Any]]:
        name = self._part_of(output)
        network, architecture = self.parts[name].network_of(output)
        return f"{name}/{network}", architecture

    def generate(
        self, output: Output, networks: Mapping[str, torch.nn.Module], batch: Batch, random: torch.Generator
    ) -> torch.Tensor:
        name = self._part_of(output)
        return self.parts[name].generate(output, _of_part(networks, name), batch, random)


def _by_role(loss: str, part: TranslationMethod[Any]) -> str:
    """A loss that is named by a domain, by that domain's role: 'adversarial_night' -> 'adversarial_target'."""
    roles = {part.source: "source", part.target: "target"}
    names = "|".join(sorted(map(re.escape, roles), key=len, reverse=True))
    return re.sub(rf"(?<=_)({names})(?=_|$)", lambda found: roles[found[1]], loss)


def _of_part(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What belongs to a part, by the names that it knows."""
    return {key.removeprefix(f"{name}/"): value for key, value in values.items() if key.startswith(f"{name}/")}


class _Part:
    """The players of one part, by the names that it knows."""

    def __init__(self, players: Players, name: str):
        self._players, self._name = players, name
        self.networks: dict[str, torch.nn.Module] = _of_part(players.networks, name)
        self.parameters: dict[str, list[torch.nn.Parameter]] = _of_part(players.parameters, name)
        self.buffers: dict[str, torch.Tensor] = _of_part(players.buffers, name)
        self.pools: Mapping[str, History] = _of_part(players.pools, name)

    def turn(self, player: str) -> None:
        self._players.turn(f"{self._name}/{player}")

    def judge(self, name: str, *images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self._players.judge(f"{self._name}/{name}", *images)

    def update(self, player: str, weights: Mapping[str, float], terms: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return self._players.update(f"{self._name}/{player}", weights, terms)

    def descend(self, player: str, total: torch.Tensor) -> None:
        self._players.descend(f"{self._name}/{player}", total)

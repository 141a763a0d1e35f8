"""Who plays: networks, optimisers, forward passes and the order of the players.

A game turns the images of one step into one update of every player and returns the losses by name.
Domains are a (labels) and b (photos); a generator names its route (g_ab), a discriminator the
domain it looks at (d_b). A step reads and writes tensors only and never waits for the device, so it
can be recorded as a CUDA graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ganrepro.config import Training
from ganrepro.nets.discriminators import build_discriminator
from ganrepro.nets.fast_cpu import accelerate
from ganrepro.nets.generators import build_generator
from ganrepro.objectives.objective import weighted_sum
from ganrepro.objectives.terms import l1, least_squares, log_loss
from ganrepro.seeding import stream
from ganrepro.training.image_pool import ImagePool

Terms = dict[str, Callable[[], Tensor]]


class Game:
    """What all games share: networks by name, one Adam per player, image pools, their state.

    Where `engine` is 'fast', convolutions are the faster ones of `nets.fast_cpu` (on a CPU) and
    images are channels-last in memory; where `precision` is 'bfloat16', passes run under autocast
    while weights, losses and optimisers stay float32.
    """

    losses: tuple[str, ...]  # names of what `step` returns, in order

    def __init__(self, training: Training, seed: int, device: torch.device):
        self.training, self.seed, self.device = training, seed, device
        self.networks: dict[str, nn.Module] = {}
        self.optimisers: dict[str, torch.optim.Adam] = {}
        self.pools: dict[str, ImagePool] = {}

    def step(self, real: dict[str, Tensor], decisions: dict[str, Tensor]) -> dict[str, Tensor]:
        """One update of every player. Returns unweighted batch means by name, still on the device.

        real: images by domain, (n, 3, h, w) in [-1, 1].  decisions: the image pool's, by domain.
        """
        raise NotImplementedError

    def set_learning_rate(self, rate: float) -> None:
        """For all players, without waiting for the device."""
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(rate)
                else:
                    group["lr"] = rate

    def state(self) -> dict[str, Any]:
        """Everything a resumed training needs, as tensors and plain values."""
        return {
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "pools": {name: pool.images for name, pool in self.pools.items()},
        }

    def load(self, state: dict[str, Any]) -> None:
        """The inverse of `state`. KeyError or RuntimeError where it belongs to another game."""
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        for name, pool in self.pools.items():
            pool.images.copy_(state["pools"][name])

    def _generator(self, name: str) -> None:
        t = self.training
        self._add(
            name,
            build_generator(
                t.generator,
                blocks=t.generator_blocks,
                filters=t.generator_filters,
                pixels=t.crop_pixels,
                flavour=t.flavour,
                bottleneck_norm=t.bottleneck_norm,
                generator=stream(self.seed, f"weights/{name}"),
            ),
        )

    def _discriminator(self, name: str, channels: int, norm: str) -> None:
        t = self.training
        self._add(
            name,
            build_discriminator(
                t.discriminator_receptive_field,
                filters=t.discriminator_filters,
                channels=channels,
                norm=norm,
                flavour=t.flavour,
                generator=stream(self.seed, f"weights/{name}"),
            ),
        )

    def _add(self, name: str, network: nn.Module) -> None:
        network.to(self.device).train()
        if self.training.engine == "fast":
            if self.device.type == "cpu":
                accelerate(network)
            network.to(memory_format=torch.channels_last)
        self.networks[name] = network

    def _optimise(self, player: str, *names: str) -> None:
        t, graphs = self.training, self.device.type == "cuda"
        weights = [p for name in names for p in self.networks[name].parameters() if p.requires_grad]
        rate: float | Tensor = torch.tensor(t.learning_rate, device=self.device) if graphs else t.learning_rate
        adam = torch.optim.Adam(weights, lr=rate, betas=(t.adam_beta1, t.adam_beta2), fused=True, capturable=graphs)
        for weight in weights:
            # as Adam itself would at its first step, which must not happen inside a recorded graph
            adam.state[weight] = {
                "step": torch.zeros((), device=self.device),
                "exp_avg": torch.zeros_like(weight),
                "exp_avg_sq": torch.zeros_like(weight),
            }
        self.optimisers[player] = adam

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.training.precision == "bfloat16")

    def _update(self, player: str, total: Tensor) -> None:
        optimiser = self.optimisers[player]
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(total)
        optimiser.step()

    def _freeze(self, *names: str) -> None:
        for name in names:
            self.networks[name].requires_grad_(False)

    def _thaw(self, player: str) -> None:
        for parameter in self.optimisers[player].param_groups[0]["params"]:
            parameter.requires_grad_(True)

    def tensors(self) -> Iterator[Tensor]:
        """Every tensor that a step changes."""
        for network in self.networks.values():
            yield from network.state_dict().values()
        for optimiser in self.optimisers.values():
            for moments in optimiser.state.values():
                yield from moments.values()
        for pool in self.pools.values():
            yield pool.images


def _judge(discriminator: nn.Module, images: Tensor, is_real: bool) -> Tensor:
    return least_squares(discriminator(images).float(), is_real)


class CycleGame(Game):
    """Two generators against two discriminators (CycleGAN, section 3).

    Terms: 'adversarial' (least squares, both directions), 'cycle_forward' (a -> b -> a) and
    'cycle_backward' (b -> a -> b). Without 'adversarial' there are no discriminators.
    X = labels = domain a, so the paper's forward cycle is a -> b -> a. The text does not say which
    domain is X (UNCONFIRMED); the collapse it reports for each one-sided row fits this order only.

    DEVIATION(joint-generator-step): both generators step together, then both discriminators; the
    Torch code steps g, d, g, d in turn. The total gradient is the same; the joint step needs half
    the passes.
    DEVIATION(rgb): images are RGB; the Torch code trains in BGR.
    """

    def __init__(self, training: Training, seed: int, device: torch.device):
        super().__init__(training, seed, device)
        self.adversarial = "adversarial" in training.terms
        for name in ("g_ab", "g_ba"):
            self._generator(name)
        self._optimise("generators", "g_ab", "g_ba")
        names: list[str] = [name for name in ("cycle_forward", "cycle_backward") if name in training.terms]
        if self.adversarial:
            for name in ("d_a", "d_b"):
                self._discriminator(name, channels=3, norm="instance")
            self._optimise("discriminators", "d_a", "d_b")
            shape = (3, training.crop_pixels, training.crop_pixels)
            self.pools = {domain: ImagePool(training.pool_images, shape, device) for domain in "ab"}
            sides = [f"discriminator_{domain}_{side}" for domain in "ab" for side in ("real", "fake")]
            names = ["adversarial_b", "adversarial_a", *names, *sides]
        self.losses = tuple(names)

    def step(self, real: dict[str, Tensor], decisions: dict[str, Tensor]) -> dict[str, Tensor]:
        """See `Game.step`."""
        nets, weight = self.networks, self.training.terms
        if self.adversarial:
            self._freeze("d_a", "d_b")
        with self._autocast():
            fake = {"b": nets["g_ab"](real["a"]).float(), "a": nets["g_ba"](real["b"]).float()}
            weights: dict[str, float] = {}
            terms: Terms = {}
            if self.adversarial:
                for domain in "ba":
                    weights[f"adversarial_{domain}"] = weight["adversarial"]
                    terms[f"adversarial_{domain}"] = partial(_judge, nets[f"d_{domain}"], fake[domain], True)
            if "cycle_forward" in weight:
                weights["cycle_forward"] = weight["cycle_forward"]
                terms["cycle_forward"] = lambda: l1(nets["g_ba"](fake["b"]).float(), real["a"])
            if "cycle_backward" in weight:
                weights["cycle_backward"] = weight["cycle_backward"]
                terms["cycle_backward"] = lambda: l1(nets["g_ab"](fake["a"]).float(), real["b"])
            total, losses = weighted_sum(weights, terms)
        self._update("generators", total)
        if self.adversarial:
            self._thaw("discriminators")
            totals = []
            with self._autocast():
                for domain in "ab":
                    net = nets[f"d_{domain}"]
                    shown = self.pools[domain].query(fake[domain].detach(), decisions[domain])
                    real_name, fake_name = f"discriminator_{domain}_real", f"discriminator_{domain}_fake"
                    # The paper halves the discriminators' objective; under Adam nearly a no-op, kept for fidelity.
                    total, values = weighted_sum(
                        {real_name: 0.5, fake_name: 0.5},
                        {
                            real_name: partial(_judge, net, real[domain], True),
                            fake_name: partial(_judge, net, shown, False),
                        },
                    )
                    totals.append(total)
                    losses |= values
            self._update("discriminators", totals[0] + totals[1])
        return losses


class PairedGame(Game):
    """One generator, labels -> photo or photo -> labels, against one discriminator (pix2pix, section 3).

    Terms: 'adversarial' (log loss, non-saturating) and 'l1'. A conditional discriminator judges input and
    output together, as six channels; all norms use the batch's statistics. Expects aligned images.

    DEVIATION(discriminator-first): the generator is judged by the discriminator of after its update, as in the
    PyTorch reference; the Torch code saves a pass by reusing activations of before it.
    """

    def __init__(self, training: Training, seed: int, device: torch.device):
        super().__init__(training, seed, device)
        self.source, self.target = "ab" if training.game == "labels2photo" else "ba"
        self.generator, self.discriminator = f"g_{self.source}{self.target}", f"d_{self.target}"
        self.adversarial = "adversarial" in training.terms
        self._generator(self.generator)
        self._optimise("generator", self.generator)
        names = ["l1"] if "l1" in training.terms else []
        if self.adversarial:
            self._discriminator(self.discriminator, channels=6 if training.conditional else 3, norm="batch")
            self._optimise("discriminator", self.discriminator)
            names = ["discriminator_real", "discriminator_fake", "adversarial", *names]
        self.losses = tuple(names)

    def step(self, real: dict[str, Tensor], decisions: dict[str, Tensor]) -> dict[str, Tensor]:
        """See `Game.step`; decisions are not used, there is no image pool."""
        weight, given, wanted = self.training.terms, real[self.source], real[self.target]
        losses: dict[str, Tensor] = {}
        with self._autocast():
            fake = self.networks[self.generator](given).float()
        if self.adversarial:
            self._thaw("discriminator")
            with self._autocast():
                # The paper halves the discriminator's objective (section 3.3).
                total, losses = weighted_sum(
                    {"discriminator_real": 0.5, "discriminator_fake": 0.5},
                    {
                        "discriminator_real": partial(self._judge, given, wanted, True),
                        "discriminator_fake": partial(self._judge, given, fake.detach(), False),
                    },
                )
            self._update("discriminator", total)
            self._freeze(self.discriminator)
        terms: Terms = {}
        if self.adversarial:
            terms["adversarial"] = partial(self._judge, given, fake, True)
        if "l1" in weight:
            terms["l1"] = lambda: l1(fake, wanted)
        with self._autocast():
            total, values = weighted_sum({name: weight[name] for name in terms}, terms)
        self._update("generator", total)
        return losses | values

    def _judge(self, given: Tensor, shown: Tensor, is_real: bool) -> Tensor:
        seen = torch.cat([given, shown], 1) if self.training.conditional else shown
        return log_loss(self.networks[self.discriminator](seen).float(), is_real)


def build_game(training: Training, seed: int, device: torch.device) -> Game:
    """The game that `training.game` names, with fresh networks."""
    return (CycleGame if training.game == "cycle" else PairedGame)(training, seed, device)

"""Who plays: networks, optimisers, forward passes and the order of the players.

A game turns one batch into one step of every player and returns the losses by name. Domains are a
(labels) and b (photos); a generator names its route (g_ab), a discriminator the domain it looks
at (d_b).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from ganrepro.config import Training
from ganrepro.data.datasets import Batch
from ganrepro.nets.discriminators import build_discriminator
from ganrepro.nets.generators import build_generator
from ganrepro.objectives.objective import weighted_sum
from ganrepro.objectives.terms import l1, least_squares
from ganrepro.seeding import stream
from ganrepro.training.image_pool import ImagePool


def _judge(discriminator: nn.Module, images: Tensor, is_real: bool) -> Tensor:
    return least_squares(discriminator(images), is_real)


class CycleGame:
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
        self.training = training
        self.adversarial = "adversarial" in training.terms
        self.networks: dict[str, nn.Module] = {}
        for name in ("g_ab", "g_ba"):
            self.networks[name] = build_generator(
                training.generator,
                blocks=training.generator_blocks,
                filters=training.generator_filters,
                pixels=training.crop_pixels,
                flavour=training.flavour,
                generator=stream(seed, f"weights/{name}"),
            )
        if self.adversarial:
            for name in ("d_a", "d_b"):
                self.networks[name] = build_discriminator(
                    training.discriminator_receptive_field,
                    filters=training.discriminator_filters,
                    channels=3,
                    norm="instance",
                    flavour=training.flavour,
                    generator=stream(seed, f"weights/{name}"),
                )
        for network in self.networks.values():
            network.to(device).train()
        shape = (3, training.crop_pixels, training.crop_pixels)
        self.pools = {d: ImagePool(training.pool_images, shape, device) for d in "ab"} if self.adversarial else {}
        self.optimisers = {"generators": self._adam("g_ab", "g_ba")}
        if self.adversarial:
            self.optimisers["discriminators"] = self._adam("d_a", "d_b")

    def _adam(self, *names: str) -> torch.optim.Adam:
        weights = [p for name in names for p in self.networks[name].parameters() if p.requires_grad]
        t = self.training
        return torch.optim.Adam(weights, lr=t.learning_rate, betas=(t.adam_beta1, t.adam_beta2), fused=True)

    def step(self, batch: Batch, learning_rate: float) -> dict[str, Tensor]:
        """One step of every player. Returns unweighted batch means by name, still on the device."""
        for optimiser in self.optimisers.values():
            optimiser.param_groups[0]["lr"] = learning_rate
        nets, real_a, real_b = self.networks, batch.a, batch.b
        for name in ("d_a", "d_b"):
            if name in nets:
                nets[name].requires_grad_(False)
        fake_b, fake_a = nets["g_ab"](real_a), nets["g_ba"](real_b)
        weight = self.training.terms
        weights: dict[str, float] = {}
        terms: dict[str, Callable[[], Tensor]] = {}
        if self.adversarial:
            weights |= {"adversarial_b": weight["adversarial"], "adversarial_a": weight["adversarial"]}
            terms["adversarial_b"] = partial(_judge, nets["d_b"], fake_b, True)
            terms["adversarial_a"] = partial(_judge, nets["d_a"], fake_a, True)
        if "cycle_forward" in weight:
            weights["cycle_forward"] = weight["cycle_forward"]
            terms["cycle_forward"] = lambda: l1(nets["g_ba"](fake_b), real_a)
        if "cycle_backward" in weight:
            weights["cycle_backward"] = weight["cycle_backward"]
            terms["cycle_backward"] = lambda: l1(nets["g_ab"](fake_a), real_b)
        total, losses = weighted_sum(weights, terms)
        self._update("generators", total)
        if self.adversarial:
            for parameter in self.optimisers["discriminators"].param_groups[0]["params"]:
                parameter.requires_grad_(True)
            totals = []
            for domain, real, fake in (("a", real_a, fake_a), ("b", real_b, fake_b)):
                net = nets[f"d_{domain}"]
                shown = self.pools[domain].query(fake.detach(), batch.pool_heads[domain], batch.pool_slots[domain])
                # The paper halves the discriminators' objective; under Adam nearly a no-op, kept for fidelity.
                total, values = weighted_sum(
                    {f"discriminator_{domain}_real": 0.5, f"discriminator_{domain}_fake": 0.5},
                    {
                        f"discriminator_{domain}_real": partial(_judge, net, real, True),
                        f"discriminator_{domain}_fake": partial(_judge, net, shown, False),
                    },
                )
                totals.append(total)
                losses |= values
            self._update("discriminators", totals[0] + totals[1])
        return losses

    def _update(self, player: str, total: Tensor) -> None:
        optimiser = self.optimisers[player]
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(total)
        optimiser.step()

    def state(self) -> dict[str, object]:
        """Everything a resumed training needs, as tensors and plain values."""
        return {
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "pools": {name: pool.state() for name, pool in self.pools.items()},
        }

    def load(self, state: dict[str, dict[str, dict[str, object]]]) -> None:
        """The inverse of `state`. KeyError or RuntimeError where it belongs to another game."""
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        for name, pool in self.pools.items():
            pool.load(state["pools"][name])  # type: ignore[arg-type]

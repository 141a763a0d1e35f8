"""The networks, optimisers and other state of a method in training, on a device: everything that a step changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ganrepro.data.images import height_and_width
from ganrepro.errors import WeightsError
from ganrepro.lazy import torch
from ganrepro.methods.base import SGD, Adam, Method, Player, RMSprop
from ganrepro.objectives.weighted_sum import weighted_sum
from ganrepro.seeding import stream
from ganrepro.training.image_pool import ImagePool


@dataclass(frozen=True)
class Ways:
    """Ways to compute one and the same step, equal up to rounding; benchmarks.gpu compares them.

    channels_last: how images and weights lie in memory; on a CPU channels last always (measured). None: on a GPU channels last
    in bfloat16 alone, as NVIDIA advises (not measured).  one_batch: discriminators see real and made images in one pass; nothing
    gained on a CPU (measured).  compiled: torch.compile joins norms, activations and pads, which takes a C++ compiler and
    minutes; dropout draws otherwise then. Nothing gained on a CPU either.
    """

    channels_last: bool | None = None
    one_batch: bool = False
    compiled: bool = False


class Players:
    """What `Method.step` works with: `networks`, `pools` and `buffers` by name, and whose turn it is.

    Where `engine` is 'fast', convolutions are those of `nets.cpu_convolutions` (on a CPU), biases that stay zero are left
    out, and on a GPU a step can be recorded. Where `precision` is 'bfloat16', passes run under autocast and networks
    return float32.
    """

    def __init__(self, method: Method[Any], seed: int, device: torch.device, ways: Ways | None = None):
        from ganrepro.nets.cpu_convolutions import accelerate
        from ganrepro.nets.lean_convolutions import leave_out_zero_biases

        self.method, self.device, self.ways = method, device, ways or Ways()
        settings, fast = method.settings, method.settings.engine == "fast"
        self.recorded = fast and device.type == "cuda"
        usual = device.type == "cpu" or settings.precision == "bfloat16"
        self.channels_last = fast and (usual if self.ways.channels_last is None else self.ways.channels_last)
        self.networks = method.networks(lambda purpose: stream(seed, f"weights/{purpose}"))
        players = _checked(method, self.networks)
        self._stored = {name for player in players.values() for name in player.networks}
        stepped = {name for player in players.values() if player.optimiser for name in player.networks}
        learning = {id(p) for name in stepped for p in self.networks[name].parameters() if p.requires_grad}
        for network in self.networks.values():
            network.to(device).train()
            if not any(id(p) in learning for p in network.parameters()):
                network.eval()
            for parameter in network.parameters():
                parameter.requires_grad_(id(parameter) in learning)
            if fast and device.type == "cpu" and not self.ways.compiled:
                accelerate(network)
            if fast:
                leave_out_zero_biases(network, learning)
            if self.channels_last:
                network.to(memory_format=torch.channels_last)
            if settings.precision == "bfloat16":
                network.register_forward_hook(_in_float32)
            if self.ways.compiled:
                # networks share their code, and each has several forms: trained or not, of one batch or two
                torch._dynamo.config.recompile_limit += 64
                network.compile(dynamic=False, fullgraph=True)
        kinds = {name: player.optimiser for name, player in players.items() if player.optimiser is not None}
        self.parameters = {name: self._of(players[name].networks) for name in kinds}
        self.optimisers = {name: _optimiser(kind, self.parameters[name], self.recorded) for name, kind in kinds.items()}
        self.rates = {name: kind.learning_rate for name, kind in kinds.items()}
        self.pools = {
            name: ImagePool(pool.size, (method.data.channels(*pool.of), *height_and_width(method.size)), device)
            for name, pool in method.feed().pools.items()
        }
        self.buffers = {name: value.to(device) for name, value in method.buffers().items()}
        self.means: dict[str, dict[str, torch.Tensor]] = {}  # of the generators' weights, where `ema_decay` wants them
        if settings.ema_decay is not None:
            self.means = {name: {k: v.clone() for k, v in state.items()} for name, state in self._generating().items()}

    def _of(self, names: tuple[str, ...]) -> list[torch.nn.Parameter]:
        """The parameters of some networks that learn, tied ones once."""
        every = (p for name in names for p in self.networks[name].parameters() if p.requires_grad)
        return list({id(p): p for p in every}.values())

    def turn(self, player: str) -> None:
        """From here on gradients reach the weights of this player alone. KeyError with the names there are."""
        if player not in self.parameters:
            raise KeyError(f"methods/{self.method.name}.py: no player '{player}' learns; there are: {', '.join(self.parameters)}")
        for parameters in self.parameters.values():
            for parameter in parameters:
                parameter.requires_grad_(False)
        for parameter in self.parameters[player]:
            parameter.requires_grad_(True)

    def judge(self, name: str, *images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What a discriminator says of several batches, (n, ...) each. Its norms must take every image by itself."""
        if not self.ways.one_batch:
            return tuple(self.networks[name](batch) for batch in images)
        said: tuple[torch.Tensor, ...] = self.networks[name](torch.cat(images)).split([len(batch) for batch in images])
        return said

    def update(self, player: str, weights: Mapping[str, float], terms: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """One step of a player down the weighted sum of its terms, (n,) each. Returns each term's unweighted mean."""
        total, means = weighted_sum(weights, terms)
        self.descend(player, total)
        return means

    def descend(self, player: str, total: torch.Tensor) -> None:
        """One step of a player's optimiser down a loss that is one number."""
        optimiser = self.optimisers[player]
        with torch.autocast(self.device.type, enabled=False):
            torch.autograd.backward(total)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)  # before the next passes ask for memory
        torch.clear_autocast_cache()  # it keeps weights in bfloat16 for as long as a step lasts, those from before too

    @torch.no_grad()
    def follow(self) -> None:
        """Lets the running means of the generators' weights follow these by one step; counts and the like are taken over."""
        decay = self.method.settings.ema_decay
        if decay is None:
            return
        for name, state in self._generating().items():
            for key, value in state.items():
                if value.is_floating_point():
                    self.means[name][key].lerp_(value, 1 - decay)
                else:
                    self.means[name][key].copy_(value)

    def begin_with(self, weights: Mapping[str, Mapping[str, torch.Tensor]], where: str) -> list[str]:
        """Takes over the weights of all networks that there are here too. WeightsError where there is none, or another shape.

        where: whose they are, for the message.  Returns the names of these networks.
        """
        common = [name for name in sorted(self._stored) if name in weights]
        if not common:
            raise WeightsError(f"start_from: {where} has {', '.join(weights)}; none of {', '.join(sorted(self._stored))}")
        for name in common:
            have = {key: tuple(value.shape) for key, value in self.networks[name].state_dict().items()}
            given = {key: tuple(value.shape) for key, value in weights[name].items()}
            for key in [*have, *given]:
                if have.get(key) != given.get(key):
                    here, there = (str(of.get(key, "none")) for of in (have, given))
                    raise WeightsError(
                        f"start_from: {where}: {name}, layer {key}: expected {here}, got {there}; choose equal networks"
                    )
            self.networks[name].load_state_dict(weights[name])
        for name, mean in self.means.items():
            for key, value in self.networks[name].state_dict().items():
                mean[key].copy_(value)
        return common

    def set_rate(self, factor: float) -> None:
        """Every player's learning rate is its own times `factor`; without waiting for the device."""
        for name, optimiser in self.optimisers.items():
            for group in optimiser.param_groups:
                if isinstance(group["lr"], torch.Tensor):
                    group["lr"].fill_(self.rates[name] * factor)
                else:
                    group["lr"] = self.rates[name] * factor

    def state(self) -> dict[str, Any]:
        """Everything a resumed training needs, as tensors and plain values. Frozen networks are not part of it."""
        return {
            "networks": {name: network.state_dict() for name, network in self.networks.items() if name in self._stored},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "pools": {name: pool.images for name, pool in self.pools.items()},
            "buffers": self.buffers,
        } | ({"means": self.means} if self.means else {})

    def generators(self) -> dict[str, dict[str, torch.Tensor]]:
        """The state of the networks that generation needs, by name; of their running means, where there are any."""
        return self.means or self._generating()

    def _generating(self) -> dict[str, dict[str, torch.Tensor]]:
        """As it is in training."""
        return {name: self.networks[name].state_dict() for name in self.method.generators() if name in self._stored}

    def load(self, state: dict[str, Any]) -> None:
        """The inverse of `state`. KeyError or RuntimeError where it belongs to another method."""
        for name in sorted(self._stored):
            self.networks[name].load_state_dict(state["networks"][name])
        for name, optimiser in self.optimisers.items():
            # how it steps is this machine's affair: a file from a CPU would else leave a rate that no recorded graph reads
            own = [{k: v for k, v in group.items() if k != "params"} for group in optimiser.param_groups]
            optimiser.load_state_dict(state["optimisers"][name])
            for group, kept in zip(optimiser.param_groups, own, strict=True):
                group.update(kept)
            for weight, moments in optimiser.state.items():  # a file keeps the layout of whoever wrote it
                for key, value in moments.items():
                    if isinstance(value, torch.Tensor) and value.shape == weight.shape:
                        moments[key] = torch.empty_like(weight).copy_(value)
        for name, pool in self.pools.items():
            pool.images.copy_(state["pools"][name])
        for name, buffer in self.buffers.items():
            buffer.copy_(state["buffers"][name])
        for name, mean in self.means.items():
            for key, value in mean.items():
                value.copy_(state["means"][name][key])

    def tensors(self) -> Iterator[torch.Tensor]:
        """Every tensor that a step changes."""
        for name in sorted(self._stored):
            yield from self.networks[name].state_dict().values()
        for optimiser in self.optimisers.values():
            for moments in optimiser.state.values():
                yield from (value for value in moments.values() if isinstance(value, torch.Tensor))
        for pool in self.pools.values():
            yield pool.images
        yield from self.buffers.values()
        for mean in self.means.values():
            yield from mean.values()


def _checked(method: Method[Any], networks: Mapping[str, torch.nn.Module]) -> dict[str, Player]:
    """The players of a method. ValueError where one has networks that there are not."""
    players = method.players()
    for name, player in players.items():
        if isinstance(player.networks, str):
            raise ValueError(f"methods/{method.name}.py: player '{name}': networks are a tuple; write ('{player.networks}',)")
        for network in player.networks:
            if network not in networks:
                raise ValueError(
                    f"methods/{method.name}.py: player '{name}' names a network '{network}'; networks() has {', '.join(networks)}"
                )
    return players


def _in_float32(module: torch.nn.Module, given: Any, output: Any) -> Any:
    return type(output)(part.float() for part in output) if isinstance(output, (tuple, list)) else output.float()


def _optimiser(kind: Adam | RMSprop | SGD, weights: list[torch.nn.Parameter], recorded: bool) -> torch.optim.Optimizer:
    """The optimiser with its moments made, as it would itself at its first step, which must not fall into a recorded graph.

    recorded: its learning rate is a tensor that a recorded graph reads, and its step counts on the device.
    """
    device = weights[0].device
    rate: float | torch.Tensor = torch.tensor(kind.learning_rate, device=device) if recorded else kind.learning_rate
    if isinstance(kind, Adam):
        adam = torch.optim.Adam(
            weights, rate, (kind.beta1, kind.beta2), weight_decay=kind.weight_decay, fused=True, capturable=recorded
        )
        for weight in weights:
            moments = {"exp_avg": torch.zeros_like(weight), "exp_avg_sq": torch.zeros_like(weight)}
            adam.state[weight] = {"step": torch.zeros((), device=device)} | moments
        return adam
    if isinstance(kind, RMSprop):
        rmsprop = torch.optim.RMSprop(weights, rate, kind.alpha, capturable=recorded)
        for weight in weights:
            rmsprop.state[weight] = {"step": torch.zeros((), device=device), "square_avg": torch.zeros_like(weight)}
        return rmsprop
    sgd = torch.optim.SGD(weights, rate, kind.momentum, fused=True)
    for weight in weights if kind.momentum else []:
        sgd.state[weight] = {"momentum_buffer": torch.zeros_like(weight)}
    return sgd

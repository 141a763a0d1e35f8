"""What GANs that start from noise share where they differ in networks, loss and remedies: settings, players, one step.

One step shows the discriminator D `critic_steps` batches and then improves the generator G once:

    D minimises  loss.real(D(x)) + loss.fake(D(G(z))) + penalty,   G minimises  loss.generator(D(G(z)))

with the losses of objectives/gan_losses.py. Batch norm sees real and generated images separately.

DEVIATION(same-code): G is judged by the images of D's last batch; compare_gan draws new codes for it under WGAN GP.
DEVIATION(remedies): minibatch discrimination without the normalised projection, bias and data-dependent first values of the
authors' code; the size of virtual batch norm's reference batch, 64, and a weight of historical averaging are choices of ours.
"""

from __future__ import annotations

import copy
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import Field, model_validator

from ganrepro.lazy import torch
from ganrepro.methods.base import Adam, Batch, Feed, Loss, Player, Players, Random, RMSprop, Uniform
from ganrepro.methods.noise import ConvolutionSettings, FromNoise
from ganrepro.objectives.gan_losses import LOSSES, smoothed
from ganrepro.objectives.penalties import PENALTIES
from ganrepro.schema.fields import Beta, Count, Few, Positive


class AdversarialSettings(ConvolutionSettings):
    """The game, its penalties and the remedies for it."""

    code_size: Count = Field(100, description="numbers of a code z, each U(-1, 1)")
    loss: Literal["minimax", "non-saturating", "least-squares", "least-squares-sigmoid", "wasserstein", "hinge"] = Field(
        "non-saturating", description="the game that D and G play"
    )
    penalty: Literal["none", "gradient", "local-gradient"] = Field(
        "none", description="on the slope of D: of WGAN-GP, between real and generated images; of DRAGAN, near real ones"
    )
    penalty_weight: Positive = Field(10.0, description="its weight")
    clip: Positive | None = Field(None, description="after each of its steps D's weights are cut to ± this (WGAN)")
    critic_steps: Few = Field(1, description="steps of D for each of G; an epoch counts steps of G")
    optimiser: Literal["adam", "rmsprop"] = Field("adam", description="of both players")
    beta2: Beta = Field(0.999, description="of Adam")
    discriminator_norm: bool = Field(True, description="batch norm in D")
    feature_matching: bool = Field(False, description="G fits the mean features of D in place of its loss")
    minibatch_discrimination: bool = Field(False, description="D sees how near an image is to the others of its batch")
    historical_averaging: Positive | None = Field(
        None, description="weight of both players' squared distance from the mean of their past weights"
    )
    real_target: Annotated[float, Field(gt=0.5, le=1)] = Field(
        1.0, description="one-sided label smoothing: the probability that D is to give real images"
    )
    generator_norm: Literal["batch", "virtual"] = Field("batch", description="virtual: by a reference batch that never changes")

    @model_validator(mode="after")
    def _loss_and_penalty_fit(self) -> AdversarialSettings:
        critic = LOSSES[self.loss].critic
        if self.loss == "wasserstein" and self.clip is None and self.penalty != "gradient":
            raise ValueError("loss: wasserstein needs a critic of bounded slope; set clip, or penalty: gradient")
        if self.clip is not None and not critic:
            raise ValueError(f"clip: bounds a critic, and loss {self.loss} has a sigmoid; leave clip out, or use wasserstein")
        if self.penalty == "local-gradient" and critic:
            raise ValueError(f"penalty: local-gradient is on a probability; loss {self.loss} has none, use penalty: gradient")
        if self.penalty == "gradient" and self.discriminator_norm:
            raise ValueError("penalty: gradient is of each image alone, which batch norm forbids; set discriminator_norm: false")
        if self.penalty == "none" and self.penalty_weight != 10:
            raise ValueError("penalty_weight: there is no penalty; name one, or leave penalty_weight out")
        if self.optimiser == "rmsprop" and (self.beta1, self.beta2) != (0.5, 0.999):
            raise ValueError("beta1: of Adam, and optimiser is rmsprop; leave beta1 and beta2 out")
        if self.real_target < 1 and self.loss not in ("minimax", "non-saturating"):
            raise ValueError(f"real_target: labels are smoothed in a log loss; loss is {self.loss}, set real_target: 1")
        return self


S = TypeVar("S", bound=AdversarialSettings)


class Adversarial(FromNoise[S]):
    """D and G, by name `discriminator` (a nets.small.Judge) and `generator`; `*_mean` are the means of their past weights."""

    architecture: ClassVar[str]  # of nets.small.adversaries

    def feed(self) -> Feed:
        return Feed((self.domain,), noise={"z": Uniform((self.settings.code_size,))}, batches=self.settings.critic_steps)

    def losses(self) -> tuple[Loss, ...]:
        panel = "Discriminator"
        own = [Loss("real", panel), Loss("fake", panel), Loss("generator", "Generator")]
        own += [Loss("penalty", "Penalty, unweighted")] if self.settings.penalty != "none" else []
        averaged = self.settings.historical_averaging is not None
        return (
            *own,
            *(Loss(f"{name}_moved", "Distance from past weights") for name in ("discriminator", "generator") if averaged),
        )

    def networks(self, random: Random) -> dict[str, torch.nn.Module]:
        from ganrepro.nets.small import adversaries

        s, shape = self.settings, self.shape
        networks = adversaries(
            self.architecture, *shape, s.code_size, s.filters, random,
            norm=s.discriminator_norm, minibatch=s.minibatch_discrimination, virtual=s.generator_norm == "virtual",
        )  # fmt: skip
        if s.historical_averaging is not None:
            networks |= {f"{name}_mean": copy.deepcopy(network) for name, network in networks.items()}
        return networks

    def players(self) -> dict[str, Player]:
        s = self.settings
        kind = Adam(s.learning_rate, s.beta1, s.beta2) if s.optimiser == "adam" else RMSprop(s.learning_rate)
        players = {"discriminator": Player(("discriminator",), kind), "generator": Player(("generator",), kind)}
        means = ("discriminator_mean", "generator_mean")
        return players if s.historical_averaging is None else players | {"means": Player(means, None)}

    def buffers(self) -> dict[str, torch.Tensor]:
        return {} if self.settings.historical_averaging is None else {"steps": torch.zeros(2)}

    def step(self, players: Players, batch: Batch) -> dict[str, torch.Tensor]:
        s, judge, make = self.settings, players.networks["discriminator"], players.networks["generator"]
        loss = LOSSES[s.loss]
        losses: dict[str, torch.Tensor] = {}
        for part in batch.split(s.critic_steps):
            real = part.images[self.domain]
            players.turn("generator")
            fake = make(part.noise["z"])
            players.turn("discriminator")
            terms = {"real": smoothed(loss, judge(real), s.real_target), "fake": loss.fake(judge(fake.detach()))}
            weights = dict.fromkeys(terms, 1.0)
            if s.penalty != "none":
                terms["penalty"], weights["penalty"] = PENALTIES[s.penalty](judge, real, fake), s.penalty_weight
            losses |= self._update(players, "discriminator", weights, terms, len(real))
            if s.clip is not None:
                with torch.no_grad():
                    for weight in players.parameters["discriminator"]:
                        weight.clamp_(-s.clip, s.clip)
        players.turn("generator")
        if s.feature_matching:  # Salimans et al., section 3.1
            features = judge.get_submodule("features")
            wanted = features(real).mean(0).detach()
            terms = {"generator": (features(fake).mean(0) - wanted).square().sum().expand(len(fake))}
        else:
            terms = {"generator": loss.generator(judge(fake))}
        return losses | self._update(players, "generator", {"generator": 1.0}, terms, len(fake))

    def _update(
        self, players: Players, name: str, weights: dict[str, float], terms: dict[str, torch.Tensor], count: int
    ) -> dict[str, torch.Tensor]:
        """One step of a player; with its distance from the mean of its past weights, if wanted (Salimans et al., 3.3)."""
        if self.settings.historical_averaging is None:
            return players.update(name, weights, terms)
        now, past = players.parameters[name], list(players.networks[f"{name}_mean"].parameters())
        moved = torch.stack([(a - b.detach()).square().sum() for a, b in zip(now, past, strict=True)]).sum()
        terms[f"{name}_moved"], weights[f"{name}_moved"] = moved.expand(count), self.settings.historical_averaging
        losses, steps = players.update(name, weights, terms), players.buffers["steps"][int(name == "generator")]
        with torch.no_grad():
            steps += 1
            for a, b in zip(now, past, strict=True):
                b.add_((a - b) / steps)
        return losses

"""StarGAN: one generator between all domains, told by a label which is wanted (Choi et al. 2018, arXiv:1711.09020, section 3).

The discriminator judges patches as a critic (WGAN-GP) and reads the attributes of the image. Labels are one-of-n for each
attribute of the dataset (`attributes` of its domains; their names where nothing is said). Where an attribute is known of some
domains alone, these count as data sets of their own that are trained jointly: the label has zeros for what is unknown and says
by a mask which data set it is of (section 3.2), and every step sees each of them.

DEVIATION(balanced-batches): a batch has equally many images of each domain; the published code draws from all images at random.
DEVIATION(batch-of-16): `batch_images` is of each domain, and the paper's batch of 16 is of all: of eight domains 2 each.
The published code's rate hardly decays (`solver.py`: by 1e-9 every 1,000th step); epochs_decay: 0 is what it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from ganrepro.errors import UnfitData
from ganrepro.lazy import torch
from ganrepro.methods.base import Adam, Batch, Feed, Loss, Player, Players, Random
from ganrepro.methods.outputs import Output
from ganrepro.methods.several import SeveralDomainsSettings, WithLabels
from ganrepro.objectives.reconstruction import l1
from ganrepro.schema.fields import Beta, Count, Pixels, Positive, Weight, Width

WRONG_MASK = "-wrong-mask"  # behind the name of an output: with the mask of another data set


class Settings(SeveralDomainsSettings):
    """StarGAN's recipe for RaFD at 128 × 128 (sections 4 and 5.3)."""

    load_pixels: Pixels = Field(128, description="jitter: images are resized to this size, then cropped at random")
    crop_pixels: Pixels = Field(128, description="of the crop that the networks see: side of a square, or shorter side")
    batch_images: Count = Field(2, description="images of a step, of each domain; 2 of eight are the paper's 16")
    generator_filters: Width = Field(64, description="channels of the generator's first layer")
    generator_blocks: Annotated[int, Field(ge=0, le=100)] = Field(6, description="its residual blocks")
    discriminator_filters: Width = Field(64, description="channels of the discriminator's first layer")
    discriminator_layers: Annotated[int, Field(ge=1, le=8)] = Field(6, description="its halvings")
    padding: Literal["zeros", "reflect"] = Field(
        "zeros", description="of the generator's convolutions. reflect: mirrored at the border; the label then does nothing"
    )
    classification: Literal["one-of-n", "binary"] = Field(
        "one-of-n",
        description="loss of attributes. one-of-n: cross-entropy over the values of each; binary: over each value being there or "
        "not, summed, as the published code has it for independent attributes",
    )
    domain_weight: Weight = Field(1, description="of the attributes' losses (lambda_cls, section 4)")
    reconstruction_weight: Weight = Field(10, description="of the way back to the input (lambda_rec)")
    identity_weight: Weight = Field(
        0, description="of a loss by which images that are asked for their own domain stay as they are (CycleGAN 5.2)"
    )
    penalty_weight: Positive = Field(10, description="of the critic's slope (lambda_gp)")
    critic_steps: Count = Field(5, description="steps of the discriminator before one of the generator")
    learning_rate: Positive = Field(0.0001, description="of Adam")
    adam_beta1: Beta = Field(0.5, description="of Adam")
    adam_beta2: Beta = Field(0.999, description="of Adam")


class StarGAN(WithLabels[Settings]):
    """Networks `generator` and `discriminator`. A step: critic_steps times D, then once G, of each data set."""

    title = "StarGAN"
    paper = "arXiv:1711.09020"
    any_shape = True

    def label(self, domain: str, mask_of: str | None = None) -> list[float]:
        """A domain's label; then, of several data sets, which one it is of.

        mask_of: another domain, whose data set is named instead.
        """
        return super().label(domain) + self._mask(mask_of or domain)

    def _mask(self, domain: str) -> list[float]:
        return [float(domain in of) for of in self.sets.values()] if len(self.sets) > 1 else []

    def check(self) -> None:
        super().check()
        halvings, sides = self.settings.discriminator_layers, self._sides()
        least = max(4, 2**halvings)  # the generator halves twice
        if any(side % least for side in sides):
            raise UnfitData(
                f"halves images {max(2, halvings)} times, and {' × '.join(map(str, sides))} pixels are no multiple of {least}; "
                "change crop_pixels or discriminator_layers"
            )

    def _sides(self) -> tuple[int, int]:
        """Height and width of its images."""
        size = self.size
        return (size[1], size[0]) if isinstance(size, tuple) else (size, size)

    def feed(self) -> Feed:
        return Feed(self.domains, noise=self.order(), batches=self.settings.critic_steps)

    def outputs(self) -> tuple[Output, ...]:
        right = super().outputs()
        wrong = [Output(f"{o.name}{WRONG_MASK}", o.source, o.target, f"{o.title}, wrong mask") for o in right]
        return (*right, *(wrong if len(self.sets) > 1 else ()))

    def losses(self) -> tuple[Loss, ...]:
        critic = "Discriminator"
        return (
            *(Loss("real", critic), Loss("fake", critic), Loss("penalty", "Penalty, unweighted")),
            *(Loss("domain_real", "Attributes read"), Loss("domain_fake", "Attributes read")),
            *(Loss("adversarial", "Generator, adversarial loss"), Loss("reconstruction", "Reconstruction loss")),
            *([Loss("identity", "Identity loss")] if self.settings.identity_weight else []),
        )

    def networks(self, random: Random) -> dict[str, torch.nn.Module]:
        from ganrepro.nets.fresh import fresh
        from ganrepro.nets.stargan import Discriminator, Generator

        s, first = self.settings, self.domains[0]
        channels, labels, reflect = self.data.channels(first), len(self.label(first)), s.padding == "reflect"
        read = labels - len(self._mask(first))
        make = channels, labels, s.generator_filters, s.generator_blocks, reflect
        judge = self._sides(), channels, read, s.discriminator_filters, s.discriminator_layers
        return {
            "generator": fresh(lambda: Generator(*make), random("generator")),
            "discriminator": fresh(lambda: Discriminator(*judge), random("discriminator")),
        }

    def players(self) -> dict[str, Player]:
        s = self.settings
        adam = Adam(s.learning_rate, s.adam_beta1, s.adam_beta2)
        return {"discriminator": Player(("discriminator",), adam), "generator": Player(("generator",), adam)}

    def step(self, players: Players, batch: Batch) -> dict[str, torch.Tensor]:
        parts, sets = batch.split(self.settings.critic_steps), self.sets.values()
        losses = [self._judge(players, *self.shown(players, part, domains)) for part in parts for domains in sets]
        losses += [self._translate(players, *self.shown(players, parts[-1], domains)) for domains in sets]
        names = [loss.name for loss in self.losses()]
        return {name: torch.stack([of[name] for of in losses if name in of]).mean() for name in names}

    def _judge(self, players: Players, real: torch.Tensor, labels: torch.Tensor, wanted: torch.Tensor) -> dict[str, torch.Tensor]:
        """A step of the discriminator. What was made is judged as fake, and never read for its attributes."""
        s, judge = self.settings, players.networks["discriminator"]
        players.turn("discriminator")
        with torch.no_grad():
            fake = players.networks["generator"](real, wanted)
        patches, read = judge(real)
        terms = {
            "real": -patches.mean((1, 2, 3)),
            "fake": judge(fake)[0].mean((1, 2, 3)),
            "domain_real": self.misread(read, labels, s.classification == "binary"),
            "penalty": self.slope(judge, real, fake),
        }
        return players.update(
            "discriminator", {"real": 1.0, "fake": 1.0, "domain_real": s.domain_weight, "penalty": s.penalty_weight}, terms
        )

    def _translate(
        self, players: Players, real: torch.Tensor, labels: torch.Tensor, wanted: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """A step of the generator: to be taken for real, to be read as wanted, and to find the way back."""
        s, make = self.settings, players.networks["generator"]
        players.turn("generator")
        fake = make(real, wanted)
        patches, read = players.networks["discriminator"](fake)
        terms = {
            "adversarial": -patches.mean((1, 2, 3)),
            "domain_fake": self.misread(read, wanted, s.classification == "binary"),
            "reconstruction": l1(make(fake, labels), real),
        }
        terms |= {"identity": l1(make(real, labels), real)} if s.identity_weight else {}
        weights = {
            "adversarial": 1.0, "domain_fake": s.domain_weight, "reconstruction": s.reconstruction_weight,
            "identity": s.identity_weight,
        }  # fmt: skip
        return players.update("generator", {name: weights[name] for name in terms}, terms)

    @staticmethod
    def slope(judge: torch.nn.Module, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
        """(|slope| - 1)² at a random place between each real and made image, (n,), of the sum over patches, as published.

        Pixels are in [-1, 1] there as here. Source: Gulrajani et al., arXiv:1704.00028; yunjey/stargan, solver.py.
        """
        share = torch.rand(len(real), 1, 1, 1, device=real.device)
        at = (share * real + (1 - share) * fake).detach().requires_grad_()
        (slope,) = torch.autograd.grad(judge(at)[0].sum(), at, create_graph=True)
        return (slope.square().sum((1, 2, 3)).sqrt() - 1).square()

    def generators(self) -> tuple[str, ...]:
        return ("generator",)

    def _asked(self, output: Output) -> list[float]:
        """The label of what an output wants."""
        others = [of[0] for of in self.sets.values() if output.target not in of]
        return self.label(output.target, others[0] if output.name.endswith(WRONG_MASK) else None)

    def network_of(self, output: Output) -> tuple[str, dict[str, Any]]:
        s, channels = self.settings, self.data.channels(output.target)
        return "generator", {
            "generator": "stargan", "filters": s.generator_filters, "blocks": s.generator_blocks, "inputs": channels,
            "outputs": channels, "label": tuple(self._asked(output)), "reflect": s.padding == "reflect",
        }  # fmt: skip

    def generate(
        self, output: Output, networks: Mapping[str, torch.nn.Module], batch: Batch, random: torch.Generator
    ) -> torch.Tensor:
        assert output.source is not None
        given = batch.images[output.source]
        label = torch.tensor(self._asked(output), device=given.device).expand(len(given), -1)
        made: torch.Tensor = networks["generator"](given, label)
        return made

"""InfoGAN: codes that D's features must tell from the image, so that they come to mean something (arXiv:1606.03657).

    min over G and Q, max over D of  V(D, G) - lambda L(G, Q),   L = E log Q(c | G(z, c)) + H(c)        (equations 5 and 6)

c is one of ten and two numbers in [-1, 1], besides 62 numbers of noise (appendix C.1, MNIST). Q shares D's layers but the
last; the ten have a softmax, the two a normal distribution of standard deviation 1. lambda is 1 for both. As in the authors'
code (openai/InfoGAN at 6e41232) L is part of both players' losses, and Q learns with D. No class is ever shown to it.

DEVIATION(infogan-slope): LeakyReLU 0.2 (0.1 in the text, 0.01 in the code): the networks are those of Lucic et al., which
are "based on InfoGAN"; G's inner layers are leaky too.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from ganrepro.lazy import torch
from ganrepro.methods.base import Adam, Batch, Categorical, Feed, Loss, Player, Players, Random, Uniform
from ganrepro.methods.noise import ConvolutionSettings, FromNoise
from ganrepro.methods.outputs import Output, samples, samples_by_code
from ganrepro.objectives.gan_losses import LOSSES
from ganrepro.schema.fields import Count, CountOfTwo, CountOrZero, Positive, Weight

CODES = 10  # that the first code has, whatever the classes of the images (appendix C.1)


class Settings(ConvolutionSettings):
    """The authors' MNIST recipe: 50 epochs of 100 steps."""

    batch_images: CountOfTwo = Field(128, description="images of a step; batch norm needs two")
    epoch_images: Count | None = Field(12800, description="images of an epoch: 100 steps")
    epochs_constant: Count = Field(50, description="epochs at the full learning rate")
    epochs_decay: CountOrZero = Field(0, description="epochs after them, in which the rate falls linearly to 0")
    code_size: Count = Field(62, description="numbers of the code that mean nothing, each U(-1, 1)")
    information_weight: Weight = Field(1.0, description="lambda; 0: Q learns, and G is not asked for the codes (section 7.1)")
    generator_learning_rate: Positive = Field(0.001, description="of G")


class InfoGAN(FromNoise[Settings]):
    """Losses: the GAN's, and -log Q of the class and of the numbers (their H(c) and constants left out)."""

    title = "InfoGAN"
    paper = "arXiv:1606.03657"

    def feed(self) -> Feed:
        z = Uniform((self.settings.code_size,))
        return Feed((self.domain,), noise={"z": z, "one_of_ten": Categorical(CODES), "numbers": Uniform((2,))})

    def outputs(self) -> tuple[Output, ...]:
        title = "A column for each class of the code, down the first number from -2 to 2"
        sweep = Output("sweep", None, self.domain, title, "code", CODES, picture=True)
        return samples(self.domain), samples_by_code(self.domain, CODES), sweep

    def losses(self) -> tuple[Loss, ...]:
        information = (
            Loss("class", "Information: the class, the numbers"),
            Loss("numbers", "Information: the class, the numbers"),
        )
        return Loss("real", "Discriminator"), Loss("fake", "Discriminator"), Loss("generator", "Generator"), *information

    def networks(self, random: Random) -> dict[str, torch.nn.Module]:
        from torch import nn

        from ganrepro.nets import small

        s, (channels, side) = self.settings, self.shape
        features, width = small.lucic_features(channels, side, s.filters, norm=True)
        hidden = 2 * s.filters
        heads = nn.Sequential(nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, CODES + 2))
        code = s.code_size + CODES + 2
        make = small.lucic_generator(code, channels, side, s.filters, nn.BatchNorm1d, nn.BatchNorm2d)
        parts = {"generator": make, "discriminator": small.Judge(features, nn.Linear(width, 1)), "q": heads}
        return {name: small.initialise(part, random(name)) for name, part in parts.items()}

    def players(self) -> dict[str, Player]:
        s = self.settings
        return {
            "discriminator": Player(("discriminator", "q"), Adam(s.learning_rate, s.beta1)),
            "generator": Player(("generator",), Adam(s.generator_learning_rate, s.beta1)),
        }

    def step(self, players: Players, batch: Batch) -> dict[str, torch.Tensor]:
        judge, make = players.networks["discriminator"], players.networks["generator"]
        see, head = judge.get_submodule("features"), judge.get_submodule("head")
        loss, weight = LOSSES["non-saturating"], self.settings.information_weight
        one_of_ten, numbers = batch.noise["one_of_ten"], batch.noise["numbers"]

        def information(features: torch.Tensor) -> dict[str, torch.Tensor]:
            """-log Q of the codes, less its constants."""
            guess = players.networks["q"](features)
            of_class = torch.nn.functional.cross_entropy(guess[:, :CODES], one_of_ten, reduction="none")
            return {"class": of_class, "numbers": 0.5 * (guess[:, CODES:] - numbers).square().sum(1)}

        learnt = dict.fromkeys(("class", "numbers"), weight or 1.0)
        asked = dict.fromkeys(learnt, weight)
        players.turn("generator")
        fake = make(_code(batch.noise["z"], one_of_ten, numbers))
        players.turn("discriminator")
        features = see(fake.detach())
        terms = {"real": loss.real(judge(batch.images[self.domain])), "fake": loss.fake(head(features)[:, 0])}
        losses = players.update("discriminator", dict.fromkeys(terms, 1.0) | learnt, terms | information(features))
        players.turn("generator")
        features = see(fake)
        terms = {"generator": loss.generator(head(features)[:, 0])}
        return losses | players.update("generator", {"generator": 1.0} | asked, terms | information(features))

    def generate(
        self, output: Output, networks: Mapping[str, torch.nn.Module], batch: Batch, random: torch.Generator
    ) -> torch.Tensor:
        z, numbers, one_of_ten = batch.noise["z"], batch.noise["numbers"], batch.noise["one_of_ten"]
        if output.asked:
            one_of_ten = batch.labels[self.domain]
        if output.picture:  # the same noise everywhere; each line of ten images another number
            z = z[:1].expand_as(z)
            lines = torch.arange(len(z), device=z.device) // CODES
            numbers = torch.stack([4 * lines / lines.max().clamp_min(1) - 2, torch.zeros_like(z[:, 0])], 1)
        images: torch.Tensor = networks["generator"].eval()(_code(z, one_of_ten, numbers))
        return images


def _code(z: torch.Tensor, one_of_ten: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """All that G starts from: noise, a class of ten, two numbers."""
    return torch.cat([z, torch.nn.functional.one_hot(one_of_ten, CODES).to(z.dtype), numbers], 1)

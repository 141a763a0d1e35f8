"""Methods that start from noise: their losses, penalties and steps against formulas, and what is measured of samples."""

import copy
import itertools
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import BY_CLASS, BY_CODE, RECONSTRUCTIONS, SAMPLES, images_with_classes, method_of, parsed, tiny
from PIL import Image
from torch import nn
from torch.nn import functional

from ganrepro import methods, settings
from ganrepro.data.images import ImageError, write_png
from ganrepro.data.own import data_spec
from ganrepro.data.prepare import prepare
from ganrepro.evaluation.generation import generate, write_codes
from ganrepro.evaluation.images import load_levels, nearest
from ganrepro.evaluation.intervals import difference, of_errors
from ganrepro.evaluation.measures import MEASURES, left_out, measures_of
from ganrepro.evaluation.measures.base import Job, Needs
from ganrepro.evaluation.measures.class_of_code import best_match, chance
from ganrepro.evaluation.readers import classifier
from ganrepro.evaluation.readers.base import Reader, Task
from ganrepro.methods.base import FEW, Batch
from ganrepro.nets import small
from ganrepro.nets.cpu_convolutions import accelerate
from ganrepro.objectives.gan_losses import LOSSES, smoothed
from ganrepro.objectives.penalties import PENALTIES
from ganrepro.reporting.plots import play
from ganrepro.schema.datasets import DatasetSettings
from ganrepro.schema.readers import ReaderSettings
from ganrepro.training.batches import TrainingImages
from ganrepro.training.players import Players

CPU = torch.device("cpu")
NOISY = [name for name in methods.names() if not any(output.translates for output in method_of(name).outputs())]


# --- losses and penalties ------------------------------------------------------------------------


def sigmoid(s):
    return 1 / (1 + math.exp(-s))


FORMULAS = {  # Lucic et al., Table 1 and code: D on real, D on fake, G; by the logit s
    "minimax": (lambda s: -math.log(sigmoid(s)), lambda s: -math.log(1 - sigmoid(s)), lambda s: math.log(1 - sigmoid(s))),
    "non-saturating": (lambda s: -math.log(sigmoid(s)), lambda s: -math.log(1 - sigmoid(s)), lambda s: -math.log(sigmoid(s))),
    "least-squares": (lambda s: (s - 1) ** 2 / 2, lambda s: s**2 / 2, lambda s: (s - 1) ** 2 / 2),
    "least-squares-sigmoid": (
        lambda s: (sigmoid(s) - 1) ** 2 / 2, lambda s: sigmoid(s) ** 2 / 2, lambda s: (sigmoid(s) - 1) ** 2 / 2
    ),
    "wasserstein": (lambda s: -s, lambda s: s, lambda s: -s),
    "hinge": (lambda s: max(0, 1 - s), lambda s: max(0, 1 + s), lambda s: -s),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_the_formulas(name):
    """To 1e-6."""
    s = torch.tensor([-3.0, -0.4, 0.0, 0.7, 2.5])
    for loss, formula in zip(LOSSES[name][:3], FORMULAS[name], strict=True):
        assert loss(s).tolist() == pytest.approx([formula(float(x)) for x in s], abs=1e-6)


def test_a_smoothed_label_moves_the_best_logit_to_its_own():
    """The loss is least where D = 0.9, to 1e-3; Salimans et al., 3.4."""
    s = torch.linspace(-5, 5, 20001)
    best = s[smoothed(LOSSES["non-saturating"], s, 0.9).argmin()]
    assert float(best.sigmoid()) == pytest.approx(0.9, abs=1e-3)
    assert torch.equal(smoothed(LOSSES["minimax"], s, 1.0), LOSSES["minimax"].real(s))


def test_minimax_saturates_where_the_discriminator_is_sure():
    """Slopes in the logit: sigmoid(s) and 1 - sigmoid(s), which is near 1 (Goodfellow et al., section 3)."""
    s = torch.tensor([-8.0], requires_grad=True)
    slopes = {n: float(torch.autograd.grad(LOSSES[n].generator(s).sum(), s)[0]) for n in ("minimax", "non-saturating")}
    assert slopes["minimax"] == pytest.approx(-sigmoid(-8), rel=1e-4) and slopes["non-saturating"] == pytest.approx(-1, abs=1e-3)


def test_penalties_of_a_linear_critic_are_closed_forms():
    """In the source's units, pixels in [0, 1]: its slope is 2 w everywhere, of sigmoid(w x) 2 D (1 - D) w. To 1e-5."""
    torch.manual_seed(0)
    w, real, fake = torch.randn(1, 4, 4), torch.randn(6, 1, 4, 4), torch.randn(6, 1, 4, 4)
    found = PENALTIES["gradient"](lambda x: (x * w).sum((1, 2, 3)), real, fake)
    assert found.tolist() == pytest.approx([(math.sqrt(1e-4 + 4 * float(w.square().sum())) - 1) ** 2] * 6, rel=1e-5)
    at = []

    def judge(x):
        at.append(x.detach())
        return (x * w).sum((1, 2, 3))

    found = PENALTIES["local-gradient"](judge, real, fake)
    moved = at[0] - real
    assert (moved >= 0).all() and moved.max() <= 0.5 * real.std()
    d = (at[0] * w).sum((1, 2, 3)).sigmoid()
    slope = 2 * d * (1 - d) * w.norm()
    assert found.tolist() == pytest.approx(((slope.square() + 1e-4).sqrt() - 1).square().tolist(), abs=1e-5)


@pytest.mark.parametrize("kind", PENALTIES)
def test_penalties_are_those_of_the_same_critic_of_pixels_from_0_to_1(kind):
    """As the cited code computes them, on images in [0, 1], with the same random numbers; to 1e-6."""
    torch.manual_seed(0)
    network = critic("plain")
    real, fake = (torch.rand(4, 1, 8, 8, dtype=torch.float64) for _ in range(2))  # in [0, 1]
    torch.manual_seed(1)
    ours = PENALTIES[kind](lambda images: network(images).squeeze(1), 2 * real - 1, 2 * fake - 1)
    torch.manual_seed(1)
    noise = None if kind == "gradient" else torch.rand_like(real)
    at = torch.rand(4, 1, 1, 1)
    there = real + at * (fake - real) if noise is None else real + at * 0.5 * real.std() * noise
    there.requires_grad_()
    logits = network(2 * there - 1)
    (slope,) = torch.autograd.grad((logits if noise is None else logits.sigmoid()).sum(), there)
    assert torch.allclose(ours, ((slope.square().sum((1, 2, 3)) + 1e-4).sqrt() - 1).square(), atol=1e-6)


def critic(engine, dtype=torch.float64):
    torch.manual_seed(1)
    layers = [nn.Conv2d(1, 16, 3, 1, 1), nn.Softplus(), nn.Conv2d(16, 16, 3, 1, 1), nn.Softplus(), nn.Conv2d(16, 2, 4, 2, 1)]
    network = nn.Sequential(*layers, nn.Flatten(1), nn.Linear(32, 1)).to(dtype)
    if engine == "fast":
        accelerate(network)
        network.to(memory_format=torch.channels_last)
    return network


@pytest.mark.parametrize("kind", PENALTIES)
@pytest.mark.parametrize("engine", ["plain", "fast"])
def test_a_penalty_has_the_right_slope_in_the_weights(kind, engine):
    """The gradient of a gradient, against finite differences (torch's gradcheck, its tolerances), by both engines."""
    network = critic(engine)
    real, fake = torch.rand(2, 1, 8, 8, dtype=torch.float64), torch.rand(2, 1, 8, 8, dtype=torch.float64)
    weight = network[4].weight  # of a convolution; the first ones have many

    def penalty(value):
        torch.manual_seed(2)

        def judge(images):
            return torch.func.functional_call(network, {"4.weight": value}, (images,))[:, 0]

        return PENALTIES[kind](judge, real, fake)

    assert torch.autograd.gradcheck(penalty, (weight.detach().clone().requires_grad_(),), fast_mode=True)


@pytest.mark.parametrize("kind", PENALTIES)
def test_both_engines_have_the_same_penalty_and_slope(kind):
    """To 1e-5 of the largest, float32."""
    slopes = {}

    def judged(network):
        return lambda images: network(images)[:, 0]

    for engine in ("plain", "fast"):
        network = critic(engine, torch.float32)
        torch.manual_seed(3)
        real, fake = torch.rand(4, 1, 8, 8), torch.rand(4, 1, 8, 8)
        PENALTIES[kind](judged(network), real, fake).mean().backward()
        slopes[engine] = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
    assert (slopes["plain"] - slopes["fast"]).abs().max() < 1e-5 * slopes["plain"].abs().max()


# --- networks ------------------------------------------------------------------------------------


def test_minibatch_features_count_the_others_that_are_near():
    """Against loops over pairs and kernels, 1e-5."""
    torch.manual_seed(0)
    layer, x = small.MinibatchFeatures(5, 3, 2), torch.randn(4, 5)
    m = layer.projection(x).view(4, 3, 2).detach()

    def near(i, k):
        return sum(math.exp(-float((m[i, k] - m[j, k]).abs().sum())) for j in range(4) if j != i)

    wanted = [[near(i, k) for k in range(3)] for i in range(4)]
    assert torch.allclose(layer(x), torch.cat([x, torch.tensor(wanted)], 1), atol=1e-5)


@pytest.mark.parametrize("shape", [(7,), (7, 3, 3)])
def test_virtual_batch_norm_is_of_the_reference_and_the_image_alone(shape):
    """Reference images as batch norm has them; another by the statistics of 5 + 1 images; to 1e-5."""
    torch.manual_seed(0)
    layer, x = small.VirtualBatchNorm(7, 5), torch.randn(8, *shape) * 2 + 1
    made = layer(x)
    assert torch.allclose(made[:5], functional.batch_norm(x[:5], None, None, training=True), atol=1e-5)
    for i in (5, 7):
        six = torch.cat([x[:5], x[i : i + 1]])
        assert torch.allclose(made[i], functional.batch_norm(six, None, None, training=True)[5], atol=1e-5)
    assert torch.allclose(layer(torch.cat([x[:5], x[6:7]]))[5], made[6], atol=1e-6)


def test_maxout_is_the_largest_piece():
    layer, x = small.Maxout(4, 3, 2), torch.randn(5, 4)
    pieces = functional.linear(x, layer.linear.weight, layer.linear.bias)
    assert torch.equal(layer(x), torch.stack([pieces[:, 2 * i : 2 * i + 2].amax(1) for i in range(3)], 1))


# --- steps ---------------------------------------------------------------------------------------


def game(name, **changes):
    """A method at 8 × 8 with players and one batch."""
    sizes = {"load_pixels": 8, "crop_pixels": 8, "batch_images": 6, "epoch_images": 6}
    method = tiny(method_of(name), **(sizes | changes))
    random = torch.Generator().manual_seed(5)
    feed = method.feed()
    count = 6 * feed.batches
    images = {"b": torch.rand(count, 1, 8, 8, generator=random) * 2 - 1}
    noise = {key: kind.draw(count, random) for key, kind in feed.noise.items()}
    labels = {"b": torch.arange(count) % 10}
    if feed.few:
        images, labels = images | {FEW: images["b"]}, labels | {FEW: labels["b"]}
    return method, Players(method, 0, CPU), Batch(images, labels, noise)


@pytest.mark.parametrize("name", ["lucic_gan", "dcgan"])
def test_a_step_of_the_game_is_written_out_torch(name):
    """Losses and weights after one step of D and of G, against the same in plain torch, 2e-6."""
    method, players, batch = game(name, engine="plain", loss="non-saturating")
    D, G = (players.networks[n] for n in ("discriminator", "generator"))
    d, g = copy.deepcopy(D), copy.deepcopy(G)
    losses = method.step(players, batch)
    rate = method.settings.learning_rate
    one = torch.optim.Adam(d.parameters(), rate, (0.5, 0.999))
    other = torch.optim.Adam(g.parameters(), rate, (0.5, 0.999))
    for p in itertools.chain(d.parameters(), g.parameters()):
        p.requires_grad_(True)
    x, z = batch.images["b"], batch.noise["z"]
    fake = g(z)
    bce = functional.binary_cross_entropy_with_logits
    of_real, of_fake = bce(d(x), torch.ones(6)), bce(d(fake.detach()), torch.zeros(6))
    one.zero_grad()
    (of_real + of_fake).backward()
    one.step()
    of_g = bce(d(fake), torch.ones(6))
    other.zero_grad()
    of_g.backward()
    other.step()
    wanted = {"real": of_real, "fake": of_fake, "generator": of_g}
    assert {n: float(v) for n, v in losses.items()} == pytest.approx({n: float(v.detach()) for n, v in wanted.items()}, abs=2e-6)
    for made, wanted in ((D, d), (G, g)):
        for a, b in zip(made.parameters(), wanted.parameters(), strict=True):
            # a bias before batch norm has no slope but rounding, of which Adam makes whole steps
            assert a.ndim == 1 or torch.allclose(a, b, atol=2e-6)


def test_a_clipped_critic_stays_within_its_bound():
    method, players, batch = game("lucic_gan", loss="wasserstein", clip=0.01, critic_steps=3)
    method.step(players, batch)
    assert max(float(p.abs().max()) for p in players.parameters["discriminator"]) <= 0.01 + 1e-9


def test_history_is_the_mean_of_past_weights():
    """After t steps the mean of t weights (1e-6), and the loss is the squared distance from the mean before."""
    method, players, batch = game("dcgan", historical_averaging=0.1)
    seen, told = [], []
    for _ in range(3):
        before = [p.detach().clone() for p in players.parameters["discriminator"]]
        mean = [p.detach().clone() for p in players.networks["discriminator_mean"].parameters()]
        moved = float(method.step(players, batch)["discriminator_moved"])
        told.append((moved, sum(float((a - b).square().sum()) for a, b in zip(before, mean, strict=True))))
        seen.append([p.detach().clone() for p in players.parameters["discriminator"]])
    for i, past in enumerate(players.networks["discriminator_mean"].parameters()):
        assert torch.allclose(past, torch.stack([one[i] for one in seen]).mean(0), atol=1e-6)
    assert all(a == pytest.approx(b, rel=1e-4, abs=1e-7) for a, b in told) and told[2][0] > 0


def bce(logits, target):
    return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def objectives(name, net, batch, settings, buffers):
    """What each player goes down, written out from the papers: player -> loss, of the networks as they are."""
    x, y, noise = batch.images["b"], batch.labels["b"], batch.noise
    if name == "d2gan":
        fake = net["generator"](noise["z"])
        d1, d2 = net["d1"], net["d2"]
        of_d = (-d1(x).log() + d1(fake) + d2(x) - d2(fake).log()).mean()
        return {"discriminators": of_d, "generator": (-d1(fake) + d2(fake).log()).mean()}
    if name == "bigan_codes":
        seen = net["discriminator"](torch.cat([x.flatten(1), net["encoder"](x)], 1))
        made = net["discriminator"](torch.cat([net["generator"](noise["z"]).flatten(1), noise["z"]], 1))
        return {"discriminator": bce(seen, 1.0) + bce(made, 0.0), "generators": bce(made, 1.0) + bce(seen, 0.0)}
    if name == "began":

        def error(images):
            return (net["discriminator"](images) - images).abs().mean() / 2

        fake = net["generator"](noise["z"])
        return {"discriminator": error(x) - buffers["k"] * error(fake), "generator": error(fake)}
    if name == "lapgan":
        losses, real = {}, [functional.avg_pool2d(functional.avg_pool2d(x, 2), 2), functional.avg_pool2d(x, 2), x]
        for level in range(3):
            D, G = net[f"d_{level}"], net[f"g_{level}"]
            if level:
                coarse = functional.interpolate(real[level - 1], scale_factor=2, mode="nearest")
                made = torch.cat([coarse, G(torch.cat([coarse, noise[f"noise_{level}"]], 1))], 1)
                seen = torch.cat([coarse, real[level] - coarse], 1)
            else:
                made, seen = G(noise["z"]), real[0]
            losses |= {f"d_{level}": bce(D(seen), 1.0) + bce(D(made), 0.0), f"g_{level}": bce(D(made), 1.0)}
        return losses
    if name == "conditional_gan":
        made = net["D"](net["G"](noise["z"], noise["asked"]), noise["asked"])
        return {"discriminator": (bce(net["D"](x, y), 1.0) + bce(made, 0.0)) / 2, "generator": bce(made, 1.0)}
    if name == "infogan":
        one_hot = functional.one_hot(noise["one_of_ten"], 10).float()
        features = net["discriminator"].features(net["generator"](torch.cat([noise["z"], one_hot, noise["numbers"]], 1)))
        made, guess = net["discriminator"].head(features), net["q"](features)
        normal = torch.distributions.Normal(guess[:, 10:], 1.0)
        told = functional.cross_entropy(guess[:, :10], noise["one_of_ten"]) - normal.log_prob(noise["numbers"]).sum(1).mean()
        return {"discriminator": bce(net["discriminator"](x), 1.0) + bce(made, 0.0) + told, "generator": bce(made, 1.0) + told}
    fake, D = net["generator"](noise["z"]), net["discriminator"]
    of_d = bce(D(x), 1.0) + bce(D(fake), 0.0)
    if settings.feature_matching:
        gap = (D.features(fake).mean(0) - D.features(x).mean(0)).square().sum()
        return {"discriminator": of_d, "generator": gap}
    at = torch.rand(len(x), 1, 1, 1)  # a critic with a gradient penalty: the first random numbers of the step
    between = (x + at * (fake - x)).detach().requires_grad_()
    (slope,) = torch.autograd.grad(D(between).sum(), between, create_graph=True)
    penalty = (((2 * slope).square().flatten(1).sum(1) + 1e-4).sqrt() - 1).square().mean()  # per pixel from 0 to 1
    return {"discriminator": D(fake).mean() - D(x).mean() + 3 * penalty, "generator": -D(fake).mean()}


CASES = {
    **{name: {} for name in ("d2gan", "bigan_codes", "began", "lapgan", "conditional_gan", "infogan")},
    "dcgan": {"feature_matching": True},
    "lucic_gan": {"loss": "wasserstein", "penalty": "gradient", "penalty_weight": 3.0, "discriminator_norm": False},
}


@pytest.mark.parametrize("name", CASES)
def test_every_player_goes_down_the_papers_objective(name):
    """The first step of each optimiser has the sign and size of the gradient of the written-out objective.

    Adam's first step is the rate times the sign, SGD's the rate times the gradient; weights with gradients of rounding alone
    are left out. Turns follow one another: the later player meets the earlier one as it was changed.
    """
    settings_ = {"dropout": 0.0} if name == "conditional_gan" else {}
    method, players, batch = game(name, engine="plain", **settings_, **CASES[name])
    if name == "began":
        players.buffers["k"].fill_(0.4)
    if name == "conditional_gan":  # whose D begins with weights so small that a first step of G would be lost in rounding
        with torch.no_grad():
            for p in players.networks["D"].parameters():
                p.mul_(20)
    before = copy.deepcopy(players.networks)
    torch.manual_seed(11)
    method.step(players, batch)
    turns = list(players.parameters)
    first = [turn for turn in turns if not turn.startswith("g")]  # discriminators step before generators
    for turn in turns:
        nets = {n: copy.deepcopy(before[n]) for n in before}
        if turn not in first:  # the other players of its level have stepped already
            for n in {n for other in first for n in method.players()[other].networks if name != "lapgan" or n[-1] == turn[-1]}:
                nets[n] = copy.deepcopy(players.networks[n])
        own = method.players()[turn].networks
        weights = [p for n in own for p in nets[n].parameters()]
        for network in nets.values():
            network.requires_grad_(False)
        for p in weights:
            p.requires_grad_(True)
        torch.manual_seed(11)
        buffers = {"k": torch.tensor(0.4)}
        loss = objectives(name, nets, batch, method.settings, buffers)[turn]
        slopes = torch.autograd.grad(loss, weights)
        moved = [
            q.detach() - p.detach()
            for n in own
            for p, q in zip(before[n].parameters(), players.networks[n].parameters(), strict=True)
        ]
        agreed, seen = 0, 0
        for slope, step in zip(slopes, moved, strict=True):
            if slope.ndim > 1:  # biases before norms have no slope
                large = slope.abs() > 0.1 * slope.abs().max()
                agreed += int((step.sign() == -slope.sign())[large].sum())
                seen += int(large.sum())
        assert seen > 20 and agreed >= 0.99 * seen, f"{turn}: {agreed} of {seen}"


def test_the_first_gan_measures_both_slopes():
    """Against autograd on a copy, D after its step; 1e-5 of the value."""
    method, players, batch = game("gan", dropout=0.0, engine="plain")
    G = copy.deepcopy(players.networks["G"])
    losses = method.step(players, batch)
    for p in G.parameters():
        p.requires_grad_(True)
    D = players.networks["D"]
    judged = D(G(batch.noise["z"]))
    for name, term in (("minimax", (1 - judged.sigmoid()).log()), ("non_saturating", -judged.sigmoid().log())):
        slopes = torch.autograd.grad(term.mean(), list(G.parameters()), retain_graph=True)
        wanted = math.sqrt(sum(float(s.square().sum()) for s in slopes))
        assert float(losses[f"slope_{name}"]) == pytest.approx(wanted, rel=1e-4)


def test_began_balances_by_the_formula():
    method, players, batch = game("began", critic_steps=1)
    losses = {}
    k = 0.0
    for _ in range(3):
        losses = method.step(players, batch)
        apart = 0.75 * float(losses["real"]) - float(losses["fake"])
        k = min(1.0, max(0.0, k + 0.001 * apart))
        assert float(players.buffers["k"]) == pytest.approx(k, abs=1e-7)
        assert float(losses["convergence"]) == pytest.approx(float(losses["real"]) + abs(apart), abs=1e-6)


def test_d2gan_has_the_papers_terms():
    """D's losses before its step, from the networks' own outputs, 1e-5."""
    method, players, batch = game("d2gan", alpha=0.3, beta=0.2, engine="plain")
    d1, d2, make = (copy.deepcopy(players.networks[n]) for n in ("d1", "d2", "generator"))
    losses = method.step(players, batch)
    with torch.no_grad():
        x, fake = batch.images["b"], make(batch.noise["z"])
        wanted = {"d1": (d1(fake) - 0.3 * d1(x).log()).mean(), "d2": (d2(x) - 0.2 * d2(fake).log()).mean()}
        assert (d1(x) > 0).all()
    assert [float(losses[n]) for n in wanted] == pytest.approx([float(v) for v in wanted.values()], abs=1e-5)


def test_the_plane_of_a_vae_is_of_the_numbers_that_the_decoder_listens_to():
    method = method_of("vae")

    def decoder(code):  # says the third number on the left, louder the eighth on the right, and nothing of the others
        left, right = (code[:, number, None, None, None].expand(-1, 1, 28, 14) for number in (2, 7))
        return torch.cat([left, 2 * right], 3)

    networks = {"encoder": nn.Identity(), "decoder": SimpleNamespace(eval=lambda: decoder)}
    (plane,) = (output for output in method.outputs() if output.picture)
    noise = {"e": torch.randn(100, method.settings.code_size)}
    made = method.generate(plane, networks, Batch({}, noise=noise), torch.Generator()).view(10, 10, 28, 28)
    ends = torch.linspace(-2, 2, 10)
    # a hundred images, row by row: the loudest number across, the next one down
    assert torch.allclose(made[:, :, 5, 20], ends.tanh().expand(10, 10), atol=1e-6)
    assert torch.allclose(made[:, :, 5, 3], (ends / 2).tanh()[:, None].expand(10, 10), atol=1e-6)


def test_the_bound_of_a_vae_is_torchs_own_distributions():
    """Bernoulli likelihood and divergence of normals, nats, to 1e-3 of some hundred."""
    method, players, batch = game("vae", engine="plain")
    net, x = players.networks, batch.images["b"]
    terms, mean = method._bound(net, x, batch.noise["e"])
    raw = net["encoder"](x).chunk(2, 1)[1]
    q = torch.distributions.Normal(mean, functional.softplus(raw) + 1e-6)
    divergence = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum(1)
    logits = net["decoder"](mean + q.scale * batch.noise["e"])
    white = torch.distributions.Bernoulli(logits=logits, validate_args=False).log_prob((x + 1) / 2).sum((1, 2, 3))
    assert torch.allclose(terms["divergence"], divergence, atol=1e-3)
    assert torch.allclose(-terms["reconstruction"], white, atol=1e-3)


def test_lapgan_judges_what_adds_up_to_the_image():
    """Real differences and enlarged images make the real image again; D sees both."""
    method, players, batch = game("lapgan")
    seen = {}
    for level in (1, 2):

        def keep(_, given, level=level):
            seen.setdefault(level, given[0].detach())

        players.networks[f"d_{level}"].register_forward_pre_hook(keep)
    losses = method.step(players, batch)
    real = batch.images["b"]
    assert torch.allclose(seen[2].sum(1, keepdim=True), real, atol=1e-6)
    assert torch.allclose(seen[1].sum(1, keepdim=True), functional.avg_pool2d(real, 2), atol=1e-6)
    assert set(losses) == {loss.name for loss in method.losses()}


def test_a_gan_with_codes_judges_pairs():
    """(x, E(x)) counts as real, (G(z), z) as generated; G and E want the opposite. To 1e-5."""
    method, players, batch = game("bigan_codes", engine="plain")
    E, G, D = (copy.deepcopy(players.networks[n]) for n in ("encoder", "generator", "discriminator"))
    losses = method.step(players, batch)
    x, z = batch.images["b"], batch.noise["z"]
    bce = functional.binary_cross_entropy_with_logits
    with torch.no_grad():
        real, fake = D(torch.cat([x.flatten(1), E(x)], 1))[:, 0], D(torch.cat([G(z).flatten(1), z], 1))[:, 0]
    assert float(losses["real"]) == pytest.approx(float(bce(real, torch.ones(6))), abs=1e-5)
    assert float(losses["fake"]) == pytest.approx(float(bce(fake, torch.zeros(6))), abs=1e-5)


@pytest.mark.parametrize("name", NOISY)
def test_training_changes_every_player(name):
    method, players, batch = game(name)
    before = {n: [p.detach().clone() for p in parameters] for n, parameters in players.parameters.items()}
    for _ in range(2):
        assert all(torch.isfinite(value) for value in method.step(players, batch).values())
    for n, parameters in players.parameters.items():
        assert any(not torch.equal(a, b) for a, b in zip(parameters, before[n], strict=True)), n


def test_losses_and_penalties_that_do_not_fit_are_refused(raw):
    def refused(message, **changes):
        raw["experiments"] = {"game": {"rows": {"one": {"title": "One", **changes}, "two": {"title": "Two"}}}}
        study = raw["studies"]["digits-losses"] | {"experiment": "game", "row_settings": {}, "rows": None}
        kept = {key: value for key, value in study.items() if key not in ("generator_width", "discriminator_width")}
        studies = {"mnist-losses": raw["studies"]["mnist-losses"], "digits-losses": kept}
        with pytest.raises(settings.ConfigError, match=message):
            parsed(raw | {"reports": {"one": "digits-losses"}, "studies": studies})

    refused(r"experiments.game.rows.one.loss: wasserstein needs a critic of bounded slope; set clip", loss="wasserstein")
    refused(r"one.clip: bounds a critic, and loss hinge|one.clip: bounds a critic, and loss non-saturating", clip=0.01)
    refused(r"one.penalty: local-gradient is on a probability; loss hinge has none", loss="hinge", penalty="local-gradient")
    refused(r"one.penalty: gradient is of each image alone, which batch norm forbids", penalty="gradient")
    refused(r"one.real_target: labels are smoothed in a log loss; loss is hinge", loss="hinge", real_target=0.9)
    refused(r"one.crop_pixels: expected a multiple of 4", crop_pixels=30, load_pixels=30)


def test_noise_needs_digits_and_translation_two_domains(raw):
    raw["studies"]["digits-losses"]["dataset"] = "streets"
    raw["studies"]["digits-conditions"]["dataset"] = "streets"
    told = (
        r"digits-conditions.dataset: 'streets' does not suit .*cgan \(conditional_gan\), which needs the classes.*"
        r"digits, digits-frame.*mnist"
    )
    with pytest.raises(settings.ConfigError, match=told):
        parsed(raw)
    raw["studies"]["digits-conditions"]["dataset"] = "digits"
    raw["studies"]["streets-tiny"]["dataset"] = "digits"
    with pytest.raises(settings.ConfigError, match="translates between two domains; the dataset has b alone"):
        parsed(raw)


# --- data ----------------------------------------------------------------------------------------


def test_digits_are_never_mirrored_and_drawn_in_the_same_order():
    method, _, _ = game("lucic_gan")
    source = {"b": torch.arange(20 * 64, dtype=torch.uint8).view(20, 8, 8, 1)}
    images, upright = (TrainingImages(source, method.feed(), method.settings, CPU, upright=u) for u in (False, True))
    plan, plain = upright.plan(3, 1, 30), images.plan(3, 1, 30)
    assert plain.draws["b"][..., 3].any() and not plan.draws["b"][..., 3].any()
    assert torch.equal(plain.draws["b"][..., :3], plan.draws["b"][..., :3])
    draws = {"b": plan.draws["b"][0]}
    assert torch.equal(upright.crops(draws)["b"], images.crops(draws)["b"])
    first = source["b"][draws["b"][:, 0]].permute(0, 3, 1, 2).float() / 127.5 - 1
    assert torch.allclose(images.crops(draws)["b"], first, atol=1e-6)


# --- what is measured ----------------------------------------------------------------------------


class Knowing(nn.Module):
    """A reader that is sure of the images that it was shown: each is read as its nearest one, by pixels; no training, no luck."""

    def __init__(self, images, classes):
        super().__init__()
        self.images, self.classes = images.flatten(1).double(), functional.one_hot(classes, 10).float()

    def features(self, x):
        return functional.adaptive_avg_pool2d(x, 7).flatten(1)

    def forward(self, x):
        nearest = torch.cdist(((x + 1) * 127.5).round().flatten(1).double(), self.images).argmin(1)
        return self.classes[nearest]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Drawn digits, and a reader that knows those of the test split."""
    folder = tmp_path_factory.mktemp("digits")
    wanted = DatasetSettings(source="digits", pixels=28, train_images=500, test_images=300)
    manifest = prepare(wanted, None, folder)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    names, data = manifest["names"]["test"]["b"], data_spec(wanted)
    classes = torch.tensor([manifest["classes"][name] for name in names])
    network = Knowing(load_levels(folder / "test" / "b", names, 1), classes)
    return SimpleNamespace(folder=folder, manifest=manifest, network=network, data=data)


def job(prepared, folder, output=SAMPLES, row=None):
    reader = Reader(prepared.network, features=prepared.network.features)
    data = prepared.folder, prepared.manifest, prepared.data
    return Job(output, [folder], *data, 28, CPU, row, lambda: reader, "reader", folder, folder)


def copies(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for i, file in enumerate(files):
        (folder / f"{i:05d}.png").write_bytes(file.read_bytes())
    return folder


def scores_of(name, one):
    measured = MEASURES[name].measure(one)
    return {k: float(v) for k, v in MEASURES[name].statistic(measured.counts.sum((0, 1))).items()}


@pytest.mark.slow
def test_a_generator_stuck_on_one_digit_is_caught(prepared, tmp_path):
    test = prepared.folder / "test" / "b"
    every = [test / name for name in prepared.manifest["names"]["test"]["b"]]
    threes = [file for file in every if prepared.manifest["classes"][file.name] == 3]
    stuck = job(prepared, copies(tmp_path / "stuck", [*threes] * 10))
    whole = job(prepared, copies(tmp_path / "whole", every))
    of_stuck, of_whole = scores_of("class_coverage", stuck), scores_of("class_coverage", whole)
    assert of_stuck == {"classes_covered": 1, "class_imbalance": pytest.approx(0.9)}
    assert of_whole == {"classes_covered": 10, "class_imbalance": pytest.approx(0)}
    measure = MEASURES["classifier_distance"].measure
    distances = {one: measure(of).values["classifier_frechet"] for one, of in (("stuck", stuck), ("whole", whole))}
    real = MEASURES["classifier_distance"].measure(job(prepared, tmp_path / "whole", row="ground-truth"))
    # samples lie class by class in turn, and still the jackknife leaves out no class as a whole
    blurred = job(prepared, copies(tmp_path / "blurred", [*every[:290], *every[:10]]))
    value, error = real.values["classifier_frechet"], real.errors["classifier_frechet"]
    assert error < value and measure(blurred).errors["classifier_frechet"] < value
    assert distances["whole"] < 1e-6 < value < distances["stuck"] / 5  # copies, other digits, one digit
    known = [prepared.folder / "train" / "b" / name for name in prepared.manifest["names"]["train"]["b"][:50]]
    copied = job(prepared, copies(tmp_path / "copied", known))
    assert scores_of("novelty", copied)["novelty"] == pytest.approx(0, abs=1e-3)
    assert scores_of("novelty", whole)["novelty"] == pytest.approx(1, abs=1e-6)


@pytest.mark.slow
def test_what_is_asked_for_is_counted_by_the_number_of_the_sample(prepared, tmp_path):
    """Samples in turn of the classes 0 to 9, and the same with classes 1 to 9 and 0: none as asked, but a perfect code."""
    test, labels = prepared.folder / "test" / "b", prepared.manifest["classes"]
    names = prepared.manifest["names"]["test"]["b"]
    by_class = {c: [test / n for n in names if labels[n] == c] for c in range(10)}
    right = copies(tmp_path / "right", [by_class[i % 10][i // 10] for i in range(100)])
    shifted = copies(tmp_path / "shifted", [by_class[(i + 1) % 10][i // 10] for i in range(100)])
    assert scores_of("class_asked", job(prepared, right, BY_CLASS))["asked"] == 1
    assert scores_of("class_asked", job(prepared, shifted, BY_CLASS))["asked"] == 0
    assert scores_of("class_of_code", job(prepared, shifted, BY_CODE))["code_tells_class"] == 1
    assert MEASURES["class_asked"].measure(job(prepared, right, BY_CLASS, "ground-truth")).counts is None


def test_codes_and_classes_are_matched_as_well_as_can_be():
    """Against all permutations of 4."""
    table = np.random.default_rng(0).integers(0, 9, (2, 4, 4)).astype(float)
    found = MEASURES["class_of_code"].statistic(table)["code_tells_class"]
    for one, value in zip(table, found, strict=True):
        best = max(sum(one[i, p[i]] for i in range(4)) for p in itertools.permutations(range(4)))
        assert value == pytest.approx(best / one.sum())


def test_nearest_is_scikit_learns():
    from sklearn.neighbors import NearestNeighbors

    random = np.random.default_rng(1)
    codes, others = random.normal(size=(700, 5)), random.normal(size=(90, 5))
    distances, places = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(others).kneighbors(codes)
    found = nearest(codes, others)
    assert np.array_equal(found[0], places[:, 0]) and np.allclose(found[1], distances[:, 0], atol=1e-6)


@pytest.mark.slow
def test_codes_of_an_encoder_are_compared_by_their_neighbours(prepared, tmp_path):
    """Codes that are the class itself: all right; the same for every digit: as many as share the first one's class."""
    labels, names = prepared.manifest["classes"], prepared.manifest["names"]
    folder = tmp_path / "reconstructions"
    folder.mkdir()
    codes = {f"{s}.code": np.array([[labels[n]] for n in names[s]["b"]], float) for s in ("train", "test")}
    np.savez(tmp_path / "codes.npz", **codes, **{"test.bound": np.full(300, -90.0)})
    one = job(prepared, folder, RECONSTRUCTIONS)
    assert scores_of("nearest_code", one)["nearest_code"] == 1
    assert scores_of("likelihood_bound", one)["bound"] == pytest.approx(-90)
    np.savez(tmp_path / "codes.npz", **{name: values * 0 for name, values in codes.items()})
    share = np.mean([labels[n] == labels[names["train"]["b"][0]] for n in names["test"]["b"]])
    assert scores_of("nearest_code", one)["nearest_code"] == pytest.approx(share)
    assert MEASURES["likelihood_bound"].measure(one).counts is None


@pytest.mark.slow
def test_a_classifier_is_trusted_by_what_it_reads_of_held_out_images(prepared):
    """The gate is a count: of the knowing reader all, of one that always says 0 a tenth."""
    recipe = ReaderSettings(filters=1, epochs=1, batch_images=500, learning_rate=1e-6, pixels=None, seed=0)
    task = Task(prepared.folder, prepared.manifest, prepared.data, recipe, 28, CPU)

    class Zero(nn.Module):
        def forward(self, x):
            return functional.one_hot(torch.zeros(len(x), dtype=torch.int64), 10).float()

    knowing, zero = (classifier.KIND.gate(Reader(network), task) for network in (prepared.network, Zero()))
    assert (knowing.value, knowing.passed) == (1, True)
    assert (zero.value, zero.passed) == (pytest.approx(0.1), False)
    network, rows = classifier.KIND.make(task)
    state = network.state_dict()
    again = classifier.KIND.load(state, recipe, prepared.data)
    images = load_levels(prepared.folder / "test" / "b", prepared.manifest["names"]["test"]["b"][:4], 1)
    read = [classifier.readings(one, images, CPU) for one in (network, again.network)]
    assert torch.equal(*read) and rows[0]["epoch"] == 1


def test_samples_of_wrong_size_or_too_few_are_named(prepared, tmp_path):
    write_png(tmp_path / "00000.png", Image.new("L", (28, 28)))
    with pytest.raises(ImageError, match=r"a distance needs at least 2 images on each side, got 1 samples and 300 test images"):
        MEASURES["classifier_distance"].measure(job(prepared, tmp_path))
    write_png(tmp_path / "00001.png", Image.new("L", (20, 28)))
    with pytest.raises(ImageError, match=r"00001.png: 20 × 28 pixels; expected images of one size, as 00000.png"):
        load_levels(tmp_path, ["00000.png", "00001.png"], 1)


@pytest.mark.parametrize("name", NOISY)
def test_samples_are_as_many_as_test_images_and_the_same_again(name, prepared, tmp_path):
    few = json.loads(json.dumps(prepared.manifest))
    few["names"]["test"]["b"] = few["names"]["test"]["b"][:12]
    few["names"]["train"]["b"] = few["names"]["train"]["b"][:30]
    method = tiny(method_of(name), load_pixels=28, crop_pixels=28)
    weights = Players(method, 0, CPU).generators()
    for folder in ("one", "two"):
        generate(method, weights, 0, prepared.folder / "test", few["names"]["test"], tmp_path / folder, CPU)
    for output in method.outputs():
        files = sorted((tmp_path / "one" / output.name).iterdir())
        assert len(files) == (100 if output.picture else 12)
        for file in files:
            assert file.read_bytes() == (tmp_path / "two" / output.name / file.name).read_bytes()
            with Image.open(file) as image:
                assert (image.mode, image.size) == ("L", (28, 28))
    if hasattr(method, "encode"):
        write_codes(method, weights, 0, prepared.folder, few, tmp_path / "codes.npz", CPU)
        with np.load(tmp_path / "codes.npz") as codes:
            assert len(codes["train.code"]) == 30 and len(codes["test.code"]) == 12


def test_images_with_classes_have_their_measures_and_translations_keep_theirs():
    needs = Needs(images_with_classes(), "classifier", "reader")
    named = {o.name: [m.name for m in measures_of(o, needs)] for o in (SAMPLES, BY_CLASS, BY_CODE, RECONSTRUCTIONS)}
    assert named["samples"] == ["classifier_distance", "class_coverage", "novelty"]
    assert named["samples-by-class"] == ["class_asked"] and named["samples-by-code"] == ["class_of_code"]
    assert named["reconstructions"] == ["inversion", "nearest_code", "linear_probe", "likelihood_bound"]
    without = Needs(images_with_classes(), None, "reader")
    assert [m.name for m in measures_of(SAMPLES, without)] == ["novelty"]
    assert any("there is no reader" in why for why in left_out(SAMPLES, without).values())


def test_an_error_of_images_widens_a_difference():
    """Equal trainings: the error is that of both rows' images, to 5 % (2000 draws)."""
    a, b = of_errors([10.0, 10.0, 10.0], [0.3] * 3, 2000, "a"), of_errors([12.0] * 3, [0.4] * 3, 2000, "b")
    found = difference(b, a)
    assert found.mean == pytest.approx(2.0) and found.error == pytest.approx(0.5, rel=0.05)


# --- the game x · y ------------------------------------------------------------------------------


def test_steps_at_once_leave_the_solution_by_the_exact_factor():
    """(1 + η²)^(t / 2) to 1e-9; by turns the distance stays within 1 ± η."""
    once, turns = play(0.1, 200)
    assert np.allclose(np.hypot(*once.T), 1.01 ** (np.arange(201) / 2), rtol=1e-9)
    assert np.abs(np.hypot(*turns.T) - 1).max() < 0.1


def test_convolutions_of_the_comparison_start_from_a_truncated_normal_and_others_do_not():
    """Beyond two deviations nothing; the deviation of what is left is 0.8796 of the whole (closed form), to 3 %."""
    parts = small.adversaries("lucic", 1, 28, 64, 32, lambda name: torch.Generator().manual_seed(1), norm=True)
    convolutions = torch.cat([m.weight.flatten() for m in parts["discriminator"].modules() if isinstance(m, nn.Conv2d)])
    assert float(convolutions.detach().abs().max()) <= 0.04 and float(convolutions.detach().std()) == pytest.approx(
        0.02 * 0.8796, rel=0.03
    )
    linear = torch.cat([m.weight.flatten() for m in parts["discriminator"].modules() if isinstance(m, nn.Linear)])
    assert float(linear.detach().abs().max()) > 0.06
    dcgan = small.adversaries("dcgan", 1, 28, 64, 32, lambda name: torch.Generator().manual_seed(1), norm=True)["discriminator"]
    assert max(float(m.weight.detach().abs().max()) for m in dcgan.modules() if isinstance(m, nn.Conv2d)) > 0.04


def test_codes_that_tell_nothing_score_more_than_a_tenth():
    """The best of ten factorial matchings; against one long simulation, to 0.002."""
    assert chance(10, 10, 2000) == pytest.approx(0.130, abs=0.002) and chance(10, 10, 10000) == pytest.approx(0.1135, abs=0.002)
    random = np.random.default_rng(5)
    codes, classes = random.integers(0, 10, (2, 200, 2000))
    tables = np.stack([np.bincount(a * 10 + b, minlength=100).reshape(10, 10) for a, b in zip(codes, classes, strict=True)])
    assert chance(10, 10, 2000) == pytest.approx(float(best_match(tables).mean()), abs=0.002)

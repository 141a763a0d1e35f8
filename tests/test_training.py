import json
import os
import random
import re
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import LABELS_AND_PHOTOS, RAW, ROOT, UNPAIRED, parsed, tiny
from PIL import Image
from torch import nn

from ganrepro.errors import UnfitData
from ganrepro.evaluation.generation import generate
from ganrepro.methods.base import CLASSES, Adam, Batch, RMSprop
from ganrepro.methods.cyclegan import CycleGAN
from ganrepro.nets import cpu_convolutions
from ganrepro.objectives.adversarial import least_squares
from ganrepro.objectives.reconstruction import l1
from ganrepro.process import configure
from ganrepro.seeding import number, reseed
from ganrepro.store import checkpoints
from ganrepro.training.batches import TrainingImages
from ganrepro.training.engine import Engine
from ganrepro.training.image_pool import ImagePool, pool_decisions
from ganrepro.training.loop import NonFiniteLoss, Progress, fit, in_turn, steps
from ganrepro.training.players import Players, Ways, _optimiser
from ganrepro.training.schedule import milestones, rate_factor

CPU = torch.device("cpu")
PARAMS = parsed(RAW)
EXPERIMENTS = [(study.name, row) for study in PARAMS.studies.values() for row in study.rows]


def method_of(study, row, **changes):
    found = PARAMS.studies[study].rows[row].method
    if "source" in type(found.settings).model_fields:  # of several domains: here there are two
        changes = {"source": None, "domains": None} | changes
    return tiny(type(found)(found.settings, found.data if found.data.classes else LABELS_AND_PHOTOS), **changes)


def players_of(method, seed=0, device=CPU):
    return Players(method, seed, device)


def images(method, count=5, window=None, device=CPU):
    def draw(seed):
        shape = (count, method.settings.load_pixels, method.settings.load_pixels, 3)
        return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed)).byte()

    labels = {"b": torch.arange(count) % len(method.data.classes)} if method.feed().labels or method.feed().few else None
    sources = {"a": draw(1), "b": draw(2)}
    feed = method.feed()
    of = {domain: sources[domain][..., : method.data.channels(domain)] for domain in feed.domains}
    if feed.pixels:
        of[CLASSES] = sources["a"][..., :1] % len(method.data.palette)
    return TrainingImages(dict(method.training_images(of)), feed, method.settings, device, labels, window=window)


def run(method, save=lambda p: None, progress=None, players=None, every=1e9, window=None):
    players = players or players_of(method)
    rows = fit(players, images(method, window=window), 0, progress or Progress(), lambda row: None, save, every)
    return players, rows


def begun(method, players=None, steps=4, **kinds):
    """An engine at the first step of epoch 1."""
    engine = Engine(players or players_of(method), images(method, **kinds), steps)
    engine.begin(0, 1, 1.0, 0, torch.zeros(0, len(engine.losses)))
    return engine


def first_batch(method):
    """The images of the first step, by domain."""
    data = images(method)
    return data.crops({domain: draws[0] for domain, draws in data.plan(0, 1, 1).draws.items()})


def flat(state):
    """All tensors and values of a nested state, by path."""
    if isinstance(state, dict):
        return {f"{k}/{path}": v for k, x in state.items() for path, v in flat(x).items()}
    return {"": state}


def same(a, b):
    a, b = flat(a), flat(b)
    return a.keys() == b.keys() and all(
        torch.equal(a[k], b[k]) if isinstance(a[k], torch.Tensor) else a[k] == b[k] for k in a
    )  # fmt: skip


# --- schedule -----------------------------------------------------------------------------------


def test_learning_rate_as_in_the_lua_code():
    # protocol 3.1: of 200 epochs, 101 runs at the full rate and 200 at a hundredth
    rates = {e: rate_factor(e, 100, 100) for e in (1, 100, 101, 102, 200)}
    assert rates == pytest.approx({1: 1, 100: 1, 101: 1, 102: 0.99, 200: 0.01}, rel=1e-12)
    assert rate_factor(7, 7, 0) == 1
    for epoch in (0, 201):
        with pytest.raises(ValueError, match="expected 1 to 200"):
            rate_factor(epoch, 100, 100)


def test_epochs_that_are_looked_back_at_are_powers_of_two_so_that_a_longer_schedule_has_those_of_a_shorter_one():
    assert milestones(200) == [1, 2, 4, 8, 16, 32, 64, 128] and milestones(5) == [1, 2, 4] and milestones(1) == []


# --- image pool ---------------------------------------------------------------------------------


def test_image_pool_follows_the_published_rule():
    """Against a plain list, image by image, with the same coins, two images a step, laid out in two epochs."""
    coins, pool, stored = random.Random(0), ImagePool(3, (1, 1, 1), CPU), []
    for first in (0, 100):
        heads = torch.tensor([coins.random() < 0.5 for _ in range(100)]).view(50, 2)
        slots = torch.tensor([coins.randrange(3) for _ in range(100)]).view(50, 2)
        decisions = pool_decisions(3, first, heads, slots)
        for step in range(50):
            fakes = torch.arange(first + 2 * step, first + 2 * step + 2)
            expected = []
            for fake, head, slot in zip(fakes.tolist(), heads[step].tolist(), slots[step].tolist(), strict=True):
                if len(stored) < 3:
                    stored.append(fake)
                    expected.append(fake)
                elif head:
                    expected.append(stored[slot])
                    stored[slot] = fake
                else:
                    expected.append(fake)
            assert pool.query(fakes.float().view(2, 1, 1, 1), decisions[step]).flatten().tolist() == expected
    assert pool.images.flatten().tolist() == stored


def test_empty_pool_passes_through():
    fake = torch.randn(2, 3, 4, 4)
    assert ImagePool(0, (3, 4, 4), CPU).query(fake, pool_decisions(0, 0, torch.ones(2).bool(), torch.zeros(2).long())) is fake


# --- randomness laid out ahead ------------------------------------------------------------------


def equal_plans(one, other):
    return all(torch.equal(value, getattr(other, name)[d]) for name in vars(one) for d, value in getattr(one, name).items())


def test_plans_are_pure_functions_of_seed_and_epoch():
    data = images(method_of("streets-tiny", "cyclegan"))
    assert equal_plans(data.plan(0, 3, 50), data.plan(0, 3, 50))
    assert not equal_plans(data.plan(0, 3, 50), data.plan(0, 4, 50))
    assert not equal_plans(data.plan(0, 3, 50), data.plan(1, 3, 50))


def test_domains_are_drawn_independently_with_replacement_and_crops_never_start_at_zero():
    data = images(method_of("streets-tiny", "cyclegan", load_pixels=20))
    plan = data.plan(0, 1, 3000)
    assert not torch.equal(plan.order["a"], plan.order["b"])
    for domain in "ab":
        drawn = plan.order[domain].flatten().bincount(minlength=5)
        assert drawn.min() > 500  # 600 expected, standard deviation 22
        place, top, left, mirrored = plan.draws[domain].reshape(-1, 4).unbind(-1)
        assert torch.equal(place, plan.order[domain].flatten())
        assert set(top.tolist()) == set(left.tolist()) == {1, 2, 3, 4}
        assert 1350 < mirrored.sum() < 1650  # 1500 expected, standard deviation 27


def test_batches_are_the_planned_crops():
    data = images(method_of("streets-tiny", "cyclegan", batch_images=2))
    plan = data.plan(0, 1, 4)
    for step in range(4):
        crops = data.crops({domain: draws[step] for domain, draws in plan.draws.items()})
        for k, (place, top, left, mirrored) in enumerate(plan.draws["b"][step].tolist()):
            levels = data.source["b"][place].permute(2, 0, 1)[:, top : top + 16, left : left + 16]
            crop = levels.float() / 127.5 - 1
            assert torch.equal(crops["b"][k], crop.flip(-1) if mirrored else crop)


@pytest.mark.parametrize("start", [0, 1, 2, 5])
def test_a_streamed_dataset_gives_the_same_images(start):
    """Windows of 2 steps of a 7-step epoch, begun at any step; equal to the bit."""
    method = method_of("streets-tiny", "cyclegan", batch_images=2)
    seen = {}
    for window in (None, 2):
        seen[window] = []

        class Watched(CycleGAN):
            def step(self, players, batch, seen=seen[window]):
                seen.append({domain: images.clone() for domain, images in batch.images.items()})
                return {loss.name: torch.zeros(()) for loss in self.losses()}

        watched = Watched(method.settings, method.data)
        engine = Engine(players_of(watched), images(watched, window=window), 7)
        engine.begin(0, 2, 1.0, start, torch.zeros(start, len(engine.losses)))
        for _ in range(start, 7):
            engine.step()
    assert len(seen[2]) == 7 - start
    assert all(torch.equal(x[d], y[d]) for x, y in zip(seen[None], seen[2], strict=True) for d in "ab")


# --- the methods --------------------------------------------------------------------------------


@pytest.mark.parametrize(("study", "row"), EXPERIMENTS)
def test_one_step_moves_every_player_and_returns_exactly_its_losses(study, row):
    values = PARAMS.studies[study].rows[row].settings.model_dump()
    changes = {"bottleneck_norm": False} if "bottleneck_norm" in values else {}
    changes |= {"together": 2} if values.get("together", 1) > 1 else {}  # of batches of two
    method = method_of(study, row, **changes)
    engine = begun(method)
    players = engine.players
    learning = {id(p) for parameters in players.parameters.values() for p in parameters}
    before = {name: [p.clone() for p in net.parameters()] for name, net in players.networks.items()}
    engine.step()
    kept = {name for player in method.players().values() if player.optimiser is None for name in player.networks}
    idle = {"features"} | ({"generator"} if getattr(method, "alone", False) else set())  # no player has them
    for name, network in players.networks.items():
        if name in kept:
            continue  # means of others' weights, which no optimiser steps
        moved = [not torch.equal(p, q) for p, q in zip(network.parameters(), before[name], strict=True) if id(p) in learning]
        # a discriminator's last norm-less bias or a scale may stay for one step; nearly all must move
        assert sum(moved) >= 0.8 * len(moved), name
        frozen = [torch.equal(p, q) for p, q in zip(network.parameters(), before[name], strict=True) if id(p) not in learning]
        assert all(frozen) and (moved or name in idle), name
    assert engine.losses == [loss.name for loss in method.losses()] and len(set(engine.losses)) == len(engine.losses)
    told = [value for name, value in zip(engine.losses, engine.so_far()[0], strict=True) if not name.endswith("_moved")]
    assert engine.so_far().shape == (1, len(engine.losses)) and all(told)
    assert {name for player in method.players().values() for name in player.networks} == set(players.networks) - idle
    assert set(method.generators()) <= set(players.networks) and method.outputs()


def test_a_term_that_is_absent_is_not_computed():
    names = {row: [loss.name for loss in method_of("streets-tiny", row).losses()] for row in ("cycle-alone", "gan-forward")}
    assert names["cycle-alone"] == ["cycle_forward", "cycle_backward"]
    assert "cycle_backward" not in names["gan-forward"] and "discriminator_a_fake" in names["gan-forward"]
    assert set(players_of(method_of("streets-tiny", "cycle-alone")).networks) == {"g_ab", "g_ba"}
    assert set(players_of(method_of("streets-pairs", "l1")).networks) == {"g_ab"}
    assert set(players_of(method_of("streets-pairs", "labels-cgan")).networks) == {"g_ba", "d_a"}


def compare_with_formulas(after, plain, turns, rate):
    """Adam's first step from autograd.grad of the written-out losses; where a gradient is near eps, rounding decides."""
    for names, loss in turns.items():
        old = [(name, key, p) for name in names for key, p in plain[name].named_parameters() if p.requires_grad]
        for (name, key, weight), grad in zip(old, torch.autograd.grad(loss, [p for *_, p in old]), strict=True):
            # m / (sqrt(v) + eps) with bias correction is g / (|g| + eps)
            step = weight - rate * grad / (grad.abs() + 1e-8)
            clear = grad.abs() > 1e-6
            now = dict(after.networks[name].named_parameters())[key]
            assert torch.allclose(now[clear], step[clear], atol=2e-6), (name, key)


@pytest.mark.parametrize("identity", [0, 5])
def test_a_cycle_step_equals_the_plain_formulas(identity):
    """Both players' gradients and Adam steps, written out again with autograd.grad; float32, 2e-6."""
    terms = {"adversarial": 1, "cycle_forward": 10, "cycle_backward": 10} | ({"identity": identity} if identity else {})
    method = method_of("streets-tiny", "cyclegan", engine="plain", learning_rate=1e-3, terms=terms)
    plain = players_of(method).networks
    engine = begun(method)
    engine.step()
    batch = first_batch(method)
    a, b = batch["a"], batch["b"]
    fake_b, fake_a = plain["g_ab"](a), plain["g_ba"](b)
    forward, backward = l1(plain["g_ba"](fake_b), a), l1(plain["g_ab"](fake_a), b)
    adversarial = least_squares(plain["d_b"](fake_b), True) + least_squares(plain["d_a"](fake_a), True)
    same = l1(plain["g_ab"](b), b) + l1(plain["g_ba"](a), a)
    turns = {("g_ab", "g_ba"): (adversarial + 10 * forward + 10 * backward + identity * same).sum()}
    turns["d_a", "d_b"] = 0.5 * sum(
        (least_squares(plain[d](real), True) + least_squares(plain[d](fake.detach()), False)).sum()
        for d, real, fake in (("d_a", a, fake_a), ("d_b", b, fake_b))
    )
    compare_with_formulas(engine.players, plain, turns, 1e-3)
    logged = dict(zip(engine.losses, engine.so_far()[0].tolist(), strict=True))
    assert logged["cycle_forward"] == pytest.approx(forward.item(), abs=1e-6)
    assert ("identity_b" in logged) is bool(identity)
    assert not identity or logged["identity_a"] + logged["identity_b"] == pytest.approx(same.item(), abs=1e-6)


@pytest.mark.parametrize(("row", "identity"), [("l1-cgan", {}), ("l1-gan", {}), ("l1-gan", {"identity": 5})])
def test_a_paired_step_equals_the_plain_formulas(row, identity):
    """pix2pix: the discriminator first, then the generator against the discriminator it has become; 2e-6."""
    terms = {"adversarial": 1, "l1": 100} | identity
    method = method_of("streets-pairs", row, engine="plain", bottleneck_norm=False, learning_rate=1e-3, terms=terms)
    plain = players_of(method).networks
    engine = begun(method)
    engine.step(number(0, "noise"))
    batch = first_batch(method)
    a, b = batch["a"], batch["b"]
    reseed(0, "noise")  # the same dropout
    fake, same = plain["g_ab"](a), plain["g_ab"](b) if identity else b

    def judge(discriminator, shown, label):
        logits = discriminator(torch.cat([a, shown], 1) if row == "l1-cgan" else shown)
        return nn.functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))

    d = plain["d_b"]
    compare_with_formulas(engine.players, plain, {("d_b",): 0.5 * (judge(d, b, 1) + judge(d, fake.detach(), 0))}, 1e-3)
    stepped = engine.players.networks["d_b"]  # its weights moved before the generator's turn
    loss = judge(stepped, fake, 1) + 100 * (fake - b).abs().mean() + 5 * (same - b).abs().mean()
    compare_with_formulas(engine.players, plain, {("g_ab",): loss}, 1e-3)
    assert engine.losses == ["discriminator_real", "discriminator_fake", "adversarial", "l1", *identity]


def test_photo_to_labels_is_the_same_method_with_the_sides_swapped():
    forward = method_of("streets-pairs", "l1-cgan", engine="plain")
    backward = forward.with_settings(domains=["b", "a"])
    one, other = players_of(forward), players_of(backward)
    for mine, theirs in (("g_ab", "g_ba"), ("d_b", "d_a")):
        other.networks[theirs].load_state_dict(one.networks[mine].state_dict())
    batch, losses = first_batch(forward), []
    for players, real in ((one, batch), (other, {"a": batch["b"], "b": batch["a"]})):
        reseed(0, "noise")
        losses.append(players.method.step(players, Batch(real)))
    assert losses[0] == losses[1] and losses[0]["l1"] > 0


def test_pairs_stay_pairs_through_crop_and_mirror():
    method = method_of("streets-pairs", "l1-cgan", batch_images=2)
    data = images(method)
    data.images["b"] = 255 - data.images["a"]
    for draws in zip(*data.plan(0, 1, 8).draws.values(), strict=True):
        real = data.crops(dict(zip("ab", draws, strict=True)))
        assert torch.allclose(real["a"], -real["b"], atol=1e-6)
    with pytest.raises(ValueError, match="pairs: 5 images of domain a, 3 images of domain b"):
        TrainingImages({"a": data.source["a"], "b": data.source["b"][:3]}, method.feed(), method.settings, CPU)


def test_dropout_makes_passes_differ_and_seeds_make_them_repeat(tmp_path):
    method = method_of("streets-pairs", "unet-l1", batch_images=2)
    names = [f"{i}.png" for i in range(5)]
    (tmp_path / "test" / "a").mkdir(parents=True)
    for i, name in enumerate(names):
        Image.new("RGB", (16, 16), (40 * i, 90, 200 - 30 * i)).save(tmp_path / "test" / "a" / name)
    weights = players_of(method).state()["networks"]
    for folder in ("once", "again"):
        generate(method, weights, 0, tmp_path / "test", {"a": names}, tmp_path / folder, CPU, passes=2)
    read = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.glob("*/**/labels2photo/*.png")}
    assert len(read) == 2 * 2 * 5
    for name in names:
        first, second = (Path("once") / "labels2photo" / name, Path("once") / "2" / "labels2photo" / name)
        assert read[first] != read[second]
        assert (
            read[first] == read["again" / first.relative_to("once")]
            and read[second] == read["again" / second.relative_to("once")]
        )


def test_a_method_that_wants_what_the_data_has_not_says_so():
    method, classes = method_of("streets-pairs", "l1"), method_of("digits-conditions", "cgan")
    depth = {"b": replace(LABELS_AND_PHOTOS.domains["b"], channels=1)}
    grey = replace(LABELS_AND_PHOTOS, domains=LABELS_AND_PHOTOS.domains | depth)
    same = "compares images of its target with themselves (identity loss), and the domains differ in channels"
    for one, data, told in (
        (method.with_settings(terms={"l1": 100, "identity": 5}), grey, same),
        (method_of("streets-tiny", "cyclegan", terms={"adversarial": 1, "identity": 5}), grey, same),
        (method_of("streets-comparison", "simgan", identity_weight=5), grey, same),
        (method, UNPAIRED, "needs pairs, and the images of the dataset form none"),
        (method, classes.data, "translates between two domains; the dataset has b alone"),
        (classes, LABELS_AND_PHOTOS, "needs the classes of the images, and the dataset has none"),
        (method.with_settings(domains=["a", "c"]), UNPAIRED, "needs a domain 'c'; the dataset has a, b"),
    ):
        with pytest.raises(UnfitData, match=re.escape(told)):
            type(one)(one.settings, data).check()
    type(method)(method.settings, grey).check()


def test_discriminators_see_the_pool_not_the_latest_fake():
    method = method_of("streets-tiny", "gan-alone", pool_images=1)
    players = players_of(method)
    engine = begun(method, players)
    engine.step()
    stored = players.pools["b"].images.clone()
    assert stored.any()
    seen = []
    players.networks["d_b"].register_forward_hook(lambda m, args, out: seen.append(args[0].detach().clone()))
    engine.rows["pools"]["b"][1] = torch.tensor([[0, 1, 1]])  # store the new one, show the old one
    engine.step()
    assert torch.equal(seen[-1], stored)  # last pass of the step: the "fake" side of the discriminator
    assert not torch.equal(players.pools["b"].images, stored)


# --- the fast path against the plain one --------------------------------------------------------


@pytest.mark.parametrize(("study", "row"), [("streets-tiny", "cyclegan"), ("streets-pairs", "l1-cgan")])
def test_fast_and_plain_engines_train_alike(monkeypatch, study, row):
    """Four steps with every fast convolution in use: losses within 1e-4 of the plain engine's (float32)."""
    monkeypatch.setattr(cpu_convolutions, "WORTHWHILE", 0.0)
    monkeypatch.setattr(cpu_convolutions, "CACHED_VALUES", 0)
    wide = {
        "generator_filters": 9,
        "discriminator_filters": 9,
        "learning_rate": 1e-3,
    }  # more than the first layers that are left to torch
    losses, used = {}, set()
    for name in ("_Products", "_Unfolded"):
        function = getattr(cpu_convolutions, name)
        original = function.apply
        monkeypatch.setattr(function, "apply", lambda *a, n=name, f=original: (used.add(n), f(*a))[1])
    for kind in ("plain", "fast"):
        method = method_of(study, row, engine=kind, **wide)
        used.clear()
        engine = begun(method)
        for module in engine.players.networks["g_ab"].modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0  # its noise follows the order in memory, in which the two differ
        for step in range(4):
            engine.step(number(0, f"noise/{step}"))
        losses[kind] = engine.so_far()
        assert used == ({"_Products", "_Unfolded"} if kind == "fast" else set())
    assert torch.allclose(losses["fast"], losses["plain"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_reduced_precision_is_of_the_passes_only(precision):
    method = method_of("streets-tiny", "cyclegan", precision=precision)
    engine, seen = begun(method), set()
    for module in engine.players.networks["g_ab"].modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda m, args, out: seen.add(out.dtype))
    engine.step()
    assert seen == {getattr(torch, precision)}
    assert {t.dtype for t in engine.players.tensors()} == {torch.float32}
    assert engine.so_far().isfinite().all()


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # of the compiler, which looks at one
@pytest.mark.parametrize(
    ("study", "row", "ways"),
    [
        ("streets-tiny", "cyclegan", Ways(one_batch=True)),
        ("streets-comparison", "simgan", Ways(one_batch=True)),
        pytest.param("ring-points", "plain", Ways(compiled=True), marks=pytest.mark.slow),  # half a minute
    ],
)
def test_ways_to_compute_a_step_make_the_same_step(study, row, ways, tmp_path, monkeypatch):
    """Four steps without dropout: losses within 1e-4 of themselves, of which rounding is what is left."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # for compiled headers, which TORCHINDUCTOR_CACHE_DIR does not move
    losses, method = [], method_of(study, row)
    for way in (Ways(), ways):
        engine, seen = begun(method, Players(method, 0, CPU, way)), set()
        for name, network in engine.players.networks.items():
            for module in network.modules():
                if isinstance(module, nn.Dropout):
                    module.p = 0.0  # compiled, it draws otherwise
            if name.startswith("d") and not way.compiled:
                network.register_forward_pre_hook(lambda module, args, seen=seen: seen.add(len(args[0])))
        for step in range(4):
            engine.step(number(0, f"noise/{step}"))
        losses.append(engine.so_far())
        if not ways.compiled:
            assert (2 in seen) is way.one_batch
        assert all((network._compiled_call_impl is not None) is way.compiled for network in engine.players.networks.values())
    assert torch.allclose(*losses, rtol=1e-4, atol=1e-5)


def test_in_reduced_precision_a_player_that_steps_twice_uses_its_new_weights():
    """A critic steps several times within one step; autocast keeps a copy of weights that have a gradient. To the bit."""
    players = players_of(method_of("streets-tiny", "cyclegan", precision="bfloat16"))
    x, judge = torch.rand(1, 3, 16, 16), players.networks["d_a"]
    players.turn("discriminators")
    with torch.autocast("cpu", torch.bfloat16):
        before = judge(x)
        players.descend("discriminators", before.sum() + players.networks["d_b"](x).sum())
        after = judge(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(after, judge(x)) and not torch.equal(after, before)


def test_moments_lie_in_memory_as_their_weights_do_whoever_wrote_the_file():
    """Saved channels last, read channels first: the same values, and an optimiser that steps through both in one order."""
    method = method_of("streets-tiny", "cyclegan")
    saved, players = (players_of(method.with_settings(engine=engine)) for engine in ("fast", "plain"))
    run(method, players=saved)
    players.load(saved.state())
    differ = 0
    for name, optimiser in players.optimisers.items():
        before = saved.optimisers[name].state
        for weight, other in zip(players.parameters[name], saved.parameters[name], strict=True):
            differ += weight.stride() != other.stride()
            for key in ("exp_avg", "exp_avg_sq"):
                assert optimiser.state[weight][key].stride() == weight.stride()
                assert torch.equal(optimiser.state[weight][key], before[other][key])
    assert differ > 10


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(("study", "row"), [("streets-tiny", "cyclegan"), ("streets-pairs", "l1-cgan")])
def test_a_recorded_step_equals_the_same_step_unrecorded(study, row):
    """Eight steps over two epochs on a GPU, dropout included: weights within 1e-5, float32; the same images in both.

    With kernels that add up in one order: others differ from themselves by more than that.
    """
    device, ends = torch.device("cuda"), {}
    method = method_of(study, row)
    configure(1, "repeatable")
    for recorded in (False, True):
        players = players_of(method, device=device)
        engine = Engine(players, images(method, device=device), 4)
        engine.recorded = recorded
        for epoch in (1, 2):
            engine.begin(0, epoch, 1 / epoch, 0, torch.zeros(0, len(engine.losses)))
            for step in range(4):
                engine.step(number(0, f"noise/{epoch}/{step}"))
        ends[recorded] = [engine.so_far()] + [t.cpu().clone() for t in players.tensors()]  # it waits; only then they are read
    for eager, replayed in zip(ends[False], ends[True], strict=True):
        assert torch.allclose(eager, replayed, rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("row", ["l1", "l1-cgan"])
def test_recorded_trainings_in_turn_equal_each_alone(row):
    """Two seeds, dropout included, on streams of their own: the bytes of each alone, with kernels that add up in one order."""
    device, method = torch.device("cuda"), method_of("streets-pairs", row)
    configure(1, "repeatable")

    def start(seed):
        players = players_of(method, seed, device)
        words = Progress(), lambda row: None, lambda progress: None, 1e9
        return players, steps(players, images(method, device=device), seed, *words)

    alone, together = [start(seed) for seed in (0, 1)], [start(seed) for seed in (0, 1)]
    for one in alone:
        assert in_turn([one[1]]) == [None]
    assert in_turn([one[1] for one in together]) == [None, None]
    for (one, _), (other, _) in zip(alone, together, strict=True):
        assert same(one.state(), other.state())


def test_a_gpus_arithmetic_is_what_the_settings_say():
    """Torch takes convolutions of float32 for TF32 unless told otherwise."""
    for tf32 in (True, False):
        configure(1, tf32=tf32)
        assert torch.backends.cudnn.allow_tf32 is tf32 and torch.backends.cuda.matmul.allow_tf32 is tf32


def test_a_checkpoint_of_another_machine_leaves_how_optimisers_step(tmp_path):
    """A file of a GPU holds learning rates as tensors and asks for capturable steps; one of a CPU neither. Moments are taken."""
    method = method_of("streets-tiny", "cyclegan")
    players, _ = run(method)
    theirs = players.state()
    for optimiser in theirs["optimisers"].values():
        for group in optimiser["param_groups"]:
            group |= {"lr": torch.tensor(0.5), "capturable": True, "fused": False}
    checkpoints.save(tmp_path / "x.pt", {}, theirs)
    mine = players_of(method, seed=1)
    mine.load(checkpoints.load(tmp_path / "x.pt", {}))
    for name, optimiser in mine.optimisers.items():
        for group in optimiser.param_groups:
            assert group["lr"] == mine.rates[name] and type(group["lr"]) is float
            assert group["fused"] and not group["capturable"]
    before, after = players.state()["optimisers"], mine.state()["optimisers"]
    assert all(same(before[name]["state"], after[name]["state"]) for name in before)


def test_an_optimiser_of_a_recorded_step_is_one_and_no_other():
    """`capturable` steps that are not recorded warn; the plain engine and a CPU have none."""
    weight = nn.Parameter(torch.zeros(2))
    for kind in (Adam(0.1), RMSprop(0.1)):
        assert type(_optimiser(kind, [weight], False).param_groups[0]["lr"]) is float
        assert not _optimiser(kind, [weight], False).param_groups[0]["capturable"]
        group = _optimiser(kind, [weight], True).param_groups[0]
        assert isinstance(group["lr"], torch.Tensor) and group["capturable"]


def test_windows_are_fetched_once_each(monkeypatch):
    """A streamed dataset of windows of two steps: five steps, three windows, each once, also at an epoch's start."""
    method, seen = method_of("streets-tiny", "cyclegan"), []
    fetch = TrainingImages.fetch
    monkeypatch.setattr(TrainingImages, "fetch", lambda self, plan, step: seen.append(step) or fetch(self, plan, step))
    engine = begun(method, steps=5, window=2)
    for _ in range(5):
        engine.step()
    assert seen == [0, 2, 4]
    engine.begin(0, 2, 1.0, 3, torch.zeros(3, len(engine.losses)))
    engine.step()
    engine.step()
    assert seen == [0, 2, 4, 3, 4]


# --- several trainings in one process -------------------------------------------------------------


@pytest.mark.slow
def test_trainings_in_turn_end_in_the_bytes_of_each_alone():
    """Rows of two methods and two seeds, dropout among them, a step of each after the other."""
    chosen = [("streets-tiny", "cyclegan", 0), ("streets-pairs", "l1-cgan", 0), ("streets-pairs", "l1-cgan", 1)]

    def start(study, row, seed):
        method, progress = method_of(study, row), Progress()
        players = players_of(method, seed)
        return players, progress, steps(players, images(method), seed, progress, lambda row: None, lambda p: None, 1e9)

    alone, together = [start(*one) for one in chosen], [start(*one) for one in chosen]
    for one in alone:
        assert in_turn([one[2]]) == [None]
    assert in_turn([one[2] for one in together]) == [None] * 3
    for (one, progress, _), (other, theirs, _) in zip(alone, together, strict=True):
        assert same(one.state(), other.state()) and progress.rows == theirs.rows and len(progress.rows) == 3


def test_a_training_that_stops_leaves_the_others_going():
    class Broken(CycleGAN):
        def step(self, players, batch):
            losses = super().step(players, batch)
            return losses | {"cycle_forward": losses["cycle_forward"] * float("nan")}

    def start(method):
        progress = Progress()
        players = players_of(method)
        return progress, steps(players, images(method), 0, progress, lambda row: None, lambda p: None, 1e9)

    whole = method_of("streets-tiny", "cyclegan")
    (broken, first), (good, second) = start(Broken(whole.settings, whole.data)), start(whole)
    stopped, fine = in_turn([first, second])
    assert isinstance(stopped, NonFiniteLoss) and "cycle_forward" in str(stopped) and fine is None
    assert not broken.rows and len(good.rows) == 3


# --- resume -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("row", "generator"), [("cyclegan", "resnet"), ("cycle-alone", "resnet"), ("gan-forward", "unet")])
def test_resuming_from_any_step_ends_in_the_same_bytes(tmp_path, row, generator):
    method = method_of("streets-tiny", row, generator=generator)  # the U-Net draws dropout noise
    saved = []

    def save(progress):
        path = tmp_path / f"{len(saved)}.pt"
        checkpoints.save(path, {"row": row}, {"players": players.state(), "progress": vars(progress)})
        saved.append(path)

    players = players_of(method)
    _, rows = run(method, save, players=players, every=0.0)
    checkpoints.save(tmp_path / "end.pt", {}, {"players": players.state(), "rows": rows})
    assert len(saved) == 12  # 3 epochs of 4 steps
    for path in saved:
        state = checkpoints.load(path, {"row": row})
        other = players_of(method, seed=5)  # other weights: everything must come from the checkpoint
        other.load(state["players"])
        _, rows = run(method, progress=Progress(**state["progress"]), players=other)
        checkpoints.save(tmp_path / "resumed.pt", {}, {"players": other.state(), "rows": rows})
        assert (tmp_path / "resumed.pt").read_bytes() == (tmp_path / "end.pt").read_bytes()


@pytest.mark.slow
def test_a_training_killed_at_random_moments_ends_in_the_same_bytes(tmp_path):
    """Four times, with SIGKILL; `python -m benchmarks.resume` does it fifty times."""
    out = tmp_path / "resume.json"
    command = [sys.executable, "-m", "benchmarks.resume", "--kills", "4", "--seconds", "0", "--out", str(out)]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    survived = json.loads(out.read_text())["results"]["survived"]
    assert survived["kills"] == 4 and survived["equal_bytes"]
    assert len(set(survived["steps_at_kills"])) >= 3  # it got on between the kills


def test_two_trainings_of_one_seed_are_equal_and_of_two_seeds_are_not():
    method = method_of("streets-tiny", "cyclegan")
    (a, rows_a), (b, rows_b) = run(method), run(method)
    assert same(a.state(), b.state()) and rows_a == rows_b
    assert not same(a.state(), players_of(method, seed=1).state())


# --- stopping and checkpoints -------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_non_finite_loss_stops_and_names_the_term(value):
    method = method_of("streets-tiny", "gan-forward")

    class Broken(CycleGAN):
        steps = 0

        def step(self, players, batch):
            losses = super().step(players, batch)
            self.steps += 1
            return losses | ({"cycle_forward": torch.tensor(value)} if self.steps == 6 else {})

    saved = []
    with pytest.raises(NonFiniteLoss, match=r"'cycle_forward' became (nan|inf) in epoch 2, step 2"):
        run(Broken(method.settings, method.data), saved.append, every=0.0)
    assert len(saved) == 5


def test_checkpoints_refuse_what_they_cannot_be(tmp_path):
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(checkpoints.CheckpointError, match="no such checkpoint"):
        checkpoints.load(path)
    checkpoints.save(path, {"seed": 0}, {"x": torch.arange(10_000)})
    assert checkpoints.load(path, {"seed": 0})["x"].sum() == 49_995_000
    with pytest.raises(checkpoints.CheckpointError, match="another experiment"):
        checkpoints.load(path, {"seed": 1})
    whole = path.read_bytes()
    for cut in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(checkpoints.CheckpointError, match="damaged, cut short or not a checkpoint"):
            checkpoints.load(path)
    torch.save({"weights": 1}, path)
    with pytest.raises(checkpoints.CheckpointError, match="not a checkpoint of this program"):
        checkpoints.load(path)


def test_loading_a_checkpoint_runs_no_pickled_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    torch.save({"schema": checkpoints.SCHEMA, "spec": "{}", "state": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(checkpoints.CheckpointError):
        checkpoints.load(tmp_path / "evil.pt")
    assert not (tmp_path / "executed").exists()


@pytest.mark.slow
def test_a_full_disk_keeps_the_previous_checkpoint(tmp_path):
    """A real limit on file size, in a child process: write() fails as on a full disk."""
    path = tmp_path / "checkpoint.pt"
    checkpoints.save(path, {}, {"x": torch.zeros(10)})
    code = (
        "import resource, signal, sys, torch; from pathlib import Path; from ganrepro.store import checkpoints\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
        f"try: checkpoints.save(Path({str(path)!r}), {{}}, {{'x': torch.zeros(100_000)}})\n"
        "except checkpoints.CheckpointError as error: print(error); sys.exit(3)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 3, result.stderr
    assert "the previous checkpoint is kept" in result.stdout and result.stdout.count("\n") == 1
    assert torch.equal(checkpoints.load(path)["x"], torch.zeros(10))
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_frozen_biases_stay_zero_through_training():
    players, _ = run(method_of("streets-tiny", "cyclegan"))
    for network in players.networks.values():
        for module in network.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                assert not module.bias.any()


# --- devices ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_of_several_gpus_each_process_takes_one_that_is_free(tmp_path, monkeypatch):
    """As far as a CPU can show: torch says that there are two; locks are those of two processes."""
    from ganrepro import devices

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    chosen = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    devices._free.cache_clear()
    assert devices.device("cuda") == devices.device("auto") == torch.device("cuda", 0)  # a process keeps its own
    other = (
        "import torch, tempfile; torch.cuda.is_available = lambda: True; torch.cuda.device_count = lambda: 2\n"
        f"torch.cuda.set_device = lambda number: None; tempfile.tempdir = {str(tmp_path)!r}\n"
        "from ganrepro import devices; print(devices.device('cuda'))"
    )
    done = subprocess.run([sys.executable, "-c", other], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "cuda:1", done.stderr
    assert devices.device("cuda:1") == torch.device("cuda", 1) and devices.device("cpu") == CPU
    assert chosen == [0, 0, 1]
    with pytest.raises(devices.DeviceError, match="'cuda:2' was asked for and torch finds 2, from 0 to 1"):
        devices.device("cuda:2")
    devices._free.cache_clear()
    while devices._taken:
        devices._taken.pop().close()


def test_a_device_that_is_not_there_is_one_line(monkeypatch):
    from ganrepro import devices

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for wanted, told in (("cuda", "finds no GPU; use"), ("cuda:1", "finds no GPU; use"), ("mps", "no GPU of Apple's")):
        with pytest.raises(devices.DeviceError, match=told):
            devices.device(wanted)
    assert devices.device("auto") == CPU

import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import RAW, ROOT, tiny
from PIL import Image
from torch import nn

from ganrepro import checkpoints, config
from ganrepro.data.datasets import TrainingImages, load_images
from ganrepro.data.images import ImageError
from ganrepro.nets import fast_cpu
from ganrepro.objectives.terms import l1, least_squares
from ganrepro.seeding import reseed
from ganrepro.training.engine import Engine
from ganrepro.training.games import CycleGame, build_game
from ganrepro.training.image_pool import ImagePool, pool_decisions
from ganrepro.training.loop import NonFiniteLoss, Progress, fit
from ganrepro.training.schedule import learning_rate
from ganrepro.training.translate import translate

CPU = torch.device("cpu")
PARAMS = config.parse(RAW)
EXPERIMENTS = [(study.name, row) for study in PARAMS.studies.values() for row in study.variants]


def training_of(study, row, **changes):
    return tiny(PARAMS.studies[study].variants[row].training, **changes)


def images(training, count=5, window=None):
    def draw(seed):
        shape = (count, training.load_pixels, training.load_pixels, 3)
        return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed)).byte()

    return TrainingImages(draw(1), draw(2), training, CPU, window)


def run(training, save=lambda p: None, progress=None, game=None, every=1e9, window=None):
    game = game or build_game(training, 0, CPU)
    rows = fit(game, images(training, window=window), training, 0, progress or Progress(), lambda row: None, save, every)
    return game, rows


def begun(training, game=None, steps=4, **kinds):
    """An engine at the first step of epoch 1."""
    game = game or build_game(training, 0, CPU)
    engine = Engine(game, images(training, **kinds), training, steps, CPU)
    engine.begin(0, 1, 1e-3, 0, torch.zeros(0, len(game.losses)))
    return engine


def first_batch(training):
    """The images of the first step, by domain."""
    data = images(training)
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


def test_learning_rate_as_in_the_torch_code():
    # protocol 3.1: epoch 101 runs at the full rate and epoch 200 at 2e-6
    rates = {e: learning_rate(2e-4, e, 100, 100) for e in (1, 100, 101, 102, 200)}
    assert rates == pytest.approx({1: 2e-4, 100: 2e-4, 101: 2e-4, 102: 1.98e-4, 200: 2e-6}, rel=1e-12)
    assert learning_rate(0.1, 7, 7, 0) == 0.1
    for epoch in (0, 201):
        with pytest.raises(ValueError, match="expected 1 to 200"):
            learning_rate(2e-4, epoch, 100, 100)


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
            for number, head, slot in zip(fakes.tolist(), heads[step].tolist(), slots[step].tolist(), strict=True):
                if len(stored) < 3:
                    stored.append(number)
                    expected.append(number)
                elif head:
                    expected.append(stored[slot])
                    stored[slot] = number
                else:
                    expected.append(number)
            assert pool.query(fakes.float().view(2, 1, 1, 1), decisions[step]).flatten().tolist() == expected
    assert pool.images.flatten().tolist() == stored


def test_empty_pool_passes_through():
    fake = torch.randn(2, 3, 4, 4)
    assert ImagePool(0, (3, 4, 4), CPU).query(fake, pool_decisions(0, 0, torch.ones(2).bool(), torch.zeros(2).long())) is fake


# --- randomness laid out ahead ------------------------------------------------------------------


def equal_plans(one, other):
    return all(torch.equal(getattr(one, name)[d], getattr(other, name)[d]) for name in vars(one) for d in "ab")


def test_plans_are_pure_functions_of_seed_and_epoch():
    data = images(training_of("streets-tiny", "cyclegan"))
    assert equal_plans(data.plan(0, 3, 50), data.plan(0, 3, 50))
    assert not equal_plans(data.plan(0, 3, 50), data.plan(0, 4, 50))
    assert not equal_plans(data.plan(0, 3, 50), data.plan(1, 3, 50))


def test_domains_are_drawn_independently_with_replacement_and_crops_never_start_at_zero():
    data = images(training_of("streets-tiny", "cyclegan", load_pixels=20))
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
    data = images(training_of("streets-tiny", "cyclegan", batch_images=2))
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
    training = training_of("streets-tiny", "cyclegan", batch_images=2)
    seen = {}
    for window in (None, 2):
        seen[window] = []

        class Watched(CycleGame):
            def step(self, real, decisions, seen=seen[window]):
                seen.append({domain: images.clone() for domain, images in real.items()})
                return dict.fromkeys(self.losses, torch.zeros(()))

        game = Watched(training, 0, CPU)
        engine = Engine(game, images(training, window=window), training, 7, CPU)
        engine.begin(0, 2, 1e-3, start, torch.zeros(start, len(game.losses)))
        for _ in range(start, 7):
            engine.step()
    assert len(seen[2]) == 7 - start
    assert all(torch.equal(x[d], y[d]) for x, y in zip(seen[None], seen[2], strict=True) for d in "ab")


# --- the game -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("study", "row"), EXPERIMENTS)
def test_one_step_moves_every_player_and_computes_exactly_its_terms(study, row):
    training = training_of(study, row, bottleneck_norm=False)
    engine = begun(training)
    game = engine.game
    learning = {id(p) for adam in game.optimisers.values() for group in adam.param_groups for p in group["params"]}
    before = {name: [p.clone() for p in net.parameters()] for name, net in game.networks.items()}
    engine.step()
    for name, network in game.networks.items():
        moved = [not torch.equal(p, q) for p, q in zip(network.parameters(), before[name], strict=True) if id(p) in learning]
        # a discriminator's last norm-less bias or a scale may stay for one step; nearly all must move
        assert sum(moved) > 0.8 * len(moved), name
        frozen = [torch.equal(p, q) for p, q in zip(network.parameters(), before[name], strict=True) if id(p) not in learning]
        assert moved and all(frozen)
    expected = {t for t in training.terms if t != "adversarial"}
    if "adversarial" in training.terms and training.game != "cycle":
        expected |= {"adversarial", "discriminator_real", "discriminator_fake"}
    elif "adversarial" in training.terms:
        expected |= {"adversarial_a", "adversarial_b"}
        expected |= {f"discriminator_{d}_{side}" for d in "ab" for side in ("real", "fake")}
    assert set(game.losses) == expected
    assert engine.losses().shape == (1, len(expected)) and engine.losses().all()
    assert any(name.startswith("d_") for name in game.networks) == ("adversarial" in training.terms)
    assert training.game != "labels2photo" or set(game.networks) <= {"g_ab", "d_b"}
    assert training.game != "photo2labels" or set(game.networks) <= {"g_ba", "d_a"}


def compare_with_formulas(game, plain, players, rate):
    """Adam's first step from autograd.grad of the written-out losses; where a gradient is near eps, rounding decides."""
    for names, loss in players.items():
        old = [(name, key, p) for name in names for key, p in plain[name].named_parameters() if p.requires_grad]
        for (name, key, weight), grad in zip(old, torch.autograd.grad(loss, [p for *_, p in old]), strict=True):
            # m / (sqrt(v) + eps) with bias correction is g / (|g| + eps)
            step = weight - rate * grad / (grad.abs() + 1e-8)
            clear = grad.abs() > 1e-6
            now = dict(game.networks[name].named_parameters())[key]
            assert torch.allclose(now[clear], step[clear], atol=2e-6), (name, key)


def test_a_cycle_step_equals_the_plain_formulas():
    """Both players' gradients and Adam steps, written out again with autograd.grad; float32, 2e-6."""
    training = training_of("streets-tiny", "cyclegan", engine="plain")
    plain = CycleGame(training, 0, CPU).networks
    engine = begun(training)
    engine.step()
    batch = first_batch(training)
    a, b = batch["a"], batch["b"]
    fake_b, fake_a = plain["g_ab"](a), plain["g_ba"](b)
    forward, backward = l1(plain["g_ba"](fake_b), a), l1(plain["g_ab"](fake_a), b)
    adversarial = least_squares(plain["d_b"](fake_b), True) + least_squares(plain["d_a"](fake_a), True)
    players = {("g_ab", "g_ba"): (adversarial + 10 * forward + 10 * backward).sum()}
    players["d_a", "d_b"] = 0.5 * sum(
        (least_squares(plain[d](real), True) + least_squares(plain[d](fake.detach()), False)).sum()
        for d, real, fake in (("d_a", a, fake_a), ("d_b", b, fake_b))
    )
    compare_with_formulas(engine.game, plain, players, 1e-3)
    logged = dict(zip(engine.game.losses, engine.losses()[0].tolist(), strict=True))
    assert logged["cycle_forward"] == pytest.approx(forward.item(), abs=1e-6)


@pytest.mark.parametrize("row", ["l1-cgan", "l1-gan"])
def test_a_paired_step_equals_the_plain_formulas(row):
    """pix2pix: the discriminator first, then the generator against the discriminator it has become; 2e-6."""
    training = training_of("streets-pairs", row, engine="plain", bottleneck_norm=False)
    plain = build_game(training, 0, CPU).networks
    engine = begun(training)
    reseed(0, "noise")
    engine.step()
    batch = first_batch(training)
    a, b = batch["a"], batch["b"]
    reseed(0, "noise")  # the same dropout
    fake = plain["g_ab"](a)

    def judge(discriminator, shown, label):
        logits = discriminator(torch.cat([a, shown], 1) if row == "l1-cgan" else shown)
        return nn.functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))

    d = plain["d_b"]
    compare_with_formulas(engine.game, plain, {("d_b",): 0.5 * (judge(d, b, 1) + judge(d, fake.detach(), 0))}, 1e-3)
    stepped = engine.game.networks["d_b"]  # its weights moved before the generator's turn
    loss = judge(stepped, fake, 1) + 100 * (fake - b).abs().mean()
    compare_with_formulas(engine.game, plain, {("g_ab",): loss}, 1e-3)
    assert engine.game.losses == ("discriminator_real", "discriminator_fake", "adversarial", "l1")


def test_photo_to_labels_is_the_same_game_with_the_sides_swapped():
    forward = training_of("streets-pairs", "l1-cgan", engine="plain")
    backward = replace(forward, game="photo2labels")
    one, other = build_game(forward, 0, CPU), build_game(backward, 0, CPU)
    for mine, theirs in (("g_ab", "g_ba"), ("d_b", "d_a")):
        other.networks[theirs].load_state_dict(one.networks[mine].state_dict())
    batch, losses = first_batch(forward), []
    for game, real in ((one, batch), (other, {"a": batch["b"], "b": batch["a"]})):
        reseed(0, "noise")
        losses.append(game.step(real, {}))
    assert losses[0] == losses[1] and losses[0]["l1"] > 0


def test_pairs_stay_pairs_through_crop_and_mirror():
    training = training_of("streets-pairs", "l1-cgan", batch_images=2)
    data = images(training)
    data.images["b"] = 255 - data.images["a"]
    for draws in zip(*data.plan(0, 1, 8).draws.values(), strict=True):
        real = data.crops(dict(zip("ab", draws, strict=True)))
        assert torch.allclose(real["a"], -real["b"], atol=1e-6)
    with pytest.raises(ValueError, match="pairs: 5 images of domain a, 3 of domain b"):
        TrainingImages(data.source["a"], data.source["b"][:3], training, CPU)


def test_dropout_makes_passes_differ_and_seeds_make_them_repeat(tmp_path):
    training = training_of("streets-pairs", "unet-l1", batch_images=2)
    names = [f"{i}.png" for i in range(5)]
    (tmp_path / "test" / "a").mkdir(parents=True)
    for i, name in enumerate(names):
        Image.new("RGB", (16, 16), (40 * i, 90, 200 - 30 * i)).save(tmp_path / "test" / "a" / name)
    weights = build_game(training, 0, CPU).state()["networks"]
    for folder in ("once", "again"):
        translate(weights, training, tmp_path / "test", {"a": names}, tmp_path / folder, CPU, passes=2)
    read = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.glob("*/**/labels2photo/*.png")}
    assert len(read) == 2 * 2 * 5
    for name in names:
        first, second = (Path("once") / "labels2photo" / name, Path("once") / "2" / "labels2photo" / name)
        assert read[first] != read[second]
        assert (
            read[first] == read["again" / first.relative_to("once")]
            and read[second] == read["again" / second.relative_to("once")]
        )


def test_the_game_wants_pairs_and_says_so(tmp_path):
    (tmp_path / "manifest.json").write_text('{"paired": false}')
    with pytest.raises(ImageError, match="game 'labels2photo' needs pairs"):
        load_images(tmp_path, training_of("streets-pairs", "l1"), CPU)


def test_discriminators_see_the_pool_not_the_latest_fake():
    training = training_of("streets-tiny", "gan-alone", pool_images=1)
    game = CycleGame(training, 0, CPU)
    engine = begun(training, game)
    engine.step()
    stored = game.pools["b"].images.clone()
    assert stored.any()
    seen = []
    game.networks["d_b"].register_forward_hook(lambda m, args, out: seen.append(args[0].detach().clone()))
    engine.decisions["b"][1] = torch.tensor([[0, 1, 1]])  # store the new one, show the old one
    engine.step()
    assert torch.equal(seen[-1], stored)  # last pass of the step: the "fake" side of the discriminator
    assert not torch.equal(game.pools["b"].images, stored)


# --- the fast path against the plain one --------------------------------------------------------


@pytest.mark.parametrize(("study", "row"), [("streets-tiny", "cyclegan"), ("streets-pairs", "l1-cgan")])
def test_fast_and_plain_engines_train_alike(monkeypatch, study, row):
    """Four steps with every fast convolution in use: losses within 1e-4 of the plain engine's (float32)."""
    monkeypatch.setattr(fast_cpu, "WORTHWHILE", 0.0)
    monkeypatch.setattr(fast_cpu, "CACHED_VALUES", 0)
    wide = {"generator_filters": 9, "discriminator_filters": 9}  # more than the first layers that are left to torch
    losses, used = {}, set()
    for name in ("_Winograd", "_Unfolded"):
        function = getattr(fast_cpu, name)
        original = function.apply
        monkeypatch.setattr(function, "apply", lambda *a, n=name, f=original: (used.add(n), f(*a))[1])
    for kind in ("plain", "fast"):
        training = training_of(study, row, engine=kind, **wide)
        used.clear()
        engine = begun(training)
        for module in engine.game.networks["g_ab"].modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0  # its noise follows the order in memory, in which the two differ
        for step in range(4):
            reseed(0, f"noise/{step}")
            engine.step()
        losses[kind] = engine.losses()
        assert used == ({"_Winograd", "_Unfolded"} if kind == "fast" else set())
    assert torch.allclose(losses["fast"], losses["plain"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_reduced_precision_is_of_the_passes_only(precision):
    training = training_of("streets-tiny", "cyclegan", precision=precision)
    engine, seen = begun(training), set()
    for module in engine.game.networks["g_ab"].modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda m, args, out: seen.add(out.dtype))
    engine.step()
    assert seen == {getattr(torch, precision)}
    assert {t.dtype for t in engine.game.tensors()} == {torch.float32}
    assert engine.losses().isfinite().all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(("study", "row"), [("streets-tiny", "cyclegan"), ("streets-pairs", "l1-cgan")])
def test_a_recorded_step_equals_the_same_step_unrecorded(study, row):
    """Eight steps over two epochs on a GPU, dropout included: weights within 1e-5, float32; the same images in both."""
    device, ends = torch.device("cuda"), {}
    training = training_of(study, row)
    for recorded in (False, True):
        players = build_game(training, 0, device)
        data = images(training)
        data = TrainingImages(data.source["a"], data.source["b"], training, device)
        engine = Engine(players, data, training, 4, device)
        engine.recorded = recorded
        for epoch in (1, 2):
            engine.begin(0, epoch, 1e-3 / epoch, 0, torch.zeros(0, len(players.losses)))
            for step in range(4):
                reseed(0, f"noise/{epoch}/{step}")
                engine.step()
        ends[recorded] = [t.cpu().clone() for t in players.tensors()] + [engine.losses()]
    for eager, replayed in zip(ends[False], ends[True], strict=True):
        assert torch.allclose(eager, replayed, rtol=1e-5, atol=1e-5)


# --- resume -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("row", "generator"), [("cyclegan", "resnet"), ("cycle-alone", "resnet"), ("gan-forward", "unet")])
def test_resuming_from_any_step_ends_in_the_same_bytes(tmp_path, row, generator):
    training = training_of("streets-tiny", row, generator=generator)  # the U-Net draws dropout noise
    saved = []

    def save(progress):
        path = tmp_path / f"{len(saved)}.pt"
        checkpoints.save(path, {"row": row}, {"game": game.state(), "progress": vars(progress)})
        saved.append(path)

    game = CycleGame(training, 0, CPU)
    _, rows = run(training, save, game=game, every=0.0)
    checkpoints.save(tmp_path / "end.pt", {}, {"game": game.state(), "rows": rows})
    assert len(saved) == 12  # 3 epochs of 4 steps
    for path in saved:
        state = checkpoints.load(path, {"row": row})
        other = CycleGame(training, 5, CPU)  # other weights: everything must come from the checkpoint
        other.load(state["game"])
        _, rows = run(training, progress=Progress(**state["progress"]), game=other)
        checkpoints.save(tmp_path / "resumed.pt", {}, {"game": other.state(), "rows": rows})
        assert (tmp_path / "resumed.pt").read_bytes() == (tmp_path / "end.pt").read_bytes()


def test_a_training_killed_at_random_moments_ends_in_the_same_bytes(tmp_path):
    """Twelve times, with SIGKILL; `python -m benchmarks.resume` does it fifty times."""
    out = tmp_path / "resume.json"
    command = [sys.executable, "-m", "benchmarks.resume", "--kills", "12", "--seconds", "0", "--out", str(out)]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    survived = json.loads(out.read_text())["results"]["survived"]
    assert survived["kills"] >= 10 and survived["equal_bytes"]
    assert len(set(survived["steps_at_kills"])) >= 3  # it got on between the kills


def test_two_trainings_of_one_seed_are_equal_and_of_two_seeds_are_not():
    training = training_of("streets-tiny", "cyclegan")
    (a, rows_a), (b, rows_b) = run(training), run(training)
    assert same(a.state(), b.state()) and rows_a == rows_b
    assert not same(a.state(), CycleGame(training, 1, CPU).state())


# --- stopping and checkpoints -------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_non_finite_loss_stops_and_names_the_term(value):
    training = training_of("streets-tiny", "gan-forward")

    class Broken(CycleGame):
        steps = 0

        def step(self, real, decisions):
            losses = super().step(real, decisions)
            self.steps += 1
            return losses | ({"cycle_forward": torch.tensor(value)} if self.steps == 6 else {})

    saved = []
    with pytest.raises(NonFiniteLoss, match=r"'cycle_forward' became (nan|inf) in epoch 2, step 2"):
        run(training, saved.append, game=Broken(training, 0, CPU), every=0.0)
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


def test_a_full_disk_keeps_the_previous_checkpoint(tmp_path):
    """A real limit on file size, in a child process: write() fails as on a full disk."""
    path = tmp_path / "checkpoint.pt"
    checkpoints.save(path, {}, {"x": torch.zeros(10)})
    code = (
        "import resource, signal, sys, torch; from pathlib import Path; from ganrepro import checkpoints\n"
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
    game, _ = run(training_of("streets-tiny", "cyclegan"))
    for network in game.networks.values():
        for module in network.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                assert not module.bias.any()

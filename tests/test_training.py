import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from conftest import RAW, ROOT, tiny
from torch import nn

from ganrepro import checkpoints, config
from ganrepro.data.datasets import UnpairedImages
from ganrepro.objectives.terms import l1, least_squares
from ganrepro.training.games import CycleGame
from ganrepro.training.image_pool import ImagePool
from ganrepro.training.loop import NonFiniteLoss, Progress, fit
from ganrepro.training.schedule import learning_rate

CPU = torch.device("cpu")
PARAMS = config.parse(RAW)
EXPERIMENTS = [(study.name, row) for study in PARAMS.studies.values() for row in study.variants]


def training_of(study, row, **changes):
    return tiny(PARAMS.studies[study].variants[row].training, **changes)


def images(training, count=5):
    def draw(seed):
        return torch.randint(
            0, 256, (count, 3, training.load_pixels, training.load_pixels), generator=torch.Generator().manual_seed(seed)
        ).byte()

    return UnpairedImages(draw(1), draw(2), training.crop_pixels, training.pool_images, CPU)


def run(training, save=lambda p: None, progress=None, game=None, every=1e9):
    game = game or CycleGame(training, 0, CPU)
    rows = fit(game, images(training), training, 0, progress or Progress(), lambda row: None, save, every)
    return game, rows


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
    """Against a plain list, image by image, with the same coins."""
    coins, pool, stored = random.Random(0), ImagePool(3, (1, 1, 1), CPU), []
    for number in range(200):
        heads, slot = coins.random() < 0.5, coins.randrange(3)
        if len(stored) < 3:
            stored.append(number)
            expected = number
        elif heads:
            expected, stored[slot] = stored[slot], number
        else:
            expected = number
        assert pool.query(torch.full((1, 1, 1, 1), float(number)), [heads], [slot]).item() == expected
    assert pool.images.flatten().tolist() == stored


def test_empty_pool_passes_through():
    fake = torch.randn(2, 3, 4, 4)
    assert ImagePool(0, (3, 4, 4), CPU).query(fake, [True] * 2, [0] * 2) is fake


# --- randomness laid out ahead ------------------------------------------------------------------


def test_plans_are_pure_functions_of_seed_and_epoch():
    data = images(training_of("streets-tiny", "cyclegan"))
    assert data.plan(0, 3, 50) == data.plan(0, 3, 50)
    assert data.plan(0, 3, 50) != data.plan(0, 4, 50)
    assert data.plan(0, 3, 50) != data.plan(1, 3, 50)


def test_domains_are_drawn_independently_with_replacement_and_crops_never_start_at_zero():
    data = images(training_of("streets-tiny", "cyclegan", load_pixels=20))
    plan = data.plan(0, 1, 3000)
    assert plan.index["a"] != plan.index["b"]
    for domain in "ab":
        drawn = torch.tensor(plan.index[domain]).bincount(minlength=5)
        assert drawn.min() > 500  # 600 expected, standard deviation 22
        assert set(plan.top[domain]) == set(plan.left[domain]) == {1, 2, 3, 4}
        assert 1350 < sum(plan.flip[domain]) < 1650  # 1500 expected, standard deviation 27


def test_batches_are_the_planned_crops():
    data = images(training_of("streets-tiny", "cyclegan"))
    plan = data.plan(0, 1, 4)
    batch = data.batch(plan, 1, 2)
    for k, i in enumerate((1, 2)):
        top, left = plan.top["b"][i], plan.left["b"][i]
        crop = data.images["b"][plan.index["b"][i]][:, top : top + 16, left : left + 16].float() / 127.5 - 1
        assert torch.equal(batch.b[k], crop.flip(-1) if plan.flip["b"][i] else crop)


# --- the game -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("study", "row"), EXPERIMENTS)
def test_one_step_moves_every_player_and_computes_exactly_its_terms(study, row):
    training = training_of(study, row)
    game = CycleGame(training, 0, CPU)
    before = {name: [p.clone() for p in net.parameters()] for name, net in game.networks.items()}
    data = images(training)
    losses = game.step(data.batch(data.plan(0, 1, 1), 0, 1), 1e-3)
    for name, network in game.networks.items():
        moved = [not torch.equal(p, q) for p, q in zip(network.parameters(), before[name], strict=True) if p.requires_grad]
        # a discriminator's last norm-less bias or a scale may stay for one step; nearly all must move
        assert sum(moved) > 0.8 * len(moved), name
        frozen = [
            torch.equal(p, q)
            for p, q in zip(network.parameters(), before[name], strict=True)
            if "d_" not in name and not p.requires_grad
        ]
        assert all(frozen)
    expected = {t for t in training.terms if t != "adversarial"}
    if "adversarial" in training.terms:
        expected |= {"adversarial_a", "adversarial_b"}
        expected |= {f"discriminator_{d}_{side}" for d in "ab" for side in ("real", "fake")}
    assert set(losses) == expected
    assert ("d_a" in game.networks) == ("adversarial" in training.terms)


def test_a_step_equals_the_plain_formulas():
    """Both players' gradients and Adam steps, written out again with autograd.grad; float32, 1e-6."""
    training = training_of("streets-tiny", "cyclegan")
    game, plain = CycleGame(training, 0, CPU), CycleGame(training, 0, CPU).networks
    data = images(training)
    batch = data.batch(data.plan(0, 1, 1), 0, 1)
    losses = game.step(batch, 1e-3)

    a, b = batch.a, batch.b
    fake_b, fake_a = plain["g_ab"](a), plain["g_ba"](b)
    forward, backward = l1(plain["g_ba"](fake_b), a), l1(plain["g_ab"](fake_a), b)
    adversarial = least_squares(plain["d_b"](fake_b), True) + least_squares(plain["d_a"](fake_a), True)
    players = {("g_ab", "g_ba"): (adversarial + 10 * forward + 10 * backward).sum()}
    players["d_a", "d_b"] = 0.5 * sum(
        (least_squares(plain[d](real), True) + least_squares(plain[d](fake.detach()), False)).sum()
        for d, real, fake in (("d_a", a, fake_a), ("d_b", b, fake_b))
    )
    for names, loss in players.items():
        weights = [(n, p) for name in names for n, p in plain[name].named_parameters() if p.requires_grad]
        new = [p for name in names for p in game.networks[name].parameters() if p.requires_grad or "d_" in name]
        new = [p for p in new if not (p.dim() == 1 and not p.any() and not p.requires_grad)]
        grads = torch.autograd.grad(loss, [p for _, p in weights])
        for (name, old), grad, now in zip(weights, grads, new, strict=True):
            # Adam's first step: m / (sqrt(v) + eps) with bias correction is g / (|g| + eps)
            step = old - 1e-3 * grad / (grad.abs() + 1e-8)
            clear = grad.abs() > 1e-6  # where |g| is near eps, rounding decides
            assert torch.allclose(now[clear], step[clear], atol=2e-6), name
    assert losses["cycle_forward"].item() == pytest.approx(forward.item(), abs=1e-6)


def test_discriminators_see_the_pool_not_the_latest_fake():
    training = training_of("streets-tiny", "gan-alone", pool_images=1)
    game, data = CycleGame(training, 0, CPU), images(training_of("streets-tiny", "gan-alone", pool_images=1))
    plan = replace(data.plan(0, 1, 2), pool_heads={"a": [True, True], "b": [True, True]})
    game.step(data.batch(plan, 0, 1), 1e-3)
    stored = game.pools["b"].images.clone()
    assert stored.any()
    seen = []
    game.networks["d_b"].register_forward_hook(lambda m, args, out: seen.append(args[0].detach().clone()))
    game.step(data.batch(plan, 1, 1), 1e-3)
    assert torch.equal(seen[-1], stored)  # last pass of the step: the "fake" side of the discriminator
    assert not torch.equal(game.pools["b"].images, stored)


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
    run(training, save, game=game, every=0.0)
    checkpoints.save(tmp_path / "end.pt", {}, game.state())
    assert len(saved) == 12  # 3 epochs of 4 steps
    for path in saved:
        state = checkpoints.load(path, {"row": row})
        other = CycleGame(training, 5, CPU)  # other weights: everything must come from the checkpoint
        other.load(state["game"])
        run(training, progress=Progress(**state["progress"]), game=other)
        checkpoints.save(tmp_path / "resumed.pt", {}, other.state())
        assert (tmp_path / "resumed.pt").read_bytes() == (tmp_path / "end.pt").read_bytes()


KILLED = """
import sys, torch
sys.path[:0] = [{root!r}, {tests!r}]
from pathlib import Path
import test_training as t
from ganrepro import checkpoints
from ganrepro.training.games import CycleGame
from ganrepro.training.loop import Progress, fit
training = t.training_of("streets-tiny", "cyclegan", epoch_images=40, epochs_constant=2, epochs_decay=2)
game, path, progress = CycleGame(training, 0, t.CPU), Path(sys.argv[1]), Progress()
if path.exists():
    state = checkpoints.load(path, {{}})
    game.load(state["game"]); progress = Progress(**state["progress"])
def save(p): checkpoints.save(path, {{}}, {{"game": game.state(), "progress": vars(p)}})
print("ready", flush=True)
fit(game, t.images(training), training, 0, progress, lambda row: None, save, 0.0)
checkpoints.save(path.with_name("end.pt"), {{}}, game.state())
"""


def test_a_training_killed_at_random_moments_ends_in_the_same_bytes(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(KILLED.format(root=str(ROOT), tests=str(ROOT / "tests")))

    def start(folder, kill_after=None):
        folder.mkdir(exist_ok=True)
        command = [sys.executable, str(script), str(folder / "checkpoint.pt")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout.readline() == b"ready\n"
            if kill_after is not None:
                time.sleep(kill_after)
                process.send_signal(signal.SIGKILL)
            return process.wait()

    assert start(tmp_path / "whole") == 0
    moments, broken = random.Random(0), tmp_path / "broken"
    for _ in range(4):
        assert start(broken, kill_after=moments.uniform(0.0, 0.5)) == -signal.SIGKILL
    assert start(broken) == 0
    assert (broken / "end.pt").read_bytes() == (tmp_path / "whole" / "end.pt").read_bytes()


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

        def step(self, batch, rate):
            losses = super().step(batch, rate)
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

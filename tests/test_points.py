"""Points of the plane: where they lie in a picture, what D is shown, what looking ahead means, and how hits are counted."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import Caught, method_of, parsed, tiny
from PIL import Image
from torch.nn import functional

from ganrepro.data.layouts.spots import SPREAD, centres
from ganrepro.data.prepare import prepare
from ganrepro.data.spots import HALF, draw, read
from ganrepro.evaluation.measures import MEASURES
from ganrepro.evaluation.measures.base import Limits
from ganrepro.methods.base import Batch
from ganrepro.methods.points_gan import pictures_of, points_of
from ganrepro.nets.points import Judge
from ganrepro.schema.datasets import DatasetSettings


def test_a_picture_says_where_its_point_is():
    """Levels of 8 bits: to 0.01 of the ring's radius, a twentieth of a pixel; drawn by NumPy and torch alike, to a level."""
    points = torch.rand(200, 2, generator=torch.Generator().manual_seed(0)) * 2.4 - 1.2
    levels = torch.tensor(np.stack([draw(point.numpy(), 16) for point in points])).float()[:, None]
    images = levels / 127.5 - 1
    assert (points_of(images) - points).abs().max() < 0.01
    assert np.abs(read(levels[:, 0].numpy()) - points.numpy()).max() < 0.01
    assert (pictures_of(points, 16) - images).abs().max() <= 1 / 127.5
    brightest = levels[:, 0].flatten(1).argmax(1)
    pixel = 2 * HALF / 16
    x, y = (-HALF + pixel * (at + 0.5) for at in (brightest % 16, brightest // 16))
    assert ((x - points[:, 0]).abs() <= pixel / 2 + 1e-3).all() and ((y - points[:, 1]).abs() <= pixel / 2 + 1e-3).all()
    outside = pictures_of(torch.full((1, 2), 50.0), 16)
    assert (outside == -1).all() and (points_of(outside) == 0).all()


@pytest.mark.parametrize(("source", "count"), [("ring", 8), ("grid", 25)])
def test_points_lie_about_their_places(source, count, tmp_path):
    """Mean within four standard errors of the place, spread within 15 %."""
    wanted = DatasetSettings(source=source, pixels=16, train_images=100 * count, test_images=count)
    manifest = prepare(wanted, None, tmp_path)
    names = manifest["names"]["train"]["b"]
    levels = np.stack([np.asarray(Image.open(tmp_path / "train/b" / name)) for name in names])
    points = points_of(torch.tensor(levels).float()[:, None] / 127.5 - 1).numpy()
    classes = np.array([manifest["classes"][name] for name in names])
    assert np.bincount(classes).tolist() == [100] * count
    places = np.stack([points[classes == place].mean(0) for place in range(count)])
    if source == "ring":
        angles = 2 * math.pi * np.arange(8) / 8
        expected = np.stack([np.cos(angles), np.sin(angles)], 1)
    else:
        expected = np.array([[x / 2 - 1, y / 2 - 1] for y in range(5) for x in range(5)])
    assert np.allclose(centres(source, count), expected) and np.abs(places - expected).max() < 4 * SPREAD / 10
    spread = np.concatenate([points[classes == place] - places[place] for place in range(count)]).std()
    assert spread == pytest.approx(SPREAD, rel=0.15)


def one_step(dtype=torch.float32, **changes):
    """Networks, batch and caught terms of one step on 8 points."""
    method = tiny(method_of("points_gan"), batch_images=8, epoch_images=8, **changes)
    networks = method.networks(lambda purpose: torch.Generator().manual_seed(len(purpose)))
    for network in networks.values():
        network.to(dtype)
    random = torch.Generator().manual_seed(1)
    points = (torch.rand(8, 2, generator=random) * 2 - 1).to(dtype)
    noise = {name: kind.draw(8, random).to(dtype) for name, kind in method.feed().noise.items()}
    players = Caught(networks)
    method.step(players, Batch({"b": pictures_of(points, 16)}, {}, noise))
    return method, networks, noise, points, players


def judged(networks, points, together=1, minibatch=False):
    """Written out: D of packs of points, told how near they are to one another (Salimans et al., section 3.2)."""
    judge, rows = networks["discriminator"], points.reshape(-1, 2 * together)
    hidden = functional.relu(functional.linear(rows, judge.features[0].weight, judge.features[0].bias))
    hidden = functional.relu(functional.linear(hidden, judge.features[2].weight, judge.features[2].bias))
    if minibatch:
        kernels = functional.linear(hidden, judge.beside.projection.weight).reshape(len(rows), 16, 4)
        near = torch.stack([
            torch.stack([sum((-(kernels[i, k] - kernels[j, k]).abs().sum()).exp() for j in range(len(rows)) if j != i)
                         for k in range(16)]) for i in range(len(rows))
        ])  # fmt: skip
        hidden = torch.cat([hidden, near], 1)
    return functional.linear(hidden, judge.last.weight, judge.last.bias)[:, 0]


@pytest.mark.parametrize("changes", [{"together": 1}, {"together": 4}, {"minibatch_discrimination": True}])
def test_a_step_plays_the_non_saturating_game(changes):
    """In float64, to 1e-6: points are read from their pictures."""
    _, networks, noise, points, players = one_step(torch.float64, **changes)
    together, minibatch = changes.get("together", 1), "minibatch_discrimination" in changes
    fake, for_g = networks["generator"](noise["z"]), networks["generator"](noise["g"])
    (d,), (g,) = players.terms["discriminator"], players.terms["generator"]
    assert len(d["real"]) == 8 // together
    real = points_of(pictures_of(points, 16))
    for term, sign, at in ((d["real"], 1, real), (d["fake"], -1, fake), (g["generator"], 1, for_g)):
        assert torch.allclose(term, -functional.logsigmoid(sign * judged(networks, at, together, minibatch)), atol=1e-6)


def test_places_are_hit_by_enough_points_that_are_near_enough(tmp_path):
    """Counted by hand: of 100 points two places have 60 and 30, a third has one too few, nine lie between places or outside."""
    at, random = centres("ring", 8), np.random.default_rng(0)
    classes = {f"{i:04d}.png": i % 8 for i in range(800)}
    real = [at[place] + SPREAD * random.standard_normal(2) for place in classes.values()]
    made = [at[0]] * 60 + [at[3] + 2 * SPREAD * np.array([1.0, 0.0])] * 30 + [at[5]]
    made += [(at[1] + at[2]) / 2] * 5 + [at[6] * (1 + 5 * SPREAD)] * 4
    for name, points in (("real", real), ("made", made)):
        (tmp_path / name).mkdir()
        for i, point in enumerate(points):
            Image.fromarray(draw(np.asarray(point), 16)).save(tmp_path / name / f"{i:04d}.png")
    job = SimpleNamespace(
        manifest={"classes": classes}, data=SimpleNamespace(classes=tuple("12345678")), folders=[tmp_path / "made"],
        names=[f"{i:04d}.png" for i in range(100)], real=lambda split: (tmp_path / "real", list(classes)),
    )  # fmt: skip
    measure = MEASURES["places_hit"]
    counts = measure.measure(job).counts[0]
    assert counts.shape == (100, 9) and counts.sum(0).tolist() == [60, 0, 0, 30, 0, 1, 0, 0, 9]
    scores = measure.statistic(counts.sum(0))
    assert float(scores["places_hit"]) == 2 and float(scores["near_a_place"]) == pytest.approx(0.91)  # 1 of 100 is too few
    limits = Limits(above=0.02, classes=0.5)
    assert [measure.collapsed({"places_hit": hit}, {}, limits, job.data) for hit in (2.0, 4.0)] == [True, False]


def test_looking_ahead_is_gradient_steps_of_the_discriminator_and_g_learns_through_them():
    """In float64: G's loss to 1e-9 against steps by hand, its slope to 1e-5 against a finite difference that takes them anew."""
    method, networks, noise, points, players = one_step(torch.float64, unrolled=2, unrolled_rate=0.5)
    real = points_of(pictures_of(points, 16))

    def looked_ahead(make):
        judge = Judge(method.settings.width, 1, False).double()
        judge.load_state_dict(networks["discriminator"].state_dict())
        for further in range(2):
            with torch.no_grad():
                fake = make(noise["ahead"][:, further])
            loss = functional.softplus(-judge(real)).mean() + functional.softplus(judge(fake)).mean()
            for weight, slope in zip(judge.parameters(), torch.autograd.grad(loss, list(judge.parameters())), strict=True):
                weight.data -= 0.5 * slope
        return functional.softplus(-judge(make(noise["g"]))).mean().detach()

    (term,) = players.terms["generator"]
    make = networks["generator"]
    assert float(term["generator"].mean()) == pytest.approx(float(looked_ahead(make)), abs=1e-9)
    bias, slopes = make[-1].bias, {}

    class Sloped(Caught):
        def update(self, player, weights, terms):
            if player == "generator":
                (slopes["through"],) = torch.autograd.grad(terms["generator"].mean(), bias)
            return super().update(player, weights, terms)

    method.step(Sloped(networks), Batch({"b": pictures_of(points, 16)}, {}, noise))
    found = []
    for axis in range(2):
        at = []
        for sign in (1, -1):
            with torch.no_grad():
                bias[axis] += sign * 1e-5
            at.append(float(looked_ahead(make)))
            with torch.no_grad():
                bias[axis] -= sign * 1e-5
        found.append((at[0] - at[1]) / 2e-5)
    assert slopes["through"].tolist() == pytest.approx(found, abs=1e-5)


def test_packs_that_do_not_fill_a_batch_and_other_pictures_are_refused(raw):
    with pytest.raises(ValueError, match=r"together: expected a divisor of batch_images \(128\), got 3"):
        method_of("points_gan", together=3)
    raw["studies"]["ring-points"]["dataset"] = "digits"
    with pytest.raises(Exception, match=r"needs pictures that show a point as a spot, as the datasets ring and grid"):
        parsed(raw)

"""Points of the plane: where they lie in a picture, what D is shown, what looking ahead means, and that collapse is counted."""

import math

import numpy as np
import pytest
import torch
from conftest import Caught, method_of, parsed, tiny
from PIL import Image
from torch.nn import functional

from ganrepro.data.layouts.spots import SPREAD, centres
from ganrepro.data.prepare import prepare
from ganrepro.data.spots import HALF, draw
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
    assert (pictures_of(points, 16) - images).abs().max() <= 1 / 127.5
    brightest = levels[:, 0].flatten(1).argmax(1)
    pixel = 2 * HALF / 16
    x, y = (-HALF + pixel * (at + 0.5) for at in (brightest % 16, brightest // 16))
    assert ((x - points[:, 0]).abs() <= pixel / 2 + 1e-3).all() and ((y - points[:, 1]).abs() <= pixel / 2 + 1e-3).all()
    outside = pictures_of(torch.full((1, 2), 50.0), 16)
    assert (outside == -1).all() and torch.isfinite(points_of(outside)).all()


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


def judged(networks, points, together):
    """Written out: D of packs of points."""
    judge, rows = networks["discriminator"], points.reshape(-1, 2 * together)
    hidden = functional.relu(functional.linear(rows, judge.features[0].weight, judge.features[0].bias))
    hidden = functional.relu(functional.linear(hidden, judge.features[2].weight, judge.features[2].bias))
    return functional.linear(hidden, judge.last.weight, judge.last.bias)[:, 0]


@pytest.mark.parametrize("together", [1, 4])
def test_a_step_plays_the_non_saturating_game_on_packs(together):
    """To 1e-4, at which points are read from their pictures."""
    _, networks, noise, points, players = one_step(together=together)
    fake, for_g = networks["generator"](noise["z"]), networks["generator"](noise["g"])
    (d,), (g,) = players.terms["discriminator"], players.terms["generator"]
    assert len(d["real"]) == 8 // together
    assert torch.allclose(d["real"], -functional.logsigmoid(judged(networks, points, together)), atol=1e-3)
    assert torch.allclose(d["fake"], -functional.logsigmoid(-judged(networks, fake, together)), atol=1e-4)
    assert torch.allclose(g["generator"], -functional.logsigmoid(judged(networks, for_g, together)), atol=1e-4)


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


def test_packs_that_do_not_fill_a_batch_and_pictures_in_colour_are_refused(raw):
    with pytest.raises(ValueError, match=r"together: expected a divisor of batch_images \(128\), got 3"):
        method_of("points_gan", together=3)
    raw["studies"]["ring-points"]["dataset"] = "emoji-styles"
    with pytest.raises(Exception, match=r"needs grey pictures of one spot"):
        parsed(raw)

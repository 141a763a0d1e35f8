"""What every method must pass, what the interface can hold, and a method that is dropped in."""

import json

import numpy as np
import pytest
import torch
from conftest import images_with_classes, method_of, tiny
from PIL import Image
from pydantic import Field
from torch import nn

from ganrepro import methods
from ganrepro.data.prepare import SCHEMA
from ganrepro.evaluation.generation import generate, load_networks
from ganrepro.methods.base import (
    CLASSES,
    SGD,
    Adam,
    Batch,
    Categorical,
    Count,
    Feed,
    Loss,
    Method,
    Normal,
    Player,
    Pool,
    RMSprop,
    ScheduleSettings,
    Uniform,
)
from ganrepro.methods.outputs import Output
from ganrepro.seeding import stream
from ganrepro.store import checkpoints
from ganrepro.training.batches import TrainingImages, load_images
from ganrepro.training.loop import Progress, fit
from ganrepro.training.players import Players

CPU = torch.device("cpu")


# --- every method that there is -----------------------------------------------------------------


def looked_at(path):
    with Image.open(path) as image:
        return image.mode, image.size


def drawn(method, count=5):
    """Random images of the domains that a method feeds on."""
    random, feed, side = torch.Generator().manual_seed(0), method.feed(), method.settings.load_pixels
    shapes = {d: (count, side, side, method.data.channels(d)) for d in feed.domains}
    images = {d: torch.randint(0, 256, shape, generator=random).byte() for d, shape in shapes.items()}
    if feed.pixels:
        images[CLASSES] = torch.randint(0, 3, (count, side, side, 1), generator=random).byte()
    labels = {d: torch.arange(count) % 3 for d in feed.domains} if feed.labels or feed.few else None
    return TrainingImages(dict(method.training_images(images)), feed, method.settings, CPU, labels)


@pytest.mark.parametrize("name", methods.names())
def test_a_method_says_consistently_what_it_is(name):
    kind, method = methods.find(name), tiny(method_of(name))
    method.check()
    assert method.name == name and kind.title and kind.paper
    players = Players(method, 0, CPU)
    assert {n for player in method.players().values() for n in player.networks} <= set(players.networks)
    assert set(method.generators()) <= set(players.networks)
    assert set(method.feed().domains) <= {*method.data.domains}
    names = [loss.name for loss in method.losses()]
    assert bool(names) is bool(method.players()) and len(set(names)) == len(names) and all(loss.panel for loss in method.losses())


@pytest.mark.parametrize("name", [name for name in methods.names() if name != "imported"])
def test_a_method_trains_resumes_to_the_same_bytes_and_generates(name, tmp_path):
    method = tiny(method_of(name))
    images, saved = drawn(method), []

    def train(players, progress, save=lambda p: None):
        return fit(players, images, 0, progress, lambda row: None, save, 0.0)

    def save(progress):
        path = tmp_path / f"{len(saved)}.pt"
        checkpoints.save(path, {}, {"players": players.state(), "progress": vars(progress)})
        saved.append(path)

    players = Players(method, 0, CPU)
    rows = train(players, Progress(), save)
    checkpoints.save(tmp_path / "end.pt", {}, players.state())
    assert [list(row)[2:] for row in rows] == [[loss.name for loss in method.losses()]] * 3
    for path in saved[::5]:
        state = checkpoints.load(path)
        again = Players(method, 1, CPU)
        again.load(state["players"])
        assert train(again, Progress(**state["progress"])) == rows
        checkpoints.save(tmp_path / "again.pt", {}, again.state())
        assert (tmp_path / "again.pt").read_bytes() == (tmp_path / "end.pt").read_bytes()
    names = {"a": ["0.png", "1.png", "2.png"], "b": ["0.png", "1.png", "2.png"]}
    for domain in "ab":
        (tmp_path / "test" / domain).mkdir(parents=True)
        for file in names[domain]:
            Image.new("RGB", (16, 16), (90, 200, 30)).save(tmp_path / "test" / domain / file)
    kept = players.generators()
    generate(method, kept, 0, tmp_path / "test", names, tmp_path / "made", CPU)
    for output in method.outputs():
        made = sorted((tmp_path / "made" / output.name).iterdir())
        assert [p.name for p in made] == names[output.source] if output.source else made
        assert looked_at(made[0]) == ("L" if method.data.channels(output.target) == 1 else "RGB", (16, 16))


# --- what the interface holds -------------------------------------------------------------------


class EverythingSettings(ScheduleSettings):
    """Of the method below."""

    width: Count = Field(8, description="of all layers")


class Everything(Method[EverythingSettings]):
    """Whatever a method may want: grey images with labels, noise of all kinds, critic steps, a gradient penalty, two
    generators that share their first layer, an encoder, a frozen network, three kinds of optimiser, a running factor."""

    title, paper = "Everything", "arXiv:0000.00000"

    def feed(self):
        noise = {"z": Normal((4,)), "mix": Uniform((1, 1, 1), 0, 1), "code": Categorical(3)}
        return Feed(("b",), labels=True, noise=noise, pools={"made": Pool(3, ("b",))}, batches=2)

    def outputs(self):
        return Output("first", None, "b", "First"), Output("second", None, "b", "Second")

    def losses(self):
        names = ("critic", "slope", "first", "second", "encoder")
        return tuple(Loss(name, "Critic" if name in ("critic", "slope") else "Others") for name in names)

    def networks(self, random):
        torch.manual_seed(int(torch.randint(0, 2**31, (), generator=random("all"))))
        width, side, channels = self.settings.width, self.settings.crop_pixels, self.data.channels("b")
        stem = nn.Sequential(nn.Linear(4, width), nn.ReLU())
        end = [nn.Linear(width, channels * side * side) for _ in range(2)]
        heads = [nn.Sequential(nn.Tanh(), nn.Unflatten(1, (channels, side, side))) for _ in range(2)]
        critic = [nn.Conv2d(channels, 9, 4, 2, 1), nn.Softplus(), nn.Conv2d(9, 9, 3, 1, 1), nn.Flatten(1)]
        return {
            "first": nn.Sequential(stem, end[0], heads[0]),
            "second": nn.Sequential(stem, end[1], heads[1]),
            "critic": nn.Sequential(*critic, nn.Linear(9 * (side // 2) ** 2, 1)),
            "encoder": nn.Sequential(nn.Flatten(1), nn.Linear(channels * side * side, 4)),
            "features": nn.Conv2d(channels, 2, 3),
        }

    def players(self):
        return {
            "generators": Player(("first", "second"), Adam(1e-3, 0.5)),
            "critic": Player(("critic",), RMSprop(1e-4)),
            "encoder": Player(("encoder",), SGD(1e-3, 0.9)),
        }

    def buffers(self):
        return {"k": torch.zeros(()), "classes": torch.zeros(3)}

    def generators(self):
        return "first", "second"

    def step(self, players, batch):
        net, k = players.networks, players.buffers["k"]
        losses = {}
        players.turn("critic")
        for part in batch.split(2):
            real, z, mix = part.images["b"], part.noise["z"], part.noise["mix"]
            with torch.no_grad():
                fake = net["first"](z)
            fake = players.pools["made"].query(fake, part.pools["made"])
            between = (real + mix * (fake - real)).requires_grad_()
            (slope,) = torch.autograd.grad(net["critic"](between).sum(), between, create_graph=True)
            terms = {"critic": net["critic"](fake)[:, 0] - net["critic"](real)[:, 0]}
            terms["slope"] = (slope.flatten(1).norm(dim=1) - 1).square()
            losses |= players.update("critic", {"critic": 1.0, "slope": 10.0}, terms)
            players.buffers["classes"] += nn.functional.one_hot(part.labels["b"], 3).sum(0)
        players.turn("generators")
        z, code = part.noise["z"], part.noise["code"]
        made = {name: net[name](z) for name in ("first", "second")}
        near = (net["features"](made["second"]) - net["features"](part.images["b"])).square().mean((1, 2, 3))
        terms = {"first": -net["critic"](made["first"])[:, 0], "second": near * (1 + code)}
        losses |= players.update("generators", {"first": 1.0, "second": 0.5}, terms)
        players.turn("encoder")
        total = (net["encoder"](made["first"].detach()) - z).square().mean()
        players.descend("encoder", total)
        k.copy_((k + 0.1 * (losses["slope"] - losses["critic"])).clamp(0, 1))
        return losses | {"encoder": total.detach()}

    def generate(self, output, networks, batch, random):
        return networks[output.name](batch.noise["z"])


def everything(**changes):
    common = {"load_pixels": 8, "crop_pixels": 8, "batch_images": 2, "epoch_images": 8, "epochs_constant": 2, "epochs_decay": 1}
    return Everything(EverythingSettings(**(common | changes)), images_with_classes(3))


@pytest.fixture
def digits(tmp_path):
    """A prepared dataset of grey images, each of one level that tells its class."""
    (tmp_path / "train" / "b").mkdir(parents=True)
    labels = {f"{i}.png": i % 3 for i in range(6)}
    for name, label in labels.items():
        Image.new("L", (8, 8), 100 * label).save(tmp_path / "train" / "b" / name)
    names = {"train": {"b": list(labels)}, "test": {"b": ["0.png", "1.png"]}}
    manifest = {"schema": SCHEMA, "data": images_with_classes(3).as_values(), "classes": labels, "names": names, "digest": ""}
    counts = {split: {domain: len(of) for domain, of in domains.items()} for split, domains in names.items()}
    whole = {"source": "toy", "title": "toy", "pixels": 8, "counts": counts, "files": {}, "unpaired": names["train"]}
    (tmp_path / "manifest.json").write_text(json.dumps(whole | manifest))
    return tmp_path


def trained(method, images, progress=None, save=lambda *at: None, seed=0, state=None):
    players = Players(method, seed, CPU)
    if state is not None:
        players.load(state)
    fit(players, images, 0, progress or Progress(), lambda row: None, lambda p: save(players, p), 0.0)
    return players


def test_everything_trains_and_resumes_to_the_same_bytes(digits, tmp_path):
    method = everything()
    images, saved = load_images(digits, method, CPU), []

    def save(players, progress):
        saved.append(tmp_path / f"{len(saved)}.pt")
        checkpoints.save(saved[-1], {}, {"players": players.state(), "progress": vars(progress)})

    players = trained(method, images, save=save)
    assert len(saved) == 12 and players.buffers["classes"].sum() == 12 * 4  # 3 epochs of 4 steps, 2 batches of 2
    assert 0 < players.buffers["k"] <= 1
    checkpoints.save(tmp_path / "end.pt", {}, players.state())
    for path in saved[::3]:
        state = checkpoints.load(path)
        again = trained(method, images, Progress(**state["progress"]), seed=0, state=state["players"])
        checkpoints.save(tmp_path / "again.pt", {}, again.state())
        assert (tmp_path / "again.pt").read_bytes() == (tmp_path / "end.pt").read_bytes()


def test_labels_follow_their_images_through_order_window_and_split(digits):
    method = everything()
    whole = load_images(digits, method, CPU)
    windowed = TrainingImages(whole.source, whole.feed, method.settings, CPU, whole.labels, True, window=2)
    plan, other = whole.plan(0, 1, 4), windowed.plan(0, 1, 4)
    for step in range(4):
        windowed.fetch(other, step)
        batches = [
            images.batch_of({"b": p.draws["b"][step]}, {"b": p.order["b"][step]}, {n: x[step] for n, x in p.noise.items()}, {})
            for images, p in ((whole, plan), (windowed, other))
        ]
        assert torch.equal(batches[0].images["b"], batches[1].images["b"])
        for part in batches[0].split(2):
            assert part.images["b"].shape == (2, 1, 8, 8) and part.noise["z"].shape == (2, 4)
            levels = ((part.images["b"] + 1) * 127.5).mean((1, 2, 3)).round()
            assert torch.equal(levels, 100.0 * part.labels["b"])
    assert set(plan.noise["code"].flatten().tolist()) <= {0, 1, 2} and 0 <= plan.noise["mix"].min() <= plan.noise["mix"].max() < 1


def test_tied_weights_learn_once_from_both_and_frozen_ones_never(digits):
    method = everything()
    images = load_images(digits, method, CPU)
    players = Players(method, 0, CPU)
    first, second = (players.networks[name][0][0].weight for name in ("first", "second"))
    assert first is second and sum(p is first for p in players.parameters["generators"]) == 1
    z, grads = torch.randn(2, 4), []
    for names in (("first",), ("second",), ("first", "second")):
        players.turn("generators")
        first.grad = None
        sum(players.networks[name](z).square().sum() for name in names).backward()
        grads.append(first.grad.clone())
    assert torch.allclose(grads[0] + grads[1], grads[2], rtol=1e-5)
    frozen = players.networks["features"].weight.clone()
    fit(players, images, 0, Progress(), lambda row: None, lambda p: None, 1e9)
    assert torch.equal(players.networks["features"].weight, frozen) and not players.networks["features"].training
    assert "features" not in players.state()["networks"] and set(players.generators()) == {"first", "second"}
    # at generation a frozen network is the one it was in training
    method.generators = lambda: ("first", "features")
    again = load_networks(method, players.generators(), 0, CPU)
    assert torch.equal(again["features"].weight, frozen)


def test_a_trunk_learns_with_whom_trains_it_and_a_stored_network_never_by_itself(digits):
    """A head of its own on the trunk of another's network, as InfoGAN's; a running mean, kept and not stepped."""

    class Shared(Everything):
        def networks(self, random):
            made = super().networks(random)
            made["q"] = nn.Sequential(made["critic"][0], nn.Flatten(1))  # in no player: shares the critic's first layer
            return made | {"mean": nn.Linear(2, 2)}

        def players(self):
            return super().players() | {"kept": Player(("mean",), None)}

    method = Shared(everything().settings, images_with_classes(3))
    images = load_images(digits, method, CPU)
    players = Players(method, 0, CPU)
    trunk = players.networks["q"][0].weight
    assert any(p is trunk for p in players.parameters["critic"]) and trunk.requires_grad
    before, mean = trunk.clone(), players.networks["mean"].weight.clone()
    fit(players, images, 0, Progress(), lambda row: None, lambda p: None, 1e9)
    assert not torch.equal(trunk, before) and torch.equal(players.networks["mean"].weight, mean)
    assert "mean" in players.state()["networks"] and "kept" not in players.optimisers


def test_both_engines_give_the_same_losses_gradient_penalty_included(digits, monkeypatch):
    """Eight channels and more, so that the critic's second layer is a fast one; float32, 1e-4."""
    from ganrepro.nets import cpu_convolutions

    monkeypatch.setattr(cpu_convolutions, "WORTHWHILE", 0.0)
    found = []
    for engine in ("fast", "plain"):
        method = everything(engine=engine)
        images = load_images(digits, method, CPU)
        players = Players(method, 0, CPU)
        kinds = {type(module).__name__ for module in players.networks["critic"].modules()}
        assert ("FastConv2d" in kinds) is (engine == "fast")
        found.append(fit(players, images, 0, Progress(), lambda row: None, lambda p: None, 1e9))
    for fast, plain in zip(*found, strict=True):
        assert fast == pytest.approx(plain, rel=1e-4, abs=1e-5)


def test_outputs_from_noise_are_made_seeded_and_grey(digits, tmp_path):
    method = everything()
    weights = Players(method, 0, CPU).generators()
    for folder in ("once", "again"):
        generate(method, weights, 0, digits / "test", {"b": [f"{i}.png" for i in range(64)]}, tmp_path / folder, CPU)
    for output in ("first", "second"):
        made = sorted((tmp_path / "once" / output).iterdir())
        assert len(made) == 64 and looked_at(made[0]) == ("L", (8, 8))
        for path in made:
            assert path.read_bytes() == (tmp_path / "again" / output / path.name).read_bytes()
    assert set(load_networks(method, weights, 0, CPU)) == {"first", "second"}


def test_a_step_that_returns_other_losses_than_it_promised_is_named(digits):
    class Silent(Everything):
        def step(self, players, batch):
            return {"critic": torch.zeros(())}

    method = Silent(everything().settings, images_with_classes(3))
    with pytest.raises(ValueError, match=r"step gave \['critic'\], losses\(\) \['critic', 'encoder'"):
        trained(method, load_images(digits, method, CPU))


def test_mistakes_in_a_method_are_named(digits):
    def started(**players):
        method = everything()
        method.players = lambda: Everything.players(method) | players
        return Players(method, 0, CPU)

    with pytest.raises(ValueError, match=r"player 'g' names a network 'g_ba'; networks\(\) has first, second"):
        started(g=Player(("g_ba",), Adam(1e-3)))
    with pytest.raises(ValueError, match=r"networks are a tuple; write \('first',\)"):
        started(g=Player("first", Adam(1e-3)))
    with pytest.raises(KeyError, match="no player 'generator' learns; there are: generators, critic, encoder"):
        started().turn("generator")
    with pytest.raises(ValueError, match=r"term 'first' is \(\); expected one value per image"):
        started().update("generators", {"first": 1.0}, {"first": torch.zeros(())})


def test_noise_is_what_it_says():
    random = stream(0, "test")
    assert Normal((2, 3)).draw(5000, random).std() == pytest.approx(1, abs=0.02)
    uniform = Uniform((), -1, 3).draw(5000, random)
    assert -1 <= uniform.min() < -0.9 and 2.9 < uniform.max() < 3 and uniform.shape == (5000,)
    assert np.bincount(Categorical(4).draw(4000, random)).tolist() == pytest.approx([1000] * 4, abs=110)
    assert Batch({"a": torch.arange(4)}).split(2)[1].images["a"].tolist() == [2, 3]

"""Learning from few labels: losses against written-out equations, which labels are known, what is read wrong."""

import dataclasses

import numpy as np
import pytest
import torch
from conftest import Caught, images_with_classes, method_of, tiny
from torch.nn import functional

from ganrepro.data.few import chosen_few
from ganrepro.data.images import write_png
from ganrepro.errors import UnfitData, UserError
from ganrepro.evaluation.measures import linear_probe
from ganrepro.evaluation.measures.base import Job
from ganrepro.evaluation.measures.own_reading import MEASURE
from ganrepro.methods.base import FEW, Batch, Feed
from ganrepro.methods.outputs import reconstructions, samples
from ganrepro.nets.few_labels import Maker, Reader
from ganrepro.training.batches import TrainingImages

CPU = torch.device("cpu")
ABOUT = {
    "study": "s", "row": "r", "seed": 0, "study_title": "t", "method": "m", "dataset": "d", "licence": "MIT", "scores": {},
    "settings": {}, "key": "k", "drawn": True, "commit": "c", "versions": {}, "trained_on": "cpu",
}  # fmt: skip


@pytest.mark.parametrize("objective", ["feature-matching", "minibatch", "sgan", "catgan", "alone"])
def test_losses_are_the_written_out_equations(objective):
    """Of fixed logits and features, by probabilities instead of logits; tolerance: rounding (1e-5)."""
    random = torch.Generator().manual_seed(0)
    classes, outputs = 10, 11 if objective == "sgan" else 10
    method = tiny(method_of("few_labels", images_with_classes()), objective=objective, load_pixels=16, crop_pixels=16)
    said = [(torch.randn(6, outputs, generator=random), torch.randn(6, 5, generator=random)) for _ in range(5)]
    answers = iter(said)

    def judge(images):
        return next(answers)

    players = Caught({"discriminator": judge, "generator": lambda z: torch.zeros(6, 1, 16, 16)})
    labels = torch.tensor([3, 1, 4, 1, 5, 9])
    images = {"b": torch.zeros(6, 1, 16, 16), FEW: torch.zeros(6, 1, 16, 16)}
    losses = method.step(players, Batch(images, {FEW: labels}, {"z": torch.zeros(6, 100)}))
    assert {*losses} == {loss.name for loss in method.losses()}
    weights, (terms,) = players.weights["discriminator"], players.terms["discriminator"]
    terms = {name: term.mean() for name, term in terms.items()}
    assert torch.allclose(terms["labelled"], functional.cross_entropy(said[0][0], labels), atol=1e-5)
    if objective == "alone":
        assert "generator" not in players.terms
        return
    (real, _), (fake, _), (judged, features) = said[1], said[2], said[3]

    def entropy(p):
        return -(p * p.log()).sum(-1)

    def real_chance(logits):  # Z / (Z + 1), or all but the last of K + 1
        if objective == "sgan":
            return logits.softmax(1)[:, :classes].sum(1)
        return logits.exp().sum(1) / (logits.exp().sum(1) + 1)

    if objective == "catgan":
        p, q, g = (logits.softmax(1) for logits in (real, fake, judged))
        expected = {"real": entropy(p).mean() - entropy(p.mean(0)), "fake": -entropy(q).mean()}
        fooled = entropy(g).mean() - entropy(g.mean(0))
    else:
        expected = {"real": -real_chance(real).log().mean(), "fake": -(1 - real_chance(fake)).log().mean()}
        fooled = {
            "feature-matching": lambda: (features.mean(0) - said[4][1].mean(0)).square().mean(),
            "minibatch": lambda: -real_chance(judged).log().mean(),
            "sgan": lambda: (1 - real_chance(judged)).log().mean(),
        }[objective]()
    assert weights == {"labelled": 1} | dict.fromkeys(expected, 1.0 if objective == "catgan" else 0.5)
    assert all(torch.allclose(terms[name], value, atol=1e-5) for name, value in expected.items())
    assert torch.allclose(players.terms["generator"][0]["generator"].mean(), fooled, atol=1e-5)


def test_labels_that_are_known_are_balanced_and_of_the_seed():
    labels = torch.arange(200) % 10
    few = [chosen_few(labels, 50, seed) for seed in (0, 0, 1)]
    assert labels[few[0]].bincount().tolist() == [5] * 10 and len(few[0].unique()) == 50
    assert torch.equal(few[0], few[1]) and not torch.equal(few[0], few[2])


def test_no_step_sees_a_label_that_is_not_known():
    settings = tiny(method_of("few_labels"), labels=10, load_pixels=16, crop_pixels=16, batch_images=8, epoch_images=8).settings
    images = torch.arange(40).view(40, 1, 1, 1).expand(40, 16, 16, 1).byte()
    given = TrainingImages({"b": images}, Feed(("b",), few=10), settings, CPU, {"b": torch.arange(40) % 10})
    known, plan = {*chosen_few(torch.arange(40) % 10, 10, 3).tolist()}, given.plan(3, 1, 50)
    assert {*plan.order[FEW].flatten().tolist()} == known and len({*plan.order["b"].flatten().tolist()}) == 40
    batch = given.batch_of({d: of[0] for d, of in plan.draws.items()}, {d: of[0] for d, of in plan.order.items()}, {}, {})
    assert {*batch.labels} == {FEW}
    level = ((batch.images[FEW][:, 0, 0, 0] + 1) * 127.5).round().long()
    assert torch.equal(level % 10, batch.labels[FEW])  # each label is that of its image


def test_labels_that_do_not_suit_are_said():
    with pytest.raises(UnfitData, match="equally many labels of each class, and 25 are no multiple of 10"):
        method_of("few_labels", labels=25).check()
    with pytest.raises(UnfitData, match="needs the classes of the images, and the dataset has none"):
        method_of("few_labels", dataclasses.replace(images_with_classes(), classes=())).check()


def test_networks_have_the_published_sizes():
    reader, maker = Reader(784, 10), Maker(100, (1, 28))
    widths = [tuple(p.shape) for name, p in reader.named_parameters() if name.endswith("original1")]
    assert widths == [(1000, 784), (500, 1000), (250, 500), (250, 250), (250, 250), (10, 250)]
    assert maker(torch.rand(3, 100)).shape == (3, 1, 28, 28)
    torch.manual_seed(0)
    image = torch.rand(2, 1, 28, 28)
    assert not torch.equal(reader(image)[0], reader(image)[0])  # noise in training
    assert torch.equal(reader.eval()(image)[0], reader(image)[0])


def test_what_is_read_wrong_is_counted(tmp_path):
    output, data = dataclasses.replace(samples("b"), reads=True), images_with_classes()
    assert MEASURE.applies(output, data) and not MEASURE.applies(samples("b"), data)
    names = [f"{i}.png" for i in range(8)]
    np.savez(tmp_path / "codes.npz", **{"test.class": np.array([0, 1, 2, 3, 4, 5, 0, 0])})
    manifest = {"names": {"test": {"b": names}}, "classes": {name: i for i, name in enumerate(names)}}
    job = Job(output, [tmp_path / "samples"], tmp_path, manifest, data, 28, CPU, None, lambda: None, "reader", {}, tmp_path)
    assert MEASURE.statistic(MEASURE.measure(job).counts.sum((0, 1)))["read_wrong"] == 0.25
    assert MEASURE.measure(dataclasses.replace(job, row="ground-truth")).counts is None
    whole = (tmp_path / "codes.npz").read_bytes()
    method = whole.index(b"PK\x01\x02") + 10  # of compression, in the archive's list
    (tmp_path / "codes.npz").write_bytes(whole[:method] + b"\x63" + whole[method + 1 :])
    with pytest.raises(UserError, match=r"codes\.npz: damaged or cut short .*run snakemake again"):
        MEASURE.measure(job)


def test_minibatches_are_read_as_large_as_in_training():
    """What is added to the features grows with the batch: 250 images at once are read as in batches of 8."""
    method = tiny(method_of("few_labels"), objective="minibatch", load_pixels=16, crop_pixels=16, batch_images=8, epoch_images=8)
    judge = method.networks(lambda name: torch.Generator().manual_seed(1))["discriminator"].eval()
    images, sizes = torch.rand(21, 1, 16, 16), []
    judge.register_forward_hook(lambda module, given, out: sizes.append(len(given[0])))
    said = method.encode({"discriminator": judge}, images, torch.Generator())
    assert sizes == [8, 8, 8] and len(said["class"]) == len(said["code"]) == 21
    assert torch.equal(said["class"][:8], judge(images[:8])[0].argmax(1))


def test_a_reader_of_few_labels_is_exported_and_read_back(tmp_path):
    from ganrepro.use.samples import Sampler, read_folder, to_folder

    method = tiny(method_of("few_labels"), load_pixels=16, crop_pixels=16)
    networks = method.networks(lambda name: torch.Generator().manual_seed(1))
    sampler = Sampler("few", method, {n: network.train() for n, network in networks.items()}, "few", ABOUT)
    to_folder(sampler, tmp_path / "few")
    assert [image.size for image in read_folder(tmp_path / "few")(2, 0, None)] == [(16, 16)] * 2


def test_codes_are_read_by_a_machine_that_is_told_few_labels(tmp_path):
    """Codes that are the class, but those of every tenth test image, which are another's; in one that tells nothing, chance."""
    random, data, probe = np.random.default_rng(0), images_with_classes(), linear_probe.MEASURE
    assert probe.applies(reconstructions("b"), data) and not probe.applies(samples("b"), data)
    names = {"train": {"b": [f"t{i}.png" for i in range(200)]}, "test": {"b": [f"{i}.png" for i in range(500)]}}
    manifest = {"names": names, "classes": {name: i % 10 for split in names.values() for i, name in enumerate(split["b"])}}
    shown = {s: np.array([manifest["classes"][n] for n in split["b"]]) for s, split in names.items()}
    shown["test"][::10] = (shown["test"][::10] + 1) % 10
    codes = {f"{s}.code": np.eye(10)[of] + random.normal(0, 0.01, (len(of), 10)) for s, of in shown.items()}
    output = reconstructions("b")
    job = Job(output, [tmp_path / "r"], tmp_path, manifest, data, 28, CPU, None, lambda: None, "reader", {}, tmp_path)

    def read(**codes):
        np.savez(tmp_path / "codes.npz", **codes)
        return probe.statistic(probe.measure(job).counts.sum((0, 1)))

    # of 200 training images there are no 1,000 labels
    assert read(**codes) == {"probe_50": pytest.approx(0.1), "probe_100": pytest.approx(0.1)}
    four = probe.statistic(np.array([1.0, 1, 0, 0, 3, 10]))  # of so many classes 100 labels cannot be drawn evenly
    assert four == {"probe_50": 1, "probe_1000": 0.3}
    nothing = read(**{name: random.normal(size=of.shape) for name, of in codes.items()})
    assert all(abs(value - 0.9) < 0.05 for value in nothing.values())  # 2,500 answers each: 0.006 is one standard error
    assert probe.measure(dataclasses.replace(job, row="identity")).counts is None


def test_of_real_images_the_pixels_are_read(tmp_path):
    """Images whose grey is their class, in ten steps."""
    names = {"train": {"b": [f"t{i}.png" for i in range(100)]}, "test": {"b": [f"{i}.png" for i in range(20)]}}
    for split, of in names.items():
        for i, name in enumerate(of["b"]):
            image = np.zeros((4, 4), np.uint8)
            image.flat[i % 10] = 255
            write_png(tmp_path / split / "b" / name, image)
    manifest = {"names": names, "classes": {name: i % 10 for split in names.values() for i, name in enumerate(split["b"])}}
    data, output, row = images_with_classes(), reconstructions("b"), "ground-truth"
    job = Job(output, [tmp_path], tmp_path, manifest, data, 4, CPU, row, lambda: None, "reader", {}, tmp_path)
    probe = linear_probe.MEASURE
    assert probe.statistic(probe.measure(job).counts.sum((0, 1))) == {"probe_50": 0, "probe_100": 0}

"""Sums of codes: what they are made of, on networks whose codes can be read by hand, and that choosing them disturbs nothing."""

import copy

import numpy as np
import pytest
import torch
from conftest import TWO_ATTRIBUTES, Caught, images_with_classes, method_of, parsed, tiny
from PIL import Image
from torch import nn

from ganrepro.data.prepare import prepare
from ganrepro.methods.base import Batch
from ganrepro.plan import paths
from ganrepro.schema.datasets import DatasetSettings
from ganrepro.training.batches import TrainingImages
from ganrepro.training.loop import Progress, fit
from ganrepro.training.players import Players

CPU = torch.device("cpu")
CODE = 16  # as many numbers as an image of 4 × 4 has: it is its code


class Readable(nn.Module):
    """Six classes: the digit is the largest of the first three numbers, the ink the sign of the fourth."""

    def forward(self, images):
        z = images.flatten(1)
        return torch.stack([10 * z[:, digit] + ink * 10 * z[:, 3] for digit in range(3) for ink in (1, -1)], 1)


def class_of(z):
    """By hand."""
    return 2 * z[:, :3].argmax(1) + (z[:, 3] < 0).long()


def made(output, count=60, **changes):
    """Codes of images that are their codes, and the classes that were asked for."""
    method = method_of("code_arithmetic", crop_pixels=4, load_pixels=4, code_size=CODE, **changes)
    networks = {"generator": nn.Unflatten(1, (1, 4, 4)), "classifier": Readable()}
    asked = torch.arange(count) % 6
    (wanted,) = (o for o in method.outputs() if o.name == output)
    batch = Batch({}, {"b": asked}, {"z": torch.zeros(count, CODE)})
    return method.generate(wanted, networks, batch, torch.Generator().manual_seed(0)).flatten(1), asked


@pytest.mark.parametrize("exemplars", [1, 3])
def test_a_sum_takes_one_attribute_of_each_end(exemplars):
    """A - B + C to 1e-6: A has the first attribute alone, C the second, B neither; six codes within 0.25 of the sum."""
    codes, asked = made("sums-picture", exemplars=exemplars)
    for row, wanted in zip(codes.reshape(6, 10, CODE), asked[:6].tolist(), strict=True):
        digits, inks = class_of(row) // 2, class_of(row) % 2
        assert digits[0] == wanted // 2 and inks[0] != wanted % 2
        assert digits[2] != wanted // 2 and inks[2] == wanted % 2
        assert digits[1] == digits[2] and inks[1] == inks[0]
        assert torch.allclose(row[3], row[0] - row[1] + row[2], atol=1e-6)
        moved = row[4:] - row[3]
        assert (moved.abs() <= 0.25).all() and (moved.abs() > 0.1).any() and len(moved.unique(dim=0)) == 6


def test_sums_show_what_was_asked_for_and_are_of_the_length_that_was_said():
    """Where attributes lie along axes, sums are right; a rescaled one has a code's root mean square length, to 1e-5."""
    codes, asked = made("sums")
    assert (class_of(codes) == asked).all()
    assert len(codes.unique(dim=0)) == len(codes)
    length = (CODE / 3) ** 0.5
    rescaled, _ = made("sums", exemplars=1, rescaled=True)
    assert rescaled.norm(dim=1).tolist() == pytest.approx([length] * 60, abs=1e-5)
    (one, _), (three, _) = made("sums", exemplars=1), made("sums", exemplars=3)
    assert float(one.norm(dim=1).mean()) > 1.3 * float(three.norm(dim=1).mean())
    ten, _ = made("sums", exemplars=10)
    assert len(ten.unique(dim=0)) == len(ten)  # also where many are averaged
    single, asked = made("sums", single=True)
    assert (class_of(single) == asked).all() and float(single.norm(dim=1).mean()) < length


def test_the_classifier_takes_no_part_in_the_game():
    """The game's weights are those of DCGAN, bit for bit."""
    random, weights = torch.Generator().manual_seed(0), {}
    levels = torch.randint(0, 256, (12, 16, 16, 1), generator=random).byte()
    for name in ("dcgan", "code_arithmetic"):
        method = tiny(method_of(name, TWO_ATTRIBUTES))
        labels = {"b": torch.arange(12) % 6} if name == "code_arithmetic" else None
        images = TrainingImages({"b": levels}, method.feed(), method.settings, CPU, labels)
        players = Players(method, 0, CPU)
        before = copy.deepcopy(players.networks["classifier"].state_dict()) if labels else {}
        if labels:  # what it goes down is the cross-entropy of the true classes: written out, before any step, to 1e-5
            caught = Caught(players.networks)
            batch = Batch({"b": levels[:6].permute(0, 3, 1, 2) / 127.5 - 1}, {"b": labels["b"][:6]}, {"z": torch.zeros(6, 100)})
            method.step(caught, batch)
            logits = players.networks["classifier"](batch.images["b"]).double()
            wanted = logits.logsumexp(1) - logits[torch.arange(6), labels["b"][:6]]
            assert torch.allclose(caught.terms["classifier"][0]["classes"].double(), wanted, atol=1e-5)
            players = Players(method, 0, CPU)
        fit(players, images, 0, Progress(), lambda row: None, lambda progress: None, 0.0)
        weights[name] = {n: players.networks[n].state_dict() for n in ("generator", "discriminator")}
        after = players.networks["classifier"].state_dict() if labels else {}
        assert all(not torch.equal(before[n], after[n]) for n in before if n.endswith("weight"))
    for network, of in weights["dcgan"].items():
        assert all(torch.equal(value, weights["code_arithmetic"][network][name]) for name, value in of.items())


def test_rows_that_differ_in_what_is_made_share_their_trainings(raw):
    params = parsed(raw)
    study = params.studies["digits-arithmetic"]
    of = {row: paths.Run(params, study, row, 0) for row in study.rows}
    assert len({run.key for run in of.values()}) == 1 and len({run.images_key for run in of.values()}) == len(of) == 5
    assert of["one"].record["settings"] == of["three"].record["settings"]
    raw["studies"]["digits-arithmetic"]["filters"] = 8
    changed = parsed(raw)
    assert paths.Run(changed, changed.studies["digits-arithmetic"], "one", 0).key != of["one"].key


NO_TWO = [["man", "woman"], ["man.hat", "man.plain"], ["man.hat", "man.plain", "woman.hat"], ["b.y", "a.x", "b.x", "a.y"]]


@pytest.mark.parametrize("classes", NO_TWO)
def test_classes_that_do_not_combine_two_attributes_are_refused(classes, raw):
    data = images_with_classes()
    data = type(data)(data.domains, classes=tuple(classes))
    with pytest.raises(Exception, match=r"needs classes of two attributes, two values each at least, named as in man\.glasses"):
        method_of("code_arithmetic", data).check()
    raw["studies"]["digits-arithmetic"]["dataset"] = "digits"
    with pytest.raises(Exception, match=r"digits-arithmetic.*needs classes of two attributes"):
        parsed(raw)


@pytest.mark.parametrize("source", ["digits-frame", "digits-ink"])
def test_drawn_digits_combine_two_attributes(source, tmp_path):
    """Inside the frame each is the digit of that number, or its negative; all classes equally often."""
    for name in ("digits", source):
        (tmp_path / name).mkdir()
        wanted = DatasetSettings(source=name, pixels=32, train_images=80, test_images=20)
        manifest = prepare(wanted, None, tmp_path / name)
    names = manifest["names"]["train"]["b"]
    classes = [manifest["classes"][name] for name in names]
    count = 20 if source == "digits-frame" else 4
    assert np.bincount(classes).tolist() == [80 // count] * count
    for number, (name, image_class) in enumerate(zip(names, classes, strict=True)):
        of = 10 * (number // 20) + image_class // 2 if source == "digits-frame" else number // 4  # number of the drawn digit
        plain = np.asarray(Image.open(tmp_path / "digits/train/b" / f"train-{of:05d}.png"))
        here = np.asarray(Image.open(tmp_path / source / "train/b" / name))
        inverted, framed = (False, image_class % 2) if source == "digits-frame" else divmod(image_class, 2)
        here = 255 - here if inverted else here
        assert np.array_equal(here[2:-2, 2:-2], plain[2:-2, 2:-2])
        border = np.concatenate([here[:2].ravel(), here[-2:].ravel(), here[:, :2].ravel(), here[:, -2:].ravel()])
        assert (border == (200 if framed else 0)).all()
        if source == "digits-frame":
            assert image_class == number % 20

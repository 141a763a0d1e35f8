"""Several domains: StarGAN's losses and labels against written-out equations, trainings of each pair, the reader of domains."""

import dataclasses

import numpy as np
import pytest
import torch
from conftest import RAW, Caught, method_of, parsed, tiny
from PIL import Image
from torch.nn import functional

from ganrepro.data.spec import DataSpec, spec_of
from ganrepro.errors import UnfitData
from ganrepro.evaluation.generation import generate
from ganrepro.evaluation.measures.base import Job, Limits
from ganrepro.evaluation.measures.domain_error import MEASURE
from ganrepro.evaluation.readers import domains as reading
from ganrepro.evaluation.readers import kind_of
from ganrepro.evaluation.readers.base import Reader, Task
from ganrepro.methods import each_target
from ganrepro.methods.base import Batch
from ganrepro.methods.outputs import translation
from ganrepro.nets.stargan import Discriminator, Generator, ToOneDomain
from ganrepro.schema.readers import ReaderSettings
from ganrepro.settings.models import Row
from ganrepro.training.batches import TrainingImages
from ganrepro.training.loop import Progress, fit
from ganrepro.training.players import Players

CPU = torch.device("cpu")


def several(**attributes) -> DataSpec:
    """Domains by name, each with its attributes; {} where nothing is said of it."""
    domains = {name: {"title": f"of {name}", "word": name, "attributes": of} for name, of in attributes.items()}
    return spec_of({"domains": domains, "paired": True})


THREE = several(day={}, dusk={}, night={})
JOINT = several(
    day={"light": "day"}, dusk={"light": "dusk"}, night={"light": "night"}, green={"season": "green"}, snow={"season": "snow"}
)


def caught(method):
    """What a step of fresh networks is to go down."""
    return Caught(method.networks(lambda name: torch.Generator().manual_seed(len(name))), method.buffers())


def batch_of(method, count, seed=0):
    """Random images and noise of a step."""
    random = torch.Generator().manual_seed(seed)
    size, many = method.settings.crop_pixels, count * method.settings.critic_steps
    images = {domain: torch.rand(many, 3, size, size, generator=random) * 2 - 1 for domain in method.domains}
    return Batch(images, {}, {name: kind.draw(many, random) for name, kind in method.feed().noise.items()})


@pytest.mark.parametrize("kind", ["one-of-n", "binary"])
def test_stargans_losses_are_the_papers_equations(kind):
    """Equations 1 to 6, written out with torch's own losses; tolerance: rounding (1e-5)."""
    method = tiny(method_of("stargan", THREE), classification=kind, critic_steps=2, identity_weight=4 * (kind == "binary"))
    players, batch, seen = caught(method), batch_of(method, 2), []
    make, judge = players.networks["generator"], players.networks["discriminator"]
    judge.register_forward_hook(lambda module, given, out: seen.append(given[0].detach()))
    torch.manual_seed(3)
    losses = method.step(players, batch)
    assert players.weights["discriminator"] == {"real": 1, "fake": 1, "domain_real": 1, "penalty": 10}
    weights = {"adversarial": 1, "domain_fake": 1, "reconstruction": 10} | ({"identity": 4} if kind == "binary" else {})
    assert players.weights["generator"] == weights
    assert len(players.terms["discriminator"]) == 2 and len(players.terms["generator"]) == 1

    def classified(logits, classes):
        if kind == "one-of-n":
            return functional.cross_entropy(logits, classes)
        wanted = functional.one_hot(classes, 3).float()
        return functional.binary_cross_entropy_with_logits(logits, wanted, reduction="sum") / len(logits)

    for number, part in enumerate(batch.split(2)):
        real, own = torch.cat([part.images[name] for name in THREE.domains]), torch.tensor([0, 0, 1, 1, 2, 2])
        order = torch.cat([part.noise[f"order/{name}"] for name in THREE.domains]).argsort()
        wanted = own[order]
        assert wanted.bincount().tolist() == [2, 2, 2]  # the batch's own labels, in another order
        label = functional.one_hot(wanted, 3).float()
        fake = make(real, label)
        (patches, read), (of_fake, read_fake) = judge(real), judge(fake)
        terms = {name: term.mean() for name, term in players.terms["discriminator"][number].items()}
        assert torch.allclose(terms["real"], -patches.mean(), atol=1e-5)
        assert torch.allclose(terms["fake"], of_fake.mean(), atol=1e-5)
        assert torch.allclose(terms["domain_real"], classified(read, own), atol=1e-5)
        mixed = seen[3 * number + 2].requires_grad_()  # of real, fake and mixed images
        slopes = [torch.autograd.grad(judge(image[None])[0].sum(), image)[0].norm() for image in mixed]
        assert torch.allclose(terms["penalty"], torch.stack([(slope - 1) ** 2 for slope in slopes]).mean(), rtol=1e-4)
        shares = [((m - f) / (r - f)).detach().flatten().median() for m, r, f in zip(mixed, real, fake, strict=True)]
        assert all(0 <= share <= 1 for share in shares) and len({round(float(s), 4) for s in shares}) == 6
    back = make(fake, functional.one_hot(own, 3).float())
    terms = {name: term.mean() for name, term in players.terms["generator"][0].items()}
    assert torch.allclose(terms["adversarial"], -of_fake.mean(), atol=1e-5)
    assert torch.allclose(terms["domain_fake"], classified(read_fake, wanted), atol=1e-5)
    assert torch.allclose(terms["reconstruction"], (back - real).abs().mean(), atol=1e-5)
    same = make(real, functional.one_hot(own, 3).float())
    assert kind != "binary" or torch.allclose(terms["identity"], (same - real).abs().mean(), atol=1e-5)
    assert {*losses} == {loss.name for loss in method.losses()}


def test_networks_have_the_papers_numbers_of_weights():
    """Table 3 prints 53.2 million for eight domains at 128 × 128: those of the published layers."""
    method = method_of("stargan", several(**{f"d{i}": {} for i in range(8)}))
    counts = {
        name: sum(p.numel() for p in network.parameters())
        for name, network in method.networks(lambda _: torch.Generator()).items()
    }
    assert round(sum(counts.values()) / 1e6, 1) == 53.2
    assert [round(counts[name] / 1e6, 1) for name in ("generator", "discriminator")] == [8.4, 44.8]


def test_mirrored_borders_make_the_label_do_nothing():
    image, labels = torch.rand(1, 3, 16, 16) * 2 - 1, torch.eye(3)
    differ = {}
    for reflect in (False, True):
        torch.manual_seed(0)
        network = Generator(3, 3, 8, 1, reflect)
        made = [network(image, label[None]).detach() for label in labels]
        differ[reflect] = float(torch.stack([(other - made[0]).abs().max() for other in made[1:]]).max())
    assert differ[True] < 1e-4 < 1e-2 < differ[False]


def test_a_fixed_label_is_the_same_function_with_the_same_weights():
    whole, fixed = Generator(3, 2, 8, 1), ToOneDomain(3, [0.0, 1.0], 8, 1, False)
    fixed.load_state_dict(whole.state_dict())
    image = torch.rand(2, 3, 16, 16)
    assert torch.equal(fixed(image), whole(image, torch.tensor([[0.0, 1.0]] * 2)))


def test_the_heads_of_the_discriminator_have_the_sizes_of_their_images():
    patches, read = Discriminator((32, 64), 3, 5, 4, 4)(torch.zeros(2, 3, 32, 64))
    assert patches.shape == (2, 1, 2, 4) and read.shape == (2, 5)


def test_joint_training_masks_what_is_unknown():
    """Section 3.2: labels of both data sets, zeros where unknown, and a mask; only the known part enters the loss."""
    method = tiny(method_of("stargan", JOINT), critic_steps=1)
    assert method.label("dusk") == [0, 1, 0, 0, 0, 1, 0]
    assert method.label("snow") == [0, 0, 0, 0, 1, 0, 1]
    assert list(method.sets.values()) == [["day", "dusk", "night"], ["green", "snow"]]
    logits = torch.randn(1, 5)
    loss = method.misread(logits, torch.tensor([method.label("snow")]))
    assert torch.allclose(loss, functional.cross_entropy(logits[:, 3:], torch.tensor([1]), reduction="none"))
    players = caught(method)
    method.step(players, batch_of(method, 2))
    assert len(players.terms["discriminator"]) == len(players.terms["generator"]) == 2  # a step on each data set
    names = [output.name for output in method.outputs()]
    assert "day2snow" in names and "day2snow-wrong-mask" in names
    right, wrong = (method.network_of(method.outputs()[names.index(f"day2snow{w}")])[1]["label"] for w in ("", "-wrong-mask"))
    assert right[:5] == wrong[:5] and (right[5:], wrong[5:]) == ((0, 1), (1, 0))


def test_every_pair_is_trained_as_it_would_be_alone():
    """With no pool, whose random choices go by its name: the weights of both generators, to the bit."""
    random = torch.Generator().manual_seed(0)
    images = {name: torch.randint(0, 256, (5, 18, 18, 3), generator=random).byte() for name in THREE.domains}

    def trained(method):
        players = Players(method, 0, CPU)
        own = {name: images[name] for name in method.feed().domains}
        fit(
            players,
            TrainingImages(own, method.feed(), method.settings, CPU),
            0,
            Progress(),
            lambda row: None,
            lambda p: None,
            1e9,
        )
        return players.generators()

    together = trained(tiny(method_of("cyclegan_each", THREE, source="day"), pool_images=0))
    assert [name.partition("/")[0] for name in together] == ["day2dusk"] * 2 + ["day2night"] * 2
    for other in ("dusk", "night"):
        alone = trained(tiny(method_of("cyclegan", THREE, domains=["day", other]), pool_images=0))
        for name, state in alone.items():
            assert all(torch.equal(state[key], together[f"day2{other}/{name}"][key]) for key in state), (other, name)


def test_losses_are_averaged_by_role_whatever_domains_are_called():
    data = several(day={}, night_rain={}, target={})
    method = tiny(method_of("cyclegan_each", data, source="day"))
    names = {loss.name for loss in method.losses()}
    for part in method.parts.values():
        assert {each_target._by_role(loss.name, part) for loss in part.losses()} == names
    assert "adversarial_target" in names and not any("night" in name or "day" in name for name in names)


def test_wrong_masks_are_no_part_of_the_mean():
    rows = {"joint": Row("joint", method_of("stargan", JOINT, source="day"))}
    study = dataclasses.replace(next(iter(parsed(RAW).studies.values())), data=JOINT, rows=rows)
    assert [output.name for output in study.pooled] == ["day2dusk", "day2night", "day2green", "day2snow"]


def test_domains_are_told_apart_where_they_can_be():
    assert THREE.told_apart and JOINT.told_apart
    grey = dataclasses.replace(THREE.domains["day"], channels=1)
    assert not dataclasses.replace(THREE, domains=THREE.domains | {"day": grey}).told_apart
    lights = {"domains": {name: {"attributes": {"light": name}} for name in ("day", "night")}}
    assert spec_of(lights).told_apart and not spec_of(lights, "edges").told_apart


def test_a_training_that_the_input_beats_is_judged_only_where_it_can_be():
    limits = Limits(0.02, 0.5)
    assert MEASURE.collapsed({"domain_error": 0.99}, {"identity": {"domain_error": 1.0}}, limits, THREE)
    assert not MEASURE.collapsed({"domain_error": 0.5}, {"identity": {"domain_error": 1.0}}, limits, THREE)
    assert not MEASURE.collapsed({"domain_error": 0.0}, {"identity": {"domain_error": 0.0}}, limits, THREE)  # day is green


def test_pairs_of_each_method():
    assert [o.name for o in method_of("cyclegan_each", THREE).outputs()] == [
        *("day2dusk", "dusk2day", "day2night", "night2day", "dusk2night", "night2dusk"),
    ]
    assert [o.name for o in method_of("simgan_each", THREE, source="dusk").outputs()] == ["dusk2day", "dusk2night"]
    assert len(method_of("simgan_each", THREE).outputs()) == len(method_of("stargan", THREE).outputs()) == 6


@pytest.mark.parametrize(
    ("name", "settings", "data", "message"),
    [
        ("stargan", {"source": "dawn"}, THREE, "needs a domain 'dawn'; the dataset has day, dusk, night"),
        ("stargan", {}, several(day={}), "translates between several domains; the dataset has day alone"),
        ("stargan", {"domains": ["day", "dusk"], "source": "night"}, THREE, "'night', which is not among its domains"),
        (
            "stargan",
            {"crop_pixels": 60, "load_pixels": 60, "discriminator_layers": 3},
            THREE,
            "60 × 60 pixels are no multiple of 8",
        ),
        ("stargan", {}, several(a={"x": "1"}, b={"x": "1"}), "needs a label of its own for each domain; a, b share theirs"),
        ("cyclegan_each", {"domains": ["day", "noon"]}, THREE, "needs a domain 'noon'"),
        ("icgan", {"crop_pixels": 48, "load_pixels": 48}, THREE, "a power of two from 8 pixels; crop_pixels is 48"),
    ],
)
def test_what_does_not_suit_is_said(name, settings, data, message):
    with pytest.raises(UnfitData, match=message):
        method_of(name, data, **settings).check()


def test_channels_that_differ_are_refused():
    grey = dataclasses.replace(THREE.domains["day"], channels=1)
    with pytest.raises(UnfitData, match="these differ in channels"):
        method_of("stargan", dataclasses.replace(THREE, domains=THREE.domains | {"day": grey})).check()


# --- which domain an image is of ----------------------------------------------------------------


@pytest.fixture(scope="module")
def coloured(tmp_path_factory):
    """A dataset whose domains are red, green and blue pictures; its reader."""
    folder, random = tmp_path_factory.mktemp("coloured"), np.random.default_rng(0)
    data = several(red={}, green={}, blue={})
    names = {
        split: {name: [f"{i}.png" for i in range(count)] for name in data.domains}
        for split, count in (("train", 24), ("test", 8))
    }
    for split, of in names.items():
        for channel, (name, files) in enumerate(of.items()):
            (folder / split / name).mkdir(parents=True)
            for file in files:
                levels = random.integers(0, 120, (16, 16, 3))
                levels[..., channel] += 120
                Image.fromarray(levels.astype(np.uint8)).save(folder / split / name / file)
    recipe = ReaderSettings(filters=8, epochs=8, batch_images=8, learning_rate=0.005)
    task = Task(folder, {"names": names}, data, recipe, 16, CPU)
    network, _ = reading.KIND.make(task)
    reader = reading.KIND.load(network.state_dict(), recipe, data)
    return folder, names, data, task, reader


def test_the_reader_of_domains_passes_its_gate_and_fails_with_wrong_labels(coloured):
    *_, task, reader = coloured
    assert kind_of(task.data, task.trained) == "domains"
    assert reading.KIND.gate(reader, task).value == 1
    turned = dataclasses.replace(task, manifest={"names": {"train": {}, "test": {}}})
    wrong = dict(zip(task.data.domains, ("green", "blue", "red"), strict=True))
    shuffled = dataclasses.replace(task.data, domains={wrong[name]: task.data.domains[name] for name in task.data.domains})
    turned = dataclasses.replace(task, data=shuffled)
    assert not reading.KIND.gate(reader, turned).passed


def test_the_error_counts_what_is_not_read_as_the_target(coloured, tmp_path):
    """Six of eight pictures are blue, two are red: an error of 0.25, by hand."""
    folder, names, data, _, reader = coloured
    output = translation(data, "green", "blue")
    (tmp_path / "made").mkdir()
    for number, file in enumerate(names["test"]["green"]):
        source = "red" if number < 2 else "blue"
        (tmp_path / "made" / file).write_bytes((folder / "test" / source / file).read_bytes())
    job = Job(
        output,
        [tmp_path / "made"],
        folder,
        {"names": names},
        data,
        16,
        CPU,
        None,
        lambda: Reader(reader.network),
        "reader",
        {},
        tmp_path,
    )
    assert MEASURE.applies(output, data) and not MEASURE.applies(output, several(green={}, blue={}))
    counts = MEASURE.measure(job).counts
    assert MEASURE.statistic(counts.sum((0, 1)))["domain_error"] == 0.25


def test_domains_of_two_attributes_are_read_one_by_one():
    assert JOINT.told_apart and JOINT.attributes() == {"light": ("day", "dusk", "night"), "season": ("green", "snow")}
    assert reading.values_of("dusk", JOINT) == [1, reading.UNKNOWN]
    assert JOINT.places() == {"light": slice(0, 3), "season": slice(3, 5)}
    kept = DataSpec.of_values(JOINT.as_values())
    assert kept == JOINT
    assert "attributes" not in several(a={}, b={}).as_values()["domains"]["a"]


def test_a_search_for_a_code_makes_images_of_the_wanted_label(tmp_path):
    """IcGAN: the label of the target, and what the target does not say as it is read in the image."""
    method = tiny(method_of("icgan", JOINT), code_size=3)
    networks = method.networks(lambda name: torch.Generator().manual_seed(1))
    asked = []
    networks["generator"].register_forward_hook(lambda module, given, out: asked.append(given[1]))
    output = next(o for o in method.outputs() if o.name == "day2snow")
    method.generate(output, networks, Batch({"day": torch.rand(4, 3, 16, 16)}), torch.Generator())
    assert asked[0][:, 3:].tolist() == [[0, 1]] * 4 and asked[0][:, :3].sum(1).tolist() == [1] * 4


def test_a_generator_of_all_domains_writes_a_folder_for_each_way(tmp_path):
    method = tiny(method_of("stargan", THREE, source="night"))
    (tmp_path / "test" / "night").mkdir(parents=True)
    Image.new("RGB", (16, 16), (9, 9, 60)).save(tmp_path / "test" / "night" / "0.png")
    generate(method, None, 0, tmp_path / "test", {"night": ["0.png"]}, tmp_path / "made", CPU)
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["night2day", "night2dusk"]

"""The rivals of CycleGAN's Tables 2 and 3, each against its formulas, written out again or counted by hand."""

import copy
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import LABELS_AND_PHOTOS, PAPERS, RAW, parsed, small_segmenter, tiny
from conftest import method_of as named
from PIL import Image
from test_training import begun, compare_with_formulas, first_batch, images, players_of
from torch import nn
from torchvision.models import vgg16
from torchvision.models.feature_extraction import create_feature_extractor

from ganrepro import settings
from ganrepro.data.sources import obtain_file
from ganrepro.errors import SourceError, WeightsError
from ganrepro.evaluation.generation import generate
from ganrepro.evaluation.measures import measures_of
from ganrepro.evaluation.measures.base import Job, Needs
from ganrepro.evaluation.scoring import score
from ganrepro.methods.base import Batch
from ganrepro.nets.cogan import coupled, discriminator_layers, generator_layers
from ganrepro.nets.first_layers import reader_features
from ganrepro.nets.inversion import invert
from ganrepro.nets.vgg import Enlarged, vgg_features
from ganrepro.objectives.given_gradient import given_gradient
from ganrepro.schema.registry import entry
from ganrepro.seeding import stream
from ganrepro.store import checkpoints

CPU = torch.device("cpu")


def method_of(name, **changes):
    return tiny(named(name), engine="plain", **changes)


def judged(discriminator, shown, target):
    """Squared distance of all patch logits to a number."""
    return (discriminator(shown) - target).square().mean()


# --- SimGAN, feature loss, pix2pix --------------------------------------------------------------


@pytest.mark.parametrize("name", ["simgan", "pix2pix_lsgan", "feature_gan"])
@pytest.mark.parametrize(("way", "identity"), [("ab", 0.0), ("ba", 3.0)])
def test_a_step_of_one_way_equals_the_plain_formulas(name, way, identity):
    """Discriminator first, on the present fake (the pool is empty yet), then the generator against what it has become; 2e-6."""
    method = method_of(name, domains=[*way], learning_rate=1e-3, content_weight=7.0, identity_weight=identity)
    plain = players_of(method).networks
    engine = begun(method)
    engine.step()
    batch = first_batch(method)
    given, wanted = batch[way[0]], batch[way[1]]
    generator = f"g_{way}"
    fake = plain[generator](given)

    def seen(image):
        return torch.cat([given, image], 1) if name == "pix2pix_lsgan" else image

    d = plain["d"]
    total = 0.5 * (judged(d, seen(wanted), 1) + judged(d, seen(fake.detach()), 0))
    compare_with_formulas(engine.players, plain, {("d",): total}, 1e-3)
    content = {
        "simgan": lambda: (fake - given).abs().mean(),
        "pix2pix_lsgan": lambda: (fake - wanted).abs().mean(),
        "feature_gan": lambda: (plain["features"](fake) - plain["features"](given)).abs().mean(),
    }[name]()
    stepped = engine.players.networks["d"]
    same = (plain[generator](wanted) - wanted).abs().mean()
    total = judged(stepped, seen(fake), 1) + 7 * content + identity * same
    compare_with_formulas(engine.players, plain, {(generator,): total}, 1e-3)
    logged = dict(zip(engine.losses, engine.so_far()[0].tolist(), strict=True))
    assert logged.get("identity") == (pytest.approx(same.item(), abs=1e-6) if identity else None)
    assert logged["content"] == pytest.approx(content.item(), abs=1e-6)
    assert method.feed().paired is (name == "pix2pix_lsgan")


@pytest.mark.parametrize("name", ["simgan", "feature_gan"])
def test_without_content_it_is_a_plain_gan(name):
    """The step of weight 0 is that of its generator and discriminator alone, exactly; nothing else is read or logged."""
    method = method_of(name, content_weight=0)
    assert [loss.name for loss in method.losses()] == ["adversarial", "discriminator_real", "discriminator_fake"]
    assert set(players_of(method).networks) == {"g_ab", "d"} and not getattr(method, "reads", tuple)()
    engine = begun(method)
    engine.step()
    # a least-squares GAN in plain torch
    g, d = (players_of(method).networks[name] for name in ("g_ab", "d"))
    rate = method.settings.learning_rate
    adam = [torch.optim.Adam([p for p in n.parameters() if p.requires_grad], rate, (0.5, 0.999), fused=True) for n in (g, d)]
    batch = first_batch(method)
    fake = g(batch["a"])
    (0.5 * judged(d, batch["b"], 1) + 0.5 * judged(d, fake.detach(), 0)).backward()
    adam[1].step()
    adam[0].zero_grad()
    judged(d, fake, 1).backward()
    adam[0].step()
    for mine, theirs in ((engine.players.networks["g_ab"], g), (engine.players.networks["d"], d)):
        for one, other in zip(mine.parameters(), theirs.parameters(), strict=True):
            assert torch.allclose(one, other, atol=1e-7)


def test_a_stale_discriminator_judges_an_image_of_the_pool_before_its_update():
    method = method_of("simgan", content_weight=0, stale_discriminator=True, learning_rate=1e-3)
    players, twin = players_of(method), players_of(method)
    old = 0.5 * torch.rand(1, 3, 16, 16)
    players.pools["fakes"].images[0] = old[0]
    recall = torch.tensor([[0, 1, 1]])  # show what lies in place 0
    batch = first_batch(method)
    players.method.step(players, Batch(batch, pools={"fakes": recall}))
    fake = twin.networks["g_ab"](batch["a"])
    shown = old.clone().requires_grad_()
    (slope,) = torch.autograd.grad(judged(twin.networks["d"], shown, 1), shown)
    compare_with_formulas(players, twin.networks, {("g_ab",): (fake * slope).sum()}, 1e-3)


def test_the_published_feature_gradient_by_hand():
    """One linear layer and a ReLU: the masks are those of the input, the size is 1 / 127.5 squared of the true one."""
    torch.manual_seed(0)
    weight = torch.randn(5, 12)
    network = nn.Sequential(nn.Flatten(1), nn.Linear(12, 5, bias=False), nn.ReLU())
    network[1].weight.data.copy_(weight)
    network.requires_grad_(False)
    given, fake = torch.randn(2, 3, 2, 2), torch.randn(2, 3, 2, 2, requires_grad=True)

    class Holder:
        networks = {"features": lambda x: network(x)[:, :, None, None]}

    found = {}
    for at in ("output", "input"):
        method = method_of("feature_gan", feature_gradient_at=at, feature_gradient_scale=1 / 127.5**2)
        value = method.content(Holder, given, fake, given)
        (found[at],) = torch.autograd.grad(value.sum(), fake)
        z = {"output": fake.detach().flatten(1) @ weight.T, "input": given.flatten(1) @ weight.T}
        sign = (z["output"].relu() - z["input"].relu()).sign()
        by_hand = (sign * (z[at] > 0) / 5) @ weight / 127.5**2
        assert torch.allclose(found[at].flatten(1), by_hand, atol=1e-9)
        assert torch.allclose(value, (z["output"].relu() - z["input"].relu()).abs().mean(1), atol=1e-6)
    assert not torch.allclose(found["output"], found["input"])


def test_a_given_gradient_reaches_what_made_the_image():
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    made = given_gradient(torch.tensor([5.0, 6.0]), 3 * x, torch.tensor([[1.0, 0.0], [0.5, 2.0]]))
    assert made.tolist() == [5, 6]
    made.sum().backward()
    assert x.grad.tolist() == [[3, 0], [1.5, 6]]
    with pytest.raises(ValueError, match="do not fit"):
        given_gradient(torch.zeros(3), x, torch.zeros(2, 2))


# --- networks that images are compared by --------------------------------------------------------


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    """torchvision's network with random weights, and a folder that holds those of its convolutions."""
    with torch.device("meta"):
        network = vgg16(weights=None, init_weights=False)
    torch.manual_seed(0)
    network.features.to_empty(device="cpu")
    for module in network.features:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            nn.init.normal_(module.bias, 0, 0.1)
    folder = tmp_path_factory.mktemp("vgg")
    state = {f"features.{k}": v for k, v in network.features.state_dict().items()}
    # the published file is of the time before torch wrote zip archives
    torch.save(state, folder / "vgg16-397923af.pth", _use_new_zipfile_serialization=False)
    return network, folder


def test_vgg_features_are_those_of_torchvisions_own_forward(vgg):
    """relu4_2 is the 21st layer; images are enlarged and normalised as torchvision states; 1e-4 of the largest."""
    network, folder = vgg
    photos = torch.rand(2, 3, 24, 24) * 2 - 1
    larger = nn.functional.interpolate((photos + 1) / 2, (40, 40), mode="bilinear")
    means, deviations = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    theirs = create_feature_extractor(network, {"features.20": "relu4_2"})((larger - means) / deviations)["relu4_2"]
    ours = vgg_features(folder, 40)(photos)
    assert ours.shape == (2, 512, 5, 5) and torch.allclose(ours, theirs, atol=1e-4 * theirs.max().item())
    method = method_of("feature_gan", features="vgg16-imagenet").with_files({"vgg16-imagenet": folder})
    players = players_of(method)
    assert "features" not in players.state()["networks"] and not players.networks["features"].training
    assert set(players.generators()) == {"g_ab"}


def test_weights_of_another_network_or_checksum_are_refused(vgg, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (exec, ("raise SystemExit('ran')",))

    for content, message in (
        (
            {"conv1.weight": torch.zeros(3)},
            r"no VGG-16 of torchvision: features\.0\.weight: expected \(64, 3, 3, 3\), got n",
        ),
        ({"features.0.weight": torch.zeros(64, 1, 3, 3)}, r"got \(64, 1, 3, 3\)"),
        ([1, 2], "no VGG-16"),
        ({"x": Bomb()}, "not readable as weights"),
    ):
        torch.save(content, tmp_path / "w.pth")
        with pytest.raises(WeightsError, match=message):
            vgg_features(tmp_path, 32)
    (tmp_path / "w.pth").write_bytes((vgg[1] / "vgg16-397923af.pth").read_bytes()[:5000])
    with pytest.raises(WeightsError, match="not readable as weights"):
        vgg_features(tmp_path, 32)
    (tmp_path / "w.pth").unlink()
    with pytest.raises(WeightsError, match=r"expected one \.pth file, got 0"):
        vgg_features(tmp_path, 32)
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (archive,) = entry("vgg16-imagenet")["archives"]
    assert len(archive["sha256"]) == 64 and archive["name"].split("-")[1].startswith(archive["sha256"][:8])
    (mirror / archive["name"]).write_bytes((vgg[1] / "vgg16-397923af.pth").read_bytes())
    with pytest.raises(SourceError, match="wrong checksum"):
        obtain_file("vgg16-imagenet", str(mirror), tmp_path / "out", tmp_path / "archives")
    assert not (tmp_path / "out").exists()


def test_the_segmenters_first_layers_are_those_of_the_segmenter(tmp_path):
    features = reader_features(small_segmenter(), 32)
    state = checkpoints.load(small_segmenter())["network"]
    from ganrepro.evaluation.readers.segmentation import Segmenter

    network = Segmenter(3, 4).eval()
    network.load_state_dict(state)
    larger = nn.functional.interpolate(photos := torch.rand(2, 3, 16, 16), (32, 32), mode="bilinear")
    assert torch.allclose(features(photos), network.eighth(network.quarter(larger)), atol=1e-6)
    checkpoints.save(tmp_path / "other.pt", {}, {"network": {"conv1_1.weight": torch.zeros(3)}})
    with pytest.raises(WeightsError, match="not a segmentation network of `network: fcn`"):
        reader_features(tmp_path / "other.pt", 32)
    assert torch.equal(Enlarged(nn.Identity(), 8)(torch.ones(1, 3, 4, 4)), torch.ones(1, 3, 8, 8))


# --- BiGAN --------------------------------------------------------------------------------------


def test_a_bigan_step_equals_the_plain_formulas():
    """(a, G(a)) is real and (E(b), b) fake to the discriminator; each generator wants the contrary; 2e-6."""
    method = method_of("bigan", learning_rate=1e-3)
    plain = players_of(method).networks
    engine = begun(method)
    engine.step()
    batch = first_batch(method)
    a, b = batch["a"], batch["b"]
    with_photo, with_labels = torch.cat([a, plain["g_ab"](a)], 1), torch.cat([plain["g_ba"](b), b], 1)
    d = plain["d"]
    total = 0.5 * (judged(d, with_photo.detach(), 1) + judged(d, with_labels.detach(), 0))
    compare_with_formulas(engine.players, plain, {("d",): total}, 1e-3)
    stepped = engine.players.networks["d"]
    turns = {("g_ab",): judged(stepped, with_photo, 0), ("g_ba",): judged(stepped, with_labels, 1)}
    compare_with_formulas(engine.players, plain, turns, 1e-3)
    logged = dict(zip(engine.losses, engine.so_far()[0].tolist(), strict=True))
    assert logged["discriminator_b"] == pytest.approx(judged(d, with_photo, 1).item(), abs=1e-6)
    assert logged["discriminator_a"] == pytest.approx(judged(d, with_labels, 0).item(), abs=1e-6)


def test_bigans_histories_are_of_pairs():
    method = method_of("bigan")
    players = players_of(method)
    assert {name: pool.images.shape for name, pool in players.pools.items()} == dict.fromkeys("ba", (2, 6, 16, 16))
    engine = begun(method, players)
    engine.step()
    assert players.pools["b"].images[0].abs().sum() > 0 and players.pools["b"].images[1].abs().sum() == 0
    assert torch.allclose(players.pools["b"].images[0, :3], first_batch(method)["a"][0], atol=1e-6)


# --- CoGAN --------------------------------------------------------------------------------------


def test_a_cogan_step_equals_the_plain_formulas():
    """Log losses of both domains, from one code; dropout off, so that they can be written out again; 2e-6."""
    method = method_of("cogan", learning_rate=1e-3)
    players, twin = players_of(method), players_of(method)
    for network in (*players.networks.values(), *twin.networks.values()):
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    engine = begun(method, players)
    engine.step()
    batch, plain, bce = first_batch(method), twin.networks, nn.functional.binary_cross_entropy_with_logits
    code = images(method).plan(0, 1, 4).noise["code"][0]
    fake = {d: plain[f"g_{d}"](plain["g_shared"](code)) for d in "ab"}

    def loss(networks, domain, shown, label):
        logits = networks["d_shared"](networks[f"d_{domain}"](shown))
        return bce(logits, torch.full_like(logits, label))

    total = 0.5 * sum(loss(plain, d, batch[d], 1.0) + loss(plain, d, fake[d].detach(), 0.0) for d in "ab")
    decay = 1e-4 / 2 * sum(p.square().sum() for n in ("d_shared", "d_a", "d_b") for p in plain[n].parameters())
    compare_with_formulas(players, plain, {("d_shared", "d_a", "d_b"): total + decay}, 1e-3)
    total = sum(loss(players.networks, d, fake[d], 1.0) for d in "ab")
    decay = 1e-4 / 2 * sum(p.square().sum() for n in ("g_shared", "g_a", "g_b") for p in plain[n].parameters())
    compare_with_formulas(players, plain, {("g_shared", "g_a", "g_b"): total + decay}, 1e-3)


def test_tied_layers_receive_the_sum_of_both_domains_gradients():
    players = players_of(method_of("cogan"))
    net, code = players.networks, torch.rand(4, 100)
    players.turn("generators")
    tied = list(net["g_shared"].parameters())
    assert tied and {id(p) for p in tied} <= {id(p) for p in players.parameters["generators"]}

    def gradients(domains):
        total = sum(net[f"g_{d}"](net["g_shared"](code)).square().sum() for d in domains)
        return torch.autograd.grad(total, tied)

    for both, a, b in zip(gradients("ab"), gradients("a"), gradients("b"), strict=True):
        assert torch.allclose(both, a + b, rtol=1e-4, atol=1e-4)


def test_as_many_layers_as_settings_count():
    """At every size the last number that is allowed leaves one layer to share."""
    for pixels in (16, 64, 128):
        doublings = pixels.bit_length() - 1
        assert len(generator_layers(pixels, 1, 4, 3)) == doublings
        assert len(discriminator_layers(pixels, 1, 3)) == doublings + 1


@pytest.mark.parametrize(("untied", "untied_judge"), [(1, 1), (3, 4)])
def test_how_many_layers_are_tied_is_a_setting(untied, untied_judge):
    given = {"untied_generator_layers": untied, "untied_discriminator_layers": untied_judge}
    net = players_of(method_of("cogan", **given)).networks
    # at 16 pixels: linear, two doublings, colours; and three halvings, linear, logit
    assert {name: len(network) for name, network in net.items()} == {
        "g_shared": 4 - untied, "g_a": untied, "g_b": untied,
        "d_shared": 5 - untied_judge, "d_a": untied_judge, "d_b": untied_judge,
    }  # fmt: skip


def test_cogans_networks_have_the_templates_layers():
    """celeba.train.ptt at 128 × 128: its widths, its map sizes, its parameters counted by hand."""
    made = nn.Sequential(*generator_layers(128, 32, 100, 3))
    sizes, x = [], torch.zeros(2, 100)
    for layer in made:
        x = layer(x)
        sizes.append(tuple(x.shape[1:]))
    assert sizes == [(1024, 4, 4), (512, 8, 8), (256, 16, 16), (128, 32, 32), (64, 64, 64), (32, 128, 128), (3, 128, 128)]
    widths = [1024, 512, 256, 128, 64, 32]
    hand = 100 * 16384 + 16384 + 3 * 1024  # linear, then scale, shift and slope of each channel
    hand += sum(i * o * 16 + o + 3 * o for i, o in itertools.pairwise(widths)) + 32 * 3 * 9 + 3
    assert sum(p.numel() for p in made.parameters()) == hand
    sizes, x = [], torch.zeros(2, 3, 128, 128)
    for layer in discriminator_layers(128, 32, 3):
        x = layer(x)
        sizes.append(tuple(x.shape[1:]))
    assert sizes == [
        *((32, 64, 64), (64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (1024, 2, 2), (2048,), (1, 1, 1)),
    ]  # fmt: skip
    judges = [discriminator_layers(128, 32, 3, on) for on in (True, False)]
    shares = [[m.p for layer in judge for m in layer if isinstance(m, nn.Dropout)] for judge in judges]
    assert shares[0] == [0.1, 0.3, 0.3, 0.5, 0.5] and not any(shares[1])
    kernels = [m.kernel_size[0] for layer in discriminator_layers(128, 32, 3) for m in layer if isinstance(m, nn.Conv2d)]
    assert kernels == [5, 5, 5, 3, 3, 3]
    weights = coupled(32, {"a": 3, "b": 1}, (2, 2), 8, 8, 100, True, lambda purpose: stream(0, purpose))["g_shared"][0][0].weight
    assert weights.std().item() == pytest.approx(0.02, rel=0.02)


@pytest.mark.slow
def test_inversion_recovers_the_code_of_a_generated_image():
    """A generator's own images: the error falls below a thousandth of their variance, and the code is found to 0.01."""
    torch.manual_seed(0)
    net = coupled(16, {"a": 3, "b": 3}, (1, 1), 16, 4, 4, True, lambda purpose: stream(0, purpose))
    made = nn.Sequential(net["g_shared"], net["g_a"]).eval()
    for module in made.modules():  # gains that let a code show
        if isinstance(module, (nn.Linear, nn.ConvTranspose2d, nn.Conv2d)):
            module.weight.data *= 10
    codes = torch.rand(3, 4) * 2 - 1
    wanted = made(codes).detach()
    starts = torch.rand(8, 3, 4) * 2 - 1
    first = invert(made, wanted, starts, 0, 0.05, -1, 1)[1]
    found, error = invert(made, wanted, starts, 600, 0.05, -1, 1)
    assert (error < 1e-3 * wanted.var()).all() and (error < first / 100).all()
    assert (found - codes).abs().max() < 0.01
    fewer = invert(made, wanted, starts[:2], 600, 0.05, -1, 1)[1]
    assert (error <= fewer + 1e-7).all()  # the best of all starts is kept


def test_a_search_that_finds_nothing_says_so():
    starts = torch.zeros(2, 1, 4)
    with pytest.raises(ValueError, match="no finite image of any code tried"):
        invert(lambda code: code.sum() * torch.full((2, 3, 4, 4), float("nan")), torch.zeros(1, 3, 4, 4), starts, 2, 0.1, -1, 1)
    with pytest.raises(ValueError, match="expected at least one start"):
        invert(lambda code: code, torch.zeros(1, 3, 4, 4), starts[:0], 2, 0.1, -1, 1)


def test_cogan_renders_the_code_that_it_found_in_both_domains(tmp_path, monkeypatch):
    method = method_of("cogan")
    searches = []
    from ganrepro.nets import inversion

    monkeypatch.setattr(inversion, "invert", lambda *given: searches.append(given) or invert(*given))
    players = players_of(method)
    players.networks["g_shared"](torch.rand(64, 100))  # running statistics
    names = {d: ["0.png", "1.png"] for d in "ab"}
    for domain in "ab":
        (tmp_path / "test" / domain).mkdir(parents=True)
        for number, name in enumerate(names[domain]):
            Image.new("RGB", (16, 16), (90 * number, 200, 30)).save(tmp_path / "test" / domain / name)
    manifest = {"names": {"test": names}}
    for folder in ("once", "again"):
        generate(method, players.generators(), 0, tmp_path / "test", names, tmp_path / folder, CPU)
    assert len(searches) == 4  # one for the images of each domain and run, not one for each of the four outputs
    for path in sorted((tmp_path / "once").rglob("*.png")):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(tmp_path / "once")).read_bytes()
    # the rendering is what the search left, and its error that of the measure
    rendered = next(output for output in method.outputs() if output.renders_input and output.source == "a")
    job = Job(
        rendered, [tmp_path / "once" / rendered.name], tmp_path, manifest, LABELS_AND_PHOTOS, 16, CPU, None, lambda: None,
        "reader", Path(), Path(),
    )  # fmt: skip
    measure = measures_of(rendered, Needs(LABELS_AND_PHOTOS, "segmentation", "reader"))[0]
    found, counts = score(job, [measure], {})
    values = found["inversion"]["scores"]
    given, made = (
        np.stack([np.asarray(Image.open(tmp_path / place / name), float) / 255 for name in names["a"]])
        for place in ("test/a", f"once/{rendered.name}")
    )
    assert values["inversion_error"] == pytest.approx(np.sqrt(np.square(made - given).mean()), rel=1e-12)
    # two grounds in one channel, 90 levels apart: the average image is 45 levels off in a third of the values
    nearer = [np.square(m - g).sum() < 256 * (45 / 255) ** 2 for m, g in zip(made, given, strict=True)]
    assert values["inverted"] == np.mean(nearer) and counts["inversion"].shape == (2, 4)


# --- settings -----------------------------------------------------------------------------------


def test_unusable_settings_are_named(raw):
    def refused(message, study="streets-comparison", **changes):
        edited = {**raw, "studies": {**raw["studies"], study: raw["studies"][study] | changes}}
        with pytest.raises(settings.ConfigError, match=message):
            settings.parse(edited, PAPERS)

    refused("row_settings: there is no 'cogen'; did you mean 'cogan'", row_settings={"cogen": {}})
    refused(r"row_settings\.cogan\.batch_images: expected 2 or more, got 1", row_settings={"cogan": {"batch_images": 1}})
    refused("untied_generator_layers: of the 6 layers at 64 pixels", row_settings={"cogan": {"untied_generator_layers": 6}})
    refused("untied_discriminator_layers: of the 7 layers", row_settings={"cogan": {"untied_discriminator_layers": 7}})
    refused("need a power of two from 16, got 48", crop_pixels=48)
    refused(r"rows\.feature-segmenter: compares features of the network that its study trains as reader, and study "
            "'streets-comparison' has none whose features", dataset="facades-edges")  # fmt: skip
    refused(
        "study 'cityscapes-comparison-128' has none whose features can be compared",
        "cityscapes-comparison-128",
        reader="fcn8s",
        rows=["feature-segmenter", "cyclegan"],
    )
    readers = {**raw["readers"], "small": {**raw["readers"]["small"], "network": "unet"}}
    with pytest.raises(
        settings.ConfigError, match=r"readers\.small\.network: row feature-segmenter of study .*needs `network: fcn`"
    ):
        settings.parse({**raw, "readers": readers}, PAPERS)
    papers = copy.deepcopy(PAPERS)
    papers["cyclegan"][0]["experiments"]["comparison-bugs"]["tables"]["simgan"]["against"] = "simgam"
    with pytest.raises(settings.ConfigError, match=r"papers/cyclegan.yaml.*against: there is no 'simgam'"):
        settings.parse(raw, papers)


def test_the_papers_numbers_a_second_time():
    """CycleGAN Tables 2 and 3, transcribed again."""
    tables = parsed(RAW).studies["cityscapes-comparison-128"].tables
    assert list(tables["labels2photo"].rows.values()) == [
        [0.40, 0.10, 0.06], [0.19, 0.06, 0.02], [0.20, 0.10, 0.04], [0.06, 0.04, 0.01], [0.52, 0.17, 0.11], [0.71, 0.25, 0.18],
        [0.80, 0.26, 0.21],
    ]  # fmt: skip
    assert list(tables["photo2labels"].rows.values()) == [
        [0.45, 0.11, 0.08], [0.41, 0.13, 0.07], [0.47, 0.11, 0.07], [0.50, 0.10, 0.06], [0.58, 0.22, 0.16], [0.85, 0.40, 0.32],
    ]  # fmt: skip

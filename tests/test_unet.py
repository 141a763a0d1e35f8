"""U-Net: sizes, tiles, weights, deformations and losses against closed forms; measures against known errors."""

import itertools
import json
import math

import numpy as np
import pytest
import torch
from conftest import LABELS_AND_PHOTOS, Caught, images_with_classes, method_of, tiny
from PIL import Image
from scipy.special import entr
from skimage.measure import label
from test_few_labels import ABOUT

from ganrepro.data.layouts import cells
from ganrepro.data.layouts.base import Place
from ganrepro.data.layouts.sections import items
from ganrepro.data.prepare import SCHEMA
from ganrepro.data.spec import spec_of
from ganrepro.errors import SourceError, UnfitData, UserError
from ganrepro.evaluation.measures.segments import MEASURE, THRESHOLDS, counts_of, read_share, seg
from ganrepro.methods.base import CLASSES, Batch
from ganrepro.methods.unet import MAP, Settings
from ganrepro.nets import elastic, unet
from ganrepro.nets.architecture import Architecture
from ganrepro.nets.to_label_map import drawn, probabilities
from ganrepro.nets.unet_sizes import sizes_of
from ganrepro.objectives.pixel_weights import border_weights, class_weights
from ganrepro.schema.datasets import DatasetSettings
from ganrepro.training.batches import load_images
from ganrepro.use import tiles
from ganrepro.use.export import export
from ganrepro.use.rows import ModelError
from ganrepro.use.translator import Translator, read_folder

TWO = {"background": [0, 0, 0], "cell": [255, 255, 255]}
CELLS = spec_of({"domains": {"a": "label maps", "b": {"kind": "photos", "channels": 1}}, "palette": TWO})
RANDOM = np.random.default_rng(0)


def network(kind, poolings=2, filters=4, inputs=1):
    return unet.build(kind, inputs, 2, filters, poolings, 0.5, torch.Generator().manual_seed(0)).eval()


# --- networks ---------------------------------------------------------------------------------------


def test_the_published_network_has_the_published_sizes():
    """572 -> 388, 23 convolutions, 64 to 1024 channels (Figure 1 and section 2)."""
    assert sizes_of("u-net", 4).lost == 572 - 388 and sizes_of("u-net", 4).at_least(388) == 572
    with torch.device("meta"):
        whole = unet.UNet(1, 2, 64, 4, torch.Generator())
        assert whole(torch.zeros(1, 1, 572, 572)).shape == (1, 2, 388, 388)
    convolutions = [m for m in whole.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.ConvTranspose2d))]
    assert len(convolutions) == 23 and max(m.out_channels for m in convolutions) == 1024


@pytest.mark.parametrize(
    ("poolings", "pairs"), [(4, {380: 196, 268: 84, 252: 68, 188: 4}), (3, {124: 36, 140: 52}), (2, {68: 28, 92: 52})]
)
def test_sizes_that_the_depth_allows(poolings, pairs):
    """Counted by hand, layer by layer; all others up to the largest break a pooling or leave nothing."""
    sizes, net = sizes_of("u-net", poolings), network("u-net", poolings, 1)
    for given, made in pairs.items():
        assert given - sizes.lost == made and (given - sizes.smallest) % sizes.step == 0
        assert net(torch.zeros(1, 1, given, given)).shape[-2:] == (made, made)
    allowed = [side for side in range(1, max(pairs) + 1) if by_hand(side, poolings) is not None]
    assert allowed == list(range(sizes.smallest, max(pairs) + 1, sizes.step))


def by_hand(side, poolings):
    """What comes out of a side, None where a map that is pooled is odd, or nothing is left."""
    for _ in range(poolings):
        side -= 4
        if side <= 0 or side % 2:
            return None
        side //= 2
    side -= 4
    for _ in range(poolings):
        side = 2 * side - 4
    return side if side > 0 else None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "shape", "tiles"),
    [("u-net", (96, 96), (1, 30, 64)), ("u-net", (75, 118), (1, 30, 64)), ("window", (48, 41), (7, 30))],
)
def test_tiles_equal_the_whole_image(kind, shape, tiles):
    """To rounding (1e-5), at any size of tile; and the middle is what the network gives without any border."""
    net, images = network(kind), torch.randn(2, 1, *shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        whole = unet.whole(net, images, 1000)
        assert whole.shape == (2, 2, *shape)
        for tile in tiles:
            assert torch.allclose(unet.whole(net, images, tile), whole, atol=1e-5)
        padded = np.pad(images.numpy(), [(0, 0), (0, 0), (60, 100), (60, 100)], "reflect")
        start, side = 60 - net.sizes.lost // 2, net.sizes.at_least(max(shape))
        outside = net(torch.from_numpy(padded[..., start : start + side, start : start + side]))
    assert torch.allclose(outside[..., : shape[0], : shape[1]], whole, atol=1e-5)


def test_a_padded_network_sees_zeros_at_the_border():
    net, images = network("padded"), torch.randn(1, 1, 32, 64)
    with torch.no_grad():
        assert torch.equal(unet.whole(net, images), net(images))


@pytest.mark.parametrize("poolings", [3, 4])
def test_images_smaller_than_the_context_are_said(poolings):
    for side in (2, sizes_of("u-net", poolings).lost // 2):
        with pytest.raises(ValueError, match="each side has to be longer than the mirrored context"):
            unet.whole(network("u-net", poolings, 1), torch.zeros(1, 1, side, 300))


def test_a_sliding_window_gives_of_each_pixel_what_its_window_alone_gives():
    net, image = network("window"), torch.randn(1, 1, 90, 90, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        at_once = net(image)
        for top, left in itertools.product((0, 5, 11), (0, 3)):
            alone = net.of_window(image[..., top : top + 79, left : left + 79])
            assert torch.allclose(at_once[..., top, left], alone[..., 0, 0], atol=1e-5)


def test_turns_are_undone():
    images = torch.randn(2, 3, 5, 7)
    seen = [turned for turned, *_ in unet.turns(images)]
    assert len({tuple(t.flatten().tolist()) for t in seen}) == 8
    for turned, *how in unet.turns(images):
        assert torch.equal(unet.turned_back(turned, *how), images)


def test_weights_begin_as_he_et_al_have_them():
    """Standard deviation sqrt(2 / N) (section 3), within 5 % of many weights; no bias."""
    net = unet.UNet(1, 2, 32, 2, torch.Generator().manual_seed(0))
    for layer in (net.down[1][0], net.down[2][2], net.after[0][0]):
        seen = layer.in_channels * 9
        assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / seen), rel=0.05) and not layer.bias.any()


# --- deformations -----------------------------------------------------------------------------------


def cubic(t, a=-0.75):
    """Keys' kernel of cubic convolution."""
    t = abs(t)
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * (t**3 - 5 * t**2 + 8 * t - 4) if t < 2 else 0.0


def test_displacements_are_cubic_between_the_points_of_the_grid():
    """Against the kernel written out; at the grid's points they are the grid's own. Tolerance: rounding (1e-4)."""
    coarse = torch.randn(1, 2, 3, 3, generator=torch.Generator().manual_seed(3)) * 10
    fine = elastic.displacements(coarse, 21)
    assert torch.allclose(fine[..., ::10, ::10], coarse, atol=1e-4)
    edges = np.pad(coarse.numpy(), [(0, 0), (0, 0), (2, 2), (2, 2)], "edge")
    for y, x in ((4, 13), (17, 2), (9, 9)):
        weights = [[cubic(at / 10 - (k - 2)) for k in range(7)] for at in (y, x)]
        expected = np.einsum("cij,i,j->c", edges[0], *weights)
        assert fine[0, :, y, x].numpy() == pytest.approx(expected, abs=1e-4)


def test_tiles_are_shifted_turned_and_mirrored():
    image = torch.arange(48.0).view(1, 1, 6, 8)
    still, nothing = torch.zeros(1), torch.zeros(1, 2, 4, 4)
    middle = torch.tensor([[3.5, 2.5]])
    assert torch.allclose(elastic.sampled(image, elastic.places(middle, still, nothing)), image[..., 1:5, 2:6])
    moved = nothing + torch.tensor([2.0, -1.0])[None, :, None, None]  # x and y
    assert torch.allclose(elastic.sampled(image, elastic.places(middle, still, moved)), image[..., 0:4, 4:8])
    quarter = elastic.sampled(image, elastic.places(middle, still + math.pi / 2, nothing), nearest=True)
    assert torch.equal(quarter, torch.rot90(image[..., 1:5, 2:6], 1, (2, 3)))
    large = elastic.sampled(image, elastic.places(middle, still, torch.zeros(1, 2, 12, 12)))
    mirrored = np.pad(image.numpy(), [(0, 0), (0, 0), (3, 3), (2, 2)], "reflect")
    assert np.allclose(large, mirrored, atol=1e-4)


def test_middles_lie_where_tiles_fit():
    ends = elastic.centres(torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.5, 0.2]]), 100, 60, 20)
    assert ends[:2].tolist() == [[9.5, 9.5], [49.5, 89.5]]
    assert elastic.centres(torch.rand(3, 2), 10, 10, 20).unique().tolist() == [4.5]


# --- weights of pixels ------------------------------------------------------------------------------


def test_border_weights_are_those_of_all_distances():
    """Equation 2 by the distance of every pixel to every pixel of every object; tolerance 4e-5, what FAR leaves out."""
    objects = np.zeros((40, 50), bool)
    objects[5:12, 5:15] = objects[5:12, 17:30] = objects[16:33, 8:20] = objects[36, 45] = True
    numbered = label(objects, connectivity=1)
    at = np.argwhere(np.ones_like(objects))
    nearest = np.stack([
        np.sqrt(((at[:, None] - np.argwhere(numbered == k)[None]) ** 2).sum(-1)).min(1) for k in range(1, numbered.max() + 1)
    ])  # fmt: skip
    first, second = np.sort(nearest, 0)[:2].reshape(2, *objects.shape)
    expected = np.where(objects, 0, 10 * np.exp(-((first + second) ** 2) / 50))
    found = border_weights(objects, 10)
    assert np.abs(found - expected).max() < 4e-5 and found.max() > 7 and not found[objects].any()
    assert not border_weights(numbered == 1, 10).any()  # one object has no second


def test_class_weights_even_out():
    classes = np.array([0] * 60 + [1] * 30 + [2] * 10 + [255] * 7, np.uint8)
    weights = class_weights(classes, 3)
    assert [weights[k] * n for k, n in enumerate((60, 30, 10))] == pytest.approx([100 / 3] * 3)
    with pytest.raises(ValueError, match="3"):
        class_weights(classes, 4)


def test_training_maps_hold_classes_and_weights():
    classes = np.zeros((20, 20), np.uint8)
    classes[2:8, 2:8] = classes[10:18, 3:9] = 1
    method = tiny(method_of("unet", CELLS))
    classes[19, 15:] = 255  # not scored
    images = {CLASSES: torch.from_numpy(classes)[None, ..., None], "b": torch.zeros(1, 20, 20, 1, dtype=torch.uint8)}
    seen = method.training_images(images)
    assert {*seen} == {"b", MAP} and seen["b"] is images["b"]
    assert np.array_equal(seen[MAP][0, ..., 0], np.where(classes == 255, 0, classes))
    weights = np.append(class_weights(classes, 2), 0)
    expected = weights[np.where(classes == 255, 2, classes)] + border_weights(classes == 1, 10)
    assert np.allclose(seen[MAP][0, ..., 1], np.where(classes == 255, 0, expected), atol=1e-6)
    plain = tiny(method, class_weights=False, border_weight=0.0).training_images(images)
    assert np.array_equal(plain[MAP][0, ..., 1], classes != 255)
    with pytest.raises(UserError, match="class 'cell' has no pixel in any training label map; say `class_weights: false`"):
        method.training_images(images | {CLASSES: torch.zeros(1, 20, 20, 1, dtype=torch.uint8)})


def test_classes_of_training_images_are_read_by_their_nearest_pixel(tmp_path):
    """Of label maps with voids and three classes, at another size: no class between two others, no void that is one."""
    random = np.random.default_rng(0)
    data = spec_of({"domains": {"a": "label maps", "b": "photos"}, "palette": {"x": [0] * 3, "y": [128] * 3, "z": [255] * 3}})
    names = [f"{i}.png" for i in range(3)]
    for part in ("labels", "a", "b"):
        (tmp_path / "train" / part).mkdir(parents=True)
    for name in names:
        labels = np.kron(random.choice([0, 2, 255], (3, 3)), np.ones((11, 11), int)).astype(np.uint8)
        Image.fromarray(labels).save(tmp_path / "train/labels" / name)
        Image.fromarray(np.repeat(labels[..., None], 3, 2)).save(tmp_path / "train/b" / name)
    of = {"a": names, "b": names}
    manifest = {
        "schema": SCHEMA, "source": "toy", "title": "toy", "pixels": 33, "files": {}, "digest": "", "classes": {},
        "data": data.as_values(), "names": {"train": of, "test": of}, "unpaired": of,
        "counts": {split: dict.fromkeys("ab", 3) for split in ("train", "test")},
    }  # fmt: skip
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    method = tiny(method_of("unet", data), load_pixels=20, crop_pixels=20, class_weights=False)
    images = load_images(tmp_path, method, torch.device("cpu"))
    maps = images.source[MAP]
    assert maps.shape == (3, 20, 20, 2)
    nearest = np.floor((np.arange(20) + 0.5) * 33 / 20).astype(int)
    for name, found in zip(names, maps, strict=True):
        expected = np.asarray(Image.open(tmp_path / "train/labels" / name))[nearest][:, nearest]
        assert np.array_equal(found[..., 0], np.where(expected == 255, 0, expected))
        assert np.array_equal(found[..., 1], expected != 255)


# --- the method -------------------------------------------------------------------------------------


def test_the_loss_is_the_weighted_cross_entropy_of_the_middle():
    """Written out pixel by pixel where nothing moves; tolerance: rounding (1e-5)."""
    method = tiny(method_of("unet", CELLS), elastic_pixels=0.0, grey_deviation=0.0, turned=False, crop_pixels=30, load_pixels=30)
    random = torch.Generator().manual_seed(0)
    maps = torch.stack(
        [torch.randint(0, 2, (2, 30, 30), generator=random).float(), torch.rand(2, 30, 30, generator=random) * 10], 1
    )
    images = {"b": torch.rand(2, 1, 30, 30, generator=random), MAP: maps}
    noise = {name: kind.draw(2, random) for name, kind in method.feed().noise.items()} | {"place": torch.full((2, 2), 0.5)}
    net = method.networks(lambda purpose: torch.Generator().manual_seed(1))["network"].eval()
    players = Caught({"network": net})
    losses = method.step(players, Batch(images, {}, noise))
    (terms,) = players.terms["network"]
    with torch.no_grad():
        logits = net(images["b"][..., 3:27, 3:27]).double()
    truth, weights = maps[:, 0, 11:19, 11:19].long(), maps[:, 1, 11:19, 11:19].double()
    chance = logits.softmax(1).gather(1, truth[:, None])[:, 0]
    expected = (-weights * chance.log()).mean((1, 2))
    assert torch.allclose(terms["cross_entropy"].double(), expected, atol=1e-5)
    assert losses["cross_entropy"].item() == pytest.approx(expected.mean().item(), abs=1e-5)


def test_a_tile_and_its_map_move_together():
    """Where the image shows its own label map, so does every tile, but for what bilinear sampling blurs at edges."""
    method = tiny(method_of("unet", CELLS), grey_deviation=0.0, crop_pixels=64, load_pixels=64, elastic_pixels=3.0)
    random = torch.Generator().manual_seed(0)
    classes = torch.zeros(8, 1, 64, 64)
    classes[..., 20:44, 10:40] = 1
    images = {"b": 2 * classes - 1, MAP: torch.cat([classes, torch.ones_like(classes)], 1)}
    noise = {name: kind.draw(8, random) for name, kind in method.feed().noise.items()}
    tiles, truth, weights = method.tiles(Batch(images, {}, noise))
    middle = tiles[:, 0, 8:-8, 8:-8]
    sure = middle.abs() > 0.99
    assert torch.equal(middle[sure] > 0, truth[sure] == 1) and sure.float().mean() > 0.6 and 0 < truth.float().mean() < 1
    assert (weights == 1).all()


def test_two_classes_are_mixed_by_their_probability_and_more_are_chosen():
    shares = torch.tensor([[[[0.25, 1.0]], [[0.75, 0.0]]]])
    assert torch.allclose(drawn(shares, torch.tensor([*TWO.values()])), torch.tensor([[[[0.5, -1.0]]] * 3]))
    chosen = drawn(torch.tensor([[[[0.4]], [[0.35]], [[0.25]]]]), torch.tensor([*LABELS_AND_PHOTOS.palette.values()]))
    assert torch.allclose((chosen[0, :, 0, 0] + 1) * 127.5, torch.tensor([0.0, 0.0, 200.0]))


def test_maps_turn_with_the_image():
    """As the mean over all turns does, whatever the network; tolerance: rounding (1e-5)."""
    net, image = network("u-net", 1), torch.randn(1, 1, 16, 16)
    with torch.no_grad():
        found = probabilities(net, image, True)
        for k in range(4):
            assert torch.allclose(
                probabilities(net, torch.rot90(image, k, (2, 3)), True), torch.rot90(found, k, (2, 3)), atol=1e-5
            )
        assert torch.allclose(probabilities(net, image.flip(-1), True), found.flip(-1), atol=1e-5)
        assert not torch.allclose(probabilities(net, image.flip(-1), False), found.flip(-1), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["u-net", "padded", "window", "grey", "constant"])
def test_a_network_that_segments_is_a_model_to_use(kind, tmp_path):
    """Read back from its folder it makes the same label maps, of photos larger than any tile too; no graph holds it."""
    method = tiny(method_of("unet", CELLS, network=kind, tile_pixels={"window": 80, "padded": 32}.get(kind, 572)))
    (output,) = method.outputs()
    networks = method.networks(lambda purpose: torch.Generator().manual_seed(1))
    name, words = method.network_of(output)
    architecture = Architecture(**words)
    built = architecture.build()
    built.load_state_dict(networks[name].state_dict())
    model = Translator(
        "m", architecture, built.train(), "b", "a", output.name, "t", 16, dict(CELLS.palette), ABOUT, CELLS.label_maps
    )
    photo = torch.rand(2, 1, 50, 61, generator=torch.Generator().manual_seed(2)) * 2 - 1
    made = method.generate(output, networks, Batch({"b": photo}), torch.Generator())
    assert not model.noisy and made.shape == (2, 3, 50, 61) and torch.allclose(model(photo), made, atol=1e-5)
    export(model, "folder", tmp_path / "exported", [photo[0]])
    assert torch.equal(read_folder(tmp_path / "exported")(photo), model(photo))
    levels = (np.random.default_rng(0).random((90, 75, 1)) * 255).astype(np.uint8)
    assert np.array_equal(tiles.translate(model, levels, 32, 8), model.levels(levels))
    with pytest.raises(ModelError, match="segments tile by tile, which no graph holds"):
        export(model, "onnx", tmp_path / "m.onnx", [photo[0]])
    if kind == "u-net":
        with pytest.raises(UserError, match="images of 6 x 90 pixels; each side has to be longer than the mirrored context, 8"):
            model.whole(torch.zeros(1, 1, 90, 6))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tile_pixels": 571}, r"with 4 poolings takes tiles of 188, and of 16 more each, got 571; nearest: 556 or 572"),
        ({"tile_pixels": 100}, r"got 100; nearest: 188"),
        ({"tile_pixels": 100, "network": "padded"}, r"takes tiles of 16, and of 16 more each, got 100; nearest: 96 or 112"),
    ],
)  # fmt: skip
def test_sizes_that_do_not_fit_are_said(settings, message):
    with pytest.raises(ValueError, match=message):
        Settings(**settings)


@pytest.mark.parametrize(
    ("data", "settings", "message"),
    [
        (images_with_classes(), {}, "needs pairs of images and label maps, whose colours a palette names"),
        (
            LABELS_AND_PHOTOS,
            {"border_weight": 5.0},
            "border_weight: needs two classes, background and objects; the dataset has 3",
        ),
        (CELLS, {"crop_pixels": 64, "load_pixels": 64}, "needs images of more than 92 pixels, which it sees to each side"),
    ],
)
def test_data_that_do_not_suit_are_said(data, settings, message):
    with pytest.raises(UnfitData, match=message):
        method_of("unet", data, **settings).check()


# --- data -------------------------------------------------------------------------------------------


def test_drawn_cells_are_kept_apart_by_their_label_maps():
    for number in range(4):
        _, numbered = cells.draw(number, 96)
        pieces = label(cells.apart(numbered), connectivity=1)
        for piece in range(1, pieces.max() + 1):
            assert len(np.unique(numbered[pieces == piece])) == 1  # no piece joins two cells
        classes = cells.label_map(numbered)
        assert {*np.unique(classes)} <= {0, 1, 255}
        assert np.bincount(label(classes == 1, connectivity=1).ravel())[1:].min() >= cells.LEAST
    levels_, again = cells.draw(2, 96)[0], cells.draw(2, 96)[0]
    assert np.array_equal(levels_, again) and levels_.std() > 10


def stack(folder, values=(0, 255), many=9):
    for part in ("image", "label"):
        (folder / part).mkdir(parents=True)
    for number in range(many):
        Image.new("L", (12, 12), 10 * number).save(folder / f"image/{number}.png")
        Image.fromarray(np.resize(np.array(values, np.uint8), (12, 12))).save(folder / f"label/{number}.png")
    entry = {"held_out": 2, "values": [0, 255], "domains": {"a": "label maps", "b": {"kind": "photos", "channels": 1}}}
    return Place(folder, DatasetSettings(source="isbi2012", pixels=12), entry)


def test_the_last_sections_are_held_out(tmp_path):
    dealt = [(item.split, item.name) for item in items(stack(tmp_path, many=12))]
    assert dealt == [("train", f"{n:02d}") for n in range(10)] + [("test", "10"), ("test", "11")]
    picture = next(items(stack(tmp_path / "more"))).read()
    assert {*np.unique(picture.labels)} == {0, 1}


def test_masks_of_other_values_are_named(tmp_path):
    place = stack(tmp_path, (0, 255, 7, 3, 9, 1, 2, 4))
    with pytest.raises(SourceError, match=r"label/0.png: expected the values 0, 255, got also 1, 2, 3, 4, 7"):
        next(items(place)).read()
    with pytest.raises(SourceError, match="2 sections; expected more than the 2 that are held out"):
        list(items(stack(tmp_path / "few", many=2)))


# --- measures ---------------------------------------------------------------------------------------


def scores(share, truth):
    found = MEASURE.statistic(counts_of(np.asarray(share, float), np.asarray(truth, np.uint8))[None].sum(0))
    return {name: float(value) for name, value in found.items()}


def two_cells():
    """Two squares of 8 x 8 with two columns between."""
    truth = np.zeros((12, 22), np.uint8)
    truth[2:10, 2:10] = truth[2:10, 12:20] = 1
    return truth


def pairs(first, second, counted):
    """F-score of pairs of pixels that are together in both, over all pairs of counted pixels, one by one."""
    a, b = first[counted], second[counted]
    together = [(a[i] == a[j], b[i] == b[j]) for i, j in itertools.combinations(range(len(a)), 2)]
    both = sum(x and y for x, y in together)
    return 2 * both / (sum(x for x, _ in together) + sum(y for _, y in together))


def test_perfect_maps_have_no_error():
    truth = two_cells()
    assert scores(truth, truth) == pytest.approx({"pixel_error": 0, "rand_error": 0, "information": 0, "seg": 1})


def test_a_merge_costs_pairs_and_bits():
    """The gap is closed in two rows: four wrong pixels; all pairs across are wrong; one bit (two equal halves)."""
    truth = two_cells()
    merged = truth.copy()
    merged[5:7, 10:12] = 1
    found = scores(merged, truth)
    assert found["pixel_error"] == pytest.approx(4 / truth.size) and found["information"] == pytest.approx(1)
    by_pairs = pairs(label(truth, connectivity=1), label(merged, connectivity=1), truth > 0)
    assert found["rand_error"] == pytest.approx(1 - by_pairs) == pytest.approx(1 - 4 * 63 / (2 * 63 + 2 * 127))
    assert found["seg"] == pytest.approx(64 / 132)  # the piece covers each cell whole, and has 132 pixels


def test_a_split_costs_pairs_and_bits():
    truth = two_cells()
    split = truth.copy()
    split[2:10, 4] = 0  # cells of 16 and 40 pixels, and 8 that are lost
    found = scores(split, truth)
    assert found["pixel_error"] == pytest.approx(8 / truth.size)
    parts = np.array([16, 8, 40]) / 64
    assert found["information"] == pytest.approx(0.5 * entr(parts).sum() / math.log(2))
    assert found["rand_error"] == pytest.approx(1 - pairs(label(truth, connectivity=1), label(split, connectivity=1), truth > 0))
    assert found["seg"] == pytest.approx((40 / 64 + 1) / 2)


def test_a_shifted_border_costs_overlap_alone():
    truth = two_cells()
    shifted = truth.copy()
    shifted[2:10, 2] = 0
    found = scores(shifted, truth)
    assert found["seg"] == pytest.approx((56 / 64 + 1) / 2) and found["pixel_error"] == pytest.approx(8 / truth.size)
    assert seg(label(truth, connectivity=1), label(shifted, connectivity=1)).tolist() == pytest.approx([56 / 64, 1])


def test_the_best_threshold_is_taken_over_all_images_and_unscored_pixels_are_not_counted():
    truth = two_cells()
    share = np.where(truth == 1, 0.32, 0.28)  # told apart by 0.3 alone, which is no threshold
    assert pytest.approx([0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95]) == THRESHOLDS
    assert scores(share, truth)["pixel_error"] == pytest.approx(128 / truth.size)
    assert scores(np.where(truth == 1, 0.36, 0.34), truth)["pixel_error"] == 0
    void = truth.copy()
    void[0] = 255
    wrong = np.where(void == 255, 1.0, truth)
    assert scores(wrong, void) == pytest.approx({"pixel_error": 0, "rand_error": 0, "information": 0, "seg": 1})
    two = counts_of(np.where(truth == 1, 0.2, 0.1), truth) + counts_of(np.where(truth == 1, 0.9, 0.8), truth)
    assert MEASURE.statistic(two)["pixel_error"] > 0.2  # each has a threshold of its own, both together have none


def test_objects_of_a_pixel_each_have_no_pairs_and_no_error():
    truth = np.zeros((9, 9), np.uint8)
    truth[4, 4] = 1
    assert scores(truth, truth) == pytest.approx({"pixel_error": 0, "rand_error": 0, "information": 0, "seg": 1})


def test_maps_are_read_as_shares_of_two_colours(tmp_path):
    Image.new("RGB", (3, 2), (51, 51, 51)).save(tmp_path / "grey.png")
    assert read_share(tmp_path / "grey.png", list(TWO.values())) == pytest.approx(np.full((2, 3), 0.2))
    Image.new("RGB", (3, 2), (10, 200, 0)).save(tmp_path / "colour.png")
    assert read_share(tmp_path / "colour.png", [[10, 0, 0], [10, 200, 0]]) == pytest.approx(np.ones((2, 3)))


def test_segments_are_measured_where_there_are_two_classes():
    (of_cells,), (of_streets,) = method_of("unet", CELLS).outputs(), method_of("unet").outputs()
    assert MEASURE.applies(of_cells, CELLS) and not MEASURE.applies(of_streets, LABELS_AND_PHOTOS)

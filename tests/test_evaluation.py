import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import BACKWARD, FORWARD, RAW, SAMPLES, UNPAIRED, parsed
from PIL import Image
from scipy.stats import ttest_ind, ttest_rel
from sklearn.metrics import confusion_matrix as sklearn_confusion

from ganrepro.data.images import ImageError
from ganrepro.data.spec import spec_of
from ganrepro.evaluation import intervals
from ganrepro.evaluation.label_maps import classify_colours, enlarged, read_truth
from ganrepro.evaluation.measures import MEASURES, NAMES, SCORES, left_out, measures_of
from ganrepro.evaluation.measures.base import Job, Measure, Needs
from ganrepro.evaluation.measures.colour_histograms import EDGES, colour_counts, intersections
from ganrepro.evaluation.measures.likeness import scores_of
from ganrepro.evaluation.readers import find
from ganrepro.evaluation.readers.base import Reader, Task
from ganrepro.evaluation.scoring import score
from ganrepro.evaluation.segmentation import confusion_matrix, images_of_means, overflowing, rates
from ganrepro.methods.outputs import Output
from ganrepro.nets.fcn8s import FCN8s
from ganrepro.nets.segmenter import Segmenter, UNetSegmenter
from ganrepro.schema.readers import PublishedReaderSettings, ReaderSettings

CPU = torch.device("cpu")
PALETTE = {"a": [255, 0, 0], "b": [0, 255, 0], "c": [0, 0, 255]}
DATA = spec_of({"domains": {"a": "label maps", "b": "photos"}, "palette": PALETTE})


@pytest.mark.slow
def test_confusion_equals_scikit_learn_on_a_thousand_random_maps():
    rng = np.random.default_rng(0)
    for _ in range(250):
        classes = int(rng.integers(2, 20))
        truth, prediction = rng.integers(0, classes, (2, 4, 13, 17))
        truth[rng.random(truth.shape) < 0.1] = 255
        ours = confusion_matrix(torch.from_numpy(truth), torch.from_numpy(prediction), classes)
        for t, p, found in zip(truth, prediction, ours, strict=True):
            assert np.array_equal(found.numpy(), sklearn_confusion(t[t != 255], p[t != 255], labels=range(classes)))


def published_histogram(truth, prediction, classes):
    """The published evaluation's flat histogram, which lets too large predictions overflow into the next class."""
    k = (truth >= 0) & (truth < classes)
    flat = np.bincount(classes * truth[k].astype(int) + prediction[k], minlength=classes**2)
    return flat.reshape(classes, classes) if len(flat) == classes**2 else np.zeros((classes, classes), int)


def test_the_published_overflow_of_the_twentieth_output():
    rng = np.random.default_rng(1)
    dropped = 0
    for n in range(200):
        truth, prediction = rng.integers(0, 19, (5, 7)), rng.integers(0, 20, (5, 7))
        truth[rng.random(truth.shape) < 0.1] = 255
        if n % 2:
            prediction[truth == 18] = 3
        ours = confusion_matrix(torch.from_numpy(truth)[None], torch.from_numpy(prediction)[None], 19, 20).numpy()
        theirs = published_histogram(truth, prediction, 19)
        assert np.array_equal(overflowing(ours)[0], theirs)
        dropped += not theirs.any()
    assert 0 < dropped < 200
    # not overflowing, the same pixels are wrong and nothing else: 3 of a and b right, 1 of b beyond
    found = rates(np.array([[2, 0, 0], [0, 1, 1]]))
    assert found["pixel_accuracy"] == pytest.approx(3 / 4, abs=1e-9)
    assert found["class_ious"] == pytest.approx([1, 1 / 2], abs=1e-9)


def test_scores_by_hand():
    # truth a: 3 right, 1 called b;  truth b: 2 right, 2 called a;  c never occurs and is never said
    found = rates(np.array([[3, 1, 0], [2, 2, 0], [0, 0, 0]]))
    assert found["pixel_accuracy"] == pytest.approx(5 / 8, abs=1e-9)
    # the reference's convention: the absent class scores 0 and counts: (3/4 + 2/4 + 0) / 3
    assert found["class_accuracy"] == pytest.approx((0.75 + 0.5) / 3, abs=1e-9)
    assert found["class_iou"] == pytest.approx((3 / 6 + 2 / 5) / 3, abs=1e-9)
    assert found["class_ious"] == pytest.approx([0.5, 0.4, 0.0], abs=1e-9)


def share(sums):
    return {"share": sums[..., 0] / sums.sum(-1), "by_class": sums}


def estimate(trainings, drawn=0.0, images=100):
    """With an image part of a known variance."""
    spread = np.array([-1.0, 1.0]) * drawn / np.sqrt(2)  # sample variance drawn²
    return intervals.Estimate(np.array(trainings, float), spread, images)


def test_with_one_training_an_interval_is_that_of_a_mean_over_images():
    """Images with a share of hits each: Student's with 399 degrees of freedom (2000 replicates: within a tenth)."""
    hits = np.random.default_rng(0).integers(0, 101, 400)
    found = intervals.estimates(np.stack([hits, 100 - hits], -1)[None], share)
    assert set(found) == {"share"}  # what is not one number has no interval
    low, high = intervals.interval(found["share"])
    assert (low + high) / 2 == pytest.approx(hits.mean() / 100, abs=1e-12)
    assert (high - low) / 2 == pytest.approx(1.966 * hits.std(ddof=1) / 100 / np.sqrt(len(hits)), rel=0.1)


def test_an_interval_over_trainings_is_students():
    """Three trainings, 0.5, 0.6 and 0.7: standard error 0.0577, quantile of two degrees of freedom 4.303; by the book."""
    low, high = intervals.interval(estimate([0.5, 0.6, 0.7]))
    assert (low, high) == pytest.approx((0.6 - 4.3027 * 0.1 / np.sqrt(3), 0.6 + 4.3027 * 0.1 / np.sqrt(3)), abs=1e-4)
    # images add their variance; the quantile stays that of the trainings
    wide = intervals.interval(estimate([0.5, 0.6, 0.7], 0.1))
    assert wide[1] - 0.6 == pytest.approx(4.3027 * np.sqrt(0.01 / 3 + 0.01), abs=1e-4)
    # a class in few images limits the degrees of freedom, and too few leave nothing to say
    assert intervals.interval(estimate([0.5] * 30, 0.1, images=10))[1] - 0.5 == pytest.approx(2.262 * 0.1, abs=1e-3)
    assert np.isnan(intervals.interval(estimate([0.5, 0.6, 0.7], 0.1, images=9))).all()


def test_a_difference_is_welchs_and_what_rows_share_falls_out():
    """Against SciPy's own test of unequal variances (1e-9), and the image part by hand."""
    a, b = [0.50, 0.61, 0.58, 0.55], [0.40, 0.42, 0.41, 0.39]
    theirs = ttest_ind(a, b, equal_var=False)
    ours = intervals.difference(estimate(a), estimate(b))
    assert intervals.p_value(ours) == pytest.approx(theirs.pvalue, rel=1e-9)
    assert ours.freedom == pytest.approx(theirs.df, rel=1e-9)
    low = theirs.confidence_interval().low
    assert ours.mean - intervals.reach(ours) == pytest.approx(low, rel=1e-9)
    assert intervals.p_value(ours, 0.15) == pytest.approx(ttest_ind(np.array(a) - 0.15, b, equal_var=False).pvalue, rel=1e-9)
    both = intervals.difference(estimate(a, 0.3), estimate(b, 0.3))  # the same images, drawn alike
    assert both.error == pytest.approx(ours.error, rel=1e-9)
    assert intervals.difference(estimate(a, 0.3), estimate(b)).error == pytest.approx(np.hypot(ours.error, 0.3), rel=1e-9)
    equal = intervals.difference(estimate([0.5] * 3), estimate([0.5] * 3))
    assert intervals.p_value(equal) == 1 and equal.freedom == 2
    assert np.isnan(intervals.difference(estimate(a, images=9), estimate(b)).error)


def test_rows_of_the_same_trainings_are_paired_by_them():
    """scipy's paired t test, to 1e-9; the images' part comes on top."""
    a, b = [0.50, 0.61, 0.42, 0.55], [0.44, 0.58, 0.37, 0.46]
    ours, theirs = intervals.difference(estimate(a), estimate(b), same=True), ttest_rel(a, b)
    assert intervals.p_value(ours) == pytest.approx(theirs.pvalue, rel=1e-9) and ours.freedom == 3
    assert intervals.p_value(ours) < 0.1 * intervals.p_value(intervals.difference(estimate(a), estimate(b)))
    low, high = theirs.confidence_interval(0.95)
    assert intervals.reach(ours) == pytest.approx((high - low) / 2, rel=1e-9)
    random = np.random.default_rng(0)
    drawn = [intervals.Estimate(np.array(x), 0.03 * random.standard_normal(2000), 1000) for x in (a, b)]
    apart = np.subtract(a, b).var(ddof=1) / 4
    error = np.sqrt(apart + (drawn[0].drawn - drawn[1].drawn).var(ddof=1))
    assert intervals.difference(*drawn, same=True).error == pytest.approx(error, rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("images", [10, 20, 60])
def test_a_mean_over_classes_holds_its_truth_however_rare_a_class_is(images):
    """Eight classes of 60 images, one in few of them, areas and accuracies that differ from image to image.

    93 to 96 % of intervals hold the true accuracy (1000 draws); of the 300 here at least 90 %.
    """
    random, held = np.random.default_rng(images), 0
    for _ in range(300):
        area, right = random.lognormal(0, 1, (60, 8)), random.beta(1.2, 0.8, (60, 8))  # true accuracy 0.6
        area[random.permutation(60)[images:], 0] = 0
        counts = np.concatenate([area * right, area], 1)[None]

        def accuracy(sums):
            return {"class_accuracy": (sums[:, :8] / (sums[:, 8:] + 1e-12)).mean(1)}

        low, high = intervals.interval(intervals.estimates(counts, accuracy, {"class_accuracy": images})["class_accuracy"])
        held += low <= 0.6 <= high
    assert held / 300 >= 0.90


def test_the_correction_is_holms():
    """0.01, 0.04, 0.03 and 0.005: times 3, at least the one before, times 2, times 4; by hand."""
    assert intervals.corrected(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert intervals.corrected(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]


def test_images_of_a_mean_over_classes_are_those_of_its_rarest_class():
    counts = np.zeros((5, 3, 3), int)
    counts[:, 0, 1] = 4
    counts[:2, 1, 1] = 1  # class 1 in two images, class 2 in none: it scores 0 in every draw
    assert images_of_means(counts) == {"class_accuracy": 2, "class_iou": 2}


def test_values_outside_the_classes_are_refused():
    zeros = torch.zeros(2, 2, 2, dtype=torch.uint8)
    for truth, prediction, message in (
        (zeros + 3, zeros, "truth holds ids outside 0..2: 3"),
        (zeros, zeros + 3, "prediction holds"),
        (zeros, zeros[:1], "truth is"),
    ):
        with pytest.raises(ValueError, match=message):
            confusion_matrix(truth, prediction, 3)


def test_nearest_palette_colour():
    pixels = np.array([[[250, 10, 0], [10, 120, 110]]], np.uint8)  # clearly a; nearer to b (135² + ...) than to c
    assert classify_colours(Image.fromarray(pixels), PALETTE, 1, 2).tolist() == [[0, 1]]
    assert classify_colours(Image.fromarray(pixels), PALETTE, 2, 4).tolist() == [[0, 0, 1, 1]] * 2


def test_photos_are_enlarged_bilinearly_to_the_label_size():
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8))
    expected = np.asarray(photo.resize((20, 15), Image.Resampling.BILINEAR))
    assert np.array_equal(enlarged(photo, 15, 20).permute(1, 2, 0).numpy(), expected)


@pytest.mark.parametrize("size", [(16, 16), (37, 50), (360, 480)])
def test_segmenter_keeps_any_size(size):
    for network in (Segmenter(5, 2), UNetSegmenter(5, 2, torch.Generator())):
        assert network.eval()(torch.zeros(1, 3, *size)).shape == (1, 5, *size)


def test_a_u_net_reads_every_pixel_of_half_the_size():
    """Where the sides can be halved five times, its logits are the U-Net's on means of 2 x 2 pixels, enlarged by two; 1e-5."""
    network, x = UNetSegmenter(3, 2, torch.Generator().manual_seed(0)).eval(), torch.rand(2, 3, 64, 96)
    half = x.view(2, 3, 32, 2, 48, 2).mean((3, 5))
    logits = torch.nn.functional.interpolate(network.unet(half), scale_factor=2, mode="bilinear", align_corners=False)
    assert torch.allclose(network(x), logits, atol=1e-5)
    assert network.features(x).shape == (2, 32, 2, 3)


@pytest.fixture
def toy(tmp_path):
    """A prepared dataset whose photos are noisy versions of two-colour label maps: learnable at once."""
    rng = np.random.default_rng(0)
    tint = np.array([[200, 60, 60], [60, 200, 60], [60, 60, 200]])
    for split, count in (("train", 12), ("test", 4)):
        for folder in ("a", "b", "labels"):
            (tmp_path / split / folder).mkdir(parents=True)
        for i in range(count):
            labels = np.kron(rng.integers(0, 3, (4, 4)), np.ones((12, 12), int)).astype(np.uint8)
            photo = np.clip(tint[labels] + rng.normal(0, 20, (48, 48, 3)), 0, 255).astype(np.uint8)
            labels[0, 0] = 255
            colours = np.array([*PALETTE.values(), *[[0, 0, 0]] * 253], np.uint8)[labels]
            Image.fromarray(labels).save(tmp_path / split / "labels" / f"{i}.png")
            Image.fromarray(photo).save(tmp_path / split / "b" / f"{i}.png")
            Image.fromarray(colours).save(tmp_path / split / "a" / f"{i}.png")
    for direction, domain in (("labels2photo", "b"), ("photo2labels", "a")):
        (tmp_path / "made").mkdir(exist_ok=True)
        (tmp_path / "made" / direction).symlink_to(tmp_path / "test" / domain)
    return tmp_path


RECIPE = ReaderSettings(filters=8, epochs=12, batch_images=4, learning_rate=0.01, pixels=None, seed=0)


def trained(folder, names, pixels, recipe=RECIPE, **more):
    """A segmentation network of a toy dataset, and its epochs."""
    task = Task(folder, {"names": {"train": {"b": names}}}, DATA, recipe, pixels, CPU, **more)
    return find("segmentation").make(task)


def job_of(output, folders, data, names, reader=None):
    manifest = {"names": {"test": {"a": names, "b": names}}}
    return Job(output, folders, data, manifest, DATA, 48, CPU, None, lambda: reader, "reader", Path(), Path())


def scored(passes, data, names, reader, outputs=(FORWARD, BACKWARD), epochs=None):
    """What the measures that look back over training find, and their counts, by output."""
    values, counts = {}, {}
    for output in outputs:
        job = job_of(output, [folder / output.name for folder in passes], data, names, reader)
        used = [m for m in measures_of(output, Needs(DATA, "segmentation", "reader")) if m.over_training]
        found, counted = score(job, used, {e: folder / output.name for e, folder in (epochs or {}).items()})
        (values[output.name],) = found.values()
        (counts[output.name],) = counted.values()
    return values, counts


@pytest.mark.parametrize("network", ["fcn", "unet"])
def test_the_segmenter_learns_and_the_scores_add_up(toy, network):
    network, rows = trained(toy, [f"{i}.png" for i in range(12)], 48, RECIPE.model_copy(update={"network": network}))
    assert rows[-1]["loss"] < 0.5 * rows[0]["loss"]
    names, made, test = [f"{i}.png" for i in range(4)], toy / "made", toy / "test"
    reader = Reader(network)
    found, counts = scored([made], toy, names, reader)
    once = found["labels2photo"]
    assert once["scores"]["pixel_accuracy"] > 0.8 and once["images"] == 4 and "passes" not in once
    assert found["photo2labels"]["scores"]["pixel_accuracy"] == pytest.approx(1.0, abs=1e-9)  # the very label colours
    found, doubled = scored([made, made], toy, names, reader, epochs={3: made})
    again = found["labels2photo"]
    assert again["scores"] == pytest.approx(once["scores"], abs=1e-12)
    assert again["passes"] == [once["scores"]] * 2 and again["epochs"] == {"3": once["scores"]}  # the same images
    for output in counts:
        assert counts[output].sum((1, 2)).tolist() == [48 * 48 - 1] * 4  # one unscored pixel each
        assert np.array_equal(doubled[output], 2 * counts[output])
    # image by image and pixel by pixel, whatever the batches
    for name, matrix in zip(names, counts["labels2photo"], strict=True):
        truth = np.array(Image.open(test / "labels" / name))
        photo = enlarged(Image.open(made / "labels2photo" / name), 48, 48)
        with torch.no_grad():
            seen = network(photo[None].float() / 127.5 - 1)[0].argmax(0).numpy()
        assert np.array_equal(matrix, sklearn_confusion(truth[truth != 255], seen[truth != 255], labels=range(3)))


def test_more_outputs_than_classes_are_counted(toy):
    """A network that takes everything for the fourth of three classes: all wrong, and said to be beyond."""

    def beyond(photos):
        return torch.nn.functional.one_hot(torch.full((len(photos), 48, 48), 3), 4).permute(0, 3, 1, 2).float()

    names = [f"{i}.png" for i in range(4)]
    (found,) = scored([toy / "made"], toy, names, Reader(beyond, 4), [FORWARD])[0].values()
    assert found["more"]["beyond_classes"] == 4 * (48 * 48 - 1)
    assert found["scores"]["pixel_accuracy"] == 0
    (found,), (counts,) = (one.values() for one in scored([toy / "made"], toy, names, Reader(beyond, 4, True), [FORWARD]))
    assert counts.shape == (4, 3, 3) and found["more"]["beyond_classes"] == 4 * (48 * 48 - 1)


def test_colour_histograms_against_a_hand_count():
    """Half red and half grey against all grey: L shares what falls on grey's bin, and so do a and b."""
    grey, mixed = Image.new("RGB", (4, 2), (119, 119, 119)), Image.new("RGB", (4, 2), (119, 119, 119))
    mixed.paste((255, 0, 0), (0, 0, 2, 2))
    one, other = colour_counts(grey), colour_counts(mixed)
    assert set(intersections(one, other).values()) == {0.5}
    assert set(intersections(one, one).values()) == {1.0}
    # sRGB red is L 53.2, a 80.1, b 67.2 (D65)
    ends = np.cumsum([high - low for low, high in EDGES.values()])[:-1]
    parts = zip(EDGES.items(), np.split(other, ends), strict=True)
    found = {channel: low + c.nonzero()[0].max() for (channel, (low, _)), c in parts}
    assert (found["a"], found["b"]) == (80, 67)


def test_likeness_is_that_of_formulas_and_of_another_library(toy):
    """PSNR and the mean error by hand; SSIM by torchmetrics' formula written out with SciPy's Gaussian filter, to 1e-6."""
    from scipy.ndimage import gaussian_filter

    random = np.random.default_rng(0)
    real = random.random((3, 24, 24)).astype(np.float32)
    made = (0.8 * real + 0.1 + 0.05 * random.standard_normal(real.shape)).clip(0, 1).astype(np.float32)
    psnr, ssim, error = scores_of(made, real)
    assert psnr == pytest.approx(-10 * np.log10(np.mean((made.astype(float) - real) ** 2)), abs=1e-6)
    assert error == pytest.approx(np.abs(made.astype(float) - real).mean(), abs=1e-7)

    def blur(image):
        return gaussian_filter(image, 1.5, truncate=3.5)

    by_channel = []
    for x, y in zip(made.astype(float), real.astype(float), strict=True):
        mx, my = blur(x), blur(y)
        vx, vy, vxy = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
        one = (2 * mx * my + 1e-4) * (2 * vxy + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
        by_channel.append(one[5:-5, 5:-5].mean())
    assert ssim == pytest.approx(np.mean(by_channel), abs=1e-5)
    assert scores_of(real, real) == (100, pytest.approx(1), 0)
    names, measure = ["0.png", "1.png"], MEASURES["likeness"]
    values, counts = score(job_of(FORWARD, [toy / "test" / "b"] * 2, toy, names), [measure], {})
    assert values["likeness"]["scores"] == {"psnr": 100, "ssim": pytest.approx(1), "mean_error": 0}
    assert counts["likeness"].shape == (2, 4)  # summed over two passes


def test_variety_is_the_variance_between_translations(toy):
    """With two images of values x and y it is ((x - y) / (the same of the real ones)) squared, whatever the order of names."""
    measure, names = MEASURES["variety"], ["0.png", "1.png"]
    for i, (real, bold, same) in enumerate([(60, 0, 90), (160, 200, 90)]):
        for folder, level in {"real": real, "bold": bold, "same": same}.items():
            (toy / folder / "test" / "b").mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (24, 24), (level,) * 3).save(toy / folder / "test" / "b" / names[i])

    def values(*folders):
        made = [toy / folder / "test" / "b" for folder in folders]
        measured, counts = score(job_of(FORWARD, made, toy / "real", names), [measure], {})
        return measured["variety"]["scores"]["variety"], counts["variety"].shape

    assert values("real") == (pytest.approx(1), (2, 2))
    assert values("bold") == (pytest.approx(4), (2, 2))
    assert values("same") == (0, (2, 2))
    assert values("same", "bold")[0] == pytest.approx(2)  # mean of two passes


def test_colours_of_folders_are_pooled_over_images_and_passes(toy):
    """The very photos share all; passes are summed, at the size of the first."""
    names, real, measure = [f"{i}.png" for i in range(4)], toy / "test" / "b", MEASURES["colour_histograms"]

    def counted(*folders):
        return score(job_of(FORWARD, [*folders], toy, names), [measure], {})

    values, counts = counted(real)
    assert values["colour_histograms"]["scores"] == pytest.approx(dict.fromkeys(measure.scores, 1), abs=1e-9)
    assert counts["colour_histograms"][:, 0].sum(1).tolist() == [3 * 48 * 48] * 4
    (toy / "grey").mkdir()
    for name in names:
        Image.new("RGB", (24, 24), (119, 119, 119)).save(toy / "grey" / name)  # a quarter of the pixels
    _, both = counted(real, toy / "grey")
    grey = colour_counts(Image.new("RGB", (48, 48), (119, 119, 119)))
    assert np.array_equal(both["colour_histograms"][:, 0], counts["colour_histograms"][:, 0] + grey)  # at the size of the first
    assert np.array_equal(both["colour_histograms"][:, 1], counts["colour_histograms"][:, 0])


def test_no_colour_falls_outside_the_bins():
    levels = np.stack(np.meshgrid(*[np.arange(0, 256, 15)] * 3), -1).reshape(1, -1, 3).astype(np.uint8)
    assert colour_counts(Image.fromarray(levels)).sum() == 3 * levels.shape[1]


@pytest.mark.parametrize("network", ["fcn", "unet"])
def test_a_resumed_segmenter_ends_equal(toy, network):
    names, states = [f"{i}.png" for i in range(12)], []
    short = RECIPE.model_copy(update={"epochs": 4, "network": network})
    whole, rows = trained(toy, names, 24, short, save=lambda state: states.append(copy.deepcopy(state)))
    assert len(states) == 4
    resumed, again = trained(toy, names, 24, short, resume=states[1])
    assert again == rows
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in whole.state_dict().items())


def test_a_single_last_image_joins_its_neighbours(toy):
    _, rows = trained(toy, [f"{i}.png" for i in range(9)], 24, RECIPE.model_copy(update={"epochs": 1}))  # 4 + 4 + 1
    assert len(rows) == 1


def test_two_segmenters_of_one_seed_are_equal(toy):
    names = [f"{i}.png" for i in range(12)]
    a, b = (trained(toy, names, 24)[0].state_dict() for _ in range(2))
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_a_missing_or_unreadable_translation_is_named(toy):
    reader = Reader(Segmenter(3, 2).eval())
    (toy / "test" / "b" / "2.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"labels2photo/2\.png: not a readable image"):
        scored([toy / "made"], toy, [f"{i}.png" for i in range(4)], reader)
    (toy / "test" / "b" / "0.png").unlink()
    with pytest.raises(ImageError, match=r"labels2photo/0\.png: no such image"):
        scored([toy / "made"], toy, ["0.png"], reader)
    Image.new("RGB", (24, 48)).save(toy / "test" / "a" / "1.png")
    with pytest.raises(ImageError, match=r"photo2labels/1\.png: \(24, 48\) is not the size of 0\.png, \(48, 48\)"):
        scored([toy / "made"], toy, ["0.png", "1.png"], reader, [BACKWARD])
    Image.fromarray(np.full((48, 48), 7, np.uint8)).save(toy / "test" / "labels" / "3.png")
    with pytest.raises(ImageError, match=r"labels/3\.png: ids 7; expected 0\.\.2, or 255"):
        scored([toy / "made"], toy, ["3.png"], reader, [BACKWARD])
    Image.new("RGB", (48, 48)).save(toy / "test" / "labels" / "3.png")
    with pytest.raises(ImageError, match=r"labels/3\.png: expected a one-channel 8-bit label map, got mode RGB"):
        scored([toy / "made"], toy, ["3.png"], reader, [BACKWARD])
    whole = (toy / "test" / "labels" / "2.png").read_bytes()
    for cut in range(0, len(whole) // 2, 7):  # wherever it breaks off, one line
        (toy / "test" / "labels" / "3.png").write_bytes(whole[:cut])
        with pytest.raises(ImageError, match=r"labels/3\.png: not a readable label map"):
            read_truth(toy / "test" / "labels" / "3.png", 3)
    Image.new("L", (48, 48)).save(toy / "test" / "a" / "2.png")
    with pytest.raises(ImageError, match=r"photo2labels/2\.png: expected three channels \(RGB\), got mode L"):
        scored([toy / "made"], toy, ["2.png"], reader, [BACKWARD])


def test_training_refuses_label_maps_with_unknown_ids_before_it_begins(toy):
    Image.fromarray(np.full((48, 48), 9, np.uint8)).save(toy / "train" / "labels" / "7.png")
    with pytest.raises(ImageError, match=r"labels/7\.png: ids 9; expected 0\.\.2"):
        trained(toy, [f"{i}.png" for i in range(12)], 24)


def test_measures_say_what_they_measure_and_what_they_lack():
    rendered = Output("found", "b", "b", "Found")
    outputs = (FORWARD, BACKWARD, SAMPLES, rendered)
    labelled, bare = Needs(DATA, "segmentation", "reader"), Needs(UNPAIRED, None, "reader")
    names = {(o.name, needs.reader): [m.name for m in measures_of(o, needs)] for o in outputs for needs in (labelled, bare)}
    assert names == {
        ("labels2photo", "segmentation"): ["fcn_score", "colour_histograms", "likeness", "distance", "variety"],
        ("labels2photo", None): ["cycle", "variety"],
        ("photo2labels", "segmentation"): ["label_colours", "variety"],
        ("photo2labels", None): ["cycle", "variety"],
        ("samples", "segmentation"): ["distance", "novelty"],
        ("samples", None): ["novelty"],
        # a rendering of the input is compared with it alone
        ("found", "segmentation"): ["inversion", "likelihood_bound"],
        ("found", None): ["inversion", "likelihood_bound"],
    }
    # with Inception's weights unpaired photos have a distance; without, the page says why they have none
    assert [m.name for m in measures_of(FORWARD, bare._replace(features="inception-tf1"))] == ["cycle", "distance", "variety"]
    (why,) = left_out(FORWARD, bare).values()
    assert "no network" in why
    assert list(MEASURES) == list(NAMES) and all(isinstance(m, Measure) and m.name == name for name, m in MEASURES.items())
    assert sum(len(m.scores) for m in MEASURES.values()) == len(SCORES) + 3  # label colours give the FCN-score's three


def test_every_reader_of_the_parameters_builds():
    for recipe in parsed(RAW).readers.values():
        with torch.device("meta"):
            FCN8s() if isinstance(recipe, PublishedReaderSettings) else Segmenter(8, recipe.filters)


def test_images_of_one_job_are_read_once(tmp_path):
    """And again afterwards: other files may lie there then."""
    from ganrepro.evaluation import images

    for name, level in (("0.png", 3), ("1.png", 200)):
        Image.new("L", (8, 8), level).save(tmp_path / name)
    names = ["0.png", "1.png"]
    with images.read_once():
        first = images.load_levels(tmp_path, names, 1)
        Image.new("L", (8, 8), 90).save(tmp_path / "0.png")
        assert images.load_levels(tmp_path, names, 1) is first and first[:, 0, 0, 0].tolist() == [3, 200]
        assert images.load_levels(tmp_path, names[:1], 1)[0, 0, 0, 0] == 90  # another set
    assert images.load_levels(tmp_path, names, 1)[:, 0, 0, 0].tolist() == [90, 200]

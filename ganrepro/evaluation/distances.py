"""How far generated photos are from real ones: Fréchet and kernel distance of features, and the Inception Score.

Features are those of the Inception network that FID is defined with (torch-fidelity's, with its weights), or of the
pipeline's own segmentation network, where those weights cannot be had; the second is never called FID.
Three steps: features of images, a distance of two sets of features, its interval; only the first needs a network.
"""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ganrepro.data.images import ImageError, as_tensor, read_labels, read_rgb, resize, to_float
from ganrepro.data.spec import Size
from ganrepro.errors import UserError, WeightsError
from ganrepro.evaluation.label_maps import enlarged
from ganrepro.evaluation.measures.base import GROUND_TRUTH, GROUPS, OWN_FEATURES, Job
from ganrepro.evaluation.readers.base import Reader
from ganrepro.nets.trunks import Trunk, hed_trunk, vgg_trunk
from ganrepro.process import cores
from ganrepro.schema.registry import INCEPTION as INCEPTION_WEIGHTS
from ganrepro.schema.registry import TRUNKS
from ganrepro.store.arrays import read_arrays
from ganrepro.store.files import replacing

SIDE = 299  # pixels that Inception sees
WORKERS = max(2, min(8, cores()))  # images are read and pushed through the network by so many threads, each on one core
BATCH = 4  # images at once: more leave the cache
SUBSET = 1000  # images of a subset, for KID
# torch-fidelity's modules from the resized image to the 2048 features, in the order it calls them
INCEPTION = (
    *("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "MaxPool_1", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "MaxPool_2"),
    *(f"Mixed_{block}" for block in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")),
    "AvgPool",
)


Found = tuple[dict[str, float], dict[str, float | None], dict[str, Any]]  # distances, their standard errors, what else is known


def of_job(job: Job) -> Found:
    """All distances of a job."""
    if job.features in TRUNKS:
        backbone = features_of_trunk(load_trunk(job))
    elif job.features != OWN_FEATURES:
        backbone = inception(job.weights[INCEPTION_WEIGHTS], job.features.removeprefix("inception-"), job.device)
    else:
        height, width = read_labels(job.folder / "test" / "labels" / job.real("test")[1][0]).shape
        backbone = features_of_reader(job.reader(), height, width)
    (folder, names), (known, training) = job.real("test"), job.real("train")
    if job.row == GROUND_TRUTH:
        generated = load_photos(known, training[: len(names)], job.pixels)
    else:
        generated = load_photos(job.folders[0], job.names)
    real = load_photos(folder, names, job.pixels)
    values, errors, more = measure(features(generated, backbone, job.device), kept_features(real, backbone, job.device, job.kept))
    return values, errors, {"of": job.features} | more


class Backbone:
    """An image to what the network sees, a batch of those to features (n, d) and, where it classifies, logits.

    digest: of weights and resize, so that features can be kept.
    """

    def __init__(self, digest: str, prepare: Callable[[Image.Image], Tensor], network: Callable[[Tensor], list[Tensor]]):
        self.digest, self.prepare, self.network = digest, prepare, network


def inception(folder: Path, how: str, device: torch.device) -> Backbone:
    """The Inception of 2015-12-05 with downloaded, verified weights.

    how: the resize to 299, which changes the score: 'tf1' (TensorFlow 1 bilinear, of the original code and
    torch-fidelity), 'pytorch-fid' (torch bilinear, no antialiasing), 'clean' (clean-fid: Pillow bicubic in float).
    """
    from torch_fidelity.feature_extractor_inceptionv3 import BasicConv2d, FeatureExtractorInceptionV3

    files = sorted(folder.rglob("*.pth"))
    if len(files) != 1:
        raise WeightsError(f"{folder}: expected one .pth file, got {len(files)}; remove the folder and run again")
    weights = files[0]
    try:
        tensors = torch.load(weights, weights_only=True)
        with tempfile.NamedTemporaryFile(suffix=".pth") as plain:
            # the library would unpickle whatever the file holds: it gets what was read without running code
            torch.save(tensors, plain.name)
            network = FeatureExtractorInceptionV3("inception", ["2048"], plain.name)
    except (RuntimeError, TypeError, AttributeError, pickle.UnpicklingError, EOFError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0][:80]
        raise WeightsError(f"{weights}: not plain weights of that network ({reason}); remove it and try again") from None
    for module in network.modules():
        if isinstance(module, BasicConv2d):
            module.conv, module.bn = fuse_conv_bn_eval(module.conv, module.bn), nn.Identity()
    network.to(device, memory_format=torch.channels_last)

    def run(x: Tensor) -> list[Tensor]:
        x = x.contiguous(memory_format=torch.channels_last)
        for name in INCEPTION:
            x = getattr(network, name)(x)
        features = x.flatten(1)
        return [features, features @ network.fc.weight.T]  # logits without bias, as the Inception Score takes them

    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    return Backbone(f"{digest} {how}", RESIZES[how], run)


def _tf1(image: Image.Image) -> Tensor:
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x as bilinear

    return (bilinear(as_tensor(image)[None].float(), size=(SIDE, SIDE), align_corners=False)[0] - 128) / 128


def _pytorch_fid(image: Image.Image) -> Tensor:
    scaled = functional.interpolate(as_tensor(image)[None].float() / 255, (SIDE, SIDE), mode="bilinear", align_corners=False)
    return 2 * scaled[0] - 1


def _clean(image: Image.Image) -> Tensor:
    bands = [np.asarray(band.convert("F").resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for band in image.split()]
    return (torch.from_numpy(np.stack(bands)).clamp(0, 255) - 128) / 128


RESIZES = {"tf1": _tf1, "pytorch-fid": _pytorch_fid, "clean": _clean}


def features_of_reader(reader: Reader, height: int, width: int) -> Backbone:
    """Means over the image of the reader's coarsest features, at the size of the label maps."""
    assert reader.features is not None
    means = reader.features
    return Backbone(reader.digest, lambda image: enlarged(image, height, width), lambda x: [means(to_float(x))])


def load_trunk(job: Job) -> Trunk:
    """The network that `features` names."""
    load = {"hed": hed_trunk, "vgg": vgg_trunk}[job.features]
    return load(job.weights[TRUNKS[job.features]]).to(job.device)


def features_of_trunk(trunk: Trunk) -> Backbone:
    """Means over the image of its last features, those of each pixel brought to length 1, times the root of their number.

    So they are of the order of 1, whatever a trunk was trained for.
    """

    def means(x: Tensor) -> list[Tensor]:
        last = trunk(to_float(x))[-1]
        return [functional.normalize(last, dim=1).mean((2, 3)) * last.shape[1] ** 0.5]

    content = hashlib.sha256(b"".join(value.cpu().contiguous().numpy().tobytes() for value in trunk.state_dict().values()))
    return Backbone(f"{content.hexdigest()} unit", as_tensor, means)


def features(images: Sequence[Image.Image], backbone: Backbone, device: torch.device) -> list[np.ndarray]:
    """Outputs of the backbone for every image, float32 (n, d) each. ImageError for less than two images or mixed sizes."""
    if len(images) < 2:
        raise ImageError(f"a distance needs at least 2 images on each side, got {len(images)}")
    sizes = {image.size for image in images}
    if len(sizes) > 1:
        raise ImageError(f"a distance needs images of one size, got {' and '.join(map(str, sorted(sizes)[:3]))}")

    def run(chunk: Sequence[Image.Image]) -> list[Tensor]:
        with torch.no_grad():
            x = torch.stack([backbone.prepare(image) for image in chunk]).to(device)
            return [y.cpu() for y in backbone.network(x)]

    with ThreadPoolExecutor(WORKERS, initializer=lambda: torch.set_num_threads(1)) as pool:
        batches = list(pool.map(run, [images[i : i + BATCH] for i in range(0, len(images), BATCH)]))
    return [torch.cat(parts).numpy() for parts in zip(*batches, strict=True)]


def kept_features(images: Sequence[Image.Image], backbone: Backbone, device: torch.device, folder: Path) -> list[np.ndarray]:
    """The same, kept in a file named by the content of the images, the weights and the resize."""
    content = hashlib.sha256(backbone.digest.encode())
    for image in images:
        content.update(str(image.size).encode() + image.tobytes())
    path = folder / f"{content.hexdigest()[:32]}.npz"
    with contextlib.suppress(OSError, UserError):
        kept = list(read_arrays(path).values())
        if kept and all(len(part) == len(images) for part in kept):
            return kept
    values = features(images, backbone, device)  # there is none yet, or it is damaged
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, *values)
    return values


def load_photos(folder: Path, names: Sequence[str], pixels: Size | None = None) -> list[Image.Image]:
    """Photos as they are, or all of one size. ImageError names one that is missing or unreadable."""

    def load(name: str) -> Image.Image:
        photo = read_rgb(folder / name)
        return resize(photo, pixels) if pixels else photo

    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(load, names))


def frechet(x: np.ndarray, y: np.ndarray) -> float:
    """Squared Fréchet distance of two normal distributions with the moments of x (n, d) and y (m, d).

    |mean difference|² + tr(Sx + Sy - 2 (Sx Sy)^(1/2)), covariances over n - 1. With S = A' A for centred A, the last
    trace is the sum of the singular values of Ax Ay': exact, also where there are fewer images than features.
    Source: Heusel et al. 2017, equation 6.
    """
    a, b = (_factor(z.astype(np.float64)) for z in (x, y))
    mixed = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    shift = x.mean(0, dtype=np.float64) - y.mean(0, dtype=np.float64)
    return max(0.0, float(shift @ shift + (a**2).sum() + (b**2).sum() - 2 * mixed))  # rounding may leave less than nothing


def _factor(x: np.ndarray) -> np.ndarray:
    """A with A' A the covariance of x, no taller than wide."""
    centred = (x - x.mean(0)) / np.sqrt(len(x) - 1)
    return np.asarray(np.linalg.qr(centred, mode="r")) if len(x) > x.shape[1] else centred


def kernel(x: np.ndarray, y: np.ndarray) -> float:
    """Squared maximum mean discrepancy of features, kernel (x'y / d + 1)³, unbiased: KID.

    x (n, d), y (m, d). Of all images where one side has no more than 1000; else the mean over 100 subsets of 1000 of
    each, through torch-fidelity.  Source: Binkowski et al. 2018.
    """
    if min(len(x), len(y)) > SUBSET:
        from torch_fidelity.metric_kid import kid_features_to_metric

        result = kid_features_to_metric(
            torch.from_numpy(x), torch.from_numpy(y), kid_subset_size=SUBSET, kid_subsets=100, verbose=False
        )
        return float(result["kernel_inception_distance_mean"])
    a, b = x.astype(np.float64), y.astype(np.float64)

    def similarity(these: np.ndarray, those: np.ndarray) -> np.ndarray:
        values: np.ndarray = (these @ those.T / x.shape[1] + 1) ** 3
        return values

    def within(z: np.ndarray) -> float:
        """Mean over all pairs of different images."""
        values = similarity(z, z)
        return float((values.sum() - np.trace(values)) / (len(z) * (len(z) - 1)))

    return within(a) + within(b) - 2 * float(similarity(a, b).mean())


def inception_score(logits: np.ndarray) -> float:
    """Of all images together, through torch-fidelity.  Source: Salimans et al. 2016."""
    from torch_fidelity.metric_isc import isc_features_to_metric

    return float(isc_features_to_metric(torch.from_numpy(logits), splits=1)["inception_score_mean"])


def extrapolated(x: np.ndarray, y: np.ndarray) -> float | None:
    """The Fréchet distance of endlessly many images: the intercept of a line in 1 / n.  Source: Chong and Forsyth 2020.

    x and y are thinned out alike, as both are few here: where both have as many, to the same places, since image i
    of one often shows the scene of image i of the other, and what they share must not come and go with n. None for
    less than 4 images.
    """
    if min(len(x), len(y)) < 4:
        return None
    random, sizes, values = np.random.default_rng(0), [], []
    for share in np.linspace(0.5, 1, 6):
        for _ in range(1 if share == 1 else 5):
            chosen = [random.permutation(len(z))[: max(2, round(share * len(z)))] for z in (x, y)]
            if len(x) == len(y):
                chosen[1] = chosen[0]
            values.append(frechet(x[chosen[0]], y[chosen[1]]))
            sizes.append(1 / len(chosen[0]))
    return float(np.polynomial.polynomial.polyfit(sizes, values, 1)[0])


def standard_error(statistic: Callable[..., float], *sets: np.ndarray) -> float | None:
    """Of a statistic of sets of images, by a jackknife that leaves out a tenth of all at a time. None for less than ten.

    A bootstrap would not do: images drawn twice make the sets look narrower than they are.  Source: Efron and
    Tibshirani 1993, chapter 11.
    """
    if min(map(len, sets)) < GROUPS:
        return None
    left = [statistic(*(z[np.arange(len(z)) % GROUPS != g] for z in sets)) for g in range(GROUPS)]
    return float(np.sqrt((GROUPS - 1) / GROUPS * np.sum((np.array(left) - np.mean(left)) ** 2)))


def measure(generated: list[np.ndarray], real: list[np.ndarray]) -> Found:
    """All distances of generated from real features (and the Inception Score, where there are logits)."""
    x, y = generated[0], real[0]
    values = {"frechet": frechet(x, y), "kernel": kernel(x, y)}
    errors = {"frechet": standard_error(frechet, x, y), "kernel": standard_error(kernel, x, y)}
    if len(generated) > 1:
        values["inception_score"] = inception_score(generated[1])
        errors["inception_score"] = standard_error(inception_score, generated[1])
    return values, errors, {"infinite": extrapolated(x, y), "made": len(x), "real": len(y), "features": x.shape[1]}

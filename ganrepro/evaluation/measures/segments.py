"""How well label maps of objects on a background keep the objects apart (U-Net, arXiv:1505.04597, section 4).

Objects are the connected pieces (side by side) of the second class. The map that a method makes may say how sure it is, by a mix
of both colours; it is read at THRESHOLDS, as in the challenge that the paper takes part in.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ganrepro.data.spec import DataSpec
from ganrepro.evaluation.measures.base import Job, Measure, Measured, Score
from ganrepro.methods.outputs import Output

if TYPE_CHECKING:
    import numpy as np

THRESHOLDS = tuple((2 * k + 1) / 20 for k in range(10))  # of the second class's share


class Segments(Measure):
    """Counts of an image: wrong pixels, Rand error, variation of information and SEG at each threshold; pixels, 1, objects."""

    scores = {
        "pixel_error": Score("Pixel error", better="lower", digits=4),
        "rand_error": Score("Rand error", better="lower", digits=3),
        "information": Score("Variation of inf.", better="lower", high=None, digits=2),
        "seg": Score("SEG", digits=3),
    }
    table = tuple(scores)
    by_image = "pixel_error"
    reading = (
        "all at the best of ten thresholds, which the test images choose, as in the challenge. *Pixel error*: the share of "
        "wrong pixels. *Rand error* and *variation of information* compare connected pieces: adapted Rand error (1 - F-score of "
        "pairs of pixels) and split + merge in bits, as scikit-image computes them, without pixels of the true background; mean "
        "over images. *SEG*: of each true object its overlap (intersection over union) with the piece that covers more than half "
        "of it, else 0; mean over objects."
    )

    def applies(self, output: Output, data: DataSpec) -> bool:
        return data.paired and output.translates and output.target == data.label_maps and len(data.palette) == 2

    def measure(self, job: Job) -> Measured:
        import numpy as np

        from ganrepro.evaluation.label_maps import read_truth

        palette, labels = list(job.data.palette.values()), job.folder / "test" / "labels"
        passes = [
            np.stack([counts_of(read_share(place / name, palette), read_truth(labels / name, 2)) for name in job.names])
            for place in job.folders
        ]
        return Measured(np.stack(passes))

    def statistic(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        many = len(THRESHOLDS)
        wrong, rand, information, overlap = (counts[..., k * many : (k + 1) * many] for k in range(4))
        pixels, images, objects = (counts[..., 4 * many + k] for k in range(3))
        return {
            "pixel_error": wrong.min(-1) / (pixels + 1e-12),
            "rand_error": rand.min(-1) / images,
            "information": information.min(-1) / images,
            "seg": overlap.max(-1) / (objects + 1e-12),
        }


def read_share(path: Path, palette: list[list[int]]) -> np.ndarray:
    """How much of the second colour of two each pixel of an image has, (h, w); below 0 or above 1 where it has more than that."""
    import numpy as np

    from ganrepro.evaluation.label_maps import read_made

    first, second = (np.array(colour, np.float64) for colour in palette)
    along = second - first
    share: np.ndarray = (np.asarray(read_made(path), np.float64) - first) @ along / (along @ along)
    return share


def counts_of(share: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Of one image: see `Segments`.  share: of the second class (h, w), brought to the truth's size; its 255 are left out."""
    import numpy as np
    from skimage.metrics import adapted_rand_error, variation_of_information

    from ganrepro.evaluation.segmentation import UNSCORED

    share = _of_size(share, truth.shape)
    known, objects = truth != UNSCORED, pieces_of(truth == 1)
    has_pairs, found = float(np.bincount(objects.ravel())[1:].max(initial=0) > 1), []
    for threshold in THRESHOLDS:
        inside = (share > threshold) & known
        pieces, wrong = pieces_of(inside), ((inside != (truth == 1)) & known).sum()
        if objects.any():
            with np.errstate(invalid="ignore"):
                rand, *_ = adapted_rand_error(objects, pieces)  # type: ignore[no-untyped-call]
            rand = rand if np.isfinite(rand) else has_pairs  # where no piece has two pixels
            bits = variation_of_information(objects, pieces, ignore_labels=(0,))  # type: ignore[no-untyped-call]
            found.append((wrong, rand, sum(bits), seg(objects, pieces).sum()))
        else:
            found.append((wrong, 0, 0, 0))
    return np.array([*np.array(found).T.ravel(), known.sum(), 1, objects.max()], np.float64)


def pieces_of(inside: np.ndarray) -> np.ndarray:
    """Connected pieces (side by side), numbered from 1."""
    from skimage.measure import label

    pieces: np.ndarray = label(inside, connectivity=1)  # type: ignore[no-untyped-call]
    return pieces


def seg(objects: np.ndarray, pieces: np.ndarray) -> np.ndarray:
    """Of each object, its intersection over union with the piece that covers more than half of it, else 0: (objects,).

    objects, pieces: numbered from 1, 0 is background.  Cell tracking challenge; REMEMBERED, its pages were not read.
    """
    import numpy as np

    many = int(pieces.max()) + 1
    shared = np.zeros((int(objects.max()) + 1, many), np.int64)
    np.add.at(shared, (objects.ravel(), pieces.ravel()), 1)
    shared[:, 0] *= np.arange(len(shared)) == 0  # the background of `pieces` covers nothing
    sizes = np.bincount(objects.ravel(), minlength=len(shared))
    best = shared.argmax(1)
    overlap = shared[np.arange(len(shared)), best]
    union = sizes + np.bincount(pieces.ravel(), minlength=many)[best] - overlap
    return np.asarray(np.where(2 * overlap > sizes, overlap / union, 0.0)[1:])


def _of_size(share: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if share.shape == shape:
        return share
    import numpy as np
    from PIL import Image

    height, width = shape

    return np.asarray(Image.fromarray(share.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR), np.float64)


MEASURE = Segments()

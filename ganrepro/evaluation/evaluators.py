"""Scores one folder of translations: labels -> photo by FCN-score and colours, photo -> labels by colour.

PNG images on disk are all that is read of a translation, so anything that writes such folders can
be scored.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ganrepro.data.images import ImageError, read_labels, read_rgb, resize
from ganrepro.evaluation.colours import ColourHistograms
from ganrepro.evaluation.confusion import confusion_matrix, scores
from ganrepro.evaluation.segmenter import Segmenter, classify_colours, segment


def score_translations(
    passes: list[Path],
    test: Path,
    names: list[str],
    directions: Iterable[str],
    palette: dict[str, list[int]],
    network: Segmenter,
    device: torch.device,
) -> dict[str, dict[str, object]]:
    """Scores by direction, from one confusion matrix each over all test images and passes.

    passes: folders that hold <direction>/NAME, one for each translation of the test set.  test: the prepared
    test split with class maps at native size under labels/ and real photos under b/, named alike. `passes` in
    the result has the scores of each pass alone. ImageError names a missing or unreadable image.
    """
    found = {}
    for direction in directions:
        matrices, made, real = [], ColourHistograms(), ColourHistograms()
        for folder in passes:
            matrix = torch.zeros(len(palette), len(palette), dtype=torch.int64)
            for name in names:
                truth = torch.from_numpy(read_labels(test / "labels" / name))
                image = read_rgb(folder / direction / name)
                prediction = _read(direction, image, palette, network, truth.shape, device)
                try:
                    matrix += confusion_matrix(truth, prediction, len(palette))
                except ValueError as error:
                    raise ImageError(f"{test / 'labels' / name}: {error}") from None
                if direction == "labels2photo":
                    made.add(image)
                    if folder == passes[0]:
                        real.add(resize(read_rgb(test / "b" / name), image.width))
            matrices.append(matrix)
        pooled = torch.stack(matrices).sum(0)
        colours = made.intersection(real) if direction == "labels2photo" else {}
        each = [{k: v for k, v in scores(m).items() if isinstance(v, float)} for m in matrices]
        found[direction] = scores(pooled) | colours | {"confusion": pooled.tolist(), "images": len(names), "passes": each}
    return found


def _read(direction: str, image: Image.Image, palette: dict[str, list[int]], network: Segmenter, size: tuple[int, ...],
          device: torch.device) -> Tensor:  # fmt: skip
    height, width = size
    if direction == "labels2photo":
        return segment(network, image, height, width, device)
    return classify_colours(image, palette, height, width)

"""Checks of a study across its rows, its dataset and its scorer. No torch."""

from __future__ import annotations

from ganrepro.methods.files import SEGMENTER, ReadsFiles
from ganrepro.settings.models import (
    ConfigError,
    DatasetSettings,
    PublishedScorerSettings,
    Row,
    Study,
    has_digits,
    has_label_maps,
)


def check_segmenter(place: str, row: Row, scorer: object, dataset: DatasetSettings) -> None:
    """ConfigError for a row that reads a segmentation network which its study does not train."""
    reads = isinstance(row.method, ReadsFiles) and SEGMENTER in row.method.reads()
    if reads and (isinstance(scorer, PublishedScorerSettings) or not has_label_maps(dataset)):
        why = "its scorer is a published network" if has_label_maps(dataset) else "its dataset has no label maps"
        raise ConfigError(f"{place}: reads the segmentation network that its study trains, and {why}; choose other features")


def check_domains(where: str, study: Study, dataset: DatasetSettings, scorer: object) -> None:
    """ConfigError where rows start from noise and the dataset has no digits, or the other way round."""
    noisy = {name: all(o.source in (None, o.target) for o in row.method.outputs()) for name, row in study.rows.items()}
    if len(set(noisy.values())) > 1:
        odd = next(name for name, one in noisy.items() if one)
        raise ConfigError(f"{where}.rows: '{odd}' starts from noise and others translate images; make two studies of them")
    if study.from_noise and not has_digits(dataset):
        wanted = "they are measured on digits with classes: digits, mnist or mnist-10k"
        raise ConfigError(f"{where}.dataset: '{study.dataset}' has none; its rows start from noise, and {wanted}")
    if not study.from_noise and has_digits(dataset):
        raise ConfigError(f"{where}.dataset: '{study.dataset}' holds digits alone, and its rows translate between two domains")
    if study.from_noise and isinstance(scorer, PublishedScorerSettings):
        raise ConfigError(f"{where}.scorer: '{study.scorer}' reads street scenes; choose the recipe of a network to be trained")
    if study.from_noise and study.pixels != dataset.pixels:
        raise ConfigError(
            f"{where}.crop_pixels: expected the size of the digits of '{study.dataset}', {dataset.pixels}, got {study.pixels}"
        )

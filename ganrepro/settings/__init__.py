"""params.yaml: parsed once, checked completely, frozen. No torch."""

from ganrepro.settings.load import find_study, known, load, parse, rule_name
from ganrepro.settings.models import (
    REFERENCE_ROWS,
    ConfigError,
    DatasetSettings,
    Params,
    PerceptualSettings,
    PublishedScorerSettings,
    Row,
    ScorerSettings,
    Study,
    TableSettings,
    has_digits,
    has_label_maps,
)

__all__ = [
    "REFERENCE_ROWS",
    "ConfigError",
    "DatasetSettings",
    "Params",
    "PerceptualSettings",
    "PublishedScorerSettings",
    "Row",
    "ScorerSettings",
    "Study",
    "TableSettings",
    "find_study",
    "has_digits",
    "has_label_maps",
    "known",
    "load",
    "parse",
    "rule_name",
]

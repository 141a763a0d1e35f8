"""params.yaml: parsed once, checked completely, frozen. No torch."""

from ganrepro.settings.load import find_study, has_label_maps, known, load, parse, rule_name
from ganrepro.settings.models import (
    REFERENCE_ROWS,
    ConfigError,
    DatasetSettings,
    Params,
    PublishedScorerSettings,
    Row,
    ScorerSettings,
    Study,
    TableSettings,
)

__all__ = [
    "REFERENCE_ROWS",
    "ConfigError",
    "DatasetSettings",
    "Params",
    "PublishedScorerSettings",
    "Row",
    "ScorerSettings",
    "Study",
    "TableSettings",
    "find_study",
    "has_label_maps",
    "known",
    "load",
    "parse",
    "rule_name",
]

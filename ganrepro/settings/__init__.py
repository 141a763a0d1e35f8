"""params.yaml and papers/: parsed once, checked completely, frozen. No torch."""

from ganrepro.errors import ConfigError
from ganrepro.settings.load import find_study, known, load, papers_beside, parse, rule_name
from ganrepro.settings.models import (
    ALL,
    REFERENCE_ROWS,
    ClaimSettings,
    Params,
    Row,
    Study,
    SurveySettings,
    TableSettings,
)

__all__ = [
    "ALL",
    "REFERENCE_ROWS",
    "ClaimSettings",
    "ConfigError",
    "Params",
    "Row",
    "Study",
    "SurveySettings",
    "TableSettings",
    "find_study",
    "known",
    "load",
    "papers_beside",
    "parse",
    "rule_name",
]

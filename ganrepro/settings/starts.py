"""What `start_from` of a row names: another row, a folder that `export` made, or a published file. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ganrepro.errors import ConfigError
from ganrepro.settings.errors import absent
from ganrepro.settings.models import Params, Study

ARCHIVES = Path("downloads/archives")
WEIGHTS = "model.safetensors"  # of an exported folder


class OtherRow(NamedTuple):
    """A row by name."""

    study: str
    row: str


Start = OtherRow | Path


def start_of(params: Params, study: Study, row: str) -> Start | None:
    """The row, or the file with weights, that a training of a row begins with; None: fresh weights.

    ConfigError where there is no such row, folder or file name.
    """
    text, place = study.rows[row].settings.start_from, f"studies.{study.name}: row {row}: start_from"
    if text is None:
        return None
    parts = text.split("/")
    if text in study.rows:
        return OtherRow(study.name, text)
    if len(parts) == 2 and parts[0] in params.studies:
        if parts[1] not in params.studies[parts[0]].rows:
            raise absent(parts[1], params.studies[parts[0]].rows, place)
        return OtherRow(*parts)
    if text.endswith(".pth"):
        if len(parts) > 1:
            raise ConfigError(f"{place}: put the file into {ARCHIVES}/ and give its name alone, got {text!r}")
        return ARCHIVES / text
    if len(parts) == 1 and not Path(text).is_dir():
        raise absent(text, study.rows, place)
    return Path(text).expanduser() / WEIGHTS


def check(params: Params) -> None:
    """ConfigError for a `start_from` that names nothing, or leads back to its own row."""
    for study in params.studies.values():
        for row in study.rows:
            seen: list[OtherRow] = []
            at: Start | None = OtherRow(study.name, row)
            while isinstance(at, OtherRow):
                if at in seen:
                    way = " → ".join(f"{step.study}/{step.row}" for step in [*seen, at])
                    raise ConfigError(f"studies.{study.name}: row {row}: start_from: leads back to itself: {way}")
                seen.append(at)
                at = start_of(params, params.studies[at.study], at.row)
            if len(seen) > 1 or at is not None:
                _expect_players(study, row)


def _expect_players(study: Study, row: str) -> None:
    method = study.rows[row].method
    if not method.players():
        raise ConfigError(f"studies.{study.name}: row {row}: start_from: {method.name} trains nothing; leave it out")


def expect_file(start: Path, place: str) -> None:
    """ConfigError where the file is not there."""
    if not start.is_file():
        what = "the folder of `ganrepro export` was expected there" if start.name == WEIGHTS else "put the file there"
        raise ConfigError(f"{place}: start_from: {start}: no such file; {what}")

"""params.yaml -> checked, frozen settings. No torch.

Every key is checked for spelling (with a suggestion), type and range before any job starts. A study is one level of
`base` plus its differences; a row is its difference from its study, so the table can be read off params.yaml.
"""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ganrepro import methods
from ganrepro.data.registry import FOLDER, registry
from ganrepro.evaluation.scores import OF_SAMPLES, SCORES
from ganrepro.settings.checks import check_domains, check_segmenter
from ganrepro.settings.errors import absent, build, refused, unknown
from ganrepro.settings.models import (
    REFERENCE_ROWS,
    ConfigError,
    Params,
    ParamsSettings,
    PublishedScorerSettings,
    Row,
    ScorerSettings,
    Study,
    StudySettings,
    TableSettings,
    checked_name,
)

T = TypeVar("T")
FIGURES = ("classes", "claims", "curves", "extremes", "losses")  # of every report, beside one for each table
MOST_VALUES = 100_000  # of a parameter file; the shipped one has about 600
OWN = tuple(StudySettings.model_fields)  # keys of a study that are no settings of its rows' methods


def load(path: str | Path = "params.yaml") -> Params:
    """Reads and checks a parameter file. ConfigError with one line for anything unusable."""
    try:
        # YAML 1.2, as DVC reads it: 1e-05 is a number and `no` a string, for every tool alike.
        raw = YAML(typ="safe", pure=True).load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; run from the project folder, or give --params (Python: params=)") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except RecursionError:
        raise ConfigError(f"{path}: lists or mappings nested too deeply; write it plainly") from None
    except (YAMLError, ValueError, KeyError, OSError) as error:
        raise ConfigError(f"{path}: not readable: {' '.join(str(error).split())[:300]}") from None
    if _values(raw, MOST_VALUES) > MOST_VALUES:
        raise ConfigError(f"{path}: more than {MOST_VALUES:,} values, aliases expanded, or one inside itself; write it plainly")
    return parse(raw)


def _values(value: object, most: int, depth: int = 0) -> int:
    """How many values there are inside, aliases expanded; stops counting beyond `most`."""
    count = 1
    inside: Iterable[object] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in inside:
        count += _values(part, most - count, depth + 1) if depth < 20 else most + 1
        if count > most:
            break
    return count


def parse(raw: object) -> Params:
    """Checks a parameter mapping and expands it. ConfigError names the first key that is wrong."""
    top = _mapping(raw, "params.yaml")
    apart = ("variants", "studies", "paper")
    fields = (*ParamsSettings.model_fields, *apart)
    for key in top:
        if key not in fields:
            raise unknown(key, fields, "params.yaml")
    for key in (*(name for name, field in ParamsSettings.model_fields.items() if field.is_required()), *apart):
        if key not in top:
            raise ConfigError(f"params.yaml.{key}: missing")
    for section in ("reports", "datasets"):
        _mapping(top[section], section)
    scorers = {name: _scorer(entry, f"scorers.{name}") for name, entry in _mapping(top["scorers"], "scorers").items()}
    given = {key: value for key, value in top.items() if key not in apart} | {"scorers": scorers}
    common = build(ParamsSettings, given, "")
    for name, dataset in common.datasets.items():
        if dataset.source != FOLDER and dataset.source not in registry():
            raise absent(dataset.source, [*registry(), FOLDER], f"datasets.{name}.source")
        if registry().get(dataset.source, {}).get("layout") in ("file", "files"):
            raise ConfigError(f"datasets.{name}.source: '{dataset.source}' holds no two domains; it serves other stages")
    sets = _mapping(top["variants"], "variants")
    for name, entries in sets.items():
        _check_name(name, f"variants.{name}")
        if not _mapping(entries, f"variants.{name}"):
            raise ConfigError(f"variants.{name}: empty; expected at least one row")
    paper = {}
    for name, entries in _mapping(top["paper"], "paper").items():
        if name not in sets:
            raise absent(name, sets, "paper")
        paper[name] = {k: _table(v, f"paper.{name}.{k}", sets[name]) for k, v in _mapping(entries, f"paper.{name}").items()}
    studies = {name: _study(name, top, common, paper) for name in _mapping(top["studies"], "studies")}
    params = Params(
        studies=studies, **{f.name: getattr(common, f.name) for f in dataclasses.fields(Params) if f.name != "studies"}
    )
    _check_reports(params)
    return params


def find_study(params: Params, name: str | None = None) -> Study:
    """The study called `name` (None: that of the first report). ConfigError where there is none."""
    return known(params.studies, next(iter(params.reports.values())) if name is None else name, "study")


def known(table: Mapping[str, T], name: object, where: str) -> T:
    """The entry of that name. ConfigError where there is none."""
    if not isinstance(name, str) or name not in table:
        raise absent(name, table, where)
    return table[name]


def _check_reports(params: Params) -> None:
    rules: dict[str, str] = {}
    for name, study in params.reports.items():
        known(params.studies, study, f"reports.{name}")
        if name in params.studies:
            raise ConfigError(
                f"reports.{name}: is the name of a study, whose evidence is kept in reports/{name}/; use another, "
                f"as in '{name.replace('-', '_')}_report: {study}'"
            )
        if list(params.reports.values()).count(study) > 1:
            raise ConfigError(f"reports.{name}: study '{study}' has a report already; one is enough")
        if (other := rules.setdefault(rule_name(name), name)) != name:
            raise ConfigError(f"reports.{name}: differs from '{other}' in punctuation only; choose another name")


def rule_name(report: str) -> str:
    """Name of the rule that makes a report."""
    return f"report_{report}".replace("-", "_").replace(".", "_")


def _scorer(entry: object, where: str) -> ScorerSettings | PublishedScorerSettings:
    published = "weights" in _mapping(entry, where)
    return build(PublishedScorerSettings, entry, where) if published else build(ScorerSettings, entry, where)


def _table(raw: object, where: str, variants: Mapping[str, Any]) -> TableSettings:
    _check_name(where.rsplit(".", 1)[1], where)
    if where.rsplit(".", 1)[1] in FIGURES:
        raise ConfigError(f"{where}: a figure of every report has that name; choose another")
    table = build(TableSettings, raw, where)
    for score in table.scores:
        known(SCORES, score, f"{where}.scores")
        if table.scores.count(score) > 1:
            raise ConfigError(f"{where}.scores: names '{score}' twice")
    for row in (*table.titles, *([table.against] if table.against else [])):
        known(table.rows, row, f"{where}.{'titles' if row in table.titles else 'against'}")
    for row, scores in table.rows.items():
        if row not in variants and row not in REFERENCE_ROWS:
            raise absent(row, variants, f"{where}.rows")
        if len(scores) not in (0, len(table.scores)):
            raise ConfigError(f"{where}.rows.{row}: expected {len(table.scores)} scores or none, got {len(scores)}")
    return table


def _expand(name: str, studies: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """A study's own keys over those of its base (one level; values replace, never merge), and which are its own."""
    own = _mapping(studies[name], f"studies.{name}")
    if own.get("base") is None:
        return dict(own), set(own)
    base = _mapping(known(studies, own["base"], f"studies.{name}.base"), f"studies.{own['base']}")
    if base.get("base") is not None:
        raise ConfigError(f"studies.{name}.base: '{own['base']}' has a base itself; one level only, so name '{base['base']}'")
    return base | own, set(own)


def _study(name: str, top: Mapping[str, Any], params: ParamsSettings, paper: Mapping[str, dict[str, TableSettings]]) -> Study:
    where = f"studies.{name}"
    raw, own = _expand(name, top["studies"])
    _check_name(name, where)
    settings = {key: value for key, value in raw.items() if key not in OWN}
    if not set(OWN) & set(raw) and settings:
        raise unknown(next(iter(settings)), OWN, where)
    study = build(StudySettings, {key: value for key, value in raw.items() if key in OWN}, where)
    known(params.datasets, study.dataset, f"{where}.dataset")
    scorer = known(params.scorers, study.scorer, f"{where}.scorer")
    if isinstance(scorer, PublishedScorerSettings) and params.datasets[study.dataset].source != "cityscapes":
        raise ConfigError(f"{where}.scorer: '{study.scorer}' reads Cityscapes alone; choose another, or a dataset made from it")
    entries = known(top["variants"], study.variants, f"{where}.variants")
    for row in study.rows or []:
        known(entries, row, f"{where}.rows")
    chosen = {row: entry for row, entry in entries.items() if study.rows is None or row in study.rows}
    for row in study.row_settings:
        known(chosen, row, f"{where}.row_settings")
    rows = {row: _row(f"variants.{study.variants}.{row}", entry, study, settings, where) for row, entry in chosen.items()}
    for row, made_row in rows.items():
        check_segmenter(f"variants.{study.variants}.{row}", made_row, scorer, params.datasets[study.dataset])
    _check_settings(where, {key: value for key, value in settings.items() if key in own}, rows)
    sizes = {row.settings.crop_pixels: name for name, row in rows.items()}
    if len(sizes) > 1:
        told = " and ".join(f"{size} ({row})" for size, row in sizes.items())
        raise ConfigError(
            f"{where}.crop_pixels: the rows of one table are scored at one size, got {told}; set it for all of them"
        )
    kept = {field: getattr(study, field) for field in ("title", "dataset", "variants", "scorer", "seeds", "test_passes")}
    made = Study(name=name, rows=rows, tables={}, **kept)
    check_domains(where, made, params.datasets[study.dataset], scorer)
    return dataclasses.replace(made, tables=_tables(made, paper.get(study.variants, {})))


def _row(place: str, entry: object, study: StudySettings, common: Mapping[str, Any], where: str) -> Row:
    """A row: the settings of its study that its method has, its own over them, and over both those of it in this study."""
    own, name = dict(_mapping(entry, place)), place.rsplit(".", 1)[1]
    _check_name(name, place)
    if name in REFERENCE_ROWS:
        raise ConfigError(f"{place}: '{name}' is the name of a reference row; choose another")
    title = own.pop("title", None)
    if not isinstance(title, str) or "\n" in title:
        raise ConfigError(f"{place}.title: {'missing' if title is None else f'expected text of one line, got {_brief(title)}'}")
    method = own.pop("method", study.method)
    if method not in methods.names():
        raise absent(method, methods.names(), f"{place}.method" if "method" in _mapping(entry, place) else f"{where}.method")
    model = methods.settings_of(method)
    here = study.row_settings.get(name, {})
    given = {key: value for key, value in common.items() if key in model.model_fields} | own | here
    origins = {key: where for key in common if key not in own} | dict.fromkeys(here, f"{where}.row_settings.{name}")
    settings = build(model, given, place, origins)
    return Row(title, methods.find(method)(settings))


def _check_settings(where: str, own: Mapping[str, Any], rows: Mapping[str, Row]) -> None:
    """ConfigError for a setting of the study that no row's method has, or takes (a row may have put its own before it)."""
    models = {type(row.settings): row.method.name for row in rows.values()}
    fields = {field for model in models for field in model.model_fields}
    for key, value in own.items():
        if key not in fields:
            others = [name for name in methods.names() if key in methods.settings_of(name).model_fields]
            if others:
                used = ", ".join(sorted({row.method.name for row in rows.values()}))
                raise ConfigError(f"{where}.{key}: no row has it; it is a setting of {', '.join(others)}, the rows are of {used}")
            raise unknown(key, [*OWN, *sorted(fields)], where)
        having = [model for model in models if key in model.model_fields]
        failed = [error for model in having if (error := refused(model, key, value, where))]
        if len(failed) == len(having):
            raise failed[0]


def _tables(study: Study, paper: Mapping[str, TableSettings]) -> dict[str, TableSettings]:
    """The published tables with the rows this study has; where there is none, one for each output."""
    found = {}
    for name, table in paper.items():
        kept = {row: scores for row, scores in table.rows.items() if row in study.rows or row in REFERENCE_ROWS}
        for row in kept:
            made = [output.name for output in study.rows[row].method.outputs()] if row in study.rows else [table.output]
            if table.output not in made:
                raise ConfigError(
                    f"paper.{study.variants}.{name}.output: row '{row}' makes {', '.join(made)}, not {table.output}"
                )
        if len(set(kept) - set(REFERENCE_ROWS)) > 1:
            found[name] = table.model_copy(update={"rows": kept, "against": table.against if table.against in kept else None})
    if not found:
        for output in study.outputs[:1] if study.from_noise else study.outputs:
            rows: dict[str, list[float]] = {r: [] for r, row in study.rows.items() if output in row.method.outputs()}
            table = TableSettings(title=output.title, output=output.name, rows=rows)
            found[output.name] = table.model_copy(update={"scores": list(OF_SAMPLES)}) if study.from_noise else table
    return found


def _mapping(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: expected 'key: value' lines, got {_brief(value)}")
    for key in value:
        if not isinstance(key, str):
            raise ConfigError(f"{where}: expected text before the colon, got {key!r}; put it into quotes")
    return value


def _brief(value: object) -> str:
    return reprlib.repr(value)


def _check_name(name: str, where: str) -> None:
    try:
        checked_name(name)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None

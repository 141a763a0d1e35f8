"""The reference of params.yaml and papers/, made from the settings themselves: JSON schemas for editors, and a page for people.

python -m ganrepro.settings.reference      # writes docs/*.schema.json and docs/settings.md
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import jinja2
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ganrepro import methods
from ganrepro.evaluation.measures import SCORES
from ganrepro.methods.base import ScheduleSettings
from ganrepro.schema.datasets import DatasetSettings
from ganrepro.schema.readers import PublishedReaderSettings, ReaderSettings
from ganrepro.settings.models import (
    ClaimSettings,
    ExperimentSettings,
    PaperSettings,
    ParamsSettings,
    StudySettings,
    SurveySettings,
    TableSettings,
)

DOCS = Path("docs")
PAGE = """# Settings

Made from the code by `make pages`; a test keeps it current. Everything in `params.yaml`, its default and its source.
A key that is not listed here is refused. Settings that hold their default are not part of a result's key.

{% for section in sections %}
## {{ section.title }}

{{ section.text }}

| key | values | default | what it is |
| :-- | :-- | :-- | :-- |
{% for line in section.lines %}
| {{ line | join(" | ") }} |
{% endfor %}

{% endfor %}
"""


def schema() -> dict[str, Any]:
    """JSON schema of params.yaml (draft 2020-12). It knows keys, types and ranges; checks across keys are the program's."""
    every = {name: methods.settings_of(name) for name in methods.names()}
    shared: dict[str, Any] = {}  # a study's setting may be of any of its rows' methods
    for model in every.values():
        for key, value in _properties(model).items():
            shared[key] = value if shared.get(key, value) == value else {"anyOf": [shared[key], value]}
    top, optional = _properties(ParamsSettings), {n for n, f in ParamsSettings.model_fields.items() if not f.is_required()}
    top["datasets"] = _mapping(_object(DatasetSettings))
    top["survey"] = _object(SurveySettings)
    top["experiments"] = _mapping(_experiment(every, shared))
    top["readers"] = _mapping({"anyOf": [_object(ReaderSettings), _object(PublishedReaderSettings)]})
    study = {"type": "object", "additionalProperties": False, "properties": _properties(StudySettings) | shared}
    top["studies"] = _mapping(study)
    return _document("params.yaml of ganrepro", top, [name for name in top if name not in optional])


def paper_schema() -> dict[str, Any]:
    """JSON schema of a file of papers/."""
    every = {name: methods.settings_of(name) for name in methods.names()}
    shared: dict[str, Any] = {}
    for model in every.values():
        shared |= _properties(model)
    paper = _object(PaperSettings)
    paper["properties"]["experiments"] = _mapping(_experiment(every, shared))
    return _document("a paper of ganrepro", paper["properties"], paper["required"])


def _document(title: str, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": properties,
    }


def _experiment(every: dict[str, type[ScheduleSettings]], shared: dict[str, Any]) -> dict[str, Any]:
    row = {
        "type": "object",
        "required": ["title"],
        "properties": {"title": {"type": "string"}, "method": {"enum": list(every)}},
        "allOf": [*(_row_of(name, model) for name, model in every.items()), _row_of_study(shared)],
    }
    table = _object(TableSettings)
    table["properties"]["scores"] = {"anyOf": [{"type": "array", "items": {"enum": list(SCORES)}}, {"type": "null"}]}
    claim = _object(ClaimSettings)
    claim["properties"]["score"] = {"enum": list(SCORES)}
    properties = _object(ExperimentSettings)
    properties["properties"] |= {"rows": _mapping(row), "tables": _mapping(table), "claims": {"type": "array", "items": claim}}
    return properties


def _row_of(name: str, model: type[BaseModel]) -> dict[str, Any]:
    return {
        "if": {"properties": {"method": {"const": name}}, "required": ["method"]},
        "then": {"properties": _properties(model) | {"title": True, "method": True}, "additionalProperties": False},
    }


def _row_of_study(shared: dict[str, Any]) -> dict[str, Any]:
    """Of a row that names no method: it has its study's."""
    return {
        "if": {"not": {"required": ["method"]}},
        "then": {"properties": shared | {"title": True}, "additionalProperties": False},
    }


def _object(model: type[BaseModel]) -> dict[str, Any]:
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    return {"type": "object", "additionalProperties": False, "required": required, "properties": _properties(model)}


def _mapping(values: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": values}


def _properties(model: type[BaseModel]) -> dict[str, Any]:
    """Schema of each field, references resolved."""
    properties = model.model_json_schema()
    definitions = properties.get("$defs", {})

    def resolved(value: Any) -> Any:
        if isinstance(value, dict):
            if "$ref" in value:
                return resolved(definitions[value["$ref"].rsplit("/", 1)[-1]])
            return {k: resolved(v) for k, v in value.items() if k != "title" or not isinstance(v, str)}
        return [resolved(v) for v in value] if isinstance(value, list) else value

    return {name: resolved(value) for name, value in properties.get("properties", {}).items()}


def page() -> str:
    """docs/settings.md."""
    common = set(ScheduleSettings.model_fields)
    sections = [
        _section("Top level", ParamsSettings, ParamsSettings.model_fields),
        _section("datasets.NAME", DatasetSettings, DatasetSettings.model_fields),
        _section("survey", SurveySettings, SurveySettings.model_fields),
        _section("readers.NAME", ReaderSettings, ReaderSettings.model_fields),
        _section("readers.NAME, published", PublishedReaderSettings, PublishedReaderSettings.model_fields),
        _section("studies.NAME", StudySettings, StudySettings.model_fields),
        _section("Every method", ScheduleSettings, ScheduleSettings.model_fields),
    ]
    for name in methods.names():
        model = methods.settings_of(name)
        own = [f for f, field in model.model_fields.items() if f not in common or field != ScheduleSettings.model_fields[f]]
        sections.append(_section(f"method: {name}", model, own))
    sections += [
        _section("papers/NAME.yaml", PaperSettings, PaperSettings.model_fields),
        _section("experiments.NAME", ExperimentSettings, ExperimentSettings.model_fields),
        _section("experiments.NAME.tables.NAME", TableSettings, TableSettings.model_fields),
        _section("experiments.NAME.claims", ClaimSettings, ClaimSettings.model_fields),
    ]
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, autoescape=False)
    text = environment.from_string(PAGE).render(sections=sections)
    return text.replace("\n\n\n", "\n\n").strip() + "\n"


def _section(title: str, model: type[BaseModel], fields: Iterable[str]) -> dict[str, Any]:
    words = " ".join((model.__doc__ or "").split())
    return {"title": title, "text": words, "lines": [_line(name, model.model_fields[name]) for name in fields]}


def _line(name: str, field: FieldInfo) -> list[str]:
    if isinstance(field.default, BaseModel):
        default = "those below"
    else:
        default = "required" if field.is_required() else f"`{json.dumps(field.default, ensure_ascii=False)}`"
    return [f"`{name}`", _values(field.annotation), default, (field.description or "").replace("|", "\\|")]


def _values(kind: Any) -> str:
    """What a setting may hold, in words."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is typing.Annotated:
        return _values(args[0])
    if origin is Literal:
        return ", ".join(f"`{json.dumps(value).strip(chr(34))}`" for value in args)
    if origin in (typing.Union, types.UnionType):
        return " or ".join("null" if a is type(None) else _values(a) for a in args)
    if origin is list:
        return f"list of {_values(args[0])}"
    if origin is dict:
        return f"{_values(args[0])} → {_values(args[1])}"
    words = {int: "whole number", float: "number", str: "text", bool: "true, false"}
    return words.get(kind, getattr(kind, "__doc__", str(kind)).split(".")[0].lower())


def write(folder: Path = DOCS) -> None:
    """All files."""
    folder.mkdir(exist_ok=True)
    for name, document in (("params", schema()), ("paper", paper_schema())):
        (folder / f"{name}.schema.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "settings.md").write_text(page(), encoding="utf-8")


def defaults() -> dict[str, dict[str, Any]]:
    """The default of every setting that is hashed where it differs, by method, and of datasets."""
    models: dict[str, type[BaseModel]] = {name: methods.settings_of(name) for name in methods.names()}
    models["dataset"] = DatasetSettings
    return {n: {f: x.default for f, x in m.model_fields.items() if not x.is_required()} for n, m in models.items()}


def remember_defaults(file: Path = Path("tests/defaults.json")) -> None:
    """Adds the defaults of new settings to what is remembered; those that are there stay, whatever the code says now."""
    known = json.loads(file.read_text(encoding="utf-8"))
    for name, own in defaults().items():
        known[name] = own | known.get(name, {})
    file.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
    remember_defaults()

"""What pydantic finds wrong, as one line: where, what was expected, what came, and what was perhaps meant."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError, create_model

from ganrepro.errors import ConfigError

M = TypeVar("M", bound=BaseModel)
EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "'key: value' lines",
    "model_type": "'key: value' lines",
}
LIMITS = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
}


def build(model: type[M], raw: object, where: str, places: Mapping[str, str] | None = None) -> M:
    """The model of a mapping. ConfigError with one line for the first thing that is wrong.

    where: path in params.yaml, put before the name of a field.  places: of fields that stand elsewhere.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        # an unknown key explains a missing one: it comes first
        errors = sorted(error.errors(include_url=False), key=lambda problem: problem["type"] != "extra_forbidden")
        raise ConfigError(_line(errors[0], model, where, places or {})) from None


def refused(model: type[BaseModel], name: str, value: object, where: str) -> ConfigError | None:
    """Why one field of a model would not take a value, by its own type and range; None where it would."""
    field = model.model_fields[name]
    probe = create_model("One", __config__=model.model_config, **{name: (field.annotation, field)})  # type: ignore[call-overload]
    try:
        build(probe, {name: value}, where)
    except ConfigError as error:
        return error
    return None


def hint(word: object, words: Iterable[object]) -> str:
    """'; did you mean ...?' where something is spelt nearly so."""
    close = difflib.get_close_matches(str(word)[:80], [str(w) for w in words], n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def unknown(key: object, allowed: Iterable[object], where: str) -> ConfigError:
    """Of a key that is none of the allowed ones."""
    allowed = list(allowed)
    remedy = hint(key, allowed) or f"; there are: {', '.join(map(str, allowed))}"
    return ConfigError(f"{where}.{key}: unknown key{remedy}")


def absent(name: object, table: Iterable[object], where: str) -> ConfigError:
    """Of a name that nothing has."""
    table = list(table)
    return ConfigError(f"{where}: there is no '{name}'{hint(name, table)}; there are: {', '.join(map(str, table))}")


def _line(error: Mapping[str, Any], model: type[BaseModel], where: str, places: Mapping[str, str]) -> str:
    path, kind, came = [str(part) for part in error["loc"]], error["type"], error["input"]
    path = [part for part in path if not part.endswith("Settings") and "[" not in part.lstrip("[")]  # of a union, what was tried
    place = places.get(path[0], where) if path else where
    if path[-1:] == ["[key]"] and kind != "literal_error":  # a name that is none
        reason = error.get("ctx", {}).get(
            "error", f"expected text before the colon, got {reprlib.repr(came)}; put it into quotes"
        )
        return f"{'.'.join(filter(None, [place, *path[:-2]]))}: {reason}"
    if kind == "extra_forbidden" or path[-1:] == ["[key]"]:
        key = path[-1] if kind == "extra_forbidden" else str(came)
        parents = path[:-1] if kind == "extra_forbidden" else path[:-2]
        allowed = list(model.model_fields) if not parents else _expected(error)
        return str(unknown(key, allowed, ".".join(filter(None, [place, *parents]))))
    context = error.get("ctx", {})
    for part in path:
        place = f"{place}[{part}]" if part.isdigit() else f"{place}.{part}".removeprefix(".")
    if kind == "value_error":
        reason = str(context["error"])
        if not path and reason.split(":")[0] in model.model_fields:  # a check across fields begins with the one to change
            field = reason.split(":")[0]
            return f"{places.get(field, where)}.{reason}"
        return f"{place}: {reason}"
    if kind == "missing":
        return f"{place}: missing"
    if kind == "literal_error":
        words = _expected(error)
        return f"{place}: expected {' or '.join(map(repr, words))}, got {reprlib.repr(came)}{hint(came, words)}"
    if kind == "too_short":
        return f"{place}: empty; expected at least one" if context["min_length"] == 1 else f"{place}: {_brief(error['msg'])}"
    if kind in LIMITS:
        switch = "; leave a term out to switch it off" if path[:1] == ["terms"] else ""
        wanted = LIMITS[kind].format(**{k: _number(v) for k, v in context.items()})
        return f"{place}: expected {wanted}, got {reprlib.repr(came)}{switch}"
    return f"{place}: expected {EXPECTED.get(kind, _brief(error['msg']))}, got {_brief(reprlib.repr(came))}"


def _expected(error: Mapping[str, Any]) -> list[object]:
    """The values of a closed choice, from pydantic's own words: \"'a', 'b' or 1\"."""
    allowed = error.get("ctx", {}).get("expected", "").replace(" or ", ", ")
    words = [word.strip() for word in allowed.split(",") if word.strip()]
    return [word.strip("'") if word.startswith("'") else int(word) if word.lstrip("-").isdigit() else word for word in words]


def _number(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _brief(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 80 else text[:77] + "..."

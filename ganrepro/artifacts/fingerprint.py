"""What a key is made of: canonical JSON of values, settings that differ from their defaults, and digests of code."""

from __future__ import annotations

import ast
import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

PACKAGE = Path(__file__).resolve().parent.parent
KEY_DIGITS = 12
# Modules that compute no result: they parse, name, write and log. What they read is hashed as values.
NOT_HASHED = (
    *("settings", "artifacts", "tracking", "errors", "outputs", "lazy", "process", "provenance"),
    *("methods.__init__", "evaluation.scores", "data.registry"),
)


def canonical(value: object) -> str:
    """Canonical JSON of plain values: sorted keys, 5 and 5.0 alike."""

    def plain(v: object) -> object:
        if isinstance(v, Mapping):
            return {str(k): plain(x) for k, x in v.items()}
        if isinstance(v, (list, tuple)):
            return [plain(x) for x in v]
        if isinstance(v, float) and v.is_integer():
            return int(v)
        return v

    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: object) -> str:
    """sha256 of the canonical JSON of `value`, 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def key_of(*parts: object) -> str:
    """The short digest that folders carry."""
    return digest(parts)[:KEY_DIGITS]


def changed(settings: BaseModel) -> dict[str, Any]:
    """The settings that differ from their defaults, as plain values: a new one with a default moves no key."""
    fields, values = type(settings).model_fields, settings.model_dump()
    return {name: value for name, value in values.items() if fields[name].is_required() or value != fields[name].default}


@functools.cache
def code_digest(*modules: str) -> str:
    """Digest of all project code that some modules execute, found by following their imports.

    Taken over the syntax tree without comments, docstrings and classes of settings, so improving a sentence or adding
    a setting remakes nothing. `NOT_HASHED` is left out.
    """
    return digest(sorted((module, _imports(module)[0]) for module in modules_of(*modules)))


def modules_of(*modules: str) -> set[str]:
    """Some modules and all project modules that they import, one way or another; without `NOT_HASHED`."""
    todo, seen = list(modules), set()
    while todo:
        module = todo.pop()
        if module in seen or any(module == name or module.startswith(f"{name}.") for name in NOT_HASHED):
            continue
        seen.add(module)
        todo += _imports(module)[1]
    return seen


@functools.cache
def _imports(module: str) -> tuple[str, frozenset[str]]:
    """A module's digest without what determines no result, and the project modules it imports."""
    path = _file(module)
    if path is None:
        raise FileNotFoundError(f"ganrepro.{module}: no such module")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tree.body = [part for part in tree.body if not (isinstance(part, ast.If) and ast.unparse(part.test) == "TYPE_CHECKING")]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ganrepro":
            name = (node.module or "").removeprefix("ganrepro").removeprefix(".")
            for alias in node.names:
                inner = f"{name}.{alias.name}".removeprefix(".")
                found.add(inner if _file(inner) else name)
    _forget(tree)
    return digest(_shape(tree)), frozenset(found) - {""}


def _forget(tree: ast.Module) -> None:
    """Takes out of a module what determines no result: docstrings, settings, type aliases, and imports for these alone."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            if ast.get_docstring(node, clean=False) is not None:
                del node.body[0]
            node.body = [part for part in node.body if not _is_settings(part)]
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            node.names = [n for n in node.names if (n.asname or n.name).split(".")[0] in used]
    tree.body = [part for part in tree.body if not (isinstance(part, (ast.Import, ast.ImportFrom)) and not part.names)]


def _is_settings(part: ast.stmt) -> bool:
    """A class of settings, an alias of a type, or what a method is called in reports."""
    if isinstance(part, ast.ClassDef):
        return part.name.endswith("Settings")
    if isinstance(part, ast.Assign) and ast.unparse(part.targets[0]) in ("title", "paper"):
        return True
    subscripted = isinstance(part, ast.Assign) and isinstance(part.value, ast.Subscript) and part.value.value
    return isinstance(subscripted, ast.Name) and subscripted.id in ("Annotated", "Literal")


def _file(module: str) -> Path | None:
    """The source of a module of the package; None where there is none. A package is its __init__."""
    path = PACKAGE.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if module and file.exists():
            return file
    return None


def _shape(node: object) -> object:
    """A syntax tree as plain values, the same under every supported Python (ast.dump is not)."""
    if isinstance(node, ast.AST):
        fields = {name: value for name, value in ast.iter_fields(node) if value not in (None, []) or name == "value"}
        return [
            type(node).__name__,
            {name: _shape(v) for name, v in fields.items() if name not in ("ctx", "kind", "type_params")},
        ]
    return [_shape(item) for item in node] if isinstance(node, list) else repr(node)

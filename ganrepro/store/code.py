"""Which code makes a result: a digest of all modules that a job executes, and the version that stands for it in keys.

A job's code is known by the digest of the syntax trees of its modules. A digest that nobody knows is a version of its own:
whoever edits a method trains it anew without doing anything. Where an edit was confirmed to change no byte of the results
(`make confirm`), `confirmed.json` maps the new digest to the version before it, and no key moves.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from ganrepro.store.digests import digest
from ganrepro.store.files import replacing

PACKAGE = Path(__file__).resolve().parent.parent
CONFIRMED = "confirmed.json"  # job -> digest -> the version that it equals, and on what that was seen
READ = "__pycache__/modules.json"  # what was read of each module, kept as Python keeps bytecode: parsing all takes seconds
VERSION_DIGITS = 16
# Modules that compute no result: they parse, name, write and log. What they read is hashed as values.
NOT_HASHED = ("settings", "schema", "store", "plan", "tracking", "errors", "lazy", "provenance")
# Packages that find a module by its name: what they find is named where a job's code begins.
REGISTRIES = ("methods", "data.layouts", "evaluation.measures", "evaluation.readers")


def version(job: str, *modules: str, precision: str = "float32", device: str = "cpu") -> str:
    """What stands for the code of a job in keys, 16 hexadecimal digits.

    modules: where its code begins.  precision, device: what results are asked for in, as params.yaml states it; a
    confirmation counts for those alone that it was made with.
    """
    own = code_digest(*modules)[:VERSION_DIGITS]
    known = confirmed().get(job, {}).get(own)
    signed = known is not None and any((s["precision"], s["device"]) == (precision, device) for s in known["signed"])
    return str(known["version"]) if known is not None and signed else own


@functools.cache
def confirmed() -> dict[str, dict[str, dict[str, Any]]]:
    """The committed file, by job and digest."""
    file = PACKAGE / CONFIRMED
    versions: dict[str, dict[str, dict[str, Any]]] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return versions


@functools.cache
def code_digest(*modules: str) -> str:
    """Digest of all project code that some modules execute, found by following their imports.

    Taken over the syntax tree without comments, docstrings and classes of settings, so improving a sentence or adding
    a setting remakes nothing. `NOT_HASHED` and `REGISTRIES` are left out.
    """
    found = digest(sorted((module, _imports(module)[0]) for module in modules_of(*modules)))
    _keep_read()
    return found


def modules_of(*modules: str) -> set[str]:
    """Some modules and all project modules that they import, one way or another; without `NOT_HASHED` and `REGISTRIES`."""
    todo, seen = list(modules), set()
    while todo:
        module = todo.pop()
        left_out = module in REGISTRIES or any(module == name or module.startswith(f"{name}.") for name in NOT_HASHED)
        if module in seen or left_out:
            continue
        seen.add(module)
        todo += _imports(module)[1]
    return seen


@functools.cache
def _imports(module: str) -> tuple[str, frozenset[str]]:
    """A module's digest without what determines no result, and the project modules that it uses."""
    path = _file(module)
    if path is None:
        raise FileNotFoundError(f"ganrepro.{module}: no such module")
    text = path.read_text(encoding="utf-8")
    source = hashlib.sha256(text.encode()).hexdigest()
    entry = _read_before().get(module)
    if entry is None or entry[0] != source:
        _read_before()[module] = entry = (source, *_read(text))
        _new.add(module)
    ours = set()
    for place, name in entry[2]:
        inner = f"{place}.{name}".removeprefix(".")
        ours.add(inner if _file(inner) else place)
    return entry[1], frozenset(ours) - {""}


Entry = tuple[str, str, list[tuple[str, str]]]  # digests of a module's source and of what is hashed; (module, name) that it uses
_new: set[str] = set()  # modules that the kept file does not know


def _read(text: str) -> tuple[str, list[tuple[str, str]]]:
    """A source's digest without what determines no result, and what it uses of the project, by module and name in it."""
    reading = _Reading()
    reading.statements(ast.parse(text).body, ast.Module)
    used = [entry for entry in reading.imports if entry[-1].split(".")[0] in reading.names]
    ours = [
        (source.removeprefix("ganrepro").removeprefix("."), name)
        for source, name, _ in used
        if source.split(".")[0] == "ganrepro"
    ]
    words = "\n".join([*reading.words, *sorted(map(str, used))])
    return hashlib.sha256(words.encode()).hexdigest(), ours


def _reader() -> str:
    """Who read: this file, under this Python."""
    return hashlib.sha256(Path(__file__).read_bytes() + str(sys.implementation.cache_tag).encode()).hexdigest()


def _kept_file() -> dict[str, Entry]:
    """By module; empty where there is no kept file, or one of another reader, or one that is damaged."""
    try:
        kept = json.loads((PACKAGE / READ).read_text(encoding="utf-8"))
        if kept["reader"] != _reader():
            return {}
        return {
            str(module): (str(source), str(read), [(str(place), str(name)) for place, name in used])
            for module, (source, read, used) in kept["modules"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


_read_before = functools.cache(_kept_file)  # of this process: what it reads itself is added


def _keep_read() -> None:
    """Adds what is new to the file, where Python may write bytecode; modules that are gone leave it."""
    if not _new or sys.dont_write_bytecode:
        return
    others = {module: entry for module, entry in _kept_file().items() if _file(module)}  # other processes add to it too
    modules = others | {module: _read_before()[module] for module in _new}
    _new.clear()
    try:
        with replacing(PACKAGE / READ) as file:
            file.write_text(json.dumps({"reader": _reader(), "modules": modules}), encoding="utf-8")
    except OSError:  # a folder that is not ours, or a full disk
        pass


class _Reading:
    """A syntax tree as words, the same under every supported Python, without comments, docstrings, settings, aliases of types,
    and what is imported for type checkers alone.

    names: all that are used.  imports: (module, name in it, name here) of every import, wherever it stands.
    """

    def __init__(self) -> None:
        self.words: list[str] = []
        self.names: set[str] = set()
        self.imports: list[tuple[str, str, str]] = []

    def statements(self, body: list[ast.stmt], of: type[ast.AST]) -> None:
        """of: what they are the body of, a module, class or function."""
        for number, part in enumerate(body):
            docstring = number == 0 and isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)
            typing = (
                of is ast.Module
                and isinstance(part, ast.If)
                and isinstance(part.test, ast.Name)
                and part.test.id == "TYPE_CHECKING"
            )
            if not (docstring or typing or _is_settings(part, of)):
                self.read(part)

    def read(self, node: ast.AST) -> None:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            source = getattr(node, "module", None)
            self.imports += [(source or n.name, n.name if source else "", n.asname or n.name) for n in node.names]
            return
        self.words.append(type(node).__name__)
        if isinstance(node, ast.Name):
            self.names.add(node.id)
        for field in node._fields:
            value = getattr(node, field, None)
            if field in ("ctx", "kind", "type_params") or (field != "value" and (value is None or value == [])):
                continue
            self.words.append(field)
            if field == "body" and isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                self.statements(node.body, type(node))
            elif isinstance(value, list):
                for item in value:
                    self.read(item) if isinstance(item, ast.AST) else self.words.append(repr(item))
            elif isinstance(value, ast.AST):
                self.read(value)
            else:
                self.words.append(repr(value))
        self.words.append(".")


def _is_settings(part: ast.stmt, of: type[ast.AST]) -> bool:
    """A class of settings, an alias of a type, or what a method is called in reports."""
    if isinstance(part, ast.ClassDef):
        return part.name.endswith("Settings")
    if not isinstance(part, ast.Assign):
        return False
    target = part.targets[0]
    if of is ast.ClassDef and isinstance(target, ast.Name) and target.id in ("title", "paper"):
        return True
    subscripted = part.value.value if isinstance(part.value, ast.Subscript) else None
    return isinstance(subscripted, ast.Name) and subscripted.id in ("Annotated", "Literal")


def _file(module: str) -> Path | None:
    """The source of a module of the package; None where there is none. A package is its __init__."""
    path = PACKAGE.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if module and file.exists():
            return file
    return None

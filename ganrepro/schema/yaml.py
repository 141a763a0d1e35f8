"""YAML 1.2, as DVC reads it: 1e-05 is a number and `no` a string, for every tool alike."""

from __future__ import annotations

import functools
import hashlib
import marshal
import sys
from pathlib import Path
from typing import Any

import ruamel.yaml
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ganrepro.store.files import replacing

SHALLOW = 2000  # levels, about, that the parser in C is trusted with: its stack is nobody's to check
# What was parsed, as Python keeps bytecode: every stage reads the same ten files, which takes a fifth of a second.
KEPT = Path(__file__).parent / "__pycache__" / f"yaml.{sys.implementation.cache_tag}.marshal"
MOST_KEPT = 64
READER = f"{ruamel.yaml.__version__} {hashlib.sha256(Path(__file__).read_bytes()).hexdigest()}"


def parsed(text: str) -> Any:
    """The values of a file. YAMLError, ValueError or KeyError where it is none, RecursionError where it is nested too deeply."""
    key = hashlib.sha256(f"{READER}\n{text}".encode()).digest()
    if (kept := _kept().get(key)) is not None:
        return marshal.loads(kept)
    value = _parsed(text)
    _keep(key, value)
    return value


def _parsed(text: str) -> Any:
    """By ruamel's parser in C, six times as fast as its other one. The other one reads what could be nested deeply (blocks go two
    levels down for each column, at most), what says which YAML it is, and what C refuses: that knows no plain `{a: b:c}`.
    """
    deepest = 2 * max(map(len, text.splitlines()), default=0) + text.count("[") + text.count("{")
    if deepest <= SHALLOW and not text.startswith("%") and "\n%" not in text:
        try:
            return YAML(typ="safe").load(text)
        except YAMLError:
            pass
    return YAML(typ="safe", pure=True).load(text)


def _keep(key: bytes, value: Any) -> None:
    """Adds to the kept file, where Python may write bytecode, and takes the place of the oldest one there."""
    try:
        _kept()[key] = marshal.dumps(value)
    except ValueError:  # a date, or a value inside itself
        return
    if sys.dont_write_bytecode:
        return
    whole = marshal.dumps(dict(list((_read() | _kept()).items())[-MOST_KEPT:]))  # other processes add to it too
    try:
        with replacing(KEPT) as file:
            file.write_bytes(hashlib.sha256(whole).digest() + whole)
    except OSError:  # a folder that is not ours, or a full disk
        pass


def _read() -> dict[bytes, bytes]:
    """By digest; empty where there is no kept file, or a damaged one."""
    try:
        whole = KEPT.read_bytes()
    except OSError:
        return {}
    kept: dict[bytes, bytes] = marshal.loads(whole[32:]) if hashlib.sha256(whole[32:]).digest() == whole[:32] else {}
    return kept


_kept = functools.cache(_read)  # of this process: what it parses itself is added

"""YAML 1.2, as DVC reads it: 1e-05 is a number and `no` a string, for every tool alike."""

from __future__ import annotations

from typing import Any

from ruamel.yaml import YAML

SHALLOW = 2000  # levels, at most, that the parser in C is trusted with: its stack is nobody's to check


def parsed(text: str) -> Any:
    """The values of a file. YAMLError, ValueError or KeyError where it is none, RecursionError where it is nested too deeply.

    By ruamel's parser in C, six times as fast as its other one, unless a text could be nested deeply: blocks are no deeper than
    their line is long.
    """
    deepest = max(map(len, text.splitlines()), default=0) + text.count("[") + text.count("{")
    return YAML(typ="safe", pure=deepest > SHALLOW).load(text)

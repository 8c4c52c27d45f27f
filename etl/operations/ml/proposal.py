"""What a search proposes: the parameters of a model as a change of its file, to be committed by a person."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Mapping
from typing import Any

from etl.models.code import assigned
from etl.models.trained import Learned

_NAME = "PARAMS"


def proposal(learned: Learned, params: Mapping[str, Any]) -> str:
    """Return the change of a model's file to other parameters, as a unified diff; nothing if it has them."""
    text = list(learned.code.texts.values())[-1]
    wanted = {**learned.params, **params}
    if wanted == dict(learned.params):
        return ""
    lines = difflib.unified_diff(
        text.splitlines(),
        _changed(text, wanted).splitlines(),
        f"a/{learned.file}",
        f"b/{learned.file}",
        lineterm="",
    )
    return "".join(f"{line}\n" for line in lines)


def _changed(text: str, params: Mapping[str, Any]) -> str:
    """Return the text of a model with other parameters; where it has none, they stand above its functions."""
    made = f"{_NAME} = {_written(params)}"
    tree = ast.parse(text)
    lines = text.splitlines()
    for node in tree.body:
        if assigned(node) == _NAME:
            return "\n".join([*lines[: node.lineno - 1], made, *lines[node.end_lineno or node.lineno :]])
    first = next(node.lineno for node in tree.body if isinstance(node, ast.FunctionDef)) - 1
    return "\n".join([*lines[:first], made, "", "", *lines[first:]])


def _written(params: Mapping[str, Any]) -> str:
    one_line = "{" + ", ".join(f"{_quoted(name)}: {_value(value)}" for name, value in params.items()) + "}"
    if len(one_line) + len(_NAME) + 3 <= 100:
        return one_line
    return "{\n" + "".join(f"    {_quoted(name)}: {_value(value)},\n" for name, value in params.items()) + "}"


def _value(value: Any) -> str:
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(text: str) -> str:
    return '"' + repr("'" + text)[2:-1].replace('"', '\\"') + '"'

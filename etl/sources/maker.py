"""The Luigi task that a source names, which makes its deliveries: its name and parameters, not the task itself."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_FORM = (
    'Write it as module and class, such as task="crm.Export", or with parameters: '
    "task=\"crm.Export(region='eu')\"."
)


@dataclass(frozen=True)
class Maker:
    """A Luigi task by its module and class; `options` are the parameters that the source gives it."""

    module: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


def read_maker(text: str) -> Maker:
    """Return the task that a text names. Raises ValueError that says what is wrong with it."""
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise ValueError(f"is not the name of a Luigi task. {_FORM}") from None
    options: dict[str, Any] = {}
    if isinstance(node, ast.Call):
        if node.args or any(keyword.arg is None for keyword in node.keywords):
            raise ValueError(f"gives a parameter without its name. {_FORM}")
        for keyword in node.keywords:
            try:
                options[str(keyword.arg)] = ast.literal_eval(keyword.value)
            except ValueError:
                raise ValueError(
                    f"gives {keyword.arg} a value that is not a plain text or number. {_FORM}"
                ) from None
        node = node.func
    module, _, name = ast.unparse(node).rpartition(".")
    if not module or not all(part.isidentifier() for part in [*module.split("."), name]):
        raise ValueError(f"is not the name of a Luigi task. {_FORM}")
    return Maker(module, name, options)

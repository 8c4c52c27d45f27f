"""The pandera models of a contracts folder that no source and no table is held to: promises nobody checks."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from etl.errors import ContractError


@dataclass(frozen=True)
class Unused:
    """A pandera model that no source and no Config.name uses; the header of a SQL model may still name it."""

    name: str
    #: Its file and line.
    place: str
    #: The models that are derived from it: what uses one of them uses it.
    derived: tuple[str, ...] = ()


def unused_models(modules: Iterable[ModuleType], used: Collection[Any]) -> list[Unused]:
    """Return the models of these modules that are neither among what is `used` nor a base class of one."""
    found = {value: module for module in modules for value in vars(module).values() if _is_model_of(value, module)}
    bases = {base for model in used if isinstance(model, type) for base in model.__mro__}
    return [
        Unused(
            model.__name__,
            _place(model, module),
            tuple(other.__name__ for other in found if other is not model and issubclass(other, model)),
        )
        for model, module in found.items()
        if model not in bases
    ]


def check_used(unused: Sequence[Unused], named: Collection[str]) -> None:
    """Raise ContractError for a model that no header names either; `named` are the classes that headers name."""
    for model in unused:
        if not {model.name, *model.derived}.intersection(named):
            raise ContractError(
                f"{model.place}: nothing uses the contract {model.name}, so its promises are not checked. "
                'Name its table in the class (Config.name = "schema.table"), or name the class in the header of '
                f"the table's SQL (-- contract: {model.name}), or give it to a Source. Else delete the class."
            )


def _is_model_of(value: Any, module: ModuleType) -> bool:
    return isinstance(value, type) and value.__module__ == module.__name__ and hasattr(value, "to_schema")


def _place(model: type, module: ModuleType) -> str:
    try:
        return f"{module.__file__}:{inspect.getsourcelines(model)[1]}"
    except (OSError, TypeError):
        return str(module.__file__)

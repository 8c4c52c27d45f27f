"""The face of a room whose modules are imported when something in them is asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def lazily(package: str, modules: Mapping[str, str]) -> Callable[[str], object]:
    """Return the `__getattr__` of a package: of each name that it has, `modules` says in which module it is.

    AttributeError for any other name, as for every module.
    """

    def found(name: str) -> object:
        """Import what is asked for, once."""
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: object = getattr(import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return found

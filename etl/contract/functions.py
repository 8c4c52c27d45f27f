"""The author's function inside a pandera check: found, read for what it depends on, and fingerprinted."""

from __future__ import annotations

import ast
import datetime as dt
import functools
import hashlib
import re
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

#: Begins the names of the packages that contracts folders are imported as.
FOLDERS = "_etl_contracts_"
_CONSTANTS = (int, float, str, bytes, bool, Decimal, dt.date, dt.time, dt.timedelta, re.Pattern, type(None))
# what may be named in a function that gives the same SQL whenever it is traced
_TRACEABLE = {
    *("isin", "between", "isna", "notna", "isnull", "notnull", "lt", "le", "gt", "ge", "eq", "ne"),
    *("Timestamp", "Timedelta", "Decimal", "date", "datetime", "timedelta", "timezone", "utc", "UTC"),
}
_MODULES = {"pandas", "numpy", "datetime", "decimal"}


def author_function(check: Any) -> Any:
    """Return the function that the author wrote, below what pandera wraps around it."""
    function = check._check_fn
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif (inner := _adapted(function)) is not None:
            function = inner
        else:
            return function


def _adapted(function: Any) -> Any:
    """The method behind the adapter that pandera makes of a model's `@check`."""
    if getattr(function, "__qualname__", "") != "BaseCheckInfo.to_check.<locals>._adapter":
        return None
    cells = (cell.cell_contents for cell in function.__closure__ or ())
    return next((cell.check_fn for cell in cells if hasattr(cell, "check_fn")), None)


def texts_of(function: Any) -> set[str]:
    """Return the names and the text constants in a function: the columns that it may read are among them."""
    found: set[str] = set()
    for code in _codes(getattr(function, "__code__", None)):
        found.update(code.co_names)
        found.update(text for text in code.co_consts if isinstance(text, str))
    return found


def is_constant(function: Any, columns: set[str]) -> bool:
    """Return whether nothing but constants and columns is in a function: no clock, no call of another."""
    code = getattr(function, "__code__", None)
    if code is None:
        return False
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    values = [*cells, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    if not all(map(_is_constant, values)):
        return False
    for inner in _codes(code):
        if any(isinstance(text, str) and text.lower() in ("now", "today") for text in inner.co_consts):
            return False
        if not all(_is_known(name, function.__globals__, columns) for name in inner.co_names):
            return False
    return True


def _is_known(name: str, names: dict[str, Any], columns: set[str]) -> bool:
    if name in names:
        value = names[name]
        is_module = isinstance(value, ModuleType) and value.__name__ in _MODULES
        return is_module or _is_constant(value) or (isinstance(value, type) and name in _TRACEABLE)
    return name in columns or name in _TRACEABLE


def _is_constant(value: Any) -> bool:
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(_is_constant, value))
    return isinstance(value, _CONSTANTS)


def _codes(code: CodeType | None) -> Iterator[CodeType]:
    if code is not None:
        yield code
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                yield from _codes(constant)


def in_folder(module: str) -> str:
    """Return the name of a contract file's module as it is below any contracts folder, or any other's as it is."""
    return "." + module.partition(".")[2] if module.startswith(FOLDERS) else module


def code_digest(module: str) -> str:
    """Return a text that changes with the file of a module, and with those that it imports relatively."""
    digest = hashlib.sha256()
    for name, text in sorted(_sources(module, {}).items()):
        digest.update(f"\0{name.rpartition('.')[2]}\0{text}".encode())
    return digest.hexdigest()


def _sources(module: str, found: dict[str, str]) -> dict[str, str]:
    file = getattr(sys.modules.get(module), "__file__", None)
    if module in found or file is None or not Path(file).is_file():
        return found
    found[module] = Path(file).read_text(errors="replace")
    package = module.rpartition(".")[0]
    for node in ast.walk(ast.parse(found[module])):
        if isinstance(node, ast.ImportFrom) and node.level == 1 and package:
            for name in [node.module] if node.module else [alias.name for alias in node.names]:
                _sources(f"{package}.{name}", found)
    return found

"""Python models: their function is called with relations on build.duckdb; what it returns becomes the table."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.errors import TransformError
from etl.quoting import identifier, qualified
from etl.stages.warehouse.work import Build, Work

if TYPE_CHECKING:
    import duckdb

_RESULT = "_result"


@dataclass(frozen=True)
class Context:
    """What a Python model is given beside its inputs: the values of the variables that it declares."""

    variables: Mapping[str, str]


def make(con: duckdb.DuckDBPyConnection, build: Build, todo: Work) -> int:
    """Make the table; return its rows. Raises TransformError that says where the function failed, and why."""
    model, path = build.model, build.folder / build.model.file
    inputs = {read: con.sql(f"from {qualified(read)}") for read in model.reads}
    try:
        module = _module(path)
        variables = {name: build.variables[name] for name in getattr(module, "VARIABLES", ())}
        result = module.model(inputs, Context(variables))
        con.register(_RESULT, result.to_arrow_table() if hasattr(result, "to_arrow_table") else result)
    except Exception as error:
        raise TransformError(
            f"{model.place_at(_where(model.file, path, error))} could not be built: {error}"
        ) from error
    try:
        _check_columns(con, build)
        columns = ", ".join(
            f"cast({identifier(name)} as {type}) as {identifier(name)}" for name, type in model.columns
        )
        made = con.execute(f"create or replace table {qualified(model.name)} as select {columns} from {_RESULT}")
        return int(made.fetchall()[0][0])
    finally:
        con.unregister(_RESULT)


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"etl_model_{path.parent.name}_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _where(file: str, path: Path, error: Exception) -> str:
    """Return the file of a model with the line of it that the error went through last."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    return f"{file}:{lines[-1]}" if lines else file


def _check_columns(con: duckdb.DuckDBPyConnection, build: Build) -> None:
    model = build.model
    made = {row[0] for row in con.execute(f"describe {_RESULT}").fetchall()}
    promised = {name for name, _ in model.columns}
    if made != promised:
        parts = (("lacks", promised - made), ("has besides", made - promised))
        wrong = "; ".join(f"{what} {', '.join(sorted(names))}" for what, names in parts if names)
        raise TransformError(f"{model.place}: its result {wrong}: its contract says {', '.join(promised)}")

"""Python models: their function is called with relations on build.duckdb; what it returns becomes the table."""

from __future__ import annotations

import gc
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.contract.casts import exact_cast
from etl.engine.limits import watched
from etl.engine.quoting import identifier, literal, qualified, set_variable
from etl.engine.retries import is_transient
from etl.errors import ModelError, TransformError, sentence, traced
from etl.models import Code, Model, read_code
from etl.stages.modules import run_modules
from etl.stages.warehouse.work import Build, State, Work

if TYPE_CHECKING:
    import duckdb

    from etl.stages.warehouse.learning import Learning

_RESULT = "_result"
_RETURNED = "a relation, a DataFrame, an Arrow table or reader, or batches of these one by one"


@dataclass(frozen=True)
class Context:
    """What a Python model is given beside its inputs: the values of the variables that it declares."""

    variables: Mapping[str, str]


class _Declared(dict[str, Any]):
    """What a model declares in a list of that name; anything else is not to be had."""

    def __init__(self, list_name: str, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self._list_name = list_name

    def __missing__(self, key: str) -> Any:
        raise LookupError(f"{key!r} is not in {self._list_name}")


def make(con: duckdb.DuckDBPyConnection, build: Build, todo: Work, state: State) -> int | None:
    """Make the table; return its rows if they are known. Raises TransformError that says where it failed, and why.

    The function reads through a connection of its own, so what it reads must be committed. What it leaves open
    there, such as a reader that is half fetched, blocks no statement of `con`.
    """
    model = build.model
    learning = _learning(build, state) if model.role else None
    code = learning.learned.code if learning else _planned(build)
    is_whole = learning is None or not learning.emptied(con)
    if is_whole:
        create(con, model)
    with beside(con, build) as reader:
        rows, failed = _filled(con, reader, build, code, learning)
    if failed:
        raise failed
    return rows if is_whole else None


def create(con: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Make the empty table that the contract of a model promises."""
    columns = ", ".join(f"{identifier(name)} {type}" for name, type in model.columns)
    con.execute(f"create or replace table {qualified(model.name)} ({columns})")


def _filled(
    con: duckdb.DuckDBPyConnection,
    reader: duckdb.DuckDBPyConnection,
    build: Build,
    code: Code,
    learning: Learning | None,
) -> tuple[int, TransformError | None]:
    """Fill the table; return its rows, and what went wrong.

    It is not the error that was raised, which would keep all that is open alive.
    """
    model = build.model
    try:
        with _explained(model, code), _result(reader, build, code, learning) as result:
            return sum(insert(con, model, batch) for batch in _batches(result)), None
    except TransformError as error:
        failed = TransformError(str(error))
        failed.is_transient, failed.traces = is_transient(error), {model.name: traced(error)}
        return 0, failed


@contextmanager
def _result(
    reader: duckdb.DuckDBPyConnection, build: Build, code: Code, learning: Learning | None
) -> Iterator[Any]:
    """Lend what a model's code makes of what it reads."""
    model = build.model
    if learning:
        yield learning.made(reader)
        return
    with run_modules(code) as module:
        inputs = {read: reader.sql(f"from {qualified(read)}") for read in model.reads}
        variables = {name: build.variables[name] for name in getattr(module, "VARIABLES", ())}
        result = module.model(_Declared("READS", inputs), Context(_Declared("VARIABLES", variables)))
        if result is None:
            raise TransformError(f"{model.place}: model() returned None. Return {_RETURNED}.")
        yield result


@contextmanager
def beside(con: duckdb.DuckDBPyConnection, build: Build) -> Iterator[duckdb.DuckDBPyConnection]:
    """Lend a second connection to the database of `con` that only reads, with the same settings."""
    import duckdb

    query = "select current_database(), current_schema(), current_setting('TimeZone')"
    ((database, schema, timezone),) = con.execute(query).fetchall()
    reader = watched(con.cursor())
    try:
        reader.execute(f"use {identifier(database)}.{identifier(schema)}")
        reader.execute(f"set TimeZone = {literal(timezone)}")
        for name, value in build.variables.items():
            reader.execute(set_variable(name, value))
        # of 128 bits, Arrow would make a decimal
        reader.execute("set arrow_lossless_conversion = true")
        reader.execute("begin transaction read only")
        yield reader
    finally:
        try:
            reader.execute("rollback")
        except duckdb.Error:
            gc.collect()  # a reader that is not fetched to its end keeps the file open
        reader.close()


def _batches(result: Any) -> Iterator[Any]:
    """Yield what DuckDB can read one by one: a result, or the parts of a reader, of a generator or of a list."""
    import duckdb

    if isinstance(result, duckdb.DuckDBPyConnection):
        with warnings.catch_warnings(action="ignore"):
            result = result.to_arrow_reader()
    # importing it takes 0.1 s, and what it makes cannot be there without it
    arrow = sys.modules.get("pyarrow")
    if arrow and isinstance(result, arrow.RecordBatch):
        yield arrow.Table.from_batches([result])
    elif isinstance(result, list | tuple | Iterator):
        for part in result:
            yield from _batches(part)
    else:
        yield result


def _learning(build: Build, state: State) -> Learning:
    from etl.stages.warehouse.learning import planned

    return planned(build, state)


def _planned(build: Build) -> Code:
    model = build.model
    try:
        code = read_code((build.folder / model.file).parents[1], model.name)
    except (ModelError, OSError) as error:
        raise TransformError(f"{model.place} changed since the run was planned: {sentence(str(error))}") from error
    if model.normal.split()[0] != code.digest:
        raise TransformError(f"{model.place} changed since the run was planned. Run again to build it.")
    return code


def insert(con: duckdb.DuckDBPyConnection, model: Model, batch: Any) -> int:
    """Add rows to the table; return how many. Names are the same in capital letters, as DuckDB's are."""
    con.register(_RESULT, batch)
    made = {row[0].lower(): row for row in con.execute(f"describe {_RESULT}").fetchall()}
    promised = {name.lower(): name for name, _ in model.columns}
    if made.keys() != promised.keys():
        more = sorted(made[name][0] for name in made.keys() - promised.keys())
        parts = (
            ("lacks", sorted(promised[name] for name in promised.keys() - made.keys())),
            ("has besides", more),
        )
        wrong = "; ".join(f"{what} {', '.join(names)}" for what, names in parts if names)
        said = ", ".join(promised.values())
        raise TransformError(f"{model.place}: its result {wrong}: its contract says {said}.")
    # DuckDB alone would round 1.5, and cut off a time
    columns = ", ".join(exact_cast(name, made[name.lower()][1], type, True) for name, type in model.columns)
    found = con.execute(f"insert into {qualified(model.name)} select {columns} from {_RESULT}").fetchall()
    con.unregister(_RESULT)  # not after an error: the transaction is rolled back, and takes it along
    return int(found[0][0])


@contextmanager
def _explained(model: Model, code: Code) -> Iterator[None]:
    """Turn whatever happens in a model's code into a TransformError with the line of it that came last."""
    try:
        yield
    except TransformError:
        raise
    except (Exception, SystemExit) as error:
        kind = "" if type(error).__module__.endswith("duckdb") else f"{type(error).__name__}: "
        raise TransformError(
            f"{_place(model, code, error)} could not be built: {kind}{sentence(str(error))}"
        ) from error


def _place(model: Model, code: Code, error: BaseException) -> str:
    modules = {str(code.path(module)): module for module in code.texts}
    lines = [
        code.place(modules[frame.filename], frame.lineno or 0)
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename in modules
    ]
    # a model that learns stands below the project's root, and one in sql/ below that
    return model.place_at(lines[-1].partition("/")[2] if model.role else lines[-1]) if lines else model.place

"""translated(): a SELECT of DuckDB as one of Spark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.errors import ModelError, UnsupportedOnSpark, sentence
from etl.models.spark_sql.types import quoted, spark_type
from etl.models.spark_sql.typing_sql import Types

if TYPE_CHECKING:
    import duckdb

_MISSING = (
    "`engine: spark` needs the library sqlglot, which reads the SELECT. Install it: pip install 'etl[spark]', "
    "or pip install sqlglot where the model is built by DuckDB"
)


def translated(con: duckdb.DuckDBPyConnection, sql: str, file: str) -> str:
    """Return a SELECT over tables of a database as Spark computes it, with DuckDB's names and types of columns.

    Tables are called as table_name() says. Raises UnsupportedOnSpark with file and line for the first thing in it
    that is not on the list, and ModelError without sqlglot.
    """
    try:
        from sqlglot.errors import SqlglotError
    except ImportError:
        raise ModelError(f"{file}:1: {_MISSING}.") from None
    from etl.models.spark_sql.clauses import Clauses
    from etl.models.spark_sql.patterns import parse
    from etl.models.spark_sql.values import Refusal

    types = Types(con)
    try:
        made = Clauses(types).query(parse(sql))
    except Refusal as error:
        raise _unsupported(file, error.line, error.what, error.instead) from None
    except SqlglotError as error:
        raise _unsupported(file, 1, "a text that sqlglot does not read", str(error).split("\n")[0]) from None
    columns = types.columns(sql) or []
    names = [name.lower() for name, _ in columns]
    if not columns or len({*names}) < len(names):
        raise _unsupported(file, 1, "columns of the same name", "Give each its own with `as`")
    for name, type in columns:
        if spark_type(type) is None:
            raise _unsupported(file, 1, f"the column {name} of type {type}", "Leave it out, or cast it")
    items = ", ".join(f"cast({quoted(name)} as {spark_type(type)}) as {quoted(name)}" for name, type in columns)
    return f"select {items} from ({made})"


def _unsupported(file: str, line: int, what: str, instead: str) -> UnsupportedOnSpark:
    hint = sentence(instead) if instead else "To have DuckDB build the model, remove `-- engine: spark`."
    return UnsupportedOnSpark(
        f"{file}:{line or 1}: engine: spark has no proof for {what}: on the list is only what Spark was seen to "
        f"compute as DuckDB does. {hint}"
    )

"""The columns of a table of another project: held to the contract, and as a file can hold them exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from etl.contract.contract import Column, Contract
from etl.engine.parquet_types import may_be_wide, refused, stored_as
from etl.engine.quoting import identifier, qualified
from etl.errors import FetchError, few
from etl.stages.fetched.kinds.database.catalogue import Held

if TYPE_CHECKING:
    import duckdb

#: What a type of DuckDB is to the contract, by what it begins with, the first that does. Within one of these the
#: contract judges each value; a text takes what only a text can hold.
_FAMILIES = (
    *(("VARCHAR", "text"), ("ENUM", "text"), ("UUID", "text"), ("JSON", "text"), ("BIT", "text")),
    *(("TIMESTAMP WITH TIME ZONE", "moment"), ("TIMESTAMP", "timestamp"), ("DATE", "date")),
    *(("INTERVAL", "interval"), ("TIME WITH TIME ZONE", "text"), ("TIME", "time")),
    *(("BOOLEAN", "boolean"), ("BLOB", "bytes"), ("STRUCT", "struct"), ("MAP", "map")),
    *((name, "number") for name in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "BIGNUM")),
    *((name, "number") for name in ("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")),
    *((name, "number") for name in ("DECIMAL", "FLOAT", "DOUBLE")),
)
#: Types that the contract reads from their text: no type of Parquet, or of Arrow, stands for them as it does.
_AS_TEXT = ("BLOB", "ENUM", "UUID", "JSON", "BIT", "BIGNUM")


def family_of(type: str) -> str:
    """Return what kind of type it is, such as `number`; types of one kind hold alike values."""
    if type.endswith("]"):
        return "list"
    # GEOMETRY, UNION and what is yet to come
    return next((family for sign, family in _FAMILIES if type.upper().startswith(sign)), "other")


def check_types(chosen: Sequence[Held], contract: Contract, where: str) -> None:
    """Raise FetchError if a column is of another type there than the contract says."""
    taken: dict[str, Column] = {}
    for column in contract.columns:
        taken |= {name: column for name in (column.name, *column.aliases)}
    wrong = []
    for one in chosen:
        if one.name not in taken:
            continue
        column = taken[one.name]
        if what := refused(one.type):
            wrong.append(f"{one.name} is {one.type} there, and no file can hold a {what}")
        elif family_of(column.type) != one.family:
            wrong.append(f"{one.name} is {one.type} there, and {column.type} in the contract")
    if wrong:
        raise FetchError(
            f"{where} has other types than the contract {contract.name}: {few(wrong, 20)}. Change the contract, "
            "or cast the column there."
        )


def columns_for(con: duckdb.DuckDBPyConnection, name: str, chosen: Sequence[Held]) -> Iterator[str]:
    """Yield each column for a SELECT: what Parquet cannot hold exactly, as the text that the contract reads."""
    for one in chosen:
        column = identifier(one.name)
        if one.type.upper().startswith(_AS_TEXT) and one.family != "list":
            yield f"{column}::varchar as {column}"
            continue
        stored = stored_as(one.type)
        if may_be_wide(one.type):
            is_wide = f"try_cast({column} as {stored})::{one.type} is distinct from {column}"
            (wide,) = con.execute(f"select exists(from {qualified(name)} where {is_wide})").fetchall()[0]
            stored = stored_as(one.type, bool(wide))
        yield f"cast({column} as {stored}) as {column}" if stored != one.type else column

"""The two sides of one table: its columns in either file, the ones that are compared, and the key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etl.engine.exact import counted, exact
from etl.engine.quoting import identifier, literal, qualified
from etl.models import KINDS

if TYPE_CHECKING:
    import duckdb

#: The catalogs of the two files while they are attached.
A, B = "a", "b"
#: What stands for a column in its form.
_X = "{x}"
#: What is compared of the tables of etl's own; which run it was that found a record is none of it.
_OWN = "etl.rejects"
_OWN_LEFT_OUT = ("run_id",)

_TABLES = """
select schema_name || '.' || table_name, 'table' from duckdb_tables() where database_name = '{catalog}'
union all
select schema_name || '.' || view_name, 'view' from duckdb_views()
where database_name = '{catalog}' and not internal
"""
#: The models that hold rows: that of one whose partitions are files is a view.
_STORED = (
    "select name from {catalog}.etl.models "
    f"where list_contains({literal([name for name, kind in KINDS.items() if kind.is_stored])}, materialized)"
)
_COLUMNS = """
select database_name, schema_name || '.' || table_name, column_name, data_type, coalesce(comment, '')
from duckdb_columns() where database_name in ('a', 'b') order by database_name, table_name, column_index
"""


@dataclass(frozen=True)
class Column:
    """A column that both sides have; `forms` are `{x}` as SQL on either side, such that equal values are the same.

    Values of different types are compared as the wider one of them.
    """

    name: str
    types: tuple[str, str]
    forms: tuple[str, str]
    #: Whether floating-point numbers are compared to 9 digits, and not to the bit.
    digits: bool = False

    @property
    def differs(self) -> str:
        """Whether its values `l` and `r` are different, as SQL."""
        name = identifier(self.name)
        if self._is_rounded:
            # close ones may be rounded to different digits, so it is their distance that counts
            left, right = f"l.{name}", f"r.{name}"
            near = f"abs({left} - {right}) <= 5e-9 * greatest(abs({left}), abs({right}))"
            return f"({left} is distinct from {right} and not coalesce({near}, false))"
        return (
            f"{self.forms[0].replace(_X, f'l.{name}')} is distinct from {self.forms[1].replace(_X, f'r.{name}')}"
        )

    def form(self, side: int) -> str:
        """The column of a side as SQL, for rows that are compared as a whole."""
        name = identifier(self.name)
        return f"printf('%.9g', {name})" if self._is_rounded else self.forms[side].replace(_X, name)

    @property
    def _is_rounded(self) -> bool:
        return self.digits and self.types[0] == self.types[1] and self.types[0] in ("DOUBLE", "FLOAT")


@dataclass(frozen=True, kw_only=True)
class Sides:
    """A table in both files; None for the kind in the one that lacks it."""

    name: str
    kinds: tuple[str | None, str | None]
    columns: tuple[Mapping[str, str], Mapping[str, str]]
    #: The forms of the columns that both have.
    forms: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    digits: bool = False
    #: What holds for all rows that may differ; empty if they all may.
    where: str = ""
    #: The column of a snapshot's date, which is another one in every row; it is not compared.
    left_out: str = ""
    #: Columns with personal data, by the comments of either file.
    personal: frozenset[str] = field(default=frozenset())

    @property
    def common(self) -> list[Column]:
        """The columns that are compared."""
        left, right = self.columns
        return [
            Column(name, (type, right[name]), self.forms[name], self.digits)
            for name, type in left.items()
            if name in right and name != self.left_out
        ]

    @property
    def schema(self) -> list[str]:
        """What changed of the columns, as lines."""
        left, right = self.columns
        lines = [f"- {name} {type}" for name, type in left.items() if name not in right]
        lines += [f"+ {name} {type}" for name, type in right.items() if name not in left]
        lines += [f"{c.name}: {c.types[0]} → {c.types[1]}" for c in self.common if c.types[0] != c.types[1]]
        names = [column.name for column in self.common]
        if names != [name for name in right if name in left and name != self.left_out]:
            lines.append(f"another order of columns: {', '.join(right)}")
        return lines

    def table(self, catalog: str) -> str:
        """The rows of one of the files that may differ, as SQL."""
        return f"(from {self.whole(catalog)} where {self.where})" if self.where else self.whole(catalog)

    def whole(self, catalog: str) -> str:
        """The table in one of the files, as SQL."""
        return f"{catalog}.{qualified(self.name)}"

    def free_name(self, text: str) -> str:
        """Return a quoted name that no column has."""
        taken = {name.lower() for columns in self.columns for name in columns}
        while text.lower() in taken:
            text += "_"
        return identifier(text)

    def is_unique(self, con: duckdb.DuckDBPyConnection, key: Sequence[str]) -> bool:
        """Return whether the key names one row at most, on both sides."""
        names = ", ".join(map(identifier, key))
        doubled = " or ".join(
            f"exists (select 1 from {self.table(catalog)} group by {names} having count(*) > 1)"
            for catalog in (A, B)
        )
        return not con.execute(f"select {doubled}").fetchall()[0][0]


def sides(con: duckdb.DuckDBPyConnection, digits: bool = False) -> dict[str, Sides]:
    """Return every table and view of the two attached files, by name."""
    kinds: dict[str, dict[str, str]] = defaultdict(dict)
    for catalog in (A, B):
        for table, kind in con.execute(_TABLES.format(catalog=catalog)).fetchall():
            if not table.startswith("etl.") or table == _OWN:
                kinds[table][catalog] = kind
        for table in kinds.keys() & _stored(con, catalog):
            kinds[table][catalog] = "table"
    columns: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    personal = set()
    for catalog, table, name, type, comment in con.execute(_COLUMNS).fetchall():
        if counted(table, [(name, type)]) and (table != _OWN or name not in _OWN_LEFT_OUT):
            columns[catalog, table][name] = type
        if "[pii: " in comment:
            personal.add(name.lower())
    return {
        table: Sides(
            name=table,
            kinds=(kinds[table].get(A), kinds[table].get(B)),
            columns=(columns[A, table], columns[B, table]),
            forms=_forms(con, columns[A, table], columns[B, table]),
            digits=digits,
            personal=frozenset(personal),
        )
        for table in sorted(kinds)
    }


def _stored(con: duckdb.DuckDBPyConnection, catalog: str) -> set[str]:
    """Return the models that hold rows in one of the files; none if it does not say."""
    import duckdb

    try:
        return {name for (name,) in con.execute(_STORED.format(catalog=catalog)).fetchall()}
    except duckdb.Error:
        return set()


def _forms(
    con: duckdb.DuckDBPyConnection, left: Mapping[str, str], right: Mapping[str, str]
) -> dict[str, tuple[str, str]]:
    found = {}
    for name in left.keys() & right.keys():
        if left[name] == right[name]:
            found[name] = (exact(con, left[name], _X),) * 2
        else:
            # a value that does not fit stays as it is
            found[name] = (
                f"coalesce(try_cast({_X} as {_wider(con, left[name], right[name])})::varchar, {_X}::varchar)",
            ) * 2
    return found


def _wider(con: duckdb.DuckDBPyConnection, one: str, other: str) -> str:
    """Return the type that has the values of both; text if no other has."""
    import duckdb

    try:
        rows = con.execute(f"describe select null::{one} as x union all select null::{other}").fetchall()
    except duckdb.Error:
        return "VARCHAR"
    return str(rows[0][1])


def key_of(sides: Sides, key: Sequence[str]) -> list[str]:
    """Return the key if both sides have all of its columns, else nothing."""
    names = {column.name for column in sides.common}
    return list(key) if key and names.issuperset(key) else []


def text_of(name: str, personal: frozenset[str], side: str = "") -> str:
    """A column, of the `l`eft or the `r`ight, as text for people, as SQL; `***` for personal data."""
    column = f"{side}.{identifier(name)}" if side else identifier(name)
    return literal("***") if name.lower() in personal else f"{column}::varchar"

"""ODBC, for SQL Server, Oracle, Snowflake and whatever has a driver: values are landed as their exact text.

Numbers and texts come as the driver gives them, and moments as the server's own text: as Python values they would
lose digits, and their zone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pyarrow as pa
import pyodbc

from etl.errors import FetchError, few
from etl.sources.fetches.database import with_date
from etl.stages.fetched.kinds.database import texts
from etl.stages.fetched.kinds.database.address import Address
from etl.stages.fetched.kinds.database.catalogue import Chosen, Held
from etl.stages.fetched.kinds.database.session import Bounds, Limits, Session, Statement

#: What SQL Server calls a moment with its zone, and a time of day, by number.
_ZONED, _TIME = -155, -154
#: What a type is to etl, by the number that ODBC gives it.
_FAMILIES = {
    **dict.fromkeys((pyodbc.SQL_TINYINT, pyodbc.SQL_SMALLINT, pyodbc.SQL_INTEGER, pyodbc.SQL_BIGINT), "int"),
    **dict.fromkeys((pyodbc.SQL_REAL, pyodbc.SQL_FLOAT, pyodbc.SQL_DOUBLE), "float"),
    **dict.fromkeys((pyodbc.SQL_DECIMAL, pyodbc.SQL_NUMERIC), "decimal"),
    **dict.fromkeys((pyodbc.SQL_CHAR, pyodbc.SQL_VARCHAR, pyodbc.SQL_LONGVARCHAR), "text"),
    **dict.fromkeys((pyodbc.SQL_WCHAR, pyodbc.SQL_WVARCHAR, pyodbc.SQL_WLONGVARCHAR), "text"),
    **dict.fromkeys((pyodbc.SQL_BINARY, pyodbc.SQL_VARBINARY, pyodbc.SQL_LONGVARBINARY), "bytes"),
    **dict.fromkeys((pyodbc.SQL_TYPE_DATE, 9), "date"),
    **dict.fromkeys((pyodbc.SQL_TYPE_TIMESTAMP, 11), "timestamp"),
    **dict.fromkeys((pyodbc.SQL_TYPE_TIME, 10, _TIME), "time"),
    **{pyodbc.SQL_BIT: "bool", pyodbc.SQL_GUID: "uuid", _ZONED: "zoned"},
}
#: The same of what a SELECT yields, by the Python type that stands for it.
_PYTHON = {int: "int", float: "float", str: "text", bytearray: "bytes", bytes: "bytes", bool: "bool"}
_NAMED = {"Decimal": "decimal", "datetime": "timestamp", "date": "date", "time": "time", "UUID": "uuid"}
#: How a snapshot is asked for, by what a server calls itself. Elsewhere each SELECT has its own.
_SNAPSHOT = 32
_ISOLATION = {
    "Microsoft SQL Server": _SNAPSHOT,
    **dict.fromkeys(("Oracle", "SQLite"), pyodbc.SQL_TXN_SERIALIZABLE),
    **dict.fromkeys(("PostgreSQL", "MySQL", "MariaDB"), pyodbc.SQL_TXN_REPEATABLE_READ),
}
#: How servers say as text a moment without a zone, one with its zone, and one with a zone in UTC. Others: a cast.
_ISO = "YYYY-MM-DD HH24:MI:SS.FF9"
_TEXTS = {
    "Microsoft SQL Server": (
        "convert(nvarchar(64), {}, 126)",
        "convert(nvarchar(64), {}, 126)",
        "convert(nvarchar(64), cast(switchoffset({}, '+00:00') as datetime2), 126)",
    ),
    "Oracle": (
        f"to_char({{}}, '{_ISO}')",
        f"to_char({{}}, '{_ISO}TZH:TZM')",
        f"to_char(sys_extract_utc({{}}), '{_ISO}')",
    ),
    "Snowflake": (
        f"to_varchar({{}}, '{_ISO}')",
        f"to_varchar({{}}, '{_ISO}TZH:TZM')",
        f"to_varchar(cast(convert_timezone('UTC', {{}}) as timestamp_ntz), '{_ISO}')",
    ),
    "PostgreSQL": (
        "cast({} as varchar(64))",
        "cast({} as varchar(64))",
        "cast({} at time zone 'UTC' as varchar(64))",
    ),
    # the session is in UTC, and its text does not say so
    **dict.fromkeys(("MySQL", "MariaDB"), ("cast({} as char(64))", "concat({}, '+00')", "cast({} as char(64))")),
}
_CAST = ("cast({} as varchar(64))",) * 3
_MOMENT = re.compile(r"tz\b|with (local )?time zone", re.IGNORECASE)
#: The states of errors that pass: connections that are lost, deadlocks, what takes too long.
_PASSING = ("08", "40001", "40P01", "HYT0")


class Odbc(Session):
    """A connection through a driver, in one transaction; after an error it is of no more use.

    Cursors are closed, and never used with `with` alone, which would commit, and so end the snapshot.
    """

    errors = (pyodbc.Error,)

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._con: Any = None
        self._server = ""

    def begin(self, limits: Limits) -> None:
        """Connect and begin the snapshot, the first time; then set the source's limits."""
        if self._con is None:
            self._connect(limits)
        with suppress(pyodbc.Error):
            # where the driver knows no limit, that of the whole fetch holds
            self._con.timeout = max(1, int(limits.answer))

    def undo(self) -> None:
        """Give the connection up: what was not read of a result is in it."""
        self.is_broken = True

    def passes(self, error: Exception) -> bool:
        """Return whether an error passes, by its state."""
        return bool(error.args) and str(error.args[0]).startswith(_PASSING)

    def told(self, error: Exception) -> Any:
        """Return what is said of an error: the text of the driver."""
        told = super().told(Exception(str(error.args[-1])) if error.args else error)
        told.is_transient = self.passes(error)
        return told

    def held(self, parts: Sequence[str]) -> list[Held]:
        """Return the columns of a table. Raises FetchError if several schemas have one of that name."""
        schema, table = parts if len(parts) == 2 else (None, parts[-1])
        with closing(self._con.cursor()) as cursor:
            # a name is a pattern there, in which _ is any letter
            rows = [row for row in cursor.columns(table=table) if row[2] == table]
            found = [row for row in rows if schema in (None, row[1], row[0])]
            schemas = sorted({str(row[1] or row[0]) for row in found})
            if len(schemas) > 1:
                raise FetchError(
                    f"{self.address.shown} has a table {table} in several schemas: {few(schemas)}. Write it as "
                    f"{schemas[0]}.{table}."
                )
            keys = self._keys(cursor, found)
        return [
            Held(
                name=row[3],
                type=_spelled(row),
                family=self._family(row[4], row[5]),
                nullable=row[10] != pyodbc.SQL_NO_NULLS,
                is_key=row[3] in keys,
                comment=row[11] or "",
            )
            for row in sorted(found, key=lambda row: row[16])
        ]

    def described(self, query: str) -> list[Held]:
        """Return the columns of a SELECT, as the server plans it."""
        with closing(self._con.cursor()) as cursor:
            text, values = _bound(query, date.min)
            cursor.execute(f"select * from ({text}\n) q where 1 = 0", values)
            return [
                Held(name=name, type=kind.__name__, family=self._family_of(kind))
                for name, kind, *_ in cursor.description
            ]

    def bounds(self, parts: Sequence[str], cursor: Held, measure: str) -> Bounds:
        """Return the greatest cursor, or the present in UTC if that is in the future."""
        with closing(self._con.cursor()) as asked:
            greatest = self.name(cursor.name)
            asked.execute(f"select max({greatest}) as {greatest} from {self.relation(parts)}")
            [found] = asked.fetchone()
        if found is None:
            return Bounds(greatest=None)
        text = texts.exact(found)
        if cursor.family in ("date", "timestamp", "zoned"):
            text = min(text, datetime.now(UTC).isoformat(" ", "microseconds").partition("+")[0][: len(text)])
        return Bounds(greatest=text)

    def expression(self, chosen: Chosen) -> str:
        """Return the SQL of a column: itself, or the server's text of what a driver would write otherwise."""
        name, family = self.name(chosen.held.name), chosen.held.family
        if family not in ("timestamp", "zoneless", "zoned", "time", "uuid"):
            return name
        plain, zoned, in_utc = _TEXTS.get(self._server, _CAST)
        if family != "zoned":
            return plain.format(name)
        return (in_utc if chosen.form == "typed" else zoned).format(name)

    def parameter(self, held: Held, number: int) -> str:
        """Return the place of a value."""
        return "?"

    def since(self, parts: Sequence[str], chosen: Sequence[Chosen], lower: Mapping[Held, Any]) -> Statement:
        """Return the SELECT of what is new; values are bound as what their columns hold."""
        text = super().since(parts, chosen, lower).text
        return Statement(text=text, parameters=tuple(_value(held, value) for held, value in lower.items()))

    def dated(self, query: str, day: date, chosen: Sequence[Chosen]) -> Statement:
        """Return a SELECT of one's own, with those of its columns that are landed."""
        text, values = _bound(query, day)
        return Statement(text=f"select {self.columns(chosen)} from ({text}\n) q", parameters=values)

    def read(self, statement: Statement, chosen: Sequence[Chosen]) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Return schema and batches, as the server sends them."""
        cursor = self._con.cursor()
        cursor.execute(statement.text, statement.parameters)
        fetch: Callable[[int], Any] = partial(_fetched, cursor)
        return texts.schema_of(chosen), self.guarded(texts.batches(fetch, chosen, "0x"))

    def close(self) -> None:
        """Close the connection."""
        if self._con is not None:
            with suppress(Exception):
                self._con.close()
            self._con = None

    def _connect(self, limits: Limits) -> None:
        # a pool would hand over a transaction of somebody else
        pyodbc.pooling = False
        text = self.address.text.partition(":")[2]
        self._con = pyodbc.connect(text, autocommit=False, timeout=max(1, int(limits.connect)), readonly=True)
        self._server = server = self._con.getinfo(pyodbc.SQL_DBMS_NAME)
        self.mark = self._con.getinfo(pyodbc.SQL_IDENTIFIER_QUOTE_CHAR).strip() or '"'
        self.versions = {
            "server": f"{server} {self._con.getinfo(pyodbc.SQL_DBMS_VER)}",
            "driver": f"{self._con.getinfo(pyodbc.SQL_DRIVER_NAME)} {self._con.getinfo(pyodbc.SQL_DRIVER_VER)}",
            "pyodbc": pyodbc.version,
        }
        if isolation := _ISOLATION.get(server):
            with suppress(pyodbc.Error):
                # a server may forbid it: then each SELECT has its own snapshot
                self._con.set_attr(pyodbc.SQL_ATTR_TXN_ISOLATION, isolation)
        if server in ("MySQL", "MariaDB"):
            self._con.execute("set time_zone = '+00:00'")

    def _family_of(self, kind: type) -> str:
        """Return what a column of a SELECT is to etl, by the Python type that stands for it."""
        family = _PYTHON.get(kind) or _NAMED.get(kind.__name__, "other")
        # the text of a moment tells its zone there, if it has one
        is_told = family != "timestamp" or self._server in ("PostgreSQL", "Microsoft SQL Server")
        return family if is_told else "zoneless"

    def _family(self, number: int, type: str) -> str:
        """Return what a type is to etl: many drivers give moments the number of those without a zone."""
        is_moment = bool(_MOMENT.search(type)) or (
            self._server in ("MySQL", "MariaDB") and type.lower() == "timestamp"
        )
        family = _FAMILIES.get(number, "other")
        return "zoned" if family == "timestamp" and is_moment else family

    def _keys(self, cursor: Any, found: Sequence[Any]) -> set[str]:
        """Return the columns of the primary key; none if the driver does not tell."""
        if not found:
            return set()
        catalog, schema, table, *_ = found[0]
        with suppress(pyodbc.Error):
            return {row[3] for row in cursor.primaryKeys(table, catalog=catalog, schema=schema)}
        return set()


def _spelled(row: Any) -> str:
    """Return a type as the catalogue spells it, with its size where that changes what fits."""
    name, size, digits = row[5], row[6], row[8]
    if _FAMILIES.get(row[4]) == "decimal" and size:
        return f"{name}({size},{digits or 0})"
    return (
        f"{name}({size})" if _FAMILIES.get(row[4]) in ("text", "bytes") and size and "(" not in name else str(name)
    )


def _value(held: Held, text: Any) -> Any:
    """Return a cursor as a value of its column; never a later one, if that cannot be as exact."""
    if held.family == "int":
        return int(text.partition(".")[0])
    if held.family == "decimal":
        return Decimal(text)
    if held.family == "float":
        return float(text)
    if held.family == "date":
        return date.fromisoformat(text[:10])
    if held.family in ("timestamp", "zoned"):
        return datetime.fromisoformat(text[:26])
    return text


def _bound(query: str, day: date) -> tuple[str, tuple[str, ...]]:
    """Return a SELECT with a place for each `:date`, and the values of these."""
    mark = "\x00"
    text = with_date(query, mark)
    return text.replace(mark, "?"), (day.isoformat(),) * text.count(mark)


def _fetched(cursor: Any, rows: int) -> list[Any]:
    found: list[Any] = cursor.fetchmany(rows)
    return found

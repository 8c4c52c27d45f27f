"""MySQL and MariaDB by PyMySQL: values come as the server's own text, and are landed as it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date
from functools import partial
from typing import Any

import pyarrow as pa
import pymysql
from pymysql.constants import FIELD_TYPE
from pymysql.converters import conversions
from pymysql.cursors import SSCursor

from etl.errors import FetchError
from etl.sources.fetches.database import with_date
from etl.stages.fetched.kinds.database import texts
from etl.stages.fetched.kinds.database.address import Address
from etl.stages.fetched.kinds.database.catalogue import Chosen, Held
from etl.stages.fetched.kinds.database.session import Bounds, Limits, Session, Statement

#: What a type is to etl, by the name that the catalogue gives it.
FAMILIES = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint", "year"), "int"),
    **dict.fromkeys(("float", "double"), "float"),
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext", "longtext"), "text"),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), "bytes"),
    **dict.fromkeys(
        ("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon"), "geometry"
    ),
    **dict.fromkeys(("geometrycollection", "geomcollection"), "geometry"),
    **{"decimal": "decimal", "date": "date", "datetime": "timestamp", "timestamp": "zoned", "time": "time"},
    **{"json": "json", "uuid": "uuid", "bit": "bit"},
}
#: The same by the number that comes with a result.
_CODES = {
    **dict.fromkeys(
        (FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG, FIELD_TYPE.INT24), "int"
    ),
    **dict.fromkeys((FIELD_TYPE.FLOAT, FIELD_TYPE.DOUBLE), "float"),
    **dict.fromkeys((FIELD_TYPE.VARCHAR, FIELD_TYPE.VAR_STRING, FIELD_TYPE.STRING), "text"),
    **{FIELD_TYPE.NEWDECIMAL: "decimal", FIELD_TYPE.DATE: "date", FIELD_TYPE.DATETIME: "timestamp"},
    **{FIELD_TYPE.TIMESTAMP: "zoned", FIELD_TYPE.TIME: "time", FIELD_TYPE.JSON: "json", FIELD_TYPE.BLOB: "bytes"},
}
_NAMES = {number: name.lower() for name, number in vars(FIELD_TYPE).items() if not name.startswith("_")}
#: Numbers of errors that pass: too many connections, waits for locks, deadlocks, a server that is away.
_PASSING = frozenset({1040, 1053, 1158, 1159, 1160, 1161, 1203, 1205, 1213, 2002, 2003, 2006, 2013, 2055})
_COLUMNS = """
select column_name, column_type, lower(data_type), is_nullable = 'NO', column_key = 'PRI', column_comment
from information_schema.columns where table_schema = coalesce(%s, database()) and table_name = %s
order by ordinal_position
"""


class MySQL(Session):
    """A connection that reads one consistent snapshot; after an error the connection is of no more use."""

    mark = "`"
    errors = (pymysql.Error, OSError)

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._con: Any = None
        self.is_maria = False

    def begin(self, limits: Limits) -> None:
        """Connect and begin the snapshot, the first time; then set the source's limits."""
        if self._con is None:
            self._connect(limits)
        unit, name = (1, "max_statement_time") if self.is_maria else (1000, "max_execution_time")
        self.ask(f"set session {name} = %s", max(1, int(limits.answer * unit)))

    def undo(self) -> None:
        """Give the connection up: what was not read of a result is in it."""
        self.is_broken = True

    def passes(self, error: Exception) -> bool:
        """Return whether an error passes, by its number."""
        if isinstance(error, OSError):
            return True
        return bool(error.args) and error.args[0] in _PASSING

    def told(self, error: Exception) -> Any:
        """Return what is said of an error: what the server says, with its number."""
        told = super().told(Exception(f"{error.args[1]} ({error.args[0]})") if len(error.args) > 1 else error)
        told.is_transient = self.passes(error)
        return told

    def held(self, parts: Sequence[str]) -> list[Held]:
        """Return the columns of a table."""
        schema, table = parts if len(parts) == 2 else (None, parts[-1])
        return [
            Held(
                name=name,
                type=type,
                family=FAMILIES.get(short, "other"),
                nullable=solid != "1",
                is_key=key == "1",
                comment=comment,
            )
            for name, type, short, solid, key, comment in self.ask(_COLUMNS, schema, table)
        ]

    def described(self, query: str) -> list[Held]:
        """Return the columns of a SELECT, as the server plans it."""
        with self._con.cursor() as cursor:
            cursor.execute(f"select * from ({with_date(query, 'current_date')}\n) q limit 0")
            return [
                Held(name=name, type=_NAMES.get(code, str(code)), family=_CODES.get(code, "other"))
                for name, code, *_ in cursor.description
            ]

    def bounds(self, parts: Sequence[str], cursor: Held, measure: str) -> Bounds:
        """Return the greatest cursor, or the present if that is in the future."""
        greatest = f"max({self.name(cursor.name)})"
        if cursor.family in ("date", "timestamp", "zoned"):
            greatest = f"least({greatest}, {'utc_date()' if measure == 'day' else 'utc_timestamp(6)'})"
        [[found]] = self.ask(f"select {greatest} from {self.relation(parts)}")
        return Bounds(greatest=found)

    def expression(self, chosen: Chosen) -> str:
        """Return the SQL of a column: itself, which comes as text; of bits their number, of shapes their text."""
        name = self.name(chosen.held.name)
        if chosen.form == "zoned":
            # the session is in UTC, and its text does not say so
            return f"concat({name}, '+00')"
        return {"bit": f"{name} + 0", "geometry": f"st_astext({name})"}.get(chosen.held.family, name)

    def parameter(self, held: Held, number: int) -> str:
        """Return the place of a value; a number is compared as one."""
        return "cast(%s as decimal(65, 10))" if held.family in ("int", "decimal", "float") else "%s"

    def since(self, parts: Sequence[str], chosen: Sequence[Chosen], lower: Any) -> Statement:
        """Return the SELECT of what is new, its names with doubled percent signs, since it has parameters."""
        found = super().since(parts, chosen, lower)
        text = found.text.replace("%", "%%")
        for held in lower:
            place = self.parameter(held, 0)
            text = text.replace(f">= {place.replace('%', '%%')}", f">= {place}")
        return Statement(text=text, parameters=found.parameters)

    def dated(self, query: str, day: date, chosen: Sequence[Chosen]) -> Statement:
        """Return a SELECT of one's own, with those of its columns that are landed."""
        query = f"select {self.columns(chosen)} from ({query}\n) q"
        text = with_date(query.replace("%", "%%"), "%(date)s")
        if text == query.replace("%", "%%"):
            return Statement(text=query)
        return Statement(text=text, parameters=({"date": day.isoformat()},))

    def read(self, statement: Statement, chosen: Sequence[Chosen]) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Return schema and batches, as the server sends them."""
        cursor = self._con.cursor(SSCursor)
        values: Any = statement.parameters
        cursor.execute(statement.text, values[0] if values and isinstance(values[0], dict) else values or None)
        return texts.schema_of(chosen), self.guarded(texts.batches(partial(_fetched, cursor), chosen, "0x"))

    def close(self) -> None:
        """Close the connection."""
        if self._con is not None:
            with suppress(Exception):
                # what was not read of a result is not waited for
                self._con._force_close() if self.is_broken else self._con.close()
            self._con = None

    def connected(self, limits: Limits, **more: Any) -> Any:
        """Return a connection whose values are texts as the server writes them."""
        address, options = self.address, self.address.options
        named = {"unix_socket": options.get("unix_socket")} if "unix_socket" in options else {}
        return pymysql.connect(
            host=address.host or "localhost",
            port=address.port or 3306,
            user=address.user,
            password=address.password,
            database=address.database or None,
            charset="utf8mb4",
            connect_timeout=max(1, int(limits.connect)),
            read_timeout=max(1, int(limits.answer)),
            autocommit=True,
            conv={kind: how for kind, how in conversions.items() if not isinstance(kind, int)},
            program_name=f"etl/{limits.source}",
            ssl=_ssl(options),
            **named,
            **more,
        )

    def _connect(self, limits: Limits) -> None:
        self._con = self.connected(limits)
        [[known]] = self.ask("select version()")
        self.is_maria = "mariadb" in known.lower()
        self.versions = {"mysql": known, "pymysql": pymysql.__version__}
        self.ask("set session time_zone = '+00:00'")
        self.ask("set session transaction isolation level repeatable read")
        self.ask("start transaction with consistent snapshot, read only")

    def ask(self, sql: str, *values: Any) -> list[Any]:
        """Return the rows of a query."""
        with self._con.cursor() as cursor:
            cursor.execute(sql, values or None)
            return list(cursor.fetchall())


def _fetched(cursor: Any, rows: int) -> list[Any]:
    found: list[Any] = cursor.fetchmany(rows)
    return found


def _ssl(options: dict[str, str]) -> ssl.SSLContext | None:
    """Return how the connection is made private: not at all, or with a certificate that is looked at."""
    mode = options.get("ssl-mode", options.get("ssl_mode", "")).upper()
    if mode in ("", "DISABLED", "PREFERRED"):
        return None
    if mode not in ("REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"):
        raise FetchError(f"ssl-mode={mode} is not one of DISABLED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY.")
    context = ssl.create_default_context(cafile=options.get("ssl-ca") or options.get("ssl_ca"))
    if mode != "VERIFY_IDENTITY":
        context.check_hostname = False
    if mode == "REQUIRED" and not (options.get("ssl-ca") or options.get("ssl_ca")):
        context.verify_mode = ssl.CERT_NONE
    return context

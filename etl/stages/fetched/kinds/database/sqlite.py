"""SQLite by the standard library: any cell can hold any type, so each is landed as its text."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from etl.errors import FetchError
from etl.sources.fetches.database import with_date
from etl.stages.fetched.kinds.database import texts
from etl.stages.fetched.kinds.database.address import Address
from etl.stages.fetched.kinds.database.catalogue import Chosen, Held
from etl.stages.fetched.kinds.database.session import Bounds, Limits, Session, Statement

#: What a declared type is to etl, by what it holds, the first that does.
_FAMILIES = (
    *(("BOOL", "bool"), ("DATETIME", "timestamp"), ("TIMESTAMP", "timestamp"), ("DATE", "date"), ("TIME", "time")),
    *(("INT", "int"), ("CHAR", "text"), ("CLOB", "text"), ("TEXT", "text"), ("BLOB", "bytes"), ("JSON", "json")),
    *(("REAL", "float"), ("FLOA", "float"), ("DOUB", "float"), ("NUMERIC", "decimal"), ("DECIMAL", "decimal")),
)
_STEPS = 100_000


class SQLite(Session):
    """A connection that only reads, in one transaction; who writes meanwhile waits, but for the WAL mode."""

    errors = (sqlite3.Error,)

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._con: Any = None
        self._until = float("inf")

    @property
    def path(self) -> Path:
        """The file: `sqlite:///data/shop.db` is below the project's folder, `sqlite:////srv/shop.db` is not."""
        path = unquote(self.address.text.partition("://")[2])
        return self.root / path.removeprefix("/")

    def begin(self, limits: Limits) -> None:
        """Open the file and begin the snapshot, the first time; then set the source's limits."""
        self._until = time.monotonic() + limits.answer
        if self._con is None:
            self._connect(limits)

    def undo(self) -> None:
        """Do nothing: a statement that failed leaves the transaction as it is."""

    def passes(self, error: Exception) -> bool:
        """Return whether an error passes: another one writes."""
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

    def held(self, parts: Sequence[str]) -> list[Held]:
        """Return the columns of a table."""
        schema, table = parts if len(parts) == 2 else ("main", parts[-1])
        rows = self._con.execute("select * from pragma_table_xinfo(?, ?)", (table, schema)).fetchall()
        # hidden ones are the arguments of table-valued functions
        return [
            Held(
                name=name, type=type or "any", family=_family(type), nullable=not solid and not key, is_key=key > 0
            )
            for _, name, type, solid, _, key, hidden in rows
            if hidden != 1
        ]

    def described(self, query: str) -> list[Held]:
        """Return the columns of a SELECT; their types are those of the values."""
        cursor = self._con.execute(f"select * from ({query}\n) limit 0", _named(query, date.min))
        return [Held(name=name, type="any") for name, *_ in cursor.description]

    def bounds(self, parts: Sequence[str], cursor: Held, measure: str) -> Bounds:
        """Return the greatest cursor; of ISO 8601 text, the present if that is in the future."""
        name = self.name(cursor.name)
        [found] = self._con.execute(f"select max({name}) from {self.relation(parts)}").fetchone()
        if isinstance(found, str) and measure != "number":
            found = min(found, _like(found, datetime.now(UTC)))
        return Bounds(greatest=None if found is None else str(found))

    def expression(self, chosen: Chosen) -> str:
        """Return the SQL of a column: itself."""
        return self.name(chosen.held.name)

    def parameter(self, held: Held, number: int) -> str:
        """Return the place of a value."""
        return "?"

    def dated(self, query: str, day: date, chosen: Sequence[Chosen]) -> Statement:
        """Return a SELECT of one's own, with those of its columns that are landed."""
        text, named = f"select {self.columns(chosen)} from ({query}\n)", _named(query, day)
        return Statement(text=text, parameters=(named,) if named else ())

    def read(self, statement: Statement, chosen: Sequence[Chosen]) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Return schema and batches."""
        values: Any = statement.parameters
        cursor = self._con.execute(statement.text, values[0] if values and isinstance(values[0], dict) else values)
        return texts.schema_of(chosen), self.guarded(texts.batches(cursor.fetchmany, chosen, ""))

    def close(self) -> None:
        """Close the file."""
        if self._con is not None:
            self._con.close()
            self._con = None

    def _connect(self, limits: Limits) -> None:
        if not self.path.is_file():
            raise FetchError(
                f"{self.address.variable} names {self.path}, and there is no such file. Name it below the "
                "project's folder, as in sqlite:///shop.db, or from the top, as in sqlite:////srv/shop.db."
            )
        address = f"{self.path.absolute().as_uri()}?mode=ro"
        self._con = sqlite3.connect(address, uri=True, timeout=limits.connect, isolation_level=None)
        self._con.text_factory = _decoded
        self._con.set_progress_handler(lambda: time.monotonic() > self._until, _STEPS)
        self.versions = {"sqlite": sqlite3.sqlite_version}
        self._con.execute("begin")
        self._con.execute("select count(*) from sqlite_schema").fetchone()


def _decoded(text: bytes) -> str:
    # half a surrogate pair, which Arrow refuses, stands for what is not UTF-8
    return text.decode("utf-8", "surrogateescape")


def _family(type: str) -> str:
    return next((family for sign, family in _FAMILIES if sign in type.upper()), "other")


def _named(query: str, day: date) -> dict[str, str]:
    return {"date": day.isoformat()} if with_date(query, "") != query else {}


def _like(cursor: str, moment: datetime) -> str:
    """Return a moment written as a cursor is."""
    text = f"{moment:%Y-%m-%d}{cursor[10:11]}{moment:%H:%M:%S.%f}"
    return text[: max(10, len(cursor.rstrip("Z")))] + ("Z" if cursor.endswith("Z") else "")

"""PostgreSQL by ADBC: rows come as Arrow, and a value without an exact form in it as the server's own text."""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from datetime import date
from importlib.metadata import version
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_postgresql import StatementOptions, dbapi

from etl.engine.quoting import identifier
from etl.sources.fetches.database import with_date
from etl.stages.fetched.kinds.database.address import Address
from etl.stages.fetched.kinds.database.catalogue import Chosen, Held
from etl.stages.fetched.kinds.database.session import Bounds, Limits, OddValues, Session, Statement

#: How much the driver holds of what the server sends before it is a batch.
_BATCH_BYTES = 8 << 20
#: What a type is to etl. Blanks at the end of a char(n) are in Arrow, and not in the server's text.
_FAMILIES = {
    "bool": "bool",
    **dict.fromkeys(("int2", "int4", "int8"), "int"),
    **dict.fromkeys(("float4", "float8"), "float"),
    **dict.fromkeys(("text", "varchar"), "text"),
    **{"date": "date", "timestamp": "timestamp", "timestamptz": "zoned", "time": "time"},
    **{
        "numeric": "decimal",
        "bytea": "bytes",
        "uuid": "uuid",
        "json": "json",
        "jsonb": "json",
        "record": "nested",
    },
}
#: What a bound text is cast to for a comparison, and the present moment, by the family of the column.
_CASTS = {"int": "bigint", "decimal": "numeric", "float": "float8", "date": "date", "timestamp": "timestamp"}
_CASTS |= {"zoned": "timestamptz", "text": "text"}
_NOW = {"date": "current_date", "timestamp": "localtimestamp", "zoned": "now()"}
#: The first and the last day that Arrow, Parquet, DuckDB and the server write alike, as days since 1970.
_FIRST_DAY, _LAST_DAY = date(1, 1, 1).toordinal() - 719163, date(9999, 12, 31).toordinal() - 719163
_DAY = 86_400_000_000
#: What passes by itself, by the beginning of its code; and by what is said before there is a code.
_PASSING_CODES = ("08", "40001", "40P01", "53300", "55P03", "57P01", "57P02", "57P03")
_PASSING_WORDS = (
    *(
        "Connection refused",
        "timeout expired",
        "starting up",
        "shutting down",
        "too many clients",
        "is unreachable",
    ),
    *("No route to host", "Temporary failure", "closed the connection", "Connection reset", "recovery mode"),
)
#: Settings that change how values are written.
_WRITING = {"timezone": "UTC", "datestyle": "ISO, MDY", "intervalstyle": "postgres"}
_WRITING |= {"extra_float_digits": "1", "bytea_output": "hex"}
#: What the libraries say before and after what the server says.
_AROUND = re.compile(
    r"^.*?(?=(?:ERROR|FATAL): )|^\w+: \[libpq\] (?:Failed to connect: )?|\n?\s*Query was: .*|\n?CONTEXT: .*",
    re.DOTALL,
)
#: What begun before is over: 10 s for the moment between a transaction's start and its being listed.
_HORIZON = """
select case when pg_is_in_recovery() or exists (select from pg_prepared_xacts)
         or not pg_has_role(current_user, 'pg_read_all_stats', 'usage') then null
       else least(min(xact_start), clock_timestamp()) - interval '10 seconds' end::text as horizon
from pg_stat_activity where pid <> pg_backend_pid()
"""
_COLUMNS = """
select a.attname::text as name, format_type(a.atttypid, a.atttypmod) as type, t.typname::text as short,
       t.typtype::text as kind, t.typcategory::text as category, a.attnotnull as solid,
       coalesce(col_description(a.attrelid, a.attnum), '') as comment,
       coalesce(a.attnum = any(i.indkey), false) as key
from pg_attribute a join pg_type t on t.oid = a.atttypid
left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped order by a.attnum
"""


class PostgreSQL(Session):
    """A connection that reads one snapshot; a source that fails goes back to where it began, and no further."""

    # what fails while rows come is an error of Arrow's
    errors = (dbapi.Error, pa.ArrowException, OSError)

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._con: Any = None
        #: Before it all transactions are over; None if the role may not see that.
        self.horizon: str | None = None

    def begin(self, limits: Limits) -> None:
        """Connect and begin the snapshot, the first time; then a place to go back to, with the source's limits."""
        if self._con is None:
            self._connect(limits)
        if not self.snapshot:
            self._begin_snapshot()
        self._ask("savepoint etl")
        self._ask("select set_config('application_name', $1, true) as name", f"etl/{limits.source}"[:63])
        milliseconds = max(1, min(int(limits.answer * 1000), 2**31 - 1))
        self._ask("select set_config('statement_timeout', $1, true) as timeout", str(milliseconds))

    def end(self) -> None:
        """Leave the limits of the source behind."""
        self._ask("rollback to savepoint etl")
        self._ask("release savepoint etl")

    def undo(self) -> None:
        """Go back to where the source began; without a connection, all is over."""
        try:
            self._ask("rollback to savepoint etl")
        except Exception:
            self.is_broken = True

    def renew(self) -> None:
        """Let go of the snapshot: the next source begins another one."""
        if self.snapshot:
            self._ask("rollback")
            self.snapshot = ""

    def passes(self, error: Exception) -> bool:
        """Return whether an error passes, by its code."""
        code = getattr(error, "sqlstate", None) or ""
        return code.startswith(_PASSING_CODES) if code else any(word in str(error) for word in _PASSING_WORDS)

    def told(self, error: Exception) -> Any:
        """Return what is said of an error: what the server says, without the SQL around it."""
        said = dict(getattr(error, "details", None) or [])
        text = said.get(b"PG_DIAG_MESSAGE_PRIMARY", b"").decode("utf-8", "replace")
        text = text or _AROUND.sub("", str(error))
        told = super().told(Exception(text) if text else error)
        told.is_transient = self.passes(error)
        return told

    def held(self, parts: Sequence[str]) -> list[Held]:
        """Return the columns of a table."""
        rows = self._ask(_COLUMNS, ".".join(map(identifier, parts)))
        return [
            Held(
                name=row["name"],
                type=row["type"],
                family=_family(row),
                nullable=not row["solid"],
                is_key=row["key"],
                comment=row["comment"],
            )
            for row in rows
        ]

    def described(self, query: str) -> list[Held]:
        """Return the columns of a SELECT, as the server plans it."""
        text = with_date(query, "current_date")
        with self._con.cursor() as cursor:
            schema = cursor.adbc_execute_schema(f"select * from ({text}\n) q")
        types = [(field.metadata or {}).get(b"POSTGRESQL:type", b"").decode() for field in schema]
        return [
            Held(name=field.name, type=type, family="nested" if type[:1] == "_" else _FAMILIES.get(type, "other"))
            for field, type in zip(schema, types, strict=True)
        ]

    def bounds(self, parts: Sequence[str], cursor: Held, measure: str) -> Bounds:
        """Return the greatest cursor, or the present if that is in the future; and the horizon of the snapshot."""
        greatest = f"max({self.name(cursor.name)})"
        if now := _NOW.get(cursor.family):
            # least() passes over a null, and of an empty table there is nothing that was reached
            greatest = f"case when {greatest} is not null then least({greatest}, {now}) end"
        found = self._ask(f"select {greatest}::text as greatest from {self.relation(parts)}")
        return Bounds(greatest=found[0]["greatest"], horizon=self.horizon if measure == "moment" else None)

    def expression(self, chosen: Chosen) -> str:
        """Return the SQL of a column: itself, or its text."""
        name = self.name(chosen.held.name)
        if chosen.form == "bytes":
            return rf"regexp_replace(encode({name}, 'hex'), '(..)', '\\x\1', 'g')"
        return {"typed": name, "zoned": name, "json": f"to_jsonb({name})::text"}.get(chosen.form, f"{name}::text")

    def parameter(self, held: Held, number: int) -> str:
        """Return a setting that holds the value: what is read by COPY takes no parameters."""
        return f"current_setting('etl.p{number}')::{_CASTS[held.family]}"

    def dated(self, query: str, day: date, chosen: Sequence[Chosen]) -> Statement:
        """Return a SELECT of one's own, its columns cast as they are landed."""
        text = with_date(query, "current_setting('etl.p0')::date")
        wrapped = f"select {self.columns(chosen)} from ({text}\n) q" if chosen else text
        return Statement(text=wrapped, parameters=(day.isoformat(),) if text != query else ())

    def read(self, statement: Statement, chosen: Sequence[Chosen]) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Return schema and batches, as the server sends them."""
        self.bind(statement.parameters)
        cursor = self._con.cursor(
            adbc_stmt_kwargs={StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(_BATCH_BYTES)}
        )
        try:
            cursor.execute(statement.text)
            reader = cursor.fetch_record_batch()
        except BaseException:
            cursor.close()
            raise
        schema = pa.schema([pa.field(field.name, field.type) for field in reader.schema])
        return schema, self.guarded(self._batches(cursor, reader, schema))

    def bind(self, values: Sequence[Any]) -> None:
        """Bind values to the parameters of the next statement."""
        for number, value in enumerate(values):
            self._ask(f"select set_config('etl.p{number}', $1, true) as value", str(value))

    def close(self) -> None:
        """Close the connection."""
        if self._con is not None:
            self._con.close()
            self._con = None

    def _connect(self, limits: Limits) -> None:
        options = {"connect_timeout": str(max(2, math.ceil(limits.connect))), "application_name": "etl"}
        own = self.address.options
        more = urlencode({name: value for name, value in options.items() if name not in own})
        start, rest = "postgresql:", self.address.text.partition(":")[2]
        self._con = dbapi.connect(f"{start}{rest}{'&' if '?' in rest else '?'}{more}", autocommit=True)
        known = self._ask("select current_setting('server_version') as version")[0]["version"]
        self.versions = {"postgresql": known, "adbc-driver-postgresql": version("adbc-driver-postgresql")}

    def _begin_snapshot(self) -> None:
        # what was over is asked for before: all that the snapshot does not see began later
        self.horizon = self._ask(_HORIZON)[0]["horizon"]
        self._ask("begin isolation level repeatable read read only")
        # in the transaction, since a pool may give each one another connection
        for name, value in _WRITING.items():
            self._ask(f"set local {name} = '{value}'")
        self.snapshot = self._ask("select pg_current_snapshot()::text as snapshot")[0]["snapshot"]

    def _ask(self, sql: str, *values: str) -> list[dict[str, Any]]:
        with self._con.cursor() as cursor:
            cursor.execute(sql, parameters=values or None)
            found = cursor.fetch_arrow_table()
            rows: list[dict[str, Any]] = found.to_pylist() if found.num_columns else []
            return rows

    def _batches(self, cursor: Any, reader: Any, schema: pa.Schema) -> Generator[pa.RecordBatch, None, None]:
        # the reader ends before its statement does: the driver reads on in it
        with cursor, closing(reader):
            for batch in reader:
                if odd := {field.name for field in schema if _is_odd(batch.column(field.name))}:
                    raise OddValues(odd)
                yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)


def _family(row: dict[str, Any]) -> str:
    if row["category"] in "AC":
        return "nested"
    return "other" if row["kind"] == "d" else _FAMILIES.get(row["short"], "other")


def _is_odd(values: pa.Array) -> bool:
    """Return whether there is a value that Arrow holds as another one, or that is written otherwise: an infinity,
    NaN, a moment before Christ or of a year of five digits.
    """
    if pa.types.is_floating(values.type):
        # infinite or no number if one of the values is; a sum that overflows is looked at as text for nothing
        return not math.isfinite(pc.sum(values).as_py() or 0.0)
    if pa.types.is_date32(values.type):
        found, day = pc.min_max(values.view(pa.int32())), 1
    elif pa.types.is_timestamp(values.type):
        found, day = pc.min_max(values.view(pa.int64())), _DAY
    else:
        return False
    least, greatest = found["min"].as_py(), found["max"].as_py()
    return least is not None and (least < _FIRST_DAY * day or greatest >= (_LAST_DAY + 1) * day)

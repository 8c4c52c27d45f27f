"""The server: its table, its slots and its log, as far as changes need them; errors are told without secrets."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg.rows import dict_row

from etl.engine.quoting import identifier, literal
from etl.errors import EtlError, FetchError, sentence
from etl.sources.fetches.changes import Changes
from etl.sources.fetches.database import parts_of
from etl.stages.fetched.asked import Asked
from etl.stages.fetched.kinds.changes.table import HeldTable
from etl.stages.fetched.kinds.database.address import Address

#: Settings that change how values are written: the same for the table and for its log.
_SETTINGS = {"timezone": "UTC", "datestyle": "ISO, MDY", "intervalstyle": "postgres", "bytea_output": "hex"}
_SETTINGS |= {"extra_float_digits": "1"}
_TABLE = """
select c.oid::bigint as oid, n.nspname as schema, c.relname as name, c.relkind as kind, c.relreplident as identity
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.oid = to_regclass(%s)
"""
_COLUMNS = """
select a.attname as name, format_type(a.atttypid, a.atttypmod) as type, exists(
    select from pg_catalog.pg_index i where i.indrelid = a.attrelid and a.attnum = any(i.indkey)
    and (i.indisprimary or (i.indisreplident and %s = 'i'))) as is_key
from pg_catalog.pg_attribute a
where a.attrelid = %s and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum
"""
_SLOT = """
select plugin, database, active, confirmed_flush_lsn::text as flushed, wal_status as status,
    pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint as behind
from pg_catalog.pg_replication_slots where slot_name = %s
"""
#: SQLSTATEs of what passes by itself: connections, locks, slots in use, a server that starts or stops.
_PASSING = ("08", "40", "55P03", "55006", "57P0", "53")


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A replication slot: how far it was read, and how many bytes of its log the server keeps for it."""

    plugin: str
    database: str
    active: bool
    flushed: str | None
    status: str
    behind: int | None


class Server:
    """One connection to a PostgreSQL."""

    def __init__(self, asked: Asked) -> None:
        assert isinstance(asked.fetch, Changes)
        self.asked, self.of = asked, asked.fetch
        self.address = Address.read(asked.fetch.dsn)
        self.con: psycopg.Connection[dict[str, Any]]
        self.warnings: list[str] = []

    @contextmanager
    def asking(self) -> Iterator[Server]:
        """Connect; what fails is said without secrets."""
        try:
            self.con = self.connected()
            self.con.add_notice_handler(lambda said: self.warnings.append(said.message_primary or ""))
            try:
                yield self
            except BaseException:
                with suppress(Exception):
                    self.con.cancel_safe(timeout=3)
                raise
            finally:
                self.con.close()
        except psycopg.Error as error:
            raise self._told(error) from None

    def connected(self, **more: Any) -> psycopg.Connection[dict[str, Any]]:
        """Return a connection that commits each statement."""
        parts = urlsplit(self.address.text)
        given = {"application_name": f"etl/{self.asked.source}"[:63], **dict(parse_qsl(parts.query))}
        limit = self.of.seconds("connect_limit", self.of.connect_limit)
        given.setdefault("connect_timeout", str(max(2, math.ceil(limit))))
        address = urlunsplit(("postgresql", *parts[1:3], urlencode(given), ""))
        con: psycopg.Connection[Any] = psycopg.connect(address, autocommit=True, **more)
        if not more:
            con.row_factory = dict_row
            for name, value in _SETTINGS.items():
                con.execute("select set_config(%s, %s, false)", (name, value))
            if self.asked.deadline < 1e12:
                left = max(1000, int((self.asked.deadline - time.monotonic()) * 1000))
                con.execute("select set_config('statement_timeout', %s, false)", (str(left),))
        return con

    def ask(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """Return the rows of a query."""
        return self.con.execute(sql.encode(), values or None).fetchall()

    @contextmanager
    def reading(self, snapshot: str) -> Iterator[None]:
        """Read what the database was at a snapshot."""
        self.con.execute(b"begin isolation level repeatable read read only")
        self.con.execute(f"set transaction snapshot {literal(snapshot)}".encode())
        yield
        self.con.execute(b"commit")

    def rows(self, sql: str) -> Iterator[bytes]:
        """Yield what a SELECT of one text, which has no line ends, gives: bytes of whole lines."""
        with self.con.cursor() as cursor:
            # quote and delimiter are bytes that JSON never has: each row is its own text
            options = r"(format csv, quote e'\x01', delimiter e'\x02', encoding 'utf8')"
            with cursor.copy(f"copy ({sql}) to stdout {options}".encode()) as copy:
                for data in copy:
                    yield bytes(data)

    def table(self) -> HeldTable:
        """Return the table. Raises FetchError if its changes cannot be told from its log."""
        found = self.ask(_TABLE, ".".join(identifier(part) for part in parts_of(self.of.table)))
        where = self.where
        if not found:
            raise FetchError(f"There is no {where}; or its user may not see it.")
        (table,) = found
        if table["kind"] != "r":
            raise FetchError(f"{where} is not a plain table: its changes are those of others. Name these.")
        columns = self.ask(_COLUMNS, table["identity"], table["oid"])
        keys = tuple(one["name"] for one in columns if one["is_key"])
        named = f"{identifier(table['schema'])}.{identifier(table['name'])}"
        if not keys:
            raise FetchError(
                f"{where} has no primary key: its log does not say which row was changed. Give it one: "
                f"alter table {named} add primary key (...)."
            )
        if table["identity"] == "n":
            raise FetchError(
                f"{where} has the replica identity nothing: its log does not say which row was changed. Type: "
                f"alter table {named} replica identity default."
            )
        return HeldTable(
            schema=table["schema"],
            name=table["name"],
            types={one["name"]: one["type"] for one in columns},
            keys=keys,
            is_full=table["identity"] == "f",
        )

    @property
    def where(self) -> str:
        """What messages call the table."""
        return f"{self.of.table} of {self.address.shown}"

    def slot(self, name: str) -> Slot | None:
        """Return a slot; None if there is none of that name."""
        found = self.ask(_SLOT, name)
        return Slot(**found[0]) if found else None

    def drop(self, name: str) -> None:
        """Drop a slot, if it is there."""
        if self.slot(name):
            self.ask("select pg_drop_replication_slot(%s)::text as dropped", name)

    @contextmanager
    def new_slot(self, name: str) -> Iterator[tuple[str, str]]:
        """Make a slot; give where its log begins, and the name of a snapshot of just that moment."""
        self._check_log()
        con = self.connected(replication="database")
        try:
            made: Any = con.execute(
                f"CREATE_REPLICATION_SLOT {identifier(name)} LOGICAL wal2json EXPORT_SNAPSHOT".encode()
            ).fetchall()[0]
            yield made[1], made[2]
        except BaseException:
            with suppress(Exception):
                con.cancel_safe(timeout=3)
            raise
        finally:
            # the snapshot is over with it
            con.close()

    def _check_log(self) -> None:
        level = self.ask("select current_setting('wal_level') as level")[0]["level"]
        if level != "logical":
            raise FetchError(
                f"{self.address.shown} has wal_level {level}: its log does not tell changes. As its "
                "administrator, type: alter system set wal_level = 'logical'; and restart it."
            )

    def _told(self, error: psycopg.Error) -> EtlError:
        text = self.address.without_secrets(" ".join(str(error).split()))
        found = FetchError(f"{self.address.shown} says: {sentence(text)}{_advice(text)}")
        state = error.sqlstate or ""
        found.is_transient = (not state and isinstance(error, psycopg.OperationalError)) or state.startswith(
            _PASSING
        )
        return found


def _advice(text: str) -> str:
    """Return what to do about an error, if that is known."""
    if (
        "replication role" in text
        or "REPLICATION attribute" in text
        or ("replication slots" in text and "perm" in text)
    ):
        return " The user needs the right to read the log: alter role <user> replication."
    if '"wal2json"' in text:
        return (
            " The server lacks the plugin wal2json: apt-get install postgresql-<version>-wal2json, or switch it "
            "on where the server is hosted."
        )
    if "all replication slots are in use" in text:
        return " Drop those that nobody reads, or raise max_replication_slots."
    return ""

"""The server: its table, and whether its log tells every change of it whole."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pymysql

from etl.errors import EtlError, FetchError, sentence
from etl.ledger import fingerprint
from etl.sources.fetches.changes import Changes
from etl.sources.fetches.database import parts_of
from etl.stages.fetched.asked import Asked
from etl.stages.fetched.kinds.changes.binlog.values import Column
from etl.stages.fetched.kinds.changes.table import HeldTable
from etl.stages.fetched.kinds.database.address import Address
from etl.stages.fetched.kinds.database.mysql import FAMILIES, MySQL
from etl.stages.fetched.kinds.database.session import Limits

#: What the log has to be like, and what to type where it is not.
_SETTINGS = {"binlog_format": "ROW", "binlog_row_image": "FULL", "binlog_row_metadata": "FULL"}
_SETTINGS |= {"log_bin_compress": "OFF"}
_TABLE = """
select table_schema, table_name, table_type, engine from information_schema.tables
where table_schema = coalesce(%s, database()) and table_name = %s
"""
_COLUMNS = """
select column_name, column_type, lower(data_type), character_set_name, column_key = 'PRI'
from information_schema.columns where table_schema = %s and table_name = %s order by ordinal_position
"""
_CASCADES = """
select constraint_name from information_schema.referential_constraints
where constraint_schema = %s and table_name = %s
and not (delete_rule in ('RESTRICT', 'NO ACTION') and update_rule in ('RESTRICT', 'NO ACTION'))
"""
#: Errors that say that the user may not read the log.
_DENIED = frozenset({1227, 1044, 1045, 1142})
_LOST = 2013


class Server:
    """A MariaDB, in one consistent snapshot of it."""

    def __init__(self, asked: Asked) -> None:
        assert isinstance(asked.fetch, Changes)
        self.asked, self.of = asked, asked.fetch
        self.session = MySQL(Address.read(asked.fetch.dsn))
        left = asked.deadline - time.monotonic()
        self.limits = Limits(
            source=asked.source,
            connect=self.of.seconds("connect_limit", self.of.connect_limit),
            answer=max(1.0, left) if asked.deadline < 1e12 else 1e6,
        )
        self.columns: Sequence[Column] = ()

    @property
    def where(self) -> str:
        """What messages call the table."""
        return f"{self.of.table} of {self.session.address.shown}"

    @contextmanager
    def asking(self) -> Iterator[Server]:
        """Begin the snapshot; what fails is said without secrets."""
        try:
            with self.session.asking(self.limits), self.telling():
                yield self
        finally:
            self.session.close()

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Say what the server says of an error, and what to type where a right is lacking."""
        try:
            yield
        except self.session.errors as error:
            raise self._told(error) from None

    def _told(self, error: Exception) -> EtlError:
        if error.args and error.args[0] in _DENIED:
            text = self.session.address.without_secrets(str(error.args[-1]))
            return FetchError(
                f"{self.session.address.shown} says: {sentence(text)} The user needs rights: grant replication "
                "slave, binlog monitor on *.* to <user>."
            )
        found: EtlError = self.session.told(error)
        return found

    def ask(self, sql: str, *values: Any) -> list[Any]:
        """Return the rows of a query, as texts."""
        return self.session.ask(sql, *values)

    def setting(self, name: str) -> str:
        """Return a setting of the server; empty if it has none of that name."""
        found = self.ask("show global variables like %s", name)
        return str(found[0][1]) if found else ""

    def check_log(self) -> None:
        """Raise FetchError unless the log tells every change, whole."""
        shown = self.session.address.shown
        if not self.session.is_maria:
            raise FetchError(
                f"{shown} is a MySQL: etl reads the log of MariaDB alone, since that of MySQL could not be tried. "
                "Fetch the table by a cursor: fetch=Table(..., cursor='updated_at'); or have Debezium write files."
            )
        if self.of.slot:
            raise FetchError(f"The option slot={self.of.slot!r} means nothing for a MariaDB. Take it out.")
        if self.setting("log_bin") != "ON":
            raise FetchError(
                f"{shown} writes no log of changes. Write log_bin=bin, server_id=1, binlog_format=ROW and "
                "binlog_row_metadata=FULL below [mariadb] in its my.cnf, and restart it."
            )
        for name, wanted in _SETTINGS.items():
            if (found := self.setting(name).upper()) != wanted:
                raise FetchError(
                    f"{shown} has {name}={found or 'unknown'}: its log does not tell changes so that they can be "
                    f"read. As its administrator, type: set global {name} = '{wanted}'; write it into my.cnf too, "
                    f"and end the sessions that are open. Then fetch all: etl fetch {self.asked.source} --full"
                )
        [status] = self.ask("show master status")
        if any(status[2:4]):
            raise FetchError(
                f"{shown} leaves databases out of its log (binlog_do_db or binlog_ignore_db): changes of them "
                "could be missing. Take these options out of its my.cnf, and restart it."
            )
        if self.setting("log_slave_updates") != "ON" and self.setting("gtid_slave_pos"):
            raise FetchError(
                f"{shown} is a replica that does not log what it copies. Read the server that it copies, or write "
                "log_slave_updates=1 into its my.cnf, and restart it."
            )

    def table(self) -> HeldTable:
        """Return the table. Raises FetchError if its log does not tell its changes."""
        parts = parts_of(self.of.table)
        found = self.ask(_TABLE, parts[0] if len(parts) == 2 else None, parts[-1])
        where = self.where
        if not found:
            raise FetchError(f"There is no {where}; or its user may not see it.")
        [(schema, name, kind, engine)] = found
        if kind != "BASE TABLE":
            raise FetchError(f"{where} is not a plain table, but a {kind.lower()}. Name a plain one.")
        if engine != "InnoDB":
            raise FetchError(
                f"{where} is kept by {engine}: it cannot be read at one moment of its log. Type: "
                f"alter table `{schema}`.`{name}` engine=InnoDB."
            )
        rows = self.ask(_COLUMNS, schema, name)
        keys = tuple(row[0] for row in rows if row[4] == "1")
        if not keys:
            raise FetchError(
                f"{where} has no primary key: its log does not say which row was changed. Give it one: "
                f"alter table `{schema}`.`{name}` add primary key (...)."
            )
        if cascades := self.ask(_CASCADES, schema, name):
            raise FetchError(
                f"{where} is changed by the foreign key {cascades[0][0]!r} when others are deleted or updated, "
                "and the log does not tell that. Fetch it by a cursor with keys, or have the key restrict: "
                f"alter table `{schema}`.`{name}` drop foreign key `{cascades[0][0]}`."
            )
        self.columns = [
            Column(name=own, type=type, short=short, charset=charset, family=FAMILIES.get(short, "other"))
            if short not in ("enum", "set")
            else Column(name=own, type=type, short=short, charset=charset, family="text")
            for own, type, short, charset, _ in rows
        ]
        return HeldTable(schema=schema, name=name, types={row[0]: row[1] for row in rows}, keys=keys, is_full=True)

    def begin(self) -> tuple[str, int]:
        """Return where the log is at the moment of the snapshot: its file, and the place in it."""
        said: Mapping[str, str] = dict(self.ask("show status like 'binlog_snapshot_%%'"))
        return said["Binlog_snapshot_file"], int(said["Binlog_snapshot_position"])

    def end(self) -> tuple[str, int]:
        """Return where the log ends now."""
        [status] = self.ask("show master status")
        return status[0], int(status[1])

    def gtid(self, file: str, place: int) -> str | None:
        """Return what names the state of the server at a place of its log; None if there is no such place."""
        [[found]] = self.ask("select binlog_gtid_pos(%s, %s)", file, place)
        return found if found is None else ",".join(sorted(str(found).split(",")))

    def logs(self) -> Mapping[str, int]:
        """Return the files of the log, with their sizes."""
        return {row[0]: int(row[1]) for row in self.ask("show binary logs")}

    def kept(self) -> str:
        """Return how long the server keeps its log."""
        seconds = float(self.setting("binlog_expire_logs_seconds") or 0)
        return f"for {seconds / 86_400:.1f} days" if seconds else "until it is purged by hand"

    def connector(self) -> Any:
        """Return what connects to the log: once, and once to ask what stands in it.

        A reader that connects again in the midst of a statement would leave its rows out.
        """
        left = 2

        def connected(**given: Any) -> Any:
            nonlocal left
            if not left:
                raise pymysql.OperationalError(_LOST, "The connection was lost while the log was read")
            left -= 1
            more = {name: given[name] for name in ("cursorclass",) if name in given}
            return self.session.connected(self.limits, **more)

        return connected

    def reader_number(self) -> int:
        """Return the number by which the server knows this reader: no other source's."""
        own = fingerprint(str(self.asked.fetched.resolve()), self.asked.source)[:7]
        return (1 << 31) + int(own, 16)


def closing_quietly(reader: Any) -> None:
    """Close a reader of the log, whatever it was at."""
    with suppress(Exception):
        reader.close()

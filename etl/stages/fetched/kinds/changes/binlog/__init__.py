"""Changes of a MariaDB: the table once, at one place of its binlog, and then what the log tells after that place.

Where the log is to be read on is in the newest landed file, and nowhere else: a killed fetch reads the same again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from etl.errors import FetchError
from etl.stages.fetched.asked import Asked, Told
from etl.stages.fetched.kinds.changes.binlog.server import Server
from etl.stages.fetched.kinds.changes.binlog.stream import (
    Place,
    Stream,
    number_of,
    order,
    position,
    read_place,
    told_place,
)
from etl.stages.fetched.kinds.changes.gone import note_gone
from etl.stages.fetched.kinds.changes.table import about_of, chosen, ends_early, lines
from etl.stages.fetched.kinds.database.catalogue import Chosen, Held, form_of
from etl.stages.fetched.kinds.database.session import Statement
from etl.stages.fetched.landing import Landing

__all__ = ["drop", "fetch"]


def fetch(asked: Asked, landing: Landing) -> Told:
    """Fetch what was changed since the last fetch; the first time, and in full, the table as it is."""
    with Server(asked).asking() as server:
        return _Fetch(asked, landing, server).told()


def drop(asked: Asked) -> list[str]:
    """Return that nothing was dropped: a binlog is kept for no reader."""
    return []


class _Fetch:
    """One fetch: what is known of the table and the log, and what came."""

    def __init__(self, asked: Asked, landing: Landing, server: Server) -> None:
        self.asked, self.landing, self.server = asked, landing, server
        server.check_log()
        self.table = server.table()
        self.columns = chosen(asked, self.table, server.where)
        self.about = about_of(asked)
        self.chosen = {one.name: self._form(one.name) for one in server.columns if one.name in self.columns}
        self.newest = asked.newest if asked.newest and asked.newest.kind == "Changes" else None
        if self.newest and "gtid" not in self.newest.more:
            raise FetchError(
                f"What was fetched of {asked.source} is of another kind of log than that of {server.where}: their "
                f"places cannot be compared. Move data/fetched/{asked.source} away, and fetch again."
            )

    def told(self) -> Told:
        """Fetch, and tell what came."""
        if self.newest is None or self.asked.full:
            return self._whole()
        return self._changes(read_place(str(self.newest.to)), self.newest.more["gtid"])

    def _form(self, name: str) -> Chosen:
        """Return how a column is landed. Raises FetchError if the log has no values of it that can be read."""
        column = next(one for one in self.server.columns if one.name == name)
        if not column.is_told:
            raise FetchError(
                f"{self.server.where}: the log has {name!r}, {column.type}, in a form that etl does not read. "
                "Leave it out of the contract with extra='ignore', or fetch the table by a cursor."
            )
        own = next((one for one in self.asked.contract.columns if name in (one.name, *one.aliases)), None)
        held = Held(name=name, type=column.type, family=column.family)
        return Chosen(held=held, form=form_of(held, own))

    def _whole(self) -> Told:
        """Land the table as it was at the place where the log was then."""
        begin = self.server.begin()
        if self.newest and order(read_place(str(self.newest.to))) > order(begin):
            raise ends_early(self.asked, self.server.where, told_place(begin))
        writer = lines(self.landing)
        for line in self._snapshot(begin):
            writer.append(line)
        if self.newest:
            note_gone(self.asked, self.landing, self.columns, self.about, self.table.keys, position(begin, 0))
        return self._said(start=None, to=begin, is_new=True)

    def _snapshot(self, begin: Place) -> Iterator[bytes]:
        facts = {"_op": "snapshot", "_deleted": False, "_position": position(begin, 0), "_xid": None}
        facts["_committed_at"] = self.asked.started.strftime("%Y-%m-%d %H:%M:%S.%f+00")
        about = {name: facts[name] for name in self.about}
        fields = ", ".join(
            f"{self._expression(one)} as {self.server.session.name(name)}" for name, one in self.chosen.items()
        )
        relation = self.server.session.relation([self.table.schema, self.table.name])
        taken = [*self.chosen.values()]
        _, batches = self.server.session.read(Statement(text=f"select {fields} from {relation}"), taken)
        for batch in batches:
            for row in batch.to_pylist():
                yield json.dumps(row | about, ensure_ascii=False).encode() + b"\n"

    def _expression(self, one: Chosen) -> str:
        name = self.server.session.name(one.held.name)
        # zeros before a number are no part of it, and the log has none
        return f"{name} + 0" if "zerofill" in one.held.type else self.server.session.expression(one)

    def _changes(self, after: Place, gtid: str) -> Told:
        """Land what the log says after a place."""
        self._check_there(after, gtid)
        stream = Stream(
            server=self.server,
            table=self.table,
            columns=self.server.columns,
            chosen=self.chosen,
            about=self.about,
            until=self.server.end(),
            end=after,
        )
        writer, rows = lines(self.landing), 0
        with self.server.telling():
            for record in stream.records():
                writer.append(record)
                rows += 1
        # a file that is not the last one may be purged: a table that nobody changes has to move on all the same
        is_new = rows > 0 or number_of(stream.end[0]) > number_of(after[0])
        return self._said(start=told_place(after), to=stream.end if is_new else after, is_new=is_new)

    def _check_there(self, after: Place, gtid: str) -> None:
        """Raise FetchError if the log has lost what comes after a place, or is not the one that was read."""
        again = f"Fetch all of the table: etl fetch {self.asked.source} --full"
        where = f"The log of {self.server.where}"
        logs = self.server.logs()
        if after[0] not in logs:
            first = next(iter(logs), "nothing")
            raise FetchError(
                f"{where} begins at {first}: {after[0]}, where the last fetch ended, was purged, and changes are "
                f"lost. The server keeps it {self.server.kept()}: raise binlog_expire_logs_seconds, or fetch more "
                f"often. {again}"
            )
        found = self.server.gtid(*after)
        if found != gtid:
            raise FetchError(
                f"{where} is not the one that was read: at {told_place(after)} it has {found or 'nothing'}, and "
                f"had {gtid}. It is another server, or was reset or restored. {again}"
            )

    def _said(self, *, start: str | None, to: Place, is_new: bool) -> Told:
        return Told(
            start=start,
            to=told_place(to),
            snapshot=told_place(to),
            rows=self.landing.writer.rows if self.landing.writer else 0,
            columns=[(name, self.table.types[name]) for name in self.columns],
            notes=[f"the server keeps its log {self.server.kept()}"],
            is_new=is_new,
            versions=dict(self.server.session.versions),
            more={"gtid": self.server.gtid(*to)},
        )

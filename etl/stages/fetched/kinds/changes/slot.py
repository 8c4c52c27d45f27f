"""Changes: the whole table once, in the snapshot at which a slot begins; then what the slot's log says.

Where the log is to be read on is in the newest landed file. The slot itself moves on one fetch later, to where
that file begins: so it can be fetched again if it is lost, and a killed fetch has moved nothing.
"""

from __future__ import annotations

import socket

from etl.engine.quoting import identifier, literal
from etl.errors import FetchError
from etl.ledger import fingerprint
from etl.sources.fetches.changes import Changes
from etl.stages.fetched.asked import Asked, Told
from etl.stages.fetched.kinds.changes.gone import note_gone
from etl.stages.fetched.kinds.changes.server import Server, Slot
from etl.stages.fetched.kinds.changes.stream import Stream, place, position
from etl.stages.fetched.kinds.changes.table import about_of, chosen, ends_early, lines, of_bytes
from etl.stages.fetched.landing import Landing

__all__ = ["drop", "fetch"]

#: A table that stays as it is while the server writes so much for others: the slot has to move on all the same.
_QUIET_BYTES = 64 << 20
_OPTIONS = {"format-version": "2", "include-timestamp": "true", "include-lsn": "true", "include-xids": "true"}


def fetch(asked: Asked, landing: Landing) -> Told:
    """Fetch what was changed since the last fetch; the first time, and in full, the table as it is."""
    assert isinstance(asked.fetch, Changes)
    with Server(asked).asking() as server:
        return _Fetch(asked, landing, server).told()


def drop(asked: Asked) -> list[str]:
    """Drop the slots of a source, and return which there were; one of its own choice only if it was used."""
    assert isinstance(asked.fetch, Changes)
    more = asked.newest.more if asked.newest else {}
    used: list[str] = [more[key] for key in ("slot", "former") if more.get(key)]
    own = [] if asked.fetch.slot else [_own_slot(asked), f"{_own_slot(asked)}_2"]
    with Server(asked).asking() as server:
        found = [name for name in dict.fromkeys([*used, *own]) if server.slot(name)]
        for name in found:
            server.drop(name)
    return sorted(found)


class _Fetch:
    """One fetch: what is known of the table and the slot, and what came."""

    def __init__(self, asked: Asked, landing: Landing, server: Server) -> None:
        assert isinstance(asked.fetch, Changes)
        self.asked, self.landing, self.server, self.of = asked, landing, server, asked.fetch
        self.table = server.table()
        self.columns = chosen(asked, self.table, server.where)
        self.about = about_of(asked)
        self.newest = asked.newest if asked.newest and "slot" in asked.newest.more else None
        before = self.newest.more if self.newest else {}
        first = self.of.slot or _own_slot(asked)
        #: The slot that is read, the name for another one, and the one that was read before this one.
        self.slot: str = before.get("slot") or first
        self.other = f"{first}_2" if self.slot == first else first
        self.former: str = before.get("former", "")

    def told(self) -> Told:
        """Fetch, and tell what came."""
        newest = self.newest
        if newest is None:
            self._make_room()
            return self._whole(self.slot)
        # left by a full fetch that was killed, or that has landed
        for name in {self.other, self.former} - {self.slot, ""}:
            self.server.drop(name)
        if self.asked.full:
            known = self.server.slot(self.slot)
            if known and known.status == "lost":
                # it has nothing more to say, and may have the last place that there is
                self.server.drop(self.slot)
            return self._whole(self.other)
        return self._changes(str(newest.to), newest.start)

    def _make_room(self) -> None:
        """Drop what a killed first fetch has left; nothing depends on it, if its name is the source's own."""
        if self.of.slot and self.server.slot(self.slot) and self.landing.lines().state != self.slot:
            raise FetchError(
                f"There is a slot {self.slot} at {self.server.address.shown} already, and nothing was fetched "
                "from it here. If nobody else reads it, type there: "
                f"select pg_drop_replication_slot({literal(self.slot)}); else give the source another one."
            )
        self.server.drop(self.slot)

    def _whole(self, slot: str) -> Told:
        """Land the table as it is at the moment at which a new slot begins."""
        writer = lines(self.landing)
        writer.checkpoint(slot)
        with self.server.new_slot(slot) as (begin, snapshot), self.server.reading(snapshot):
            for data in self.server.rows(self._select(begin)):
                writer.append(data)
            if self.newest:
                self._check_later(begin)
                note_gone(self.asked, self.landing, self.columns, self.about, self.table.keys, position(begin, 0))
        former = self.slot if self.newest else ""
        return self._said(start=None, to=begin, slot=slot, is_new=True, former=former)

    def _check_later(self, begin: str) -> None:
        assert self.newest
        if place(str(self.newest.to)) > place(begin):
            raise ends_early(self.asked, self.server.where, begin)

    def _changes(self, after: str, before: str | None) -> Told:
        """Land what the log says after a place."""
        server = self.server
        slot = self._checked(server.slot(self.slot), after)
        if before and place(before) > place(slot.flushed or "0/0"):
            server.ask("select end_lsn::text from pg_replication_slot_advance(%s, %s::pg_lsn)", self.slot, before)
        end = server.ask("select pg_current_wal_flush_lsn()::text as lsn")[0]["lsn"]
        stream = Stream(
            table=self.table,
            columns=self.columns,
            about=self.about,
            after=after,
            source=self.asked.source,
            where=server.where,
        )
        writer, rows = lines(self.landing), 0
        for record in stream.records(server.rows(self._peek(end))):
            writer.append(record)
            rows += 1
        self._check_told(stream)
        is_quiet = not rows and place(end) - place(after) < _QUIET_BYTES
        to = after if is_quiet else max(stream.end or end, end if not rows else "0/0", key=place)
        return self._said(start=after, to=to, slot=self.slot, is_new=not is_quiet)

    def _said(self, *, start: str | None, to: str, slot: str, is_new: bool, former: str = "") -> Told:
        known = self.server.slot(slot)
        behind = known.behind or 0 if known else 0
        return Told(
            start=start,
            to=to,
            snapshot=to,
            rows=self.landing.writer.rows if self.landing.writer else 0,
            columns=[(name, self.table.types[name]) for name in self.columns],
            notes=[f"the server keeps {of_bytes(behind)} of its log for the slot {slot}"],
            is_new=is_new,
            more={"slot": slot, "former": former, "behind_bytes": behind},
        )

    def _checked(self, slot: Slot | None, after: str) -> Slot:
        """Return the slot. Raises FetchError if changes after a place are lost, or cannot be read now."""
        again = f"Fetch all of the table: etl fetch {self.asked.source} --full"
        where = f"The slot {self.slot} at {self.server.address.shown}"
        if slot is None:
            raise FetchError(f"{where} is gone, and with it what was changed since the last fetch. {again}")
        if slot.status == "lost" or slot.flushed is None:
            raise FetchError(
                f"{where} is invalid: the server kept no more of its log for it than max_slot_wal_keep_size, and "
                f"changes are lost. Raise that, or fetch more often. {again}"
            )
        if place(slot.flushed) > place(after):
            raise FetchError(
                f"{where} was read by somebody else, up to {slot.flushed}: changes after {after} are lost here. "
                f"Give each reader a slot of its own. {again}"
            )
        if slot.active:
            found = FetchError(f"{where} is being read by another process. Wait, or end that.")
            found.is_transient = True
            raise found
        return slot

    def _check_told(self, stream: Stream) -> None:
        """Raise FetchError if the plugin left changes or values out."""
        if any("no tuple identifier" in said for said in self.server.warnings):
            raise FetchError(
                f"{self.server.where} had no primary key for a while, and changes of then are lost. Fetch all of "
                f"it: etl fetch {self.asked.source} --full"
            )
        for name in sorted(stream.nulls):
            odd = f"{identifier(name)}::text in ('NaN', 'Infinity', '-Infinity')"
            if self.server.ask(f"select from {self._relation} where {odd} limit 1"):
                raise FetchError(
                    f"{self.server.where}: {name!r} holds NaN or Infinity, which the log's plugin writes as null. "
                    "Fetch the table by a cursor, or leave the column out: extra='ignore'."
                )

    @property
    def _relation(self) -> str:
        return f"{identifier(self.table.schema)}.{identifier(self.table.name)}"

    def _select(self, begin: str) -> str:
        """Return the SELECT of each row as one line of JSON, in the form of a change."""
        about = {"_op": "'snapshot'", "_deleted": "false", "_position": literal(position(begin, 0))}
        about |= {"_xid": "null", "_committed_at": "transaction_timestamp()::text"}
        columns = [f"{_text(name, self.table.types[name])} as {identifier(name)}" for name in self.columns]
        columns += [f"{about[name]} as {identifier(name)}" for name in self.about]
        return f"select row_to_json(q)::text from (select {', '.join(columns)} from {self._relation}) q"

    def _peek(self, end: str) -> str:
        table = ".".join(_escaped(part) for part in (self.table.schema, self.table.name))
        options = ", ".join(literal(text) for pair in (_OPTIONS | {"add-tables": table}).items() for text in pair)
        read = f"pg_logical_slot_peek_changes({literal(self.slot)}, {literal(end)}, null, {options})"
        return f"select data from {read}"


def _own_slot(asked: Asked) -> str:
    """Return the name of the slot of a source: the same at each try, and no other project's."""
    own = fingerprint(socket.gethostname(), str(asked.fetched.resolve()), asked.source)[:8]
    name = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in asked.source.lower())
    return f"etl_{name[:40]}_{own}"


def _text(name: str, type: str) -> str:
    """Return the SQL of a column as the log writes it."""
    own = identifier(name)
    if type == "bytea":
        return rf"regexp_replace(encode({own}, 'hex'), '(..)', '\\x\1', 'g')"
    if type == "boolean" or type.startswith("character("):
        return f"{own}::text"
    return f"case when {own} is not null then format('%s', {own}) end"


def _escaped(name: str) -> str:
    return "".join(f"\\{letter}" if letter in " ',.*\\" else letter for letter in name)

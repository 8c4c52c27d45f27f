"""The stream: what the log tells of a table after a place, as one record for each change."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pymysqlreplication import BinLogStreamReader
from pymysqlreplication import event as events
from pymysqlreplication import row_event as rows

from etl.errors import FetchError
from etl.stages.fetched.kinds.changes.binlog import statements
from etl.stages.fetched.kinds.changes.binlog.server import Server, closing_quietly
from etl.stages.fetched.kinds.changes.binlog.values import Bytes, Column, Untold, row_of
from etl.stages.fetched.kinds.changes.table import HeldTable
from etl.stages.fetched.kinds.database import texts
from etl.stages.fetched.kinds.database.catalogue import Chosen

#: Of the flags of a GTID: a statement of its own, which nothing commits.
_STANDALONE = 1
_ROWS = (rows.WriteRowsEvent, rows.UpdateRowsEvent, rows.DeleteRowsEvent)
_MOVING = (*_ROWS, events.QueryEvent, events.XidEvent, events.MariadbGtidEvent)
#: A place in the log: its file, and the bytes before it there.
Place = tuple[str, int]


def number_of(file: str) -> int:
    """Return the number of a file of the log, such as 12 of `bin.000012`."""
    return int(file.rpartition(".")[2])


def told_place(place: Place) -> str:
    """Return a place as text: `bin.000012:4567`."""
    return f"{place[0]}:{place[1]}"


def read_place(text: str) -> Place:
    """Return the place that told_place() wrote."""
    file, _, at = text.rpartition(":")
    return file, int(at)


def order(place: Place) -> tuple[int, int]:
    """Return what orders places as the log does."""
    return number_of(place[0]), place[1]


def position(place: Place, number: int) -> str:
    """Return what orders changes: the transaction's place in the log and the number within, as text that sorts."""
    return f"{number_of(place[0]):010d}-{place[1]:012d}-{number:010d}"


def moment(seconds: int) -> str:
    """Return a moment in UTC, as text."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}+00"


@dataclass(kw_only=True)
class Stream:
    """Reads whole transactions after a place in the log, until where it ended when the fetch began."""

    server: Server
    table: HeldTable
    #: The columns of the table, those that are landed with their forms, and what is landed about a change.
    columns: Sequence[Column]
    chosen: Mapping[str, Chosen]
    about: Sequence[str]
    until: Place
    #: Where the last transaction that was read ends.
    end: Place
    _gtid: str = ""
    _at: Place = ("", 0)
    _seconds: int = 0
    _number: int = 0
    #: Whether a transaction has begun that is not over, and whether it has changed the table.
    _is_within: bool = False
    _has_rows: bool = False
    _logged: dict[int, Sequence[Any]] = field(default_factory=dict)

    def records(self) -> Iterator[bytes]:
        """Yield one line of JSON for each change of the table. Raises FetchError for what cannot be told."""
        reader = BinLogStreamReader(
            {},
            server_id=self.server.reader_number(),
            log_file=self.end[0],
            log_pos=self.end[1],
            resume_stream=True,
            only_schemas=[self.table.schema],
            only_tables=[self.table.name],
            filter_non_implemented_events=False,
            verify_checksum=True,
            enable_logging=False,
            pymysql_wrapper=self.server.connector(),
        )
        try:
            while order(self.end) < order(self.until) and (event := reader.fetchone()) is not None:
                yield from self._read(event, (reader.log_file, reader.log_pos))
        finally:
            closing_quietly(reader)
        if order(self.end) < order(self.until):
            raise FetchError(
                f"The log of {self.server.where} ended at {told_place(self.end)}, before "
                f"{told_place(self.until)}. Fetch again: etl fetch {self.server.asked.source}"
            )

    def _read(self, event: Any, at: Place) -> Iterator[bytes]:
        if event._is_event_valid is False:
            raise self._refused("is damaged", "An event has another checksum than it was written with.", at)
        if isinstance(event, _MOVING) and order(at) < order(self.end):
            raise self._refused("goes back", "A file of it is longer than 4 GB.", at)
        if isinstance(event, events.NotImplementedEvent):
            raise self._refused(
                f"has an event of the type {event.event_type}, which etl does not read",
                "It is compressed (log_bin_compress), or the server lost some.",
                at,
            )
        if isinstance(event, events.MariadbGtidEvent):
            self._gtid, self._at, self._seconds, self._number = event.gtid, at, event.timestamp, 0
            self._is_within, self._has_rows = not event.flags & _STANDALONE, False
        elif isinstance(event, _ROWS):
            self._has_rows = True
            yield from self._changes(event, at)
        elif isinstance(event, events.QueryEvent):
            self._statement(event, at)
        elif isinstance(event, events.XidEvent):
            self._is_within = False
        elif isinstance(event, events.XAPrepareEvent):
            if self._has_rows:
                raise self._refused("has an XA transaction", "It may be rolled back later.", at)
            self._is_within = False
        if not self._is_within:
            self.end = max(self.end, at, key=order)

    def _statement(self, event: Any, at: Place) -> None:
        text = statements.told(event.query)
        said = statements.words(text)
        if said.startswith("rollback"):
            if self._has_rows:
                raise self._refused("has changes that were rolled back in part", "", at)
            self._is_within = self._is_within and said.startswith("rollback to")
            return
        if said.startswith("commit"):
            self._is_within = False
            return
        if statements.makes_rows(text):
            raise self._refused(
                f"has a statement instead of rows: {said} ...",
                "A session wrote with another binlog_format than ROW.",
                at,
            )
        default = event.schema.decode("utf-8", "replace")
        if statements.concerns(text, default, self.table.schema, self.table.name):
            raise self._refused(f"has the statement: {said} ...", "What it did to the rows is not told.", at)

    def _changes(self, event: Any, at: Place) -> Iterator[bytes]:
        logged = self._checked(event, at)
        source = Bytes(event.packet.read(event.event_size - event.packet.read_bytes))
        try:
            while source.at < len(source.data):
                first = row_of(source, logged, self.columns)
                if isinstance(event, rows.WriteRowsEvent):
                    yield self._record("insert", first)
                elif isinstance(event, rows.DeleteRowsEvent):
                    yield self._record("delete", first)
                else:
                    after = row_of(source, logged, self.columns)
                    if any(first[key] != after[key] for key in self.table.keys):
                        # the row has another key: that of before is gone
                        yield self._record("delete", first)
                    yield self._record("update", after)
        except Untold as error:
            raise self._refused("has a row that cannot be read", f"{str(error).capitalize()}.", at) from None

    def _checked(self, event: Any, at: Place) -> Sequence[Any]:
        """Return how the log describes the columns. Raises FetchError unless all are there."""
        logged: Sequence[Any] = event.columns
        names = [one.name for one in logged]
        if names != [one.name for one in self.columns]:
            known = "names none" if not any(names) else "has others"
            raise self._refused(
                f"{known} of the columns that the table has now",
                "It was altered, or written before binlog_row_metadata was FULL.",
                at,
            )
        whole = (1 << len(logged)) - 1
        present = [event.columns_present_bitmap, getattr(event, "columns_present_bitmap2", None)]
        if any(int.from_bytes(one, "little") & whole != whole for one in present if one is not None):
            raise self._refused("leaves values out", "A session wrote without binlog_row_image=FULL.", at)
        return logged

    def _record(self, op: str, values: Mapping[str, str | bytes | None]) -> bytes:
        self._number += 1
        about = {
            "_op": op,
            "_deleted": op == "delete",
            "_position": position(self._at, self._number),
            "_xid": self._gtid,
            "_committed_at": moment(self._seconds),
        }
        record = {name: landed(values[name], one) for name, one in self.chosen.items()}
        return json.dumps(record | {name: about[name] for name in self.about}, ensure_ascii=False).encode() + b"\n"

    def _refused(self, what: str, why: str, at: Place) -> FetchError:
        said = f"{self.server.where}: its log {what}, at {told_place(at)}. {why}{' ' if why else ''}"
        return FetchError(f"{said}Fetch all of the table: etl fetch {self.server.asked.source} --full")


def landed(value: str | bytes | None, chosen: Chosen) -> str | None:
    """Return a value of the log as it is landed from the table."""
    text = texts.text_of(value, chosen, "0x")
    return f"{text}+00" if chosen.form == "zoned" and text is not None else text

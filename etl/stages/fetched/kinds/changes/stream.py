"""The stream: what wal2json tells of transactions, as one record for each change."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from etl.errors import FetchError
from etl.stages.fetched.kinds.changes.table import HeldTable

_NUMBERS = ("numeric", "double precision", "real")


def place(lsn: str) -> int:
    """Return a place in the log, such as `0/1506818`, as a number."""
    high, _, low = lsn.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def position(lsn: str, number: int) -> str:
    """Return what orders changes: the place of the commit in the log and the number within, as text that sorts."""
    return f"{place(lsn):016X}-{number:010d}"


@dataclass(kw_only=True)
class Stream:
    """Reads the lines of wal2json after a place in the log; earlier transactions have been landed."""

    table: HeldTable
    #: The columns that are landed, and those about the change among them.
    columns: Sequence[str]
    about: Sequence[str]
    after: str
    source: str
    where: str
    #: The end of the last transaction that was read; empty before the first.
    end: str = ""
    #: Columns of numbers in which a null was read: this plugin writes NaN and Infinity as null.
    nulls: set[str] = field(default_factory=set)
    _begun: Mapping[str, Any] | None = None
    _number: int = 0

    def records(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        """Yield one line of JSON for each change of the table."""
        rest = b""
        for data in lines:
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                if line:
                    yield from self._read(json.loads(line, parse_float=str, parse_int=str))

    def _read(self, said: Mapping[str, Any]) -> Iterator[bytes]:
        action = said["action"]
        if action == "B":
            self._begun, self._number = said, 0
        elif action == "C":
            if self._begun is not None:
                self.end = said["nextlsn"]
            self._begun = None
        elif action in "IUDT" and (said.get("schema"), said.get("table")) == (self.table.schema, self.table.name):
            assert self._begun is not None
            if place(self._begun["lsn"]) >= place(self.after):
                yield from self._change(action, said)

    def _change(self, action: str, said: Mapping[str, Any]) -> Iterator[bytes]:
        if action == "T":
            raise FetchError(
                f"{self.where} was truncated: its log does not say which rows went. Fetch all of it: "
                f"etl fetch {self.source} --full"
            )
        before, after = self._values(said.get("identity", ())), self._values(said.get("columns", ()))
        if action == "D":
            yield self._record("delete", before)
            return
        if action == "U":
            if lacking := [name for name in self.columns if name not in after and name not in before]:
                lacking = [name for name in lacking if name in self.table.types]
            if lacking:
                raise self._untold(lacking)
            after = {**before, **after}
            if any(before.get(key, after.get(key)) != after.get(key) for key in self.table.keys):
                # the row has another key: that of before is gone
                yield self._record("delete", before)
        yield self._record("insert" if action == "I" else "update", after)

    def _untold(self, lacking: Sequence[str]) -> FetchError:
        named = f'"{self.table.schema}"."{self.table.name}"'
        return FetchError(
            f"{self.where}: the log leaves out {lacking[0]!r} of an updated row, a long value that stayed as it "
            f"was. Have the log hold whole rows: alter table {named} replica identity full; and then fetch all of "
            f"the table: etl fetch {self.source} --full"
        )

    def _values(self, columns: Sequence[Mapping[str, Any]]) -> dict[str, str | None]:
        return {one["name"]: self._text(one) for one in columns}

    def _text(self, column: Mapping[str, Any]) -> str | None:
        value, type = column["value"], column["type"]
        if value is None:
            if type.startswith(_NUMBERS) and column["name"] in self.columns:
                self.nulls.add(column["name"])
            return None
        if isinstance(value, bool):
            return "true" if value else "false"
        text = str(value)
        if type == "bytea":
            return "".join(f"\\x{text[at : at + 2]}" for at in range(0, len(text), 2))
        return text.rstrip(" ") if type.startswith("character(") else text

    def _record(self, op: str, values: Mapping[str, str | None]) -> bytes:
        assert self._begun is not None
        self._number += 1
        about = {
            "_op": op,
            "_deleted": op == "delete",
            "_position": position(self._begun["lsn"], self._number),
            "_xid": self._begun["xid"],
            "_committed_at": self._begun["timestamp"],
        }
        record = {name: values.get(name) for name in self.columns} | {name: about[name] for name in self.about}
        return json.dumps(record, ensure_ascii=False).encode() + b"\n"

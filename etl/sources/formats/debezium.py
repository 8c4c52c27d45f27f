"""Debezium: one change of a table on each line, as Debezium writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar

from etl.contract.values import later
from etl.errors import ContractError, UnreadableError
from etl.sources.formats.envelopes import (
    MESSAGE,
    OPERATIONS,
    TRUNCATE,
    UNAVAILABLE,
    committed_at,
    image,
    kept,
    lacking,
    payload,
    plain,
    position,
    table_of,
    transaction,
    types,
)
from etl.sources.formats.json import Found, JsonLines
from etl.sources.formats.json_cursor import Element
from etl.sources.formats.json_paths import Paths, cell_text
from etl.sources.formats.json_values import Malformed, dumped, single
from etl.sources.formats.limits import Limit
from etl.sources.formats.staged import Staged

#: What each change has beside the columns of the table, as `Changes` has it.
ABOUT = ("_op", "_deleted", "_position", "_xid", "_committed_at")


@dataclass(frozen=True, kw_only=True)
class Debezium(JsonLines):
    """Changes of a table as Debezium writes them: an envelope as JSON on each line, with its schema or without.

    Columns are those of the row that a change left, or that it deleted; beside them are `_op` (insert, update,
    delete or snapshot), `_deleted`, `_position`, `_xid` and `_committed_at`, of which the contract names those
    that it wants. A merge or scd2 model with `deletes: _deleted` and `order: _position` holds the table, or its
    history. Tombstones are no records. A truncated table refuses the file. Raises ContractError for a wrong
    option.
    """

    #: Whether a row has a record for each change of it.
    tells_changes: ClassVar[bool] = True

    # Where an envelope says which of two changes is the later one, such as `source.lsn`; several, the first one
    # first. Empty: what its connector says.
    position: str | Sequence[str] = later(())
    # The text that stands for a long value which the log does not tell: such a change is a broken record.
    unavailable: str = later(UNAVAILABLE)
    # Of a file with changes of several tables, those that are read: `public.orders`, with `*` for any text. One
    # or several. Empty: the table of the first change, and a change of another one is a broken record.
    table: str | Sequence[str] = later(())

    def __post_init__(self) -> None:
        for name in ("position", "table"):
            given = getattr(self, name)
            object.__setattr__(self, name, given if isinstance(given, str) else tuple(given))
        super().__post_init__()

    def _check(self) -> None:
        super()._check()
        if self.header:
            raise ContractError("Debezium(header=True): envelopes are objects. Take header= out.")
        if not isinstance(self.unavailable, str) or not self.unavailable:
            raise ContractError("Debezium(unavailable=...) is a text, such as '__debezium_unavailable_value'.")
        for path in self._positions:
            if not isinstance(path, str) or not path:
                raise ContractError("Debezium(position=...) is a path such as 'source.lsn', or several.")

    @property
    def _positions(self) -> tuple[str, ...]:
        if isinstance(self.position, str):
            return (self.position,) if self.position else ()
        return tuple(self.position)

    def record_format(self, columns: Sequence[str]) -> JsonLines:
        """Return the format of the records' texts, which may be several lines each."""
        return replace(self, encoding="utf-8", compression="none", member="", concatenated=True)

    def redacted(
        self, text: str, columns: Sequence[str], hidden: Mapping[str, Callable[[str], str]]
    ) -> str | None:
        """Return a record's text with the cells of hidden columns replaced; None if it is malformed."""
        try:
            value = single(text, self.nan)
            envelope = payload(value)
            if envelope is None:
                return text
            for name in ("before", "after"):
                row = envelope.get(name)
                if isinstance(row, dict):
                    _hide(row, types(value, name), hidden, self)
                    Paths([*self.paths], self.paths, self.values).replaced(row, hidden)
            source = envelope.get("source")
            if hidden and isinstance(source, dict) and source.get("query") is not None:
                # the statement quotes the values of the row
                source["query"] = None
            return dumped(value)
        except (Malformed, RecursionError):
            return None

    def _staged(
        self,
        found: Iterator[Found],
        expected: Sequence[str],
        scratch: Path,
        encoding: str,
        limit: Limit,
    ) -> Staged:
        about = [name for name in ABOUT if name in expected]
        tables = _Tables((self.table,) if isinstance(self.table, str) and self.table else tuple(self.table))
        rows = (self._change(one, about, limit.path, tables) if isinstance(one, Element) else one for one in found)
        return super()._staged(rows, expected, scratch, encoding, limit)

    def _change(self, element: Element, about: Sequence[str], path: Path, tables: _Tables) -> Found:
        """Return a change as the row that it left, with what is wanted about it; None if it is about no row."""
        if element.problem:
            return element
        try:
            envelope = payload(element.value)
            if envelope is None or envelope["op"] == MESSAGE or not tables.has(envelope):
                return None
            if envelope["op"] == TRUNCATE:
                raise UnreadableError(
                    f"{path}: line {element.line} says that the table was truncated, which no record can say. "
                    "Have the whole table delivered again, as a snapshot."
                )
            return element._replace(value=self.row(element.value, envelope, about))
        except Malformed as error:
            return element._replace(value=None, problem=str(error))
        except RecursionError:
            return element._replace(value=None, problem="it is nested too deeply")

    def row(self, value: Any, envelope: Mapping[str, Any], about: Sequence[str]) -> dict[str, Any]:
        """Return the row that a change left or deleted, with what is wanted about it. Raises Malformed."""
        op = envelope["op"]
        if op not in OPERATIONS:
            raise Malformed(f"op {op!r} is not one of {', '.join(OPERATIONS)}")
        row = kept(image(envelope), envelope, self.unavailable)
        if left_out := lacking(row, self.unavailable):
            raise Malformed(
                f"the log does not tell {', '.join(left_out)}, which stayed as it was. Give the table replica "
                "identity full"
            )
        known = types(value, "before" if op == "d" else "after")
        cells = {name: plain(cell, *known[name]) if name in known else cell for name, cell in row.items()}
        if taken := next((name for name in about if name in cells), None):
            raise Malformed(f"the table has a column {taken} of its own")
        facts = {
            "_op": OPERATIONS[op],
            "_deleted": "true" if op == "d" else "false",
            "_position": position(envelope, self._positions) if "_position" in about else None,
            "_xid": transaction(envelope),
            "_committed_at": committed_at(envelope),
        }
        return {**cells, **{name: facts[name] for name in about}}


@dataclass
class _Tables:
    """The tables whose changes are read; none: that of the first change."""

    wanted: tuple[str, ...]
    first: str = ""

    def has(self, envelope: Mapping[str, Any]) -> bool:
        """Return whether a change is of one of them. Raises Malformed if that was not asked for and differs."""
        name = table_of(envelope)
        if not name:
            return True
        if self.wanted:
            parts = name.split(".")
            ends = [".".join(parts[at:]) for at in range(len(parts))]
            return any(fnmatchcase(end, wanted) for end in ends for wanted in self.wanted)
        self.first = self.first or name
        if name != self.first:
            raise Malformed(
                f"it is of the table {name}, and the first change of {self.first}: name those that are read, "
                "Debezium(table=...)"
            )
        return True


def _hide(
    row: dict[str, Any],
    known: Mapping[str, tuple[str, Mapping[str, Any]]],
    hidden: Mapping[str, Callable[[str], str]],
    fmt: Debezium,
) -> None:
    """Replace the cells of hidden columns in a row, as the masks of their texts."""
    for name in hidden.keys() - fmt.paths.keys():
        value = row.get(name)
        text = cell_text(plain(value, *known[name]) if name in known else value, name, fmt.values)
        if text is not None:
            row[name] = hidden[name](text)

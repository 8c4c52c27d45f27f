"""Debezium: one change of a table on each line, as Debezium writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from etl.contract.values import later
from etl.errors import ContractError, UnreadableError
from etl.sources.formats.envelopes import (
    MESSAGE,
    OPERATIONS,
    TRUNCATE,
    UNAVAILABLE,
    committed_at,
    image,
    lacking,
    payload,
    plain,
    position,
    transaction,
    types,
)
from etl.sources.formats.json import Found, JsonLines
from etl.sources.formats.json_cursor import Element
from etl.sources.formats.json_paths import cell_text
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

    # Where an envelope says which of two changes is the later one, such as `source.lsn`; several, the first one
    # first. Empty: what its connector says.
    position: str | Sequence[str] = later(())
    # The text that stands for a long value which the log does not tell: such a change is a broken record.
    unavailable: str = later(UNAVAILABLE)

    def __post_init__(self) -> None:
        given = self.position
        object.__setattr__(self, "position", given if isinstance(given, str) else tuple(given))
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
        return replace(self, compression="none", concatenated=True)

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
        rows = (self._change(one, about, limit.path) if isinstance(one, Element) else one for one in found)
        return super()._staged(rows, expected, scratch, encoding, limit)

    def _change(self, element: Element, about: Sequence[str], path: Path) -> Found:
        """Return a change as the row that it left, with what is wanted about it; None if it is about no row."""
        if element.problem:
            return element
        try:
            envelope = payload(element.value)
            if envelope is None or envelope["op"] == MESSAGE:
                return None
            if envelope["op"] == TRUNCATE:
                raise UnreadableError(
                    f"{path}: line {element.line} says that the table was truncated, which no record can say. "
                    "Have the whole table delivered again, as a snapshot."
                )
            return element._replace(value=self._flat(element.value, envelope, about))
        except Malformed as error:
            return element._replace(value=None, problem=str(error))
        except RecursionError:
            return element._replace(value=None, problem="it is nested too deeply")

    def _flat(self, value: Any, envelope: Mapping[str, Any], about: Sequence[str]) -> dict[str, Any]:
        op = envelope["op"]
        if op not in OPERATIONS:
            raise Malformed(f"op {op!r} is not one of {', '.join(OPERATIONS)}")
        row = image(envelope)
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


def _hide(
    row: dict[str, Any],
    known: Mapping[str, tuple[str, Mapping[str, Any]]],
    hidden: Mapping[str, Callable[[str], str]],
    fmt: Debezium,
) -> None:
    """Replace the cells of hidden columns in a row, as the masks of their texts."""
    for name in hidden:
        value = row.get(name)
        text = cell_text(plain(value, *known[name]) if name in known else value, name, fmt.values)
        if text is not None:
            row[name] = hidden[name](text)

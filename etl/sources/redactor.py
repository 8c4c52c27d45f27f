"""Raw texts of quarantined records without personal data: cell by cell where that is sure, else not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from etl.contract.contract import Column, Contract
from etl.contract.masking import fingerprint_of, mask_text
from etl.errors import counted
from etl.sources.formats.format import Fault, Format, Place


class Redactor:
    """Masks the records of one file; with no column of personal data it changes nothing.

    `columns` are those of the file, in its order, as it calls them. Cells are masked as they were delivered,
    before cleansing, so the hash of " Ann" is not that of "Ann". `hide` returns what stands in place of a cell; by
    default it is the mask of its column.
    """

    def __init__(
        self,
        contract: Contract,
        key: bytes | None,
        fmt: Format,
        columns: Sequence[str],
        hide: Callable[[str, Column], str] | None = None,
    ) -> None:
        self._key, self._format, self._columns = key, fmt, list(columns)
        masks = [column for column in contract.columns if column.pii]
        self.is_needed = bool(masks)
        self._hidden: dict[str, Callable[[str], str]] = {
            name: partial(_hidden, column, hide or partial(mask_text, key=key))
            for column in masks
            for name in _names(column)
        }
        self._known = {name for column in contract.columns for name in _names(column)}
        # a column that is missing may be there under a name that the contract does not know
        missing = [column for column in masks if not _names(column) & set(columns)]
        self._is_sure = not (missing and set(columns) - self._known)

    def text(self, text: str, problem: str) -> str:
        """Return a record's text as it may be written; `problem` is what is wrong with its shape, or empty.

        What has not the shape of a record has no cells either, and is left out as a whole.
        """
        if not self.is_needed:
            return text
        found = None
        if self._is_sure and not problem:
            found = self._format.redacted(text, self._columns, self._hidden)
        return self._whole(text) if found is None else found

    def place(self, fault: Fault) -> Place:
        """Return where a record is and what may be said of it; original bytes are not kept."""
        if not self.is_needed:
            return fault.place
        return Place(fault.place.line, self.text(fault.place.text, fault.problem))

    def header(self, names: Sequence[str]) -> list[str]:
        """Return column names that a message may show: in a file without its header they are a record's cells."""
        if not self.is_needed:
            return list(names)
        return [name if name in self._known else f"({counted(len(name), 'character')})" for name in names]

    def _whole(self, text: str) -> str:
        tail = f", HMAC {fingerprint_of(text, self._key)}" if self._key is not None else ""
        return f"(masked: {counted(len(text), 'character')}{tail})"


def _hidden(column: Column, hide: Callable[[str, Column], str], text: str) -> str:
    return hide(text, column)


def _names(column: Column) -> set[str]:
    return {column.name, *column.aliases}

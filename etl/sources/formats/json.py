"""JSON: one object a line, or one document with an array of them. Numbers keep the text that they have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from etl.contract.values import later
from etl.errors import ContractError
from etl.sources.formats import plain
from etl.sources.formats.json_cursor import Element
from etl.sources.formats.json_document import elements, is_text, sequence
from etl.sources.formats.json_paths import Paths
from etl.sources.formats.json_rows import header_names, redacted_row, row_cells
from etl.sources.formats.json_structure import INSTEAD, Structure, is_above, structure
from etl.sources.formats.json_values import Malformed, dumped, single
from etl.sources.formats.limits import Limit, too_long
from etl.sources.formats.staged import Extras, Staged, StagedRecord, skipped, stage

#: A value; or the line and the bytes of what is no text; or a blank line.
Found = Element | tuple[int, bytes] | None


@dataclass(frozen=True, kw_only=True)
class JsonLines(plain.TextFile):
    """One JSON object on each line; blank lines are no records.

    A comment above each option says what it does. A missing key is null; an object or a list is its JSON text.
    Keys that no column takes are extra, at any depth that a path leads past. Malformed lines, keys that appear
    twice, NaN and Infinity are broken records. Raises ContractError for a wrong option.
    """

    # Where a column's value is, if not at the key of its name: `address.city`, `tags[0]`, `["a.b"]`.
    paths: Mapping[str, str] = field(default_factory=dict)
    # One text or several that stand for null, beside JSON's own.
    null: str | Sequence[str] = later(())
    # Whether NaN, Infinity and -Infinity are numbers, as many programs write them; JSON has none.
    nan: bool = later(False)
    # Whether records are arrays of values, and the first one has the names of the columns.
    header: bool = later(False)
    # Whether objects (of Json, documents) follow one another with nothing but space between them.
    concatenated: bool = later(False)

    def __post_init__(self) -> None:
        super().__post_init__()
        # lists come back from JSON
        object.__setattr__(self, "null", self.null if isinstance(self.null, str) else tuple(self.null))
        Paths(list(self.paths), self.paths)
        self._check()

    def _check(self) -> None:
        name = type(self).__name__
        if self.header and self.paths:
            raise ContractError(
                f"{name}(header=True, paths=...): arrays have no keys. The header names the columns."
            )
        if above := [path for path in self.paths.values() if is_above(path)]:
            raise ContractError(
                f"{name}(paths=...): path {above[0]!r} leads above the record, which only Json(records=...) can."
            )

    @property
    def _is_repeated(self) -> bool:
        """Whether the text of a record repeats what is above it, so that a file may become many times its size."""
        return False

    @property
    def nulls(self) -> tuple[str, ...]:
        """The texts that stand for null."""
        return (self.null,) if isinstance(self.null, str) else tuple(self.null)

    def open(self, path: Path, expected: Sequence[str], scratch: Path) -> Staged:
        """Take a file apart; its cells are then at `scratch`."""
        with self.plain_text(path, scratch) as (text, encoding):
            found, limit = self._elements(text), Limit(path, self.max_expansion)
            if self.header:
                return self._rows(found, expected, scratch, encoding, limit)
            return self._staged(found, expected, scratch, encoding, limit)

    def record_format(self, columns: Sequence[str]) -> JsonLines:
        """Return the format of the records' texts, which may be several lines each."""
        given = {name: getattr(self, name) for name in ("null", "nan", "max_record_bytes")}
        given |= {**vars(self.values), "compression": "none"}
        if self.header:
            return _JsonRows(**given, header=True, names=tuple(columns))
        return _JsonRecords(**given, paths=self.paths)

    def redacted(
        self, text: str, columns: Sequence[str], hidden: Mapping[str, Callable[[str], str]]
    ) -> str | None:
        """Return a record's text with the cells of hidden columns replaced; None if it is malformed."""
        try:
            value = single(text, self.nan)
            if self.header:
                return redacted_row(value, columns, hidden, self.values)
            # a key that the contract knows by another name is no column here, but as personal
            paths = Paths([*columns, *(name for name in hidden if name not in columns)], self.paths, self.values)
            paths.cells(value)
            paths.replaced(value, hidden)
            return dumped(value)
        except (Malformed, RecursionError):
            return None

    def _elements(self, text: Path) -> Iterator[Found]:
        if self.concatenated:
            yield from map(_decodable, sequence(text, self.max_record_bytes, self.nan))
            return
        for number, line, is_whole in plain.lines(text, most=self.max_record_bytes):
            try:
                content = line.decode()
            except UnicodeDecodeError:
                yield number, line
                continue
            if not content.strip(" \t\r"):
                yield None
                continue
            if not is_whole:
                yield Element(number, content, None, too_long(self.max_record_bytes))
                continue
            try:
                yield Element(number, content, single(content, self.nan))
            except Malformed as error:
                yield Element(number, content, None, str(error))

    def _rows(
        self, found: Iterator[Found], expected: Sequence[str], scratch: Path, encoding: str, limit: Limit
    ) -> Staged:
        """Take apart arrays of values below one of names; a file without any has the contract's columns."""
        blank = 0
        head: Found = None
        for head in found:
            if head is not None:
                break
            blank += 1
        names = list(expected) if head is None else header_names(head, limit.path)
        limit.check_columns(names)

        def records() -> Iterator[StagedRecord]:
            yield from (skipped(0) for _ in range(blank))
            if isinstance(head, Element):
                yield skipped(head.line, head.text, "header=True", "names")
            for element in found:
                yield skipped(0) if element is None else self._row(element, names, encoding)

        return stage(records(), names, scratch, limit=limit)

    def _row(self, element: Element | tuple[int, bytes], names: Sequence[str], encoding: str) -> StagedRecord:
        if broken := _broken(element, encoding):
            return broken
        assert isinstance(element, Element)
        try:
            cells = row_cells(element.value, names, self.values)
        except (Malformed, RecursionError) as error:
            problem = str(error) if isinstance(error, Malformed) else "it is nested too deeply"
            return StagedRecord(element.line, element.text, problem=problem)
        return StagedRecord(element.line, element.text, [None if cell in self.nulls else cell for cell in cells])

    def _staged(
        self,
        found: Iterator[Found],
        expected: Sequence[str],
        scratch: Path,
        encoding: str,
        limit: Limit,
    ) -> Staged:
        names = [*expected, *(name for name in self.paths if name not in expected)]
        paths = Paths(names, self.paths, self.values, self.nulls)
        extras = Extras()
        width, is_repeated = len(expected), self._is_repeated

        def records() -> Iterator[StagedRecord]:
            for element in found:
                if is_repeated and isinstance(element, Element):
                    limit.take(len(element.text))
                yield (skipped(0) if element is None else _record(element, paths, width, names, extras, encoding))

        return stage(records(), expected, scratch, extras, limit=limit)


@dataclass(frozen=True, kw_only=True)
class Json(JsonLines):
    """One JSON document with an array of records, or with records in an object or further within.

    Cells are found as in JsonLines; `../id` is a key of the object around a record. What is malformed is broken
    alone where its brackets show its end; of a file cut off, all records before are found and the rest is one
    broken record.
    """

    # Where the array of records is: `data.items`, or `orders[].items`, that of every order. Empty: the document.
    records: str = ""
    # What else may be there: `null` or `missing` is no record, `object` is one. One of these words or several.
    records_or: str | Sequence[str] = later(())
    # The column of a record's key, if the records are the values of an object, not of an array.
    keyed: str = later("")

    def __post_init__(self) -> None:
        given = self.records_or
        object.__setattr__(self, "records_or", given if isinstance(given, str) else tuple(given))
        super().__post_init__()

    def _check(self) -> None:
        if self.header and (self.paths or self.keyed):
            raise ContractError("Json(header=True): arrays have no keys. Take paths= and keyed= out.")
        if unknown := self._structure.instead - set(INSTEAD):
            raise ContractError(
                f"Json(records_or={self.records_or!r}): {min(unknown)!r} is not one of {', '.join(INSTEAD)}."
            )

    @property
    def _is_repeated(self) -> bool:
        return bool(self._structure.above)

    @cached_property
    def _structure(self) -> Structure:
        words = (self.records_or,) if isinstance(self.records_or, str) else self.records_or
        return structure(self.records, self.paths, self.keyed, words)

    def _elements(self, text: Path) -> Iterator[Found]:
        found = elements(text, self._structure, self.max_record_bytes, several=self.concatenated, nan=self.nan)
        return map(_decodable, found)


@dataclass(frozen=True, kw_only=True)
class _JsonRecords(JsonLines):
    """The texts of records, one after another; what was above them is beside their own keys."""

    def _check(self) -> None:
        pass

    def _elements(self, text: Path) -> Iterator[Found]:
        return map(_decodable, sequence(text, self.max_record_bytes, self.nan))


@dataclass(frozen=True, kw_only=True)
class _JsonRows(_JsonRecords):
    """The texts of records that are arrays, one after another, of columns with these names."""

    names: tuple[str, ...] = ()

    def open(self, path: Path, expected: Sequence[str], scratch: Path) -> Staged:
        """Take a file apart; its cells are then at `scratch`."""
        with self.plain_text(path, scratch) as (text, encoding):
            found = (self._row(element, self.names, encoding) for element in self._elements(text) if element)
            return stage(found, self.names, scratch, limit=Limit(path, self.max_expansion))


def _decodable(element: Element) -> Element | tuple[int, bytes]:
    """Return the element, or its line and bytes if they are no text; surrogates stand for bytes."""
    return element if is_text(element.text) else (element.line, element.text.encode("utf-8", "surrogateescape"))


def _record(
    element: Element | tuple[int, bytes],
    paths: Paths,
    width: int,
    names: Sequence[str],
    extras: Extras,
    encoding: str,
) -> StagedRecord:
    if broken := _broken(element, encoding):
        return broken
    assert isinstance(element, Element)
    try:
        cells, extra = paths.cells(element.value)
        # a path for a column that the contract does not have
        extra |= {name: cell for name, cell in zip(names[width:], cells[width:], strict=True) if cell is not None}
        rest = dumped(extra) if extra else None
    except Malformed as error:
        return StagedRecord(element.line, element.text, problem=str(error))
    except RecursionError:
        return StagedRecord(element.line, element.text, problem="it is nested too deeply")
    extras.add(extra, element.line)
    return StagedRecord(element.line, element.text, cells[:width], extra=rest)


def _broken(element: Element | tuple[int, bytes], encoding: str) -> StagedRecord | None:
    """Return what is no value as a broken record; None for a value."""
    if not isinstance(element, Element):
        line, content = element
        text, raw = plain.shown(plain.original(content, encoding), encoding)
        return StagedRecord(line, text, problem=f"it is not text in {encoding}", raw=raw)
    return StagedRecord(element.line, element.text, problem=element.problem) if element.problem else None

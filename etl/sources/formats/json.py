"""JSON: one object a line, or one document with an array of them. Numbers keep the text that they have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from etl.contract.values import later
from etl.errors import ContractError
from etl.sources.formats import plain
from etl.sources.formats.json_document import Element, elements, sequence
from etl.sources.formats.json_paths import Paths, parse_path
from etl.sources.formats.json_values import Malformed, dumped, single
from etl.sources.formats.limits import Limit, too_long
from etl.sources.formats.staged import Extras, Staged, StagedRecord, skipped, stage

#: A value; or the line and the bytes of what is no text; or a blank line.
Found = Element | tuple[int, bytes] | None


@dataclass(frozen=True, kw_only=True)
class JsonLines(plain.TextFile):
    """One JSON object on each line; blank lines are no records.

    A column is the key of its name, or what `paths` says: `address.city`, `tags[0]`, `["a.b"]`. A missing key
    is null; an object or a list is its JSON text. Keys that no column takes are extra, at any depth that a
    path leads past. Malformed lines, keys that are there twice, NaN and Infinity are broken records.
    """

    paths: Mapping[str, str] = field(default_factory=dict)
    # One text or several that stand for null, beside JSON's own.
    null: str | Sequence[str] = later(())

    def __post_init__(self) -> None:
        super().__post_init__()
        # lists come back from JSON
        object.__setattr__(self, "null", self.null if isinstance(self.null, str) else tuple(self.null))
        Paths(list(self.paths), self.paths)

    @property
    def nulls(self) -> tuple[str, ...]:
        """The texts that stand for null."""
        return (self.null,) if isinstance(self.null, str) else tuple(self.null)

    def open(self, path: Path, expected: Sequence[str], scratch: Path) -> Staged:
        """Take a file apart; its cells are then at `scratch`."""
        with self.plain_text(path, scratch) as (text, encoding):
            return self._staged(self._elements(text), expected, scratch, encoding, Limit(path, self.max_expansion))

    def record_format(self, columns: Sequence[str]) -> JsonLines:
        """Return the format of the records' texts, which may be several lines each."""
        return _JsonRecords(
            **vars(self.values),
            paths=self.paths,
            null=self.null,
            encoding="utf-8",
            compression="none",
            max_record_bytes=self.max_record_bytes,
        )

    def redacted(
        self, text: str, columns: Sequence[str], hidden: Mapping[str, Callable[[str], str]]
    ) -> str | None:
        """Return a record's text with the cells of hidden columns replaced; None if it is malformed."""
        try:
            value = single(text)
            # a key that the contract knows by another name is no column here, but as personal
            paths = Paths([*columns, *(name for name in hidden if name not in columns)], self.paths, self.values)
            paths.cells(value)
            paths.replaced(value, hidden)
            return dumped(value)
        except (Malformed, RecursionError):
            return None

    def _elements(self, text: Path) -> Iterator[Found]:
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
                yield Element(number, content, single(content))
            except Malformed as error:
                yield Element(number, content, None, str(error))

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
        width = len(expected)

        def records() -> Iterator[StagedRecord]:
            for element in found:
                yield (skipped(0) if element is None else _record(element, paths, width, names, extras, encoding))

        return stage(records(), expected, scratch, extras, limit=limit)


@dataclass(frozen=True, kw_only=True)
class Json(JsonLines):
    """One JSON document: an array of objects, or an object that holds it at `records`, such as `data.items`.

    Cells are found as in JsonLines. What is malformed is broken alone where its brackets show its end;
    of a file cut off, all records before are found and the rest is one broken record.
    """

    records: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(isinstance(key, str) for key in self._keys):
            raise ContractError(f"Json(records={self.records!r}) is not a path of keys, such as data.items.")

    @property
    def _keys(self) -> tuple[str, ...]:
        return parse_path(self.records) if self.records else ()  # type: ignore[return-value]

    def _elements(self, text: Path) -> Iterator[Found]:
        return map(_decodable, elements(text, self._keys, self.max_record_bytes))


@dataclass(frozen=True, kw_only=True)
class _JsonRecords(JsonLines):
    """The texts of records, one after another."""

    def _elements(self, text: Path) -> Iterator[Found]:
        return map(_decodable, sequence(text, self.max_record_bytes))


def _decodable(element: Element) -> Element | tuple[int, bytes]:
    """Return the element, or its line and bytes if they are no text; surrogates stand for bytes."""
    if element.text.isascii():
        return element
    content = element.text.encode("utf-8", "surrogateescape")
    try:
        content.decode()
    except UnicodeDecodeError:
        return element.line, content
    return element


def _record(
    element: Element | tuple[int, bytes],
    paths: Paths,
    width: int,
    names: Sequence[str],
    extras: Extras,
    encoding: str,
) -> StagedRecord:
    if not isinstance(element, Element):
        line, content = element
        text, raw = plain.shown(plain.original(content, encoding), encoding)
        return StagedRecord(line, text, problem=f"it is not text in {encoding}", raw=raw)
    if element.problem:
        return StagedRecord(element.line, element.text, problem=element.problem)
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

"""Formats that DuckDB does not read itself: their cells are written as text to a Parquet file that it does.

Such a format is one generator of records; the rest is here. Broken records go to a second file beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import merge
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from etl.engine import quoting
from etl.engine.quoting import identifier
from etl.sources.formats.format import Fault, Place, Reader, Skipped
from etl.sources.formats.limits import Limit

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_RECORDS = 20_000
_BATCH_CHARACTERS = 1 << 24
_BATCH_CELLS = 1 << 22
#: More names of extra cells are not told: a file whose keys are data can have millions.
_MOST_EXTRAS = 1000
_PLACE = ["_line", "_raw_text", "_raw_bytes"]


class StagedRecord(NamedTuple):
    """One record: its cells as text, null or missing as None; with a `problem` the cells do not count."""

    line: int
    text: str
    cells: Sequence[str | None] = ()
    problem: str = ""
    raw: bytes | None = None
    #: JSON object of the cells beside the columns.
    extra: str | None = None
    #: Of a line that is not a record: the option that skips it by its number, if any, and its role.
    skip: tuple[str, str] | None = None


def skipped(line: int, text: str = "", option: str = "", role: str = "", raw: bytes | None = None) -> StagedRecord:
    """Return a line that is not a record; `option` is what skips it by its number, if anything does."""
    return StagedRecord(line, text, raw=raw, skip=(option, role))


@dataclass(frozen=True)
class StagedReader:
    """Reads what stage() wrote."""

    def relation(self, paths: Sequence[Path], names: Sequence[str]) -> str:
        """Return the SQL of the cells of staged files, as `names`, with `file_index`."""
        files = quoting.paths(paths)
        return f"(select {_cells(names)}, file_index from read_parquet({files}, hive_partitioning = false))"

    def numbered(self, path: Path, names: Sequence[str]) -> str:
        """Return the SQL of the cells of one staged file, with `_record`."""
        source = f"read_parquet({quoting.paths([path])}, file_row_number = true, hive_partitioning = false)"
        return f"(select {_cells(names)}, file_row_number as _record from {source})"


@dataclass(kw_only=True)
class Staged:
    """A file whose records lie in staged Parquet files."""

    columns: tuple[str, ...]
    extras: Mapping[str, int]
    sound: int
    broken: int
    file: Path
    reader: Reader = StagedReader()
    lines: int = 0
    skipped: int = 0
    by_number: Sequence[Skipped] = ()

    def verify(self) -> None:
        """Do nothing: every record was looked at."""

    def number_as(self, lines: Mapping[int, int]) -> None:
        """Give records the numbers of other lines, if their format has a column of these."""
        if getattr(self.reader, "is_numbered", False):
            self.reader = replace(cast("Any", self.reader), lines=tuple(lines.items()))

    def faults(self) -> Iterator[Fault]:
        """Yield the broken records, in order."""
        if self.broken:
            for row in _rows(_broken_file(self.file), [*_PLACE, "_problem"]):
                yield Fault(Place(*row[:3]), row[3])

    def places(self, numbers: Sequence[int]) -> Iterator[Place]:
        """Yield the sound records with these numbers, which ascend."""
        wanted = iter(numbers)
        number = next(wanted, None)
        for position, row in enumerate(_rows(self.file, _PLACE)):
            if number is None:
                return
            if position == number:
                yield Place(*row)
                number = next(wanted, None)

    def everything(self) -> Iterator[Fault]:
        """Yield all records, in their order, which lines do not tell where several records share one."""
        names = ["_order", "_problem", *_PLACE]
        files = (self.file, _broken_file(self.file)) if self.broken else (self.file,)
        for _, problem, *place in merge(*(_rows(file, names) for file in files), key=itemgetter(0)):
            yield Fault(Place(*place), problem)

    def skips(self, headers: bool = True) -> Sequence[Skipped]:
        """Return the lines that are skipped by their number alone."""
        return [skip for skip in self.by_number if headers or skip.role != "names"]

    def blank(self) -> Sequence[str]:
        """Return the columns of which no sound record has a cell, where each record names its own; else none."""
        import pyarrow.parquet as pq

        if not self.extras:
            return ()
        with pq.ParquetFile(self.file) as file:
            groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
            first = file.schema_arrow.get_field_index("_text_0")
        filled = {
            column
            for group in groups
            for column in range(len(self.columns))
            if group.column(first + column).statistics.null_count < group.num_rows
        }
        return [name for column, name in enumerate(self.columns) if column not in filled]

    def close(self) -> None:
        """Delete the staged files."""
        self.file.unlink(missing_ok=True)
        _broken_file(self.file).unlink(missing_ok=True)


def stage(
    records: Iterable[StagedRecord],
    columns: Sequence[str],
    scratch: Path,
    extras: Extras | None = None,
    reader: Reader | None = None,
    limit: Limit | None = None,
    is_read: bool = True,
) -> Staged:
    """Write records, in order, to Parquet files at `scratch`; a few thousand are in memory at a time.

    `extras` may grow while the records are read. A `reader` of the format's own makes the cells from
    `_raw_text`; then the records have none. Nothing is left at `scratch` if `records` raises, or
    if more are broken than the file's limit allows. Lines that are
    skipped are among the records, so that each is counted. Without `is_read` there are no sound ones, and no
    file of them.
    """
    cells = [] if reader else [f"_text_{position}" for position in range(len(columns))]
    names = [*cells, "_extra"]
    lines, passed, by_number = 0, 0, []
    try:
        with _Writer(scratch, names, is_read) as sound, _Writer(_broken_file(scratch), []) as broken:
            for order, record in enumerate(records):
                lines += 1
                if record.skip:
                    passed += 1
                    if record.skip[0] and record.text.strip():
                        by_number.append(Skipped(Place(record.line, record.text, record.raw), *record.skip))
                elif record.problem:
                    broken.add(order, record, [])
                    if limit:
                        limit.check_items(broken.records)
                else:
                    sound.add(order, record, [*record.cells, record.extra])
    except BaseException:
        scratch.unlink(missing_ok=True)
        _broken_file(scratch).unlink(missing_ok=True)
        raise
    return Staged(
        columns=tuple(columns),
        extras=extras.lines if extras else {},
        sound=sound.records,
        broken=broken.records,
        file=scratch,
        reader=reader or StagedReader(),
        lines=lines,
        skipped=passed,
        by_number=by_number,
    )


class Extras:
    """The names of extra cells: the first few that are different, and the line where each is first."""

    def __init__(self) -> None:
        self._lines: dict[str, int] = {}

    @property
    def lines(self) -> dict[str, int]:
        """The lines by the names, which are sorted."""
        return dict(sorted(self._lines.items()))

    def add(self, names: Iterable[str], line: int) -> None:
        """Take the names of one record's extra cells."""
        for name in names:
            if name not in self._lines and len(self._lines) < _MOST_EXTRAS:
                self._lines[name] = line


class _Writer:
    """A Parquet file of texts, written in batches; without any there is no file, unless it `is_read`."""

    def __init__(self, path: Path, names: Sequence[str], is_read: bool = False) -> None:
        import pyarrow as pa

        place = [("_line", pa.int64()), ("_raw_text", pa.string()), ("_raw_bytes", pa.binary())]
        fields = [("_order", pa.int64()), ("_problem", pa.string()), *place]
        self._schema = pa.schema([*fields, *((name, pa.string()) for name in names)])
        self._path, self._is_read = path, is_read
        self._writer: Any = None
        # columns, since rows would be a million objects that the garbage collector looks at again and again
        self._columns: list[list[Any]] = [[] for _ in self._schema]
        self._add = [column.append for column in self._columns]
        self._batch = max(1, min(_BATCH_RECORDS, _BATCH_CELLS // len(self._schema)))
        self._characters = 0
        self.records = 0

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *error: object) -> None:
        self._flush()
        if self._is_read:
            self._open()
        if self._writer:
            self._writer.close()

    def add(self, order: int, record: StagedRecord, texts: Sequence[str | None]) -> None:
        row = (order, record.problem, record.line, record.text, record.raw, *texts)
        for add, value in zip(self._add, row, strict=True):
            add(value)
        self._characters += len(record.text)
        self.records += 1
        if len(self._columns[0]) == self._batch or self._characters > _BATCH_CHARACTERS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._columns[0]:
            arrays = [
                pa.array(values, type=field.type)
                for values, field in zip(self._columns, self._schema, strict=True)
            ]
            self._open()
            self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))
            for values in self._columns:
                values.clear()
            self._characters = 0

    def _open(self) -> None:
        import pyarrow.parquet as pq

        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, self._schema)


def _rows(path: Path, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        batch: pa.RecordBatch
        for batch in file.iter_batches(_BATCH_RECORDS, columns=[*names]):
            yield from zip(*(batch.column(name).to_pylist() for name in names), strict=True)


def _cells(names: Sequence[str]) -> str:
    cells = (f"_text_{n} as {identifier(name)}" for n, name in enumerate(names) if name != "_extra")
    return ", ".join([*cells, "_extra"])


def _broken_file(staged: Path) -> Path:
    return staged.with_name(staged.name + ".broken")

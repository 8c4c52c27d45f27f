"""Parquet files of other systems: DuckDB reads them where they lie, with every value cast to exact text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from etl.contract.values import Values
from etl.engine import quoting
from etl.engine.quoting import identifier, literal
from etl.errors import ContractError, UnreadableError, sentence
from etl.sources.formats.format import Fault, Place, Skipped
from etl.sources.formats.json import JsonLines
from etl.sources.formats.limits import Limit
from etl.sources.formats.parquet_size import NESTED, decoded

if TYPE_CHECKING:
    import duckdb

_BATCH_RECORDS = 10_000
# from it on, a float has already lost digits of a whole number
_EXACT = {"FLOAT": 2**24, "DOUBLE": 2**53}
_OWN_COLUMNS = {"file_index", "file_row_number", "_record"}


@dataclass(frozen=True, kw_only=True)
class Parquet(Values):
    """A Parquet file, by column name. A record's line is its row, from 1, and its text a JSON object.

    Lists and structs are their JSON text, whole numbers of a float column have no `.0`. A column of bytes is
    refused unless `binary` names it; its cells are then as DuckDB writes a BLOB, \\xNN for what is not ASCII.
    Values have types, so there are no marks.
    """

    binary: Sequence[str] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "binary", tuple(self.binary))
        plain = Values(decimals=self.decimals, max_expansion=self.max_expansion)
        given = [name for name, value in vars(self.values).items() if value != getattr(plain, name)]
        if given:
            raise ContractError(f"Parquet({given[0]}=...) means nothing: values in Parquet have types, not marks.")

    def open(self, path: Path, expected: Sequence[str], scratch: Path) -> ParquetFile:
        """Read the whole file once: nothing of it that is damaged comes to light later."""
        try:
            with _connection() as con:
                source = f"select * from read_parquet({quoting.paths([path])}, hive_partitioning = false)"
                columns = con.execute(f"describe {source}").fetchall()
                reader = ParquetReader(
                    tuple((name, kind) for name, kind, *_ in columns), tuple(sorted(self.decimals.items()))
                )
                self._check(path, reader, expected)
                limit = Limit(path, self.max_expansion)
                limit.check_columns(reader.names)
                records = decoded(con, path, reader.columns, limit)
        except _duckdb_error() as error:
            message = str(error).split("\n", 1)[0]
            raise UnreadableError(
                f"{path} is not a sound Parquet file: {sentence(message)} Ask for it again."
            ) from error
        return ParquetFile(file=path, reader=reader, sound=records)

    def record_format(self, columns: Sequence[str]) -> JsonLines:
        """Return the format of the records' texts."""
        return JsonLines(compression="none")

    def redacted(
        self, text: str, columns: Sequence[str], hidden: Mapping[str, Callable[[str], str]]
    ) -> str | None:
        """Return a record's text with the cells of hidden columns replaced."""
        return self.record_format(columns).redacted(text, columns, hidden)

    def _check(self, path: Path, reader: ParquetReader, expected: Sequence[str]) -> None:
        for name, kind in reader.columns:
            if name.lower() in _OWN_COLUMNS:
                raise UnreadableError(f"{path}: column {name!r} has a name that etl needs for itself. Rename it.")
            if kind == "BLOB" and name in expected and name not in self.binary:
                raise UnreadableError(
                    f"{path}: column {name!r} holds bytes, not text. If it is text, let its sender say so; "
                    f"if it is to be bytes, say Parquet(binary=[{name!r}])."
                )


@dataclass(frozen=True)
class ParquetReader:
    """Casts the columns of Parquet files, with these names and types, to text; some have a decimal mark."""

    columns: tuple[tuple[str, str], ...]
    decimals: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        return tuple(name for name, _ in self.columns)

    def relation(self, paths: Sequence[Path], names: Sequence[str]) -> str:
        """Return the SQL of the cells of all files, as `names`, with `file_index`."""
        files = quoting.paths(paths)
        return f"(select {self._cells(names)}, file_index from read_parquet({files}, hive_partitioning = false))"

    def numbered(self, path: Path, names: Sequence[str]) -> str:
        """Return the SQL of the cells of one file, with `_record`."""
        source = f"read_parquet({quoting.paths([path])}, file_row_number = true, hive_partitioning = false)"
        return f"(select {self._cells(names)}, file_row_number as _record from {source})"

    def texts(self, path: Path) -> str:
        """Return the SQL of `_record` and each row as one JSON object of its cells."""
        inner = [f"_text_{position}" for position in range(len(self.columns))]
        pairs = ", ".join(f"{literal(name)}, {text}" for name, text in zip(self.names, inner, strict=True))
        return f"(select _record, json_object({pairs})::varchar as _text from {self.numbered(path, inner)})"

    def _cells(self, names: Sequence[str]) -> str:
        pairs, marks = zip(self.columns, names, strict=False), dict(self.decimals)
        return ", ".join(
            f"{_text(identifier(own), kind, marks.get(own, '.'))} as {identifier(name)}"
            for (own, kind), name in pairs
        )


@dataclass(kw_only=True)
class ParquetFile:
    """A sound Parquet file; there are no broken records in one."""

    file: Path
    reader: ParquetReader
    sound: int
    broken: int = 0
    extras: Mapping[str, int] = field(default_factory=dict)
    skipped: int = 0

    @property
    def lines(self) -> int:
        """The rows of the file: each is a record."""
        return self.sound

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the file's columns."""
        return self.reader.names

    @columns.setter
    def columns(self, names: tuple[str, ...]) -> None:
        raise AttributeError("the columns are those of the file")

    def verify(self) -> None:
        """Do nothing: the whole file was decoded when it was opened."""

    def faults(self) -> Iterator[Fault]:
        """Yield nothing."""
        return iter(())

    def places(self, numbers: Sequence[int]) -> Iterator[Place]:
        """Yield the rows with these numbers, which ascend."""
        wanted = iter(numbers)
        while batch := list(islice(wanted, _BATCH_RECORDS)):
            yield from self._places(f"where _record in ({', '.join(map(literal, batch))})")

    def everything(self) -> Iterator[Fault]:
        """Yield all rows."""
        return (Fault(place, "") for place in self._places(""))

    def blank(self) -> Sequence[str]:
        """Return no column: the file names them in one place."""
        return ()

    def skips(self, headers: bool = True) -> Sequence[Skipped]:
        """Return nothing: every row is a record."""
        return ()

    def close(self) -> None:
        """Do nothing: nothing was written."""

    def _places(self, where: str) -> Iterator[Place]:
        with _connection() as con:
            con.execute(f"select _record, _text from {self.reader.texts(self.file)} {where} order by _record")
            while rows := con.fetchmany(_BATCH_RECORDS):
                yield from (Place(number + 1, text) for number, text in rows)


def _text(cell: str, kind: str, decimal: str) -> str:
    """Return the SQL of a value as text that reads back as exactly that value.

    A whole number has no `.0`: writers turn a column of integers to floats for a single null.
    """
    if kind in _EXACT:
        is_whole = f"abs({cell}) < {_EXACT[kind]} and {cell} = trunc({cell})"
        text = f"replace({cell}::varchar, '.', {literal(decimal)})" if decimal != "." else f"{cell}::varchar"
        return f"case when {is_whole} then split_part({cell}::varchar, '.', 1) else {text} end"
    if decimal != "." and kind.startswith("DECIMAL"):
        return f"replace({cell}::varchar, '.', {literal(decimal)})"
    if NESTED.fullmatch(kind):
        return f"to_json({cell})::varchar"
    if kind in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"):
        # the connection's time zone must not show, nor may offsets with seconds
        return f"timezone('UTC', {cell})::varchar || '+00'"
    return f"{cell}::varchar"


@contextmanager
def _connection() -> Iterator[duckdb.DuckDBPyConnection]:
    import duckdb

    with duckdb.connect(":memory:") as con:
        yield con


def _duckdb_error() -> type[Exception]:
    import duckdb

    return duckdb.Error

"""A partition's Parquet file written by Arrow, row group by row group, as DuckDB's COPY lays it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from etl.sources.formats.arrow_numpy import from_flags

#: The rows of a row group, as DuckDB has them, and so many bytes at the most.
GROUP_ROWS = 122_880
_GROUP_BYTES = 64 << 20
#: Rows of up to so many bytes are a file in memory first.
_SMALL_BYTES = 1 << 20
_TEXT = pa.string()
#: A dictionary pays where a value comes so often.
_REPEATS = 20


class Layout(NamedTuple):
    """How the columns of files are written: those that have a dictionary, and those whose extremes are told."""

    repeated: Sequence[str]
    measured: Sequence[str]


class LakeFile:
    """Writes rows to a file at `path`; what it says of itself is told to finish()."""

    def __init__(self, path: Path, layout: Layout | None = None) -> None:
        self._path, self._layout = path, layout
        self._writer: pq.ParquetWriter | None = None
        self._sink: pa.NativeFile | None = None
        self._waiting: list[pa.Table] = []
        self._rows = self._bytes = 0

    def __enter__(self) -> LakeFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self._writer is not None and self._writer.is_open:
            self._writer.close()
        if self._sink is not None:
            self._sink.close()
        if kind:
            self._path.unlink(missing_ok=True)

    def write(self, rows: pa.Table, bytes: int | None = None) -> None:
        """Write rows, now or with those that follow; they take so many `bytes`, if that is known."""
        self._waiting.append(rows)
        self._rows += rows.num_rows
        self._bytes += rows.nbytes if bytes is None else bytes
        if self._rows >= GROUP_ROWS or self._bytes >= _GROUP_BYTES:
            self._flush(is_last=False)

    def finish(self, metadata: Mapping[str, str]) -> None:
        """Write what is left; at least one write() came before, of no rows if there are none."""
        self._flush(is_last=True)
        assert self._writer is not None
        self._writer.add_key_value_metadata(dict(metadata))
        self._writer.close()
        if isinstance(self._sink, pa.BufferOutputStream):
            with open(self._path, "wb", buffering=0) as file:
                file.write(self._sink.getvalue())

    def _flush(self, is_last: bool) -> None:
        rows = self._waiting[0] if len(self._waiting) == 1 else pa.concat_tables(self._waiting)
        if self._writer is None:
            layout = self._layout or layout_of(rows)
            # a small file is written at once: every part of each column would be a call of its own
            is_small = is_last and self._bytes <= _SMALL_BYTES
            self._sink = pa.BufferOutputStream() if is_small else pa.OSFile(str(self._path), "wb")
            self._writer = pq.ParquetWriter(
                self._sink,
                rows.schema,
                compression="snappy",
                use_dictionary=layout.repeated,
                write_statistics=layout.measured,
                store_decimal_as_integer=True,
                store_schema=False,
            )
        whole = rows.num_rows if is_last or self._rows < GROUP_ROWS else self._rows - self._rows % GROUP_ROWS
        if whole:
            self._writer.write_table(rows.slice(0, whole), row_group_size=GROUP_ROWS)
        self._waiting = [rows.slice(whole)] if whole < rows.num_rows else []
        self._rows = rows.num_rows - whole
        self._bytes = sum(table.nbytes for table in self._waiting)


def without(path: Path, positions: np.ndarray, metadata: Mapping[str, str]) -> None:
    """Write a file anew without the rows at some positions, which ascend."""
    aside = path.with_suffix(".without")
    with pq.ParquetFile(path) as old, LakeFile(aside) as written:
        first = 0
        for number in range(old.num_row_groups):
            rows = old.read_row_group(number)
            kept = np.ones(rows.num_rows, bool)
            low, high = np.searchsorted(positions, [first, first + rows.num_rows])
            kept[positions[low:high] - first] = False
            written.write(rows.filter(from_flags(kept)))
            first += rows.num_rows
        written.finish(metadata)
    aside.replace(path)


def layout_of(rows: pa.Table) -> Layout:
    """Return the layout of files of such rows."""
    return Layout(_repeated(rows), [field.name for field in rows.schema if not _is_text(field.type)])


def _repeated(rows: pa.Table) -> list[str]:
    """Return the columns whose values come often enough for a dictionary, by the first rows."""
    first = rows.slice(0, GROUP_ROWS)
    columns = zip(first.column_names, first.columns, strict=True)
    return [
        name
        for name, column in columns
        if pa.types.is_dictionary(column.type) or pc.count_distinct(column).as_py() * _REPEATS <= first.num_rows
    ]


def _is_text(type: pa.DataType) -> bool:
    """Tell whether the least and greatest of such values are not worth their search, a sixth of all writing."""
    return bool((type.value_type if isinstance(type, pa.DictionaryType) else type) == _TEXT)

"""A quarantine file of any number of records, with only a part of them in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from etl.stages.lake.layout import REJECTS

#: So many characters of texts are in memory at a time.
_PART_CHARACTERS = 1 << 24


def in_parts(rejects: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yield rejects in lists of up to `size`, and of fewer if their texts are long."""
    part: list[Any] = []
    characters = 0
    for reject in rejects:
        part.append(reject)
        characters += len(reject.text) + len(reject.message)
        if len(part) == size or characters > _PART_CHARACTERS:
            yield part
            part, characters = [], 0
    if part:
        yield part


def write_streamed(
    fixed: Mapping[str, Any], parts: Iterable[Sequence[Any]], target: Path, metadata: Mapping[str, str]
) -> int:
    """Write named tuples as rows to a Parquet file, a part at a time, and return how many there were.

    `fixed` are the columns that are the same in every row, `metadata` are the file's.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"varchar": pa.string(), "date": pa.date32(), "bigint": pa.int64(), "blob": pa.binary()}
    schema = pa.schema([(name, types[type]) for name, type in REJECTS.items()], metadata=dict(metadata))
    count = 0
    with pq.ParquetWriter(target, schema) as writer:
        for part in parts:
            columns: dict[str, Sequence[Any]] = {name: [value] * len(part) for name, value in fixed.items()}
            columns.update(zip(part[0]._fields, zip(*part, strict=True), strict=True))
            arrays = [pa.array(columns[field.name], field.type) for field in schema]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
            count += len(part)
    return count

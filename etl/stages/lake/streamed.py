"""A quarantine file of any number of records, with only a part of them in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from etl.stages.lake.layout import REJECTS


def write_streamed(
    fixed: Mapping[str, Any], rejects: Iterator[Any], target: Path, metadata: Mapping[str, str], size: int
) -> int:
    """Write named tuples as rows to a Parquet file, `size` at a time, and return how many there were.

    `fixed` are the columns that are the same in every row, `metadata` are the file's.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"varchar": pa.string(), "date": pa.date32(), "bigint": pa.int64(), "blob": pa.binary()}
    schema = pa.schema([(name, types[type]) for name, type in REJECTS.items()], metadata=dict(metadata))
    count = 0
    with pq.ParquetWriter(target, schema) as writer:
        while part := list(islice(rejects, size)):
            rows = [{**fixed, **reject._asdict()} for reject in part]
            writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=schema))
            count += len(part)
    return count

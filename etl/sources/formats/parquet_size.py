"""How much a Parquet file becomes: a value that its dictionary holds once can be that of all its rows.

What DuckDB reads of a dictionary's texts is not copied, so that the lengths of all are known before they are; not
so within lists and structs, which are measured by their dictionaries first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.engine import quoting
from etl.engine.quoting import identifier
from etl.sources.formats.limits import Limit

if TYPE_CHECKING:
    import duckdb

NESTED = re.compile(r"(STRUCT|MAP|UNION|VARIANT)\b.*|.*\[\d*\]", re.DOTALL)
#: So many rows are in memory when they are written.
_WINDOW_RECORDS = 122_880
#: A file that is read row by row may become so many times as much as what is in memory at a time.
_TIMES_IN_ALL = 10
_BATCH_RECORDS = 1024
_VALUE_BYTES = 8
#: A file that may need more is of a size that DuckDB's own limit is for.
_MOST_MEMORY = 1 << 32
#: A byte is up to so many characters, as \\xNN.
_BYTE_CHARACTERS = 4


def decoded(con: duckdb.DuckDBPyConnection, path: Path, columns: Sequence[tuple[str, str]], limit: Limit) -> int:
    """Read the whole of a file once; return its rows. Raises UnreadableError for more than its limit allows.

    `columns` are the names and types of its columns. Raises an error of DuckDB's for damage.
    """
    _check_pages(con, path, limit)
    if nested := [name for name, kind in columns if NESTED.fullmatch(kind)]:
        _check_nested(path, nested, limit)
    texts = {"VARCHAR": "strlen({})", "BLOB": f"{_BYTE_CHARACTERS} * octet_length({{}})"}
    sizes = [f"coalesce({texts[kind].format(identifier(name))}, 0)" for name, kind in columns if kind in texts]
    others = [identifier(name) for name, kind in columns if kind not in texts]
    size = " + ".join([str(_VALUE_BYTES * len(columns)), *sizes])
    # all values of other types are decoded for their hash, which is asked for: DuckDB leaves out what nobody needs
    damage = f"bit_xor(hash({', '.join(others)}))" if others else "null"
    source = f"read_parquet({quoting.paths([path])}, file_row_number = true, hive_partitioning = false)"
    rows = con.execute(
        f"select coalesce(sum(rows), 0), coalesce(sum(size), 0), coalesce(max(size), 0), max(damage) from "
        f"(select count(*) as rows, sum({size}) as size, {damage} as damage "
        f"from {source} group by file_row_number // {_WINDOW_RECORDS})"
    ).fetchall()
    records, total, largest = map(int, rows[0][:3])
    limit.check(largest)
    limit.check(total // _TIMES_IN_ALL)
    return records


def _check_pages(con: duckdb.DuckDBPyConnection, path: Path, limit: Limit) -> None:
    """Check what the file says of itself, and keep DuckDB from believing a file that lies."""
    sizes = con.execute(
        f"select coalesce(max(total_uncompressed_size), 0) from parquet_metadata({quoting.paths([path])})"
    ).fetchall()
    limit.check(int(sizes[0][0]))
    if 4 * limit.most < _MOST_MEMORY:
        con.execute(f"set memory_limit = '{4 * limit.most}B'")


def _check_nested(path: Path, names: Sequence[str], limit: Limit) -> None:
    """Check the texts within lists and structs, which DuckDB copies as it reads them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            metadata, chosen = file.metadata, set(names)
            paths = [metadata.schema.column(n).path for n in range(metadata.num_columns)]
            leaves = [n for n, path in enumerate(paths) if _top(path, chosen)]
            for group in range(metadata.num_row_groups):
                values = sum(metadata.row_group(group).column(n).num_values for n in leaves)
                limit.check(_VALUE_BYTES * values)
            texts = [paths[n] for n in leaves if metadata.schema.column(n).physical_type == "BYTE_ARRAY"]
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            window = 0
            for number, batch in enumerate(file.iter_batches(_BATCH_RECORDS, columns=list(names))):
                window = 0 if number % (_WINDOW_RECORDS // _BATCH_RECORDS) == 0 else window
                window += sum(map(_size, batch.columns))
                limit.check(window)
    except (pa.ArrowException, OSError):
        # DuckDB reads it or says what is wrong with it; what it cannot keep in memory it refuses
        return


def _top(path: str, names: set[str]) -> bool:
    """Return whether the path of a leaf begins with one of the names, which may hold points."""
    return any(path.startswith(f"{name}.") for name in names)


def _size(values: Any) -> int:
    """Return the bytes of the texts of nested values, each as often as it is one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(values.type):
        if len(values.dictionary) == 0:
            return 0
        lengths = pc.binary_length(values.dictionary).cast(pa.int64())
        return int(pc.sum(lengths.take(values.indices)).as_py() or 0)
    if pa.types.is_struct(values.type):
        return sum(_size(values.field(n)) for n in range(values.type.num_fields))
    if pa.types.is_nested(values.type):
        # the parts of this batch alone
        return _size(values.flatten()) if pa.types.is_list(values.type) else sum(map(_size, _parts(values)))
    return int(values.nbytes)


def _parts(values: Any) -> Sequence[Any]:
    import pyarrow as pa

    return [values.keys, values.items] if pa.types.is_map(values.type) else [values.flatten()]

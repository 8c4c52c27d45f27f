"""Whether a fetch has brought anything new: by its rows, whatever their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etl import engine
from etl.engine import quoting
from etl.engine.exact import exact
from etl.engine.quoting import identifier, literal
from etl.engine.row_hashes import row_hashes
from etl.project import Project

if TYPE_CHECKING:
    import duckdb


def same_rows(project: Project, one: Path, other: Path) -> bool:
    """Return whether two Parquet files, or two files of lines, hold the same rows, columns and types."""
    if one.suffix != ".parquet":
        return _same_lines(one, other)
    import pyarrow.parquet as pq

    first, second = pq.read_metadata(one), pq.read_metadata(other)
    if first.num_rows != second.num_rows or not _same_schema(one, other):
        return False
    with engine.in_memory(project) as con:
        return _hash(con, one) == _hash(con, other)


def holds(project: Project, rows: Path, earlier: Path, cursor: str = "") -> bool:
    """Return whether an earlier file holds every row of another one, as often.

    Rows are the same only with the same `cursor`, if that is a column: of the earlier file no more is compared
    than what lies after the least one.
    """
    if rows.suffix != ".parquet":
        return _has_lines(rows, earlier)
    if not _same_schema(rows, earlier):
        return False
    with engine.in_memory(project) as con:
        columns = _columns(con, rows)
        values = ", ".join(exact(con, type, identifier(name)) for name, type in columns)
        among = _read(earlier)
        if cursor in [name for name, _ in columns]:
            least = con.execute(f"select min({identifier(cursor)}) from {_read(rows)}").fetchall()[0][0]
            is_near = f"{identifier(cursor)} >= {literal(least)} or " if least is not None else ""
            among += f" where {is_near}{identifier(cursor)} is null"
        query = f"select {values} from {_read(rows)} except all select {values} from {among}"
        return not con.execute(f"select 1 from ({query}) limit 1").fetchall()


def _same_schema(one: Path, other: Path) -> bool:
    import pyarrow.parquet as pq

    return bool(pq.read_schema(one).equals(pq.read_schema(other), check_metadata=False))


def _hash(con: duckdb.DuckDBPyConnection, path: Path) -> str:
    return str(
        con.execute(f"select {row_hashes(con, '', _columns(con, path))} from {_read(path)}").fetchall()[0][0]
    )


def _columns(con: duckdb.DuckDBPyConnection, path: Path) -> Sequence[tuple[str, str]]:
    return [(name, type) for name, type, *_ in con.execute(f"describe select * from {_read(path)}").fetchall()]


def _read(path: Path) -> str:
    return f"read_parquet({quoting.paths([path])}, hive_partitioning = false)"


def _same_lines(one: Path, other: Path) -> bool:
    return _lines_hash(one) == _lines_hash(other)


def _lines_hash(path: Path) -> tuple[int, int]:
    """Return how many lines there are, and the sum of their hashes."""
    count = total = 0
    for line in _hashes(path):
        count += 1
        total += int.from_bytes(line)
    return count, total % (1 << 256)


def _has_lines(rows: Path, earlier: Path) -> bool:
    """Return whether an earlier file has every line of another one, as often."""
    left = Counter(_hashes(rows))
    for line in _hashes(earlier) if left else ():
        if line in left:
            left[line] -= 1
            if not left[line]:
                del left[line]
    return not left


def _hashes(path: Path) -> Iterator[bytes]:
    """Yield the hash of each line."""
    import hashlib

    import pyarrow as pa

    with pa.input_stream(str(path), compression="zstd") as file:
        rest = b""
        while block := file.read(1 << 20):
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                yield hashlib.sha256(line).digest()

"""A table that the other project builds by date: each date is a delivery, and only those that changed are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from etl.engine.quoting import identifier, literal
from etl.errors import FetchError
from etl.sources.connectors.landed import Landed
from etl.sources.connectors.pattern import file_pattern
from etl.sources.fetches.project import Project
from etl.stages.fetched.asked import Asked, Told
from etl.stages.fetched.kinds.project.reading import BATCH, Reading
from etl.stages.fetched.landing import Landing
from etl.stages.fetched.writers import CopyWriter

if TYPE_CHECKING:
    from datetime import date

    import duckdb

#: What stands for the content of a date that is gone there: its delivery has no rows.
_GONE = "gone"
_CONTENTS = """
select date, partition_column, content from etl.contents
where table_name = $1 and not starts_with(content, '0-')"""


def land_dates(
    asked: Asked, landing: Landing, con: duckdb.DuckDBPyConnection, found: Reading, question: object
) -> Told:
    """Land each date whose rows are not those of its newest file; of one that is gone, a file without rows."""
    of = cast("Project", asked.fetch)
    assert isinstance(landing.source.connector, Landed)
    pattern = file_pattern(landing.source.connector.files)
    there = {pattern.path(day): (day, content) for day, content in _contents(con, found, of.partition).items()}
    known = landing.copies()
    for name in known.keys() - there.keys():
        if day := pattern.day(name):
            there[name] = (day, _GONE)
    for name, (day, content) in sorted(there.items()):
        more = {"content": content, "asked": question, **found.more}
        before: Mapping[str, Any] = known[name].more if name in known else {}
        if asked.full or before.get("content") != content or before.get("asked") != question:
            rows = "false" if content == _GONE else f"{identifier(of.partition)} = {literal(day)}"
            _land(landing.copy(name), con, f"{found.query} where {rows}", found, more)
    return Told(snapshot=found.there.generation, query=found.query)


def _land(
    writer: CopyWriter, con: duckdb.DuckDBPyConnection, query: str, found: Reading, more: Mapping[str, Any]
) -> None:
    """Land what a SELECT gives as a file of Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    # what a killed try has left may be of another generation
    writer.restart()
    reader = con.sql(query).to_arrow_reader(BATCH)
    with (
        pa.PythonFile(_Sink(writer), mode="w") as sink,
        pq.ParquetWriter(sink, reader.schema, compression="zstd") as file,
    ):
        for batch in reader:
            file.write_batch(batch)
    writer.land(more=more, rows=None, **found.told)


class _Sink:
    """A file for Arrow that writes to a copy."""

    closed = False

    def __init__(self, writer: CopyWriter) -> None:
        self._writer = writer

    def write(self, data: Any) -> int:
        """Append bytes; return how many."""
        self._writer.write(bytes(data))
        return len(data)

    def tell(self) -> int:
        """Return how many bytes there are."""
        return self._writer.size

    def flush(self) -> None:
        """Do nothing: the copy is flushed when it is landed."""

    def close(self) -> None:
        """Leave the copy open: it is landed next."""


def _contents(con: duckdb.DuckDBPyConnection, found: Reading, partition: str) -> dict[date, str]:
    """Return what stands for the rows of each date of the table."""
    rows = con.execute(_CONTENTS, [found.table]).fetchall()
    if not rows and not con.execute(f"select 1 from ({found.query}) limit 1").fetchall():
        return {}
    columns = {column for _, column, _ in rows}
    if columns != {partition}:
        built = f"by {min(columns)}" if columns - {""} else "as a whole"
        raise FetchError(
            f"{found.table} of {found.there.root} is built {built}, not by {partition}. Take partition out, or "
            "name the column."
        )
    if any(day is None for day, *_ in rows):
        raise FetchError(
            f"{found.table} of {found.there.root} has rows without a {partition}. Leave them out there."
        )
    return {day: content for day, _, content in rows}

"""The records in quarantine as tables of DuckDB, read from their files as far as they are asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl import engine
from etl.engine.quoting import literal, paths
from etl.errors import ConfigError, unknown
from etl.ledger import Ledger
from etl.operations.spreadsheet import same_line_ends
from etl.plan.definitions import definitions
from etl.project import Project
from etl.sources import Source
from etl.stages.lake.corrections import HASH
from etl.stages.lake.layout import REJECTS, refused_base
from etl.stages.lake.rejects import REFUSED_RULE

if TYPE_CHECKING:
    import duckdb

#: The SQL of what tells a record from all others of its source, within one process; it costs less than `record`.
NAME = "hash(date, file, line, coalesce(md5(raw), md5(text)))"
#: The order of records: the sound ones of refused partitions come last.
ORDER = f"(rule = {literal(REFUSED_RULE)} and fault is null), date, file, line"
_RECORD_DIGITS, _TEXT_DIGITS = 16, 8


@dataclass(frozen=True)
class Selection:
    """Which of a source's records are meant: all that match what is given."""

    date: date | None = None
    rule: str = ""
    file: str = ""
    lines: Sequence[int] = ()

    def condition(self) -> str:
        """Return it as SQL."""
        parts = [f"date = {literal(self.date)}"] if self.date else []
        parts += [f"{literal(self.rule)} in (rule, fault)"] if self.rule else []
        parts += [f"file = {literal(self.file)}"] if self.file else []
        parts += [f"list_contains({literal(list(self.lines))}, line)"] if self.lines else []
        return " and ".join(parts) or "true"

    def __str__(self) -> str:
        given = {"date": self.date, "rule": self.rule, "file": self.file, "line": ", ".join(map(str, self.lines))}
        return "".join(f" of {name} {value}" for name, value in given.items() if value)


def find_source(project: Project, name: str) -> Source:
    """Return a source of the project. Raises ConfigError if there is none of that name."""
    sources = definitions(project, Ledger(project.ledger, is_reading=True))[0].sources
    if name not in sources:
        raise ConfigError(unknown(f"There is no source {name}", name, sources))
    return sources[name]


@contextmanager
def opened(
    project: Project, source: str, selection: Selection | None = None, discarded: bool = True
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database with the view `selected`: the records in quarantine, of a source or of all if it is empty.

    It has the columns of quarantine files, and `record`, which tells a record from all others. Those that are
    discarded are in it, or not.
    """
    columns = ", ".join(f"null::{type} as {name}" for name, type in REJECTS.items())
    query = f"select {columns} where false"
    if files := _files(project, source):
        options = "hive_partitioning = false, union_by_name = true"
        query += f" union all by name from read_parquet({paths(files)}, {options})"
    condition = (selection or Selection()).condition() + ("" if discarded else " and discarded is null")
    with engine.in_memory(project) as con:
        con.execute(f"create temp view selected as select *, {_RECORD} as record from ({query}) where {condition}")
        yield con


def rows(
    con: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[object] = ()
) -> Iterator[tuple[Any, ...]]:
    """Yield what a query finds, with a bounded number of rows in memory."""
    found = con.execute(query, list(parameters))
    while page := found.fetchmany(_PAGE):
        yield from page


def contents(project: Project, source: str) -> dict[Path, str]:
    """Return the hash of the delivery that each quarantine file of a source is about."""
    files = _files(project, source)
    if not files:
        return {}
    query = (
        f"select file_name, decode(value) from parquet_kv_metadata({paths(files)}) where decode(key) = 'sha256'"
    )
    with engine.in_memory(project) as con:
        return {Path(name): sha256 for name, sha256 in con.execute(query).fetchall()}


def is_edited(record: str, text: str) -> bool:
    """Return whether a text is another one than that of the record when it was exported, but for line ends."""
    lines = same_line_ends(text.rstrip("\r\n")).encode("utf-8", "surrogatepass")
    return record.rpartition("-")[2] != hashlib.sha256(lines).hexdigest()[:_TEXT_DIGITS]


def _files(project: Project, source: str) -> list[Path]:
    """Return the files of quarantine; for a partition that stays as it was accepted, what is refused since."""
    base, pattern = project.quarantine, f"{source or '*'}/*/data.parquet"
    refused = {path.relative_to(refused_base(project)): path for path in refused_base(project).glob(pattern)}
    return sorted(({path.relative_to(base): path for path in base.glob(pattern)} | refused).values())


#: What DuckDB writes for a text with \n for every line end, and none at its end, as is_edited() has it.
_LINES = "replace(replace(rtrim(text, e'\\r\\n'), e'\\r\\n', e'\\n'), e'\\r', e'\\n')"
#: The SQL of what tells a record from all others, and then its text; no spreadsheet takes it for a number.
_RECORD = (
    f"'r' || sha256(concat_ws(chr(0), source, date, file, line, {HASH}))[:{_RECORD_DIGITS}] "
    f"|| '-' || sha256({_LINES})[:{_TEXT_DIGITS}]"
)
_PAGE = 1_000

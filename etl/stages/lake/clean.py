"""Deliveries whose every record is known to be sound: read together, one COPY each.

Whatever breaks a rule shows as a missing row, and sends that one delivery on the careful way.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.contract import Rule
from etl.engine.quoting import literal
from etl.stages.lake import typing_sql
from etl.stages.lake.inputs import Input, lines_of, select_list
from etl.stages.lake.place import Extracted, Extraction, provenance, scratch_file
from etl.stages.raw import Delivery

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Opening:
    """A delivery with its files taken apart."""

    delivery: Delivery
    inputs: Sequence[Input]

    @property
    def records(self) -> int:
        """The records of all its files."""
        return sum(file.records for file in self.inputs)

    @property
    def layout(self) -> object:
        """What deliveries have in common that can be read together; None if its own files cannot."""
        # what is broken needs no copy to be read from
        layouts = {file.layout for file in self.inputs if not file.opened.broken}
        is_alone = len(layouts) > 1 or any(
            f.opened.broken or typing_sql.is_in_order(f.source) for f in self.inputs
        )
        return None if is_alone else next(iter(layouts))


def extract_clean(extraction: Extraction, chunk: Sequence[Opening]) -> list[Extracted | None]:
    """Write the rows of deliveries of one layout; None for one with anything to reject."""
    warning = _read(extraction, chunk)
    doubled = _with_duplicates(extraction)
    warnings = _warnings(extraction, warning)

    def write(position: int, con: duckdb.DuckDBPyConnection) -> Extracted | None:
        opening = chunk[position]
        file = scratch_file(extraction.project, "lake", opening.delivery)
        records = opening.records
        told = lines_of(opening.inputs)
        extracted = Extracted(
            delivery=opening.delivery,
            records=records,
            told=told,
            rows_file=file,
            rows=records,
            warnings=warnings.get(position, {}),
        )
        if position in doubled:
            return None
        columns = typing_sql.lake_columns(extraction.source, opening.delivery.date, _file(opening))
        rows = con.execute(
            f"copy (select {columns} from parsed where _delivery = {position} and _keeps) "
            f"to {literal(str(file))} (format parquet, kv_metadata {provenance(extraction, extracted)})"
        ).fetchall()[0][0]
        return extracted if rows == records else None

    def write_aside(position: int) -> Extracted | None:
        with extraction.con.cursor() as cursor:
            extraction.arm(cursor)
            return write(position, cursor)

    if len(chunk) == 1:
        return [write(0, extraction.con)]
    with ThreadPoolExecutor(extraction.project.settings.threads or os.cpu_count()) as pool:
        return list(pool.map(write_aside, range(len(chunk))))


def _file(opening: Opening) -> str:
    """Return the SQL of the name of the file that a row comes from."""
    names = [file.file.name for file in opening.inputs]
    return literal(names[0]) if len(names) == 1 else f"({literal(names)})[(file_index - _first + 1)::bigint]"


def _read(extraction: Extraction, chunk: Sequence[Opening]) -> list[Rule]:
    """Make the relation `parsed` of all files; return the rules that only warn."""
    con, source = extraction.con, extraction.source
    files = [(position, file) for position, opening in enumerate(chunk) for file in opening.inputs]
    sample = files[0][1]
    relation = sample.opened.reader.relation([file.opened.file for _, file in files], sample.texts)
    positions = [position for position, _ in files]
    is_single = len(files) == len(chunk)
    delivery = "file_index" if is_single else f"({literal(positions)})[(file_index + 1)::bigint]"
    first = (
        "file_index"
        if is_single
        else f"({literal([positions.index(p) for p in positions])})[(file_index + 1)::bigint]"
    )
    days = f"({literal([opening.delivery.date for opening in chunk])})[({delivery} + 1)::bigint]"
    typed = typing_sql.typed(sample, relation, "file_index")
    python = extraction.python_rules(typed)
    rules = [*typing_sql.rules(sample, days), *(rule for rule in python if rule.severity == "error")]
    columns = select_list([*typing_sql.value_names(source), *typing_sql.mark_columns(source).values()])
    rows = (
        f"select file_index, {delivery} as _delivery, {first} as _first, {columns}, "
        f"{typing_sql.once(typing_sql.keeps(rules))} as _keeps from ({typed})"
    )
    if len(chunk) > 1:
        # one large file goes straight to Parquet; of many small ones, a table saves opening each again
        con.execute(f"create or replace table parsed_rows as {rows}")
        rows = "from parsed_rows"
    con.execute(f"create or replace view parsed as {rows}")
    return [rule for rule in [*source.contract.rules, *python] if rule.severity == "warn"]


def _with_duplicates(extraction: Extraction) -> set[int]:
    con, source = extraction.con, extraction.source
    found: set[int] = set()
    for unique in source.contract.uniques:
        if unique.severity == "error":
            key = ", ".join(source.contract.key(unique))
            sql = f"select _delivery from parsed group by _delivery, {key} having count(*) > 1"
            found.update(row[0] for row in con.execute(sql).fetchall())
    return found


def _warnings(extraction: Extraction, rules: Sequence[Rule]) -> dict[int, dict[str, int]]:
    found = _broken_warnings(extraction, rules)
    if marks := typing_sql.mark_columns(extraction.source):
        for position, *counts in extraction.con.execute(
            typing_sql.mixed(extraction.source, "parsed", "_delivery", "file_index")
        ).fetchall():
            found[position] = {**found.get(position, {}), **typing_sql.mixed_counts(marks, counts)}
    return found


def _broken_warnings(extraction: Extraction, rules: Sequence[Rule]) -> dict[int, dict[str, int]]:
    if not rules:
        return {}
    counts = ", ".join(f"count(*) filter (not ({rule.sql}))" for rule in rules)
    rows = extraction.con.execute(f"select _delivery, {counts} from parsed group by _delivery").fetchall()
    return {
        row[0]: {rule.name: count for rule, count in zip(rules, row[1:], strict=True) if count} for row in rows
    }

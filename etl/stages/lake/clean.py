"""Deliveries that are proven sound, many at a time: one scan, typed, checked, and written by partition."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from etl.quoting import identifier, literal
from etl.stages.lake import select
from etl.stages.lake.place import Batch, Extracted, provenance, scratch_file
from etl.stages.raw import Delivery

#: Files are read together up to this size; more would not be faster, and a table of them is in memory.
_CHUNK_BYTES = 64 << 20


class Proven(NamedTuple):
    """A delivery whose every record is known to be sound, and how many there are."""

    delivery: Delivery
    records: int


def chunks(proven: Sequence[Proven]) -> Iterator[list[Proven]]:
    """Yield the deliveries in groups of a bounded size; a large file is a group of its own."""
    group: list[Proven] = []
    size = 0
    for item in proven:
        if group and size + item.delivery.size > _CHUNK_BYTES:
            yield group
            group, size = [], 0
        group.append(item)
        size += item.delivery.size
    if group:
        yield group


def extract_clean(batch: Batch, columns: Sequence[str], chunk: Sequence[Proven]) -> list[Extracted | None]:
    """Write the rows of proven deliveries that all have `columns`; None for one with anything to reject."""
    _read(batch, columns, chunk)
    doubled = _with_duplicates(batch)
    warnings = _warnings(batch)

    def write(position: int) -> Extracted | None:
        delivery, records = chunk[position]
        file = scratch_file(batch.project, "lake", delivery)
        extracted = Extracted(delivery, records, file, records, warnings=warnings.get(position, {}))
        if position in doubled:
            return None
        with batch.con.cursor() as cursor:
            rows = cursor.execute(
                f"copy (select {select.lake_columns(batch.source, delivery.date, delivery.file)}"
                f" from parsed where file_index = {position} and _keeps) to {literal(str(file))} "
                f"(format parquet, kv_metadata {provenance(batch, extracted)})"
            ).fetchall()[0][0]
        return extracted if rows == records else None

    with ThreadPoolExecutor(batch.project.settings.threads or os.cpu_count()) as pool:
        return list(pool.map(write, range(len(chunk))))


def _read(batch: Batch, columns: Sequence[str], chunk: Sequence[Proven]) -> None:
    con, source = batch.con, batch.source
    names = select.text_names(columns)
    texts = select.Texts(source.format.relation([item.delivery.path for item in chunk], names), columns)
    rules = select.rules(source, columns, [item.delivery.date for item in chunk])
    values = ", ".join(identifier(column.name) for column in source.contract.columns)
    # one large file goes straight to Parquet; of many small ones, a table saves opening each again
    kind, other = ("table", "view") if len(chunk) > 1 else ("view", "table")
    con.execute(f"drop {other} if exists parsed")
    con.execute(
        f"create or replace {kind} parsed as "
        f"select file_index, {values}, {select.keeps(rules)} as _keeps from ({select.typed(source, texts)})"
    )


def _with_duplicates(batch: Batch) -> set[int]:
    con, source = batch.con, batch.source
    found: set[int] = set()
    for unique in source.contract.uniques:
        if unique.severity == "error":
            key = ", ".join(source.contract.key(unique))
            sql = f"select file_index from parsed group by file_index, {key} having count(*) > 1"
            found.update(row[0] for row in con.execute(sql).fetchall())
    return found


def _warnings(batch: Batch) -> dict[int, dict[str, int]]:
    con, source = batch.con, batch.source
    rules = [rule for rule in source.contract.rules if rule.severity == "warn"]
    if not rules:
        return {}
    counts = ", ".join(f"count(*) filter (not ({rule.sql}))" for rule in rules)
    rows = con.execute(f"select file_index, {counts} from parsed group by file_index").fetchall()
    return {
        row[0]: {rule.name: count for rule, count in zip(rules, row[1:], strict=True) if count} for row in rows
    }

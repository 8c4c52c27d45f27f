"""Putting a partition's files in place: written aside, flushed, renamed; its receipt comes last."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from etl.contract import Source
from etl.errors import DeliveryError
from etl.formats import format_to
from etl.keys import extract_key
from etl.ledger import Receipt, fingerprint, stamp
from etl.project import Project
from etl.quoting import literal
from etl.stages.lake.layout import REJECTS, partition_file
from etl.stages.raw import Delivery, state

if TYPE_CHECKING:
    import duckdb

#: Raise it when the same file and contract would now give another partition.
VERSION = 1
_REJECTS_PER_INSERT = 50_000


def definition(source: Source, timezone: str) -> str:
    """Return the fingerprint of what decides, beside a file's content, what becomes of it."""
    contract = source.contract
    columns = [(column.name, column.type, column.required) for column in contract.columns]
    rules = [*map(asdict, contract.rules), *map(asdict, contract.uniques)]
    options = (source.files, source.partition, source.optional, source.max_reject_ratio)
    return fingerprint(options, format_to(source.format), columns, rules, timezone, VERSION)


@dataclass(frozen=True)
class Batch:
    """Deliveries of one source that one connection extracts; `content` is the fingerprint of each date."""

    con: duckdb.DuckDBPyConnection
    project: Project
    source: Source
    content: Mapping[date, str]
    run_id: str

    @cached_property
    def definition(self) -> str:
        """The fingerprint of the source's definition."""
        return definition(self.source, self.project.settings.timezone)


class Reject(NamedTuple):
    """A record that goes to quarantine: `rule` is the first it broke, `message` names them all."""

    line: int
    rule: str
    column_name: str | None
    message: str
    text: str


@dataclass
class Extracted:
    """What became of one delivery, before it is in place; `rows` is a finished Parquet file, if any."""

    delivery: Delivery
    records: int
    rows_file: Path | None = None
    rows: int = 0
    rejects: Sequence[Reject] = ()
    refused: str = ""
    warnings: dict[str, int] = field(default_factory=dict)


def check_unchanged(delivery: Delivery) -> None:
    """Raise DeliveryError if a raw file is not the one that the run was planned with."""
    if not delivery.path.exists() or state(delivery.path) != (delivery.size, delivery.changed_ns, delivery.inode):
        raise DeliveryError(
            f"{delivery.source} {delivery.date}: {delivery.file} changed while it was read. "
            "Nothing of it was taken; the next run reads it again."
        )


def place(batch: Batch, extracted: Extracted) -> Receipt:
    """Move one partition's rows and rejects into place and return its receipt, which is not yet written.

    A refused partition leaves the lake: what an earlier file gave is not what this one says. Not so a
    snapshot's: its lake is the only record of what came before.
    """
    delivery = extracted.delivery
    check_unchanged(delivery)
    quarantine = _quarantine(batch, extracted)
    lake = partition_file(batch.project.lake, batch.source, delivery.date)
    if extracted.rows_file is not None:
        _move(extracted.rows_file, lake)
    elif batch.source.is_dated:
        shutil.rmtree(lake.parent, ignore_errors=True)
    details: dict[str, Any] = {
        **_facts(batch, extracted),
        "refused": extracted.refused,
        "lake": stamp(lake),
        "quarantine": stamp(quarantine),
    }
    outcome = "refused" if extracted.refused else "done"
    key = extract_key(batch.source.name, delivery.date)
    return Receipt(key, batch.content[delivery.date], batch.run_id, outcome, details=details)


def provenance(batch: Batch, extracted: Extracted) -> str:
    """Return the KV_METADATA of a lake file: where its rows come from, and the receipt that they prove."""
    values = {
        "source": batch.source.name,
        "date": str(extracted.delivery.date),
        "run_id": batch.run_id,
        "fingerprint": batch.content[extracted.delivery.date],
        "facts": json.dumps(_facts(batch, extracted)),
    }
    return "{" + ", ".join(f"{name}: {literal(value)}" for name, value in values.items()) + "}"


def _facts(batch: Batch, extracted: Extracted) -> dict[str, Any]:
    return {
        "file": extracted.delivery.file,
        "sha256": extracted.delivery.sha256,
        "definition": batch.definition,
        "records": extracted.records,
        "rows": extracted.rows,
        "rejected": len(extracted.rejects),
        "warnings": extracted.warnings,
    }


def _quarantine(batch: Batch, extracted: Extracted) -> Path:
    con, source, delivery = batch.con, batch.source, extracted.delivery
    target = partition_file(batch.project.quarantine, source, delivery.date)
    if not extracted.rejects:
        shutil.rmtree(target.parent, ignore_errors=True)
        return target
    columns = ", ".join(f"{name} {type}" for name, type in REJECTS.items())
    con.execute(f"create or replace temp table rejects ({columns})")
    lists = ", ".join("unnest(?)" for _ in Reject._fields)
    insert = f"insert into rejects select ?, ?, ?, {lists}, ?"
    for start in range(0, len(extracted.rejects), _REJECTS_PER_INSERT):
        part = extracted.rejects[start : start + _REJECTS_PER_INSERT]
        values = [list(column) for column in zip(*part, strict=True)]
        con.execute(insert, [source.name, delivery.date, delivery.file, *values, batch.run_id])
    written = scratch_file(batch.project, "quarantine", delivery)
    con.execute(f"copy (from rejects order by line) to {literal(str(written))} (format parquet)")
    _move(written, target)
    return target


def scratch_file(project: Project, kind: str, delivery: Delivery, suffix: str = "parquet") -> Path:
    """Return a path for a half-written file of one delivery."""
    project.scratch.mkdir(parents=True, exist_ok=True)
    return project.scratch / f"{kind}-{delivery.source}-{delivery.date}.{suffix}"


def _move(written: Path, target: Path) -> None:
    descriptor = os.open(written, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(written, target)

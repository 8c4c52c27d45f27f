"""The witness: one partition that workers made is made here too, and compared row by row."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from etl import engine
from etl.engine.quoting import identifier, literal, qualified
from etl.errors import EtlError, StepError, TransformError, counted, sentence
from etl.ledger import Check, Ledger, Receipt, witness_of
from etl.models import Model
from etl.project import Project
from etl.project.files import copy_file, sha256
from etl.sources import Source
from etl.stages import lake
from etl.stages.lake.corrections import corrections_file
from etl.stages.raw import Delivery

#: So many values of a column are chosen of each table.
_KEYS = 20
#: Of these, a value is not found again by its text.
_INEXACT = ("DOUBLE", "FLOAT")

if TYPE_CHECKING:
    import duckdb

    from etl.stages.warehouse import Build


def chosen_of(run_id: str, count: int) -> int:
    """Return which of so many partitions is made here too: it depends on the run, so that each has its turn."""
    return int(hashlib.sha256(run_id.encode()).hexdigest(), 16) % count


def testify(
    project: Project,
    source: Source,
    deliveries: Sequence[Delivery],
    receipts: Sequence[Receipt],
    before: Mapping[date, Receipt],
) -> None:
    """Make one of the partitions that workers made here too. Raises StepError if it comes out as another one.

    What was refused, or kept, is never the one.
    """
    done = sorted((receipt for receipt in receipts if receipt.outcome == "done"), key=lambda one: one.key)
    if not done:
        return
    chosen = done[chosen_of(done[0].run_id, len(done))]
    day = date.fromisoformat(chosen.key.partition)
    delivery = next(delivery for delivery in deliveries if delivery.date == day)
    # other processes of the run have other sources, or other days of this one, at the same time
    data = project.scratch / f"witness-{os.getpid()}"
    settings = replace(project.settings, data=str(data), raw=str(project.raw))
    aside = replace(project, settings=settings)
    shutil.rmtree(aside.data, ignore_errors=True)
    try:
        _make(project, aside, source, delivery, chosen, before)
        _compare(project, aside, source, day)
    finally:
        shutil.rmtree(aside.data, ignore_errors=True)


def _make(
    project: Project,
    aside: Project,
    source: Source,
    delivery: Delivery,
    chosen: Receipt,
    before: Mapping[date, Receipt],
) -> None:
    """Make a partition where nothing else is."""
    aside.data.mkdir(parents=True)
    if delivery.corrections:
        target = corrections_file(aside, source, delivery.date)
        target.parent.mkdir(parents=True)
        copy_file(corrections_file(project, source, delivery.date), target)
    ledger = Ledger(aside.ledger)
    known = {day: receipt for day, receipt in before.items() if day == delivery.date}
    try:
        content = {delivery.date: chosen.fingerprint}
        lake.extract(aside, source, [delivery], content, ledger, chosen.run_id, known, is_forced=True)
    except EtlError as error:
        raise StepError(
            f"{source.name} {delivery.date} was taken by a worker of {project.settings.executor}, and here it is "
            f"refused: {sentence(str(error))} Nothing that the workers made is taken."
        ) from error
    finally:
        ledger.close()


def _compare(project: Project, aside: Project, source: Source, day: date) -> None:
    """Raise StepError if the files of a partition differ from those that were made here."""
    for there, here, what in (
        (project.lake, aside.lake, "row"),
        (project.quarantine, aside.quarantine, "rejected record"),
    ):
        theirs, ours = lake.partition_file(there, source, day), lake.partition_file(here, source, day)
        if number := _number(project, theirs, ours, what):
            raise StepError(
                f"{source.name} {day}, made by a worker of {project.settings.executor}, differs in {number} from "
                "what this machine makes of the same file. Nothing that the workers made is taken. Compare their "
                "versions, libraries and settings with those here; to do without them, take [etl] executor out."
            )


def _number(project: Project, theirs: Path, ours: Path, what: str) -> str:
    """Return how many rows are in one of two files only, as text; empty if they hold the same."""
    if not (theirs.is_file() and ours.is_file()):
        return f"all {what}s" if theirs.is_file() or ours.is_file() else ""
    if sha256(theirs) == sha256(ours):
        return ""
    import duckdb

    first, second = (f"read_parquet({literal(str(file))}, hive_partitioning = false)" for file in (theirs, ours))
    try:
        with engine.in_memory(project) as con:
            columns = [con.execute(f"describe select * from {one}").fetchall() for one in (first, second)]
            if columns[0] != columns[1]:
                return f"all {what}s"
            query = (
                f"select (select count(*) from (from {first} except all from {second})) "
                f"+ (select count(*) from (from {second} except all from {first}))"
            )
            count = int(con.execute(query).fetchall()[0][0])
    except duckdb.Error:
        # it is not even a file that can be read
        return f"all {what}s"
    return counted(count, what) if count else ""


def testify_part(con: duckdb.DuckDBPyConnection, model: Model, rows: str, day: date, url: str) -> None:
    """Build a partition of a model here too. Raises TransformError if `rows`, a SELECT, has other rows of it.

    Floating-point numbers are compared to 9 digits: sums of them depend on the order of rows.
    """
    where = f"where {identifier(model.header.partition)} = {literal(day)}"
    sides = (f"from ({rows}) {where}", f"from (\n{model.sql}\n) {where}")
    before = con.execute("select current_setting('threads')").fetchall()[0][0]
    # as a worker does it, so that rows come in the same order
    con.execute("set threads = 1")
    try:
        # two that are close may be rounded to other ninth digits, and then not to other eighth ones
        count = min(_differing(con, model, sides, digits) for digits in (0, 9, 8))
    finally:
        con.execute(f"set threads = {before}")
    if count:
        raise TransformError(
            f"{model.place}: {day}, built by a worker of {url}, differs in {counted(count, 'row')} from what this "
            "machine builds of the same partitions. Nothing that the workers made is taken. If the SELECT chooses "
            "between rows, or orders them, by columns that do not tell them apart, name more columns there. Else "
            "compare versions, libraries and settings of the workers with those here; to do without them, take "
            "[etl] executor out."
        )


def testify_keys(con: duckdb.DuckDBPyConnection, build: Build, ledger: Ledger, run_id: str, *, url: str) -> None:
    """Build the rows of some values of a column here too. Raises TransformError if the table holds others of them.

    What comes out is a check of error severity in the ledger. The run's hash chooses the values among those of the
    table, and among those of the column of the same name of each table that the model reads: one that is lost is
    seen too.
    """
    model = build.model
    column = next((name for name, type in model.stored if type not in _INEXACT and "[" not in type), "")
    where = ""
    if column:
        name, texts = identifier(column), _chosen_values(con, model, column, run_id)
        where = f"where cast({name} as varchar) in ({', '.join(map(literal, texts))})" if texts else "where false"
    sides = (f"from {qualified(model.name)} {where}", f"from (\n{model.sql}\n) {where}")
    count = min(_differing(con, model, sides, digits) for digits in (0, 9, 8))
    values = f"{counted(_KEYS, 'value')} of {column or 'all columns'}"
    ledger.put_check(
        Check(
            name=witness_of(model.name),
            table_name=model.name,
            severity="error",
            passed=not count,
            failing=count,
            # the values may be personal data
            examples=[f"of {values}, {counted(count, 'row')} of {url} differ from what DuckDB computes"],
            run_id=run_id,
            fingerprint=build.content,
        )
    )
    if count:
        raise TransformError(
            f"{model.place}: of {values}, {counted(count, 'row')} that "
            f"{url} has computed differ from what DuckDB computes. Nothing of it is taken. If the SELECT chooses "
            "between rows, or orders them, by columns that do not tell them apart, name more columns there. If it "
            "sums floating-point numbers that cancel out, such as a balance, cast them to a DECIMAL. Else remove "
            "`-- engine: spark`, and report it."
        )


def _chosen_values(con: duckdb.DuckDBPyConnection, model: Model, column: str, run_id: str) -> list[str]:
    """Return some values of a column as text, of the table and of what it is built from."""
    tables, found = [model.name, *model.reads], []
    for table in tables:
        names = {str(row[0]).lower() for row in con.execute(f"describe {qualified(table)}").fetchall()}
        if column.lower() in names:
            value = f"cast({identifier(column)} as varchar)"
            found += con.execute(
                f"select distinct {value} as v from {qualified(table)} where {value} is not null "
                f"order by hash({value} || {literal(run_id)}), v limit {_KEYS}"
            ).fetchall()
    return sorted({str(value) for (value,) in found})


def _differing(con: duckdb.DuckDBPyConnection, model: Model, sides: Sequence[str], digits: int) -> int:
    """Return how many rows only one of two relations has; with `digits`, to so many of floating-point numbers."""
    columns = ", ".join(
        f"printf('%.{digits}g', {identifier(name)})"
        if digits and type in ("DOUBLE", "FLOAT")
        else identifier(name)
        for name, type in model.stored
    )
    first, second = (f"(select {columns} {side})" for side in sides)
    query = (
        f"select (select count(*) from ({first} except all {second})) "
        f"+ (select count(*) from ({second} except all {first}))"
    )
    return int(con.execute(query).fetchall()[0][0])

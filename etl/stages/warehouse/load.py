"""Loading: the partitions of the lake into raw.*, one transaction for each table."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from etl.engine.limits import ended_after, is_interrupt
from etl.engine.quoting import identifier, literal, paths
from etl.errors import Crash, EtlError, StepError, sentence, traced
from etl.ledger import Ledger, Receipt
from etl.ledger.keys import extract_key, load_key
from etl.ledger.spent import Meter
from etl.project import Project
from etl.sources import Source
from etl.stages.lake.layout import delete_partition, partition_file
from etl.stages.warehouse.build import describe, open_build, transaction
from etl.stages.warehouse.raw_tables import Partition, Table
from etl.stages.warehouse.scrubbing import note_removed
from etl.stages.warehouse.snapshots import insert_as_taken
from etl.stages.warehouse.views import decided, drop_raw, make_view, rows_of
from etl.stages.warehouse.withdrawn import check_withdrawn

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger("etl")

#: So many rows are loaded in any order; fewer stay as they were delivered.
_MANY_ROWS = 1_000_000

#: What etl.partitions says of a partition, but for its source and the run.
_COUNTS = ("records", "rows", "rejected", "discarded", "lines", "skipped")
_NOTED = ("date", "fingerprint", "file", "sha256", *_COUNTS)


def load(project: Project, tables: Sequence[Table], ledger: Ledger, run_id: str) -> list[Receipt]:
    """Make each table hold exactly its partitions, in one transaction; return the receipts, written.

    What was withdrawn leaves the lake too. One table that fails stops no other; StepError comes at the end,
    such as WithdrawnError for a source of which more files than its max_withdrawn are gone.
    """
    import duckdb

    receipts: list[Receipt] = []
    failed: dict[str, EtlError] = {}
    traces: dict[str, str] = {}
    with open_build(project, ledger, run_id) as con:
        for table in tables:
            try:
                source = table.source
                with ended_after(source.timeout_minutes, f"{source.table}: loading it", ("load", source.name)):
                    receipts.append(_load(con, project, table, run_id))
            except StepError as error:
                failed[table.source.name] = error
            except (duckdb.Error, OSError) as error:
                traces[table.source.name] = traced(error)
                failed[table.source.name] = _explained(con, project, table, ledger, error)
            except Exception as error:
                if is_interrupt(error):
                    raise
                log.error("%s", table.source.table, exc_info=error)
                traces[table.source.name] = traced(error)
                failed[table.source.name] = Crash(
                    f"{table.source.table} could not be loaded: {type(error).__name__}: {sentence(str(error))}"
                )
    for table in tables:
        if any(receipt.key.name == table.source.name for receipt in receipts):
            _forget_withdrawn(project, table, ledger)
    ledger.write(*receipts)
    if failed:
        whole = _all_of(failed)
        whole.traces = traces
        raise whole
    return receipts


def _all_of(failed: Mapping[str, EtlError]) -> EtlError:
    """Return one error for the sources that failed."""
    errors = list(failed.values())
    kind = next((Crash for error in errors if isinstance(error, Crash)), StepError)
    whole = errors[0] if len(errors) == 1 else kind("\n".join(map(str, errors)))
    whole.each = {name: str(error) for name, error in failed.items()}
    whole.parts = [*whole.each.values()]
    return whole


def _load(con: duckdb.DuckDBPyConnection, project: Project, table: Table, run_id: str) -> Receipt:
    meter = Meter()
    _check_withdrawn(con, table)
    source = decided(con, project, table.source, table.rows, table.was_view)
    table = replace(table, source=source)
    with transaction(con):
        _define(con, source)
        describe(con, source.table, source.contract)
        query = "select date, fingerprint from etl._loaded where source = ?"
        loaded = dict(con.execute(query, [source.name]).fetchall())
        stale = [
            table.partitions[day]
            for day, content in table.contents.items()
            if loaded.get(day) != content or day in table.anew
        ]
        told = [p for p in stale if _has_same_rows(table, p, loaded.get(p.date))]
        new = [p for p in stale if p not in told]
        gone = [*(p.date for p in new), *(day for day in loaded if day not in table.partitions)]
        if source.masks and not loaded.keys().isdisjoint(gone):
            note_removed(con, [source.name])
        _delete(con, source, gone)
        _insert(con, project, table, new, run_id)
        if source.is_view:
            make_view(con, project, source)
        _tell_discards(con, project, source, told, run_id)
        con.execute("update etl._tables set content = ? where source = ?", [table.content, source.name])
    details: dict[str, Any] = {"loaded": len(stale), "rows": sum(partition.rows for partition in stale)}
    details |= {"as": source.load} if source.is_view else {}
    spent = meter.spent()
    key = load_key(source.name)
    return Receipt(key, table.content, run_id, seconds=spent.seconds, details=details, spent=spent)


def _explained(
    con: duckdb.DuckDBPyConnection, project: Project, table: Table, ledger: Ledger, error: Exception
) -> StepError:
    """Return why a table could not be loaded; files of the lake that cannot be read are made again."""
    broken = [day for day in table.partitions if not _is_readable(con, project, table.source, day)]
    if not broken:
        return StepError(f"{table.source.table} could not be loaded: {sentence(str(error))}")
    ledger.forget(extract_key(table.source.name, day) for day in broken)
    days = f"{', '.join(map(str, broken[:3]))}{', ...' if len(broken) > 3 else ''}"
    if table.source.is_dated:
        hope = f"The next run takes them from data/{table.source.home} again."
    else:
        home = f"data/{table.source.home}"
        hope = f"The next run takes the newest from {home} again; earlier ones are only in a backup of the lake."
    why = f"the lake's files of {days} are damaged: {sentence(str(error))}"
    return StepError(f"{table.source.table} could not be loaded: {why}\n{hope}")


def _is_readable(con: duckdb.DuckDBPyConnection, project: Project, source: Source, day: date) -> bool:
    """Return whether all values of a partition, and of its rejects, can be read."""
    import duckdb

    files = [partition_file(base, source, day) for base in (project.lake, project.quarantine)]
    try:
        for file in (file for file in files if file.exists()):
            con.execute(f"select max(columns(*)::varchar) from read_parquet({paths([file])})").fetchall()
    except duckdb.Error:
        return False
    return True


def _forget_withdrawn(project: Project, table: Table, ledger: Ledger) -> None:
    for day in table.withdrawn:
        for base in (project.lake, project.quarantine):
            delete_partition(partition_file(base, table.source, day).parent)
    ledger.forget(extract_key(table.source.name, day) for day in table.withdrawn)
    for day in table.lost:
        if receipt := ledger.receipt(extract_key(table.source.name, day)):
            ledger.write(replace(receipt, details={**receipt.details, "given_up": True}))


def _check_withdrawn(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Raise WithdrawnError if more partitions than max_withdrawn would leave the table at once, without a word."""
    source = table.source
    loaded = {
        day for (day,) in con.execute("select date from etl._loaded where source = ?", [source.name]).fetchall()
    }
    lost = [day for day in table.lost if day in loaded or day not in table.given_up]
    check_withdrawn(source, table.withdrawn, lost, table.allow_withdrawn)


def _define(con: duckdb.DuckDBPyConnection, source: Source) -> None:
    """Make the table of a source anew, if it has other columns than the contract now says, or is to be a view."""
    definition = ", ".join(f"{identifier(name)} {type}" for name, type in source.columns.items())
    row = con.execute("select definition from etl._tables where source = ?", [source.name]).fetchall()
    # what was loaded before a column was masked, and cannot be extracted again, is to be read again without it
    known = f"{definition} {source.masks}" if source.history or source.masks else definition
    known += " view" if source.is_view else ""
    if row != [(known,)]:
        for name in ("_loaded", "partitions", "rejects", "_tables"):
            con.execute(f"delete from etl.{name} where source = ?", [source.name])
        if row and source.masks:
            note_removed(con, [source.name])
        drop_raw(con, source.name)
        con.execute(f"create table {rows_of(source)} ({definition})")
        con.execute("insert into etl._tables values (?, ?, '')", [source.name, known])


def _has_same_rows(table: Table, partition: Partition, loaded: str | None) -> bool:
    """Return whether rows and rejects of a partition are there already, but for what was discarded of these."""
    is_plain = not table.source.history and partition.date not in table.anew | table.kept
    return is_plain and loaded in partition.alike


def _tell_discards(
    con: duckdb.DuckDBPyConnection, project: Project, source: Source, partitions: Sequence[Partition], run_id: str
) -> None:
    """Make the rejects of partitions say what was discarded of them, and leave all else as it is."""
    for partition in partitions:
        file = paths([partition_file(project.quarantine, source, partition.date)])
        read = f"read_parquet({file}, hive_partitioning = false)"
        facts = "count(distinct discarded), count(*) = count(discarded), min(discarded), min(run_id)"
        ((reasons, is_all, *new),) = con.execute(f"select {facts} from {read}").fetchall()
        mine = [source.name, partition.date]
        if reasons == 1 and is_all:
            told = "update etl.rejects set discarded = ?, run_id = ? where source = ? and date = ?"
            con.execute(told, [*new, *mine])
        else:
            # two records of one line have their texts to tell them, and what is said of the same text is the same
            con.execute(
                f"update etl.rejects as r set discarded = q.discarded, run_id = q.run_id from {read} as q "
                "where r.source = ? and r.date = ? and r.file = q.file and r.line = q.line and r.text = q.text "
                "and r.raw is not distinct from q.raw",
                mine,
            )
    _delete_notes(con, source, [partition.date for partition in partitions], ("_loaded", "partitions"))
    _note(con, source, partitions, run_id)


def _delete(con: duckdb.DuckDBPyConnection, source: Source, dates: Sequence[date]) -> None:
    if not dates:
        return
    column = identifier(source.partition)
    con.execute(f"delete from {rows_of(source)} where list_contains({literal(list(dates))}, {column})")
    _delete_notes(con, source, dates, ("_loaded", "partitions", "rejects"))


def _delete_notes(
    con: duckdb.DuckDBPyConnection, source: Source, dates: Sequence[date], tables: Sequence[str]
) -> None:
    for name in tables if dates else ():
        days = literal(list(dates))
        con.execute(f"delete from etl.{name} where source = ? and list_contains({days}, date)", [source.name])


def _insert(
    con: duckdb.DuckDBPyConnection,
    project: Project,
    table: Table,
    partitions: Sequence[Partition],
    run_id: str,
) -> None:
    source = table.source
    rows = {p.date: partition_file(project.lake, source, p.date) for p in partitions if p.rows}
    earlier = [file for day, file in rows.items() if source.history or day in table.kept]
    if earlier:
        insert_as_taken(con, source, earlier)
    if source.history:
        partitions = [_with_rejects(project, source, p) for p in partitions]
    files = [file for file in rows.values() if file not in set(earlier)]
    if files and not source.is_view:
        # in order, many rows would be written twice: once now, and again by the checkpoint
        con.execute(f"set preserve_insertion_order = {sum(p.rows for p in partitions) < _MANY_ROWS}")
        con.execute(
            f"insert into {rows_of(source)} by name select *, now() as _loaded_at "
            f"from read_parquet({paths(files)}, hive_partitioning = false)"
        )
        con.execute("reset preserve_insertion_order")
    rejects = [partition_file(project.quarantine, source, p.date) for p in partitions if p.rejected + p.discarded]
    if rejects:
        con.execute(
            "insert into etl.rejects by name "
            f"from read_parquet({paths(rejects)}, hive_partitioning = false, union_by_name = true)"
        )
    _note(con, source, partitions, run_id)


def _note(con: duckdb.DuckDBPyConnection, source: Source, partitions: Sequence[Partition], run_id: str) -> None:
    if not partitions:
        return
    columns = [[getattr(p, name) for p in partitions] for name in _NOTED]
    dates, fingerprints, *others = columns
    con.execute(
        f"insert into etl.partitions select ?, {', '.join(['unnest(?)'] * (len(others) + 1))}, now(), ?",
        [source.name, dates, *others, run_id],
    )
    taken = [p.is_taken for p in partitions]
    con.execute(
        "insert into etl._loaded select ?, unnest(?), unnest(?), unnest(?)",
        [source.name, dates, fingerprints, taken],
    )


def _with_rejects(project: Project, source: Source, partition: Partition) -> Partition:
    """Return the partition of a snapshot as it is without its rejects, if their file is gone for good."""
    if partition_file(project.quarantine, source, partition.date).exists():
        return partition
    lines = partition.rows + partition.skipped
    return replace(partition, records=partition.rows, rejected=0, discarded=0, lines=lines)

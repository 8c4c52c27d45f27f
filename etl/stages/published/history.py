"""The history in the published file: the steps of every run that the ledger knows, for whoever asks in SQL."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

from etl.ledger import Ledger, Run
from etl.ledger.history import DONE, RUNNING, History, StepRow
from etl.stages.warehouse import STEPS, set_comments, transaction

if TYPE_CHECKING:
    import duckdb

_TABLE = "What each run did: one row per step of its plan, for the runs that keep_runs and keep_run_days keep."
#: What each column means; bytes and memory are those of the processes that did the step.
_COLUMNS = {
    "run_id": "The run; it joins etl.runs.",
    "step": "What was done: plan, deliver, extract, load, transform, audit or publish.",
    "name": "The source or model; empty for plan, audit and publish.",
    "partitions": "Of an extract, the partition, or the first and the last and how many.",
    "started_at": "When it began.",
    "seconds": "From its begin to its end [seconds].",
    "cpu_seconds": "CPU time of all processes that did it [seconds].",
    "rows_in": "Records that were read.",
    "rows_out": "Rows that were accepted or built.",
    "rejected": "Records that were rejected.",
    "bytes_read": "Bytes read by system calls [bytes].",
    "bytes_written": "Bytes written by system calls [bytes].",
    "peak_memory_bytes": "The most memory that the process had up to its end [bytes].",
    "attempts": "How often it was begun.",
    "outcome": "done, kept, skipped, failed or killed.",
    "why": "Why it was to be done.",
    "message": "Why it failed or was skipped.",
    "did": "What was done.",
    "warnings": "What is to be looked at, though it was done.",
    "parts": "How many partitions it had, or 1.",
}
#: The columns in the order of the table.
_NAMES = tuple(column.name for column in fields(StepRow))


def write_steps(con: duckdb.DuckDBPyConnection, ledger: Ledger, run: Run) -> None:
    """Let the table of steps hold those of the runs that the ledger knows; only what it lacks is written.

    The run that publishes is still under way: what it has yet to do is done for whoever can read it.
    """
    history = History(ledger)
    history.settle(run.run_id)
    query = f"select distinct run_id, step = 'publish' and outcome = '{DONE}' and seconds is null from {STEPS}"
    there = con.execute(query).fetchall()
    # of a run that published, the end of its last step was not known yet
    whole = {name for name, _ in there} - {name for name, is_open in there if is_open} - {run.run_id}
    wanted = history.runs_with_steps()
    rows = [
        replace(row, outcome=DONE) if row.outcome == RUNNING and row.run_id == run.run_id else row
        for row in history.steps([name for name in wanted if name not in whole])
    ]
    columns = [list(column) for column in zip(*map(_values, rows), strict=True)]
    types = dict(con.execute("select column_name, column_type from (describe etl.steps)").fetchall())
    values = (f"unnest(${n}::{types[name]}[])" for n, name in enumerate(_NAMES, 1))
    with transaction(con):
        con.execute(f"delete from {STEPS} where not list_contains($1, run_id)", [sorted(whole & set(wanted))])
        if rows:
            con.execute(f"insert into {STEPS} select {', '.join(values)}", columns)
    set_comments(con, {STEPS: {"": _TABLE, **_COLUMNS}})


def _values(row: StepRow) -> tuple[object, ...]:
    found = {**vars(row), "warnings": list(row.warnings)}
    return tuple(None if found[name] == "" else found[name] for name in _NAMES)

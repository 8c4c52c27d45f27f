"""The history: what every run did, one row per run and step, and per run and check; kept for keep_runs runs.

A run notes the steps of its plan as it begins, each with why it is to be done; then how far each one came. Rows
and outcomes are taken from the receipts when the run ends, or when the next one finds that it was killed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, astuple, dataclass, field, fields
from typing import Any, NamedTuple

from etl.ledger.ledger import Ledger
from etl.ledger.rows import Check, Run
from etl.ledger.spent import ADD_SPENT, Spent

#: What became of a step: it waits, is under way, is done, left as it was, could not begin, failed, or was killed.
WAITING, RUNNING, DONE, KEPT, SKIPPED, FAILED, KILLED = (
    *("", "running", "done", "kept"),
    *("skipped", "failed", "killed"),
)


class StepId(NamedTuple):
    """What names a step of a run: what is done, and to which source or table; an audit has no name."""

    step: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.step} {self.name}".strip()


@dataclass(frozen=True)
class StepRow:
    """One step of one run. Times are UTC, ISO 8601; a figure that nobody knows is None.

    `seconds` are those from its start to its end, `cpu_seconds` those of all processes that did it. `parts` counts
    its partitions, or is 1; `partitions` says which. `message` says why it failed or was skipped, `did` what was
    done.
    """

    run_id: str
    step: str
    name: str = ""
    partitions: str = ""
    _: KW_ONLY
    started_at: str = ""
    seconds: float | None = None
    cpu_seconds: float | None = None
    rows_in: int | None = None
    rows_out: int | None = None
    rejected: int | None = None
    bytes_read: int | None = None
    bytes_written: int | None = None
    peak_memory_bytes: int | None = None
    attempts: int = 0
    outcome: str = WAITING
    why: str = ""
    message: str = ""
    did: str = ""
    warnings: Sequence[str] = ()
    parts: int = 1

    @property
    def id(self) -> StepId:
        """What names it in its run."""
        return StepId(self.step, self.name)


@dataclass(frozen=True)
class CheckRow:
    """What a check found in one run; `severity` is `error` or `warn`."""

    run_id: str
    name: str
    table_name: str
    severity: str
    _: KW_ONLY
    passed: bool
    failing: int


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What is known of a run beside its outcome: who or what began it, how, and what it cost in all processes.

    `is_dirty` says whether contracts or SQL differed from the commit; None if nobody looked.
    """

    run_id: str
    trigger: str = ""
    command: str = ""
    user: str = ""
    host: str = ""
    environment: str = ""
    is_dirty: bool | None = None
    seconds: float | None = None
    cpu_seconds: float | None = None
    bytes_read: int | None = None
    bytes_written: int | None = None
    peak_memory_bytes: int | None = None


@dataclass(frozen=True)
class History:
    """The history in a ledger; each change is one transaction."""

    ledger: Ledger = field(repr=False)

    def steps(self, run_ids: Collection[str] | None = None) -> list[StepRow]:
        """Return the steps of some runs, by default of all, in the order in which each run planned them."""
        where, values = _among(run_ids)
        return [_step(row) for row in self.ledger.ask(f"select * from steps {where} order by rowid", values)]

    def checks(self, run_ids: Collection[str] | None = None) -> list[CheckRow]:
        """Return what checks found in some runs, by default in all, by run and name.

        A check whose tables are unchanged since it passed was not repeated: the run has no row of it.
        """
        where, values = _among(run_ids)
        rows = self.ledger.ask(f"select * from check_history {where} order by run_id, name", values)
        return [CheckRow(*row[:4], passed=bool(row[4]), failing=row[5]) for row in rows]

    def note_checks(self, checks: Iterable[Check]) -> None:
        """Add what an audit between two nights found; it stays as long as the runs of its time."""
        rows = [(c.run_id, c.name, c.table_name, c.severity, c.passed, c.failing) for c in checks]
        self.ledger.change(
            ("delete from check_history where run_id < (select min(run_id) from runs)", [()]),
            ("insert or replace into check_history values (?, ?, ?, ?, ?, ?)", rows),
        )

    def facts(self, run_ids: Collection[str] | None = None) -> dict[str, RunFacts]:
        """Return the facts of some runs, by default of all, by run."""
        where, values = _among(run_ids)
        return {row[0]: _facts(row) for row in self.ledger.ask(f"select * from run_facts {where}", values)}

    def generations_made(self) -> dict[str, str]:
        """Return the generation that each run made, by run, also of those that are not on disk any more."""
        return dict(self.ledger.ask(_MADE))

    def runs_with_steps(self) -> list[str]:
        """Return the runs that did something, in the order in which they began."""
        return [row[0] for row in self.ledger.ask("select run_id from steps group by run_id order by min(rowid)")]

    def usual_seconds(self, last: int = 20) -> dict[StepId, float]:
        """Return how long each step took on the average of its last times that it was done."""
        rows = self.ledger.ask(_USUAL, (last,))
        return {StepId(*row[:2]): row[2] for row in rows}

    def write(self, run: Run, facts: RunFacts) -> None:
        """Insert or replace a run and what is known of it."""
        self.ledger.write_run(run, (_WRITE_FACTS, [astuple(facts)]))

    def plan(self, rows: Iterable[StepRow]) -> None:
        """Note the steps that a run will do; of one that was noted and waits, why it is to be done."""
        self.ledger.change((_PLAN, [_values(row) for row in rows]))

    def begin(self, run_id: str, steps: Iterable[StepId], at: str) -> None:
        """Note that steps are under way since `at`; of one that is done in parts, the first time counts.

        An empty time says that they are done one after another, and each one's is known when it is done.
        """
        self.ledger.change((_BEGIN, [(at, run_id, *step) for step in steps]))

    def add(self, run_id: str, spent: Mapping[StepId, Spent]) -> None:
        """Add what was spent on steps, or on parts of them, to what was spent before."""
        self.ledger.change((ADD_SPENT, [cost.row(run_id, *step) for step, cost in spent.items()]))

    def tried(self, run_id: str, steps: Iterable[StepId], attempts: int) -> None:
        """Note how often steps were begun by now."""
        self.ledger.change((_TRIED, [(attempts, run_id, *step) for step in steps]))

    def tried_again(self, run_id: str, steps: Iterable[StepId], attempts: int) -> None:
        """Note in the receipts that a run has written of steps how often these were begun."""
        self.ledger.change((_TRIED_RECEIPT, [(attempts, run_id, *step) for step in steps]))

    def done(self, run_id: str, steps: Iterable[StepId]) -> None:
        """Note that steps are done which have no receipt."""
        self.ledger.change((_DONE, [(run_id, *step) for step in steps]))

    def brought(self, run_id: str, step: StepId, *, rows: int | None, bytes: int, did: str) -> None:
        """Note that a step without a receipt is done, and what it has brought."""
        self.ledger.change((_BROUGHT, [(rows, did, bytes, run_id, *step)]))

    def fail(self, run_id: str, failed: Mapping[StepId, str]) -> None:
        """Note that steps failed, and why."""
        self.ledger.change((_FAIL, [(why, run_id, *step) for step, why in failed.items()]))

    def wait(self, run_id: str, steps: Iterable[StepId]) -> None:
        """Note that steps that were begun with others were not reached."""
        self.ledger.change((_WAIT, [(run_id, *step) for step in steps]))

    def settle(self, run_id: str) -> None:
        """Take rows, rejected records and outcomes of a run's steps from the receipts that it has written."""
        self.ledger.change(*((sql, [{"run": run_id}]) for sql in _SETTLE))

    def close(self, run_id: str, waiting: Mapping[StepId, str], *, otherwise: str, running: str = FAILED) -> None:
        """Let no step of a run wait or be under way any more: it was skipped, for the reason in `waiting`.

        `otherwise` is the reason of all others; what was under way has the outcome `running`, and that reason.
        """
        reasons = [(why, run_id, *step) for step, why in waiting.items()]
        self.ledger.change((_SKIP, reasons), (_CLOSE, [{"run": run_id, "why": otherwise, "running": running}]))

    def prune(self, keep: int, since: str, stays: Collection[str]) -> list[str]:
        """Forget runs that began before `since`, and those beyond the last `keep`; return which.

        Runs that did something and runs that found nothing new count apart, so that a project that is looked at
        each minute keeps its nights. The run that began last and those in `stays` are kept.
        """
        gone = [
            row[0] for row in self.ledger.ask(_OLD, {"keep": keep, "since": since, "stays": json.dumps([*stays])})
        ]
        if gone:
            self.ledger.change(
                *((f"delete from {table} where run_id = ?", [(run,) for run in gone]) for table in OF_RUNS)
            )
        return gone


#: The tables whose rows belong to a run, and go with it.
OF_RUNS = ("steps", "check_history", "run_facts", "problems", "lineage", "runs")

_USUAL = f"""
select step, name, avg(seconds) from (
    select step, name, seconds, row_number() over (partition by step, name order by rowid desc) as n
    from steps where outcome = '{DONE}' and seconds is not null)
where n <= ? group by step, name"""

#: What _SETTLE says of a publication; a ledger that is older than the history has the table alone.
_MADE = """
select run_id, generation from generations
union
select run_id, substr(did, length('generation ') + 1) from steps
where step = 'publish' and did like 'generation %'"""

_WRITE_FACTS = f"insert or replace into run_facts values ({', '.join('?' * len(fields(RunFacts)))})"

_PLAN = f"""
insert into steps values ({", ".join("?" * len(fields(StepRow)))}) on conflict (run_id, step, name) do update set
    partitions = excluded.partitions, parts = excluded.parts, why = excluded.why where outcome = ''"""

_OF = "where run_id = ? and step = ? and name = ?"

_BEGIN = f"""
update steps set outcome = '{RUNNING}', attempts = max(attempts, 1),
    started_at = coalesce(nullif(started_at, ''), ?)
{_OF} and outcome in ('{WAITING}', '{RUNNING}')"""

_TRIED = f"update steps set attempts = max(attempts, ?) {_OF}"

_TRIED_RECEIPT = f"update receipts set details = json_set(details, '$.attempts', ?) {_OF}"

_FAIL = f"update steps set outcome = '{FAILED}', message = ? {_OF}"

_DONE = f"update steps set outcome = '{DONE}' {_OF}"

_BROUGHT = f"update steps set outcome = '{DONE}', rows_out = ?, did = ?, bytes_written = ? {_OF}"

_WAIT = f"update steps set outcome = '{WAITING}' {_OF}"

#: A kept partition is what was accepted before: this run has read what came in its place, and taken nothing.
_COUNTED = """
select step, name, count(*) as parts, sum(outcome = 'kept') as kept, max(outcome = 'failed') as is_failed,
    max(json_extract(details, '$.failed')) as failed, max(json_extract(details, '$.attempts')) as attempts,
    max(json_extract(details, '$.built')) as is_built,
    sum(json_extract(details, '$.records')) filter (where outcome <> 'kept') as records,
    sum(json_extract(details, '$.rows')) filter (where outcome <> 'kept') as rows,
    sum(json_extract(details, '$.rejected')) filter (where outcome <> 'kept') as rejected,
    max(case step when 'publish' then
            case when json_extract(details, '$.is_new') then 'generation ' || json_extract(details, '$.generation')
            else 'nothing changed' end
        when 'transform' then coalesce('in full: ' || nullif(json_extract(details, '$.in_full'), ''),
            case when json_extract(details, '$.built') and json_type(details, '$.partitions') = 'array' then
                json_array_length(details, '$.partitions') || iif(json_array_length(details, '$.partitions') = 1,
                ' partition', ' partitions') end) end) as did,
    max(case step when 'transform' then nullif(json_extract(details, '$.why'), '') end) as why,
    sum(seconds) as seconds, max(finished_at) as finished_at
from receipts where run_id = :run group by step, name"""

_SETTLE = (
    f"""
update steps set
    rows_in = found.records, rows_out = found.rows, rejected = found.rejected,
    did = coalesce(found.did, steps.did), attempts = max(steps.attempts, coalesce(found.attempts, 1)),
    why = coalesce(found.why, steps.why), seconds = coalesce(steps.seconds, found.seconds),
    outcome = case
        when found.is_failed then '{FAILED}'
        when found.parts < steps.parts then steps.outcome
        when found.kept = found.parts or found.is_built = 0 then '{KEPT}'
        else '{DONE}' end,
    message = coalesce(found.failed, steps.message)
from ({_COUNTED}) as found
where steps.run_id = :run and steps.step = found.step and steps.name = found.name""",
    """
update steps set warnings = found.texts
from (select name, json_group_array(text) as texts from (
    select name, key || ': ' || sum(value) as text from receipts, json_each(details, '$.warnings')
    where run_id = :run and step = 'extract' and outcome <> 'kept' group by name, key
    union all
    select name, partition || ' is refused: ' || json_extract(details, '$.refused') from receipts
    where run_id = :run and step = 'extract' and outcome in ('refused', 'kept')) group by name) as found
where steps.run_id = :run and steps.step = 'extract' and steps.name = found.name""",
    """
update steps set did = found.did, warnings = found.texts
from (select count(*) || iif(count(*) = 1, ' check', ' checks') as did,
    json_group_array(name || ': ' || failing) filter (where not passed and severity <> 'error') as texts
    from check_history where run_id = :run having count(*) > 0) as found
where run_id = :run and step = 'audit'""",
)

_SKIP = f"update steps set outcome = '{SKIPPED}', message = ? {_OF} and outcome = '{WAITING}'"

_CLOSE = f"""
update steps set
    message = coalesce(nullif(message, ''), :why),
    outcome = case outcome when '{WAITING}' then '{SKIPPED}' else :running end
where run_id = :run and outcome in ('{WAITING}', '{RUNNING}')"""

_OLD = """
select run_id from (
    select run_id, started_at, row_number() over (order by rowid desc) as newest,
        row_number() over (partition by outcome = 'unchanged' order by rowid desc) as n
    from runs where outcome <> '')
where newest > 1 and (n > :keep or started_at < :since)
    and run_id not in (select value from json_each(:stays))
    and run_id not in (select run_id from generations) and run_id not in (select run_id from checks)"""


def _among(run_ids: Collection[str] | None) -> tuple[str, Sequence[str]]:
    if run_ids is None:
        return "", ()
    return "where run_id in (select value from json_each(?))", (json.dumps([*run_ids]),)


def _values(row: StepRow) -> tuple[Any, ...]:
    return tuple(json.dumps(value) if name == "warnings" else value for name, value in vars(row).items())


def _step(row: Sequence[Any]) -> StepRow:
    known = dict(zip((column.name for column in fields(StepRow)), row, strict=True))
    return StepRow(**{**known, "warnings": json.loads(known["warnings"])})


def _facts(row: Sequence[Any]) -> RunFacts:
    known = dict(zip((column.name for column in fields(RunFacts)), row, strict=True))
    is_dirty = known["is_dirty"]
    return RunFacts(**{**known, "is_dirty": None if is_dirty is None else bool(is_dirty)})

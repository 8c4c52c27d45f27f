"""Building the models: what work() says is to be done, as many models in one transaction as are quick."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from time import perf_counter
from typing import TYPE_CHECKING, Any

from etl.contract.audit import ROW_COUNTS
from etl.engine.limits import ended_after
from etl.engine.quoting import qualified
from etl.engine.retries import retried
from etl.errors import EtlError, TimedOut, TransformError, plain, traced
from etl.ledger import Ledger, Receipt
from etl.ledger.history import History, StepId
from etl.ledger.keys import transform_key
from etl.ledger.spent import Meter, Spent
from etl.project import Project
from etl.stages.warehouse import incremental
from etl.stages.warehouse.build import drop_model, open_build, transaction, write_row_counts
from etl.stages.warehouse.content import hashed, version
from etl.stages.warehouse.macros import define_macros
from etl.stages.warehouse.makers import MAKERS
from etl.stages.warehouse.optional import Failures
from etl.stages.warehouse.work import Build, Built, Day, Part, State, Work, whole_inputs, work

if TYPE_CHECKING:
    import duckdb

#: After so many seconds a transaction is committed, so that a killed run loses no more work than that.
_COMMIT_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class _Done:
    """What was done about a model; `work` is nothing if it was there already.

    `before` are its partitions as etl._partitions has them; those of one that is built in full do not count.
    """

    build: Build
    built: Built
    work: Work
    parts: Mapping[Day, Part]
    spent: Spent | None = None
    before: Mapping[Day, Part] = field(default_factory=dict)

    @property
    def new_parts(self) -> list[tuple[str, Day, Part]]:
        """The partitions to be noted, with the model's name."""
        return [(self.build.model.name, d, part) for d, part in self.parts.items() if self.before.get(d) != part]

    @property
    def old_days(self) -> list[Day]:
        """The partitions of before that are not, or not as they were, any more."""
        return [day for day, part in self.before.items() if self.parts.get(day) != part]


def transform(
    project: Project,
    builds: Sequence[Build],
    ledger: Ledger,
    run_id: str,
    *,
    batch_date: date | None = None,
    sources_of: Mapping[str, Sequence[str]] | None = None,
    failed: Iterable[Receipt] = (),
    traces: dict[str, str] | None = None,
) -> list[Receipt]:
    """Make the tables and views of `builds`, which are in order, what they should be.

    `traces` is given where each optional model failed.

    Models that read the row counts of earlier nights find those of before `batch_date`.
    With `sources_of`, the sources that each table depends on, optional models may fail, as those of `failed` did
    in this run already: see optional.Failures.
    Return the receipts, which are written. One that fails stops no other: TransformError comes at the end.
    """
    with open_build(project, ledger, run_id) as con:
        if batch_date and any(ROW_COUNTS in (*b.model.reads, *b.model.whole) for b in builds):
            write_row_counts(con, ledger.counts_before(str(batch_date)))
        if any(build.model.role for build in builds):
            from etl.stages.warehouse.learning import with_ledger

            builds = with_ledger(con, project, builds, ledger, run_id)
        known = {receipt.key.name: receipt.details["since"] for receipt in failed}
        failures = Failures(con=con, run_id=run_id, sources_of=sources_of, optional=known)
        limit = project.settings.cutoff_rows
        receipts, problems = build_models(
            con, builds, run_id, limit, ledger.write, failures, project.settings.retries
        )
        for name, attempts in failures.attempts.items():
            History(ledger).tried(run_id, [StepId("transform", name)], attempts)
    if traces is not None:
        traces |= failures.traces
    if problems:
        error = TransformError("\n".join(problems))
        error.each, error.traces, error.parts = failures.problems, failures.traces, problems
        raise error
    return receipts


def build_models(
    con: duckdb.DuckDBPyConnection,
    builds: Sequence[Build],
    run_id: str,
    cutoff_rows: int,
    note: Callable[..., object] = lambda *receipts: None,
    failures: Failures | None = None,
    retries: int = 0,
) -> tuple[list[Receipt], list[str]]:
    """Make tables and views in an open database that has the schema etl; return the receipts, and what failed.

    `note` is called with the receipts of each transaction once it is committed. Without `failures`, no model may
    fail, be it optional. What fails for a reason that passes is tried again, up to `retries` times.
    """
    receipts: list[Receipt] = []
    failures = failures or Failures(con=con, run_id=run_id)
    remaining, size = list(builds), len(builds)
    if failures.optional:
        remaining, tolerated = _without_hopeless(remaining, failures)
        note(*tolerated)
        receipts += tolerated
    while remaining:
        together = _tried(con, remaining[:size], run_id, cutoff_rows, retries)
        new = [_receipt(item, run_id, together.attempts) for item in together.done]
        note(*new)
        receipts += new
        # those before the one that failed once more, without it
        size = len(builds) if together.done or not together.before else together.before
        if together.problem and not together.before:
            if together.attempts > 1:
                failures.attempts[remaining[0].model.name] = together.attempts
            failed = failures.add(remaining.pop(0), together.problem, together.trace)
            remaining, more = _without_hopeless(remaining, failures)
            tolerated = [failed, *more] if failed else more
            note(*tolerated)
            receipts += tolerated
        remaining = remaining[len(together.done) :]
    return receipts, list(filter(None, failures.problems.values()))


def _without_hopeless(builds: Sequence[Build], failures: Failures) -> tuple[list[Build], list[Receipt]]:
    """Return the models that read none without content, and the receipts of the others."""
    found = [(build, *failures.add_without_input(build)) for build in builds]
    return [build for build, is_hopeless, _ in found if not is_hopeless], [r for _, _, r in found if r]


@dataclass(frozen=True, kw_only=True)
class _Together:
    """The models of one transaction; or the `problem` of one that undid it, where it was, and how many before."""

    done: Sequence[_Done] = ()
    problem: str = ""
    before: int = 0
    attempts: int = 1
    trace: str = ""


class _Undone(Exception):
    """Raised from what a model has failed with, which undid the transaction."""

    def __init__(self, together: _Together) -> None:
        super().__init__(together.problem)
        self.together = together


def _tried(
    con: duckdb.DuckDBPyConnection, builds: Sequence[Build], run_id: str, limit: int, retries: int
) -> _Together:
    attempts = 1

    def note(begun: int) -> None:
        nonlocal attempts
        attempts = begun

    try:
        together = retried(
            lambda: _transaction(con, builds, run_id, limit), retries, f"transform {builds[0].model.name}", note
        )
    except _Undone as undone:
        together = undone.together
    return replace(together, attempts=attempts)


def _transaction(con: duckdb.DuckDBPyConnection, builds: Sequence[Build], run_id: str, limit: int) -> _Together:
    """Build models in one transaction, until it has lasted long enough."""
    import duckdb

    done: list[_Done] = []
    started = perf_counter()
    try:
        with transaction(con):
            state = State(con, look=hashed)
            for build in builds:
                if done and build.model.kind.reads_committed:
                    break
                done.append(_one(con, state, build, limit))
                if perf_counter() - started > _COMMIT_SECONDS:
                    break
            done = _with_versions(done, state)
            _write(con, done, run_id)
    except (duckdb.Error, TransformError, TimedOut) as error:
        # if it is not a model that failed but the writing, it is said of the last one
        before = min(len(done), len(builds) - 1)
        model = builds[before].model
        text = f"{model.place} could not be built: {plain(str(error))}"
        known = error.traces if isinstance(error, TransformError) else {}
        trace = known.get(model.name) or traced(error)
        problem = str(error) if isinstance(error, EtlError) else text
        raise _Undone(_Together(problem=problem, before=before, trace=trace)) from error
    return _Together(done=done)


def _one(con: duckdb.DuckDBPyConnection, state: State, build: Build, limit: int) -> _Done:
    meter = Meter()
    model, before = build.model, state.built.get(build.model.name)
    todo = work(build, state)
    if not todo and before:
        same = replace(before, content=build.content)
        return _Done(build=build, built=same, work=todo, parts={}, spent=meter.spent())
    state.make_schema(model.name.split(".")[0])
    if before and before.materialized != model.materialized:
        drop_model(con, model.name)
    if model.macros:
        define_macros(con, model.macros, build.variables)
    with ended_after(model.header.timeout_minutes, model.place, ("transform", model.name)):
        rows = MAKERS[model.materialized](con, build, todo, state)
    days = None if todo.full else todo.looked_at
    # models above may need its partitions one by one, though it is built as a whole itself
    has_parts = model.by_date or model.time or model.kind.is_partitioned
    known = {} if todo.full or not has_parts else state.parts(model.name)
    parts = incremental.parts(con, build, state, days, limit) if has_parts else {}
    if rows is None and model.kind.is_stored:
        rows = int(con.execute(f"select count(*) from {qualified(model.name)}").fetchall()[0][0])
    spent = meter.spent()
    seconds = spent.seconds
    whole = seconds if todo.full or not before else before.full_seconds
    built = Built(
        content=build.content,
        materialized=model.materialized,
        rows=rows,
        seconds=seconds,
        definition=build.definition,
        inputs={},
        version=version(build, rows, parts, limit),
        text=build.text,
        full_seconds=whole,
    )
    state.put(model, built, parts)
    return _Done(build=build, built=built, work=todo, parts=parts, spent=spent, before=known)


def _with_versions(done: Iterable[_Done], state: State) -> list[_Done]:
    """Return what was done with the versions of the tables, and of those that they were built from."""
    found = []
    for item in done:
        model, built = item.build.model, item.built
        if item.work:
            inputs = whole_inputs(model, state) if model.kind.is_stored else {}
            built = replace(built, inputs=inputs, version=state.version(model.name))
            state.put(model, built, item.parts)
        found.append(replace(item, built=built))
    return found


def _write(con: duckdb.DuckDBPyConnection, done: Sequence[_Done], run_id: str) -> None:
    """Note what is built in the schema etl."""
    kept = [item for item in done if not item.work]
    built = [item for item in done if item.work]
    if kept:
        con.execute(
            "update etl.models set fingerprint = kept.content "
            "from (select unnest($1) as name, unnest($2) as content) as kept where models.name = kept.name",
            [[item.build.model.name for item in kept], [item.built.content for item in kept]],
        )
    if not built:
        return
    names = [item.build.model.name for item in built]
    for table in ("models", "_builds"):
        con.execute(f"delete from etl.{table} where list_contains($1, name)", [names])
    _delete_parts(con, built)
    facts = [item.built for item in built]
    con.execute(
        "insert into etl.models select unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), now(), $6",
        [names, *_columns(facts, "materialized", "content", "rows", "seconds"), run_id],
    )
    con.execute(
        f"insert into etl._builds select {', '.join(f'unnest(${n})' for n in range(1, 7))}",
        [
            names,
            _columns(facts, "definition")[0],
            [json.dumps(b.inputs) for b in facts],
            *_columns(facts, "version", "text", "full_seconds"),
        ],
    )
    if parts := [part for item in built for part in item.new_parts]:
        con.execute(
            "insert into etl._partitions select unnest($1), unnest($2)::date, unnest($3), unnest($4), unnest($5)",
            [
                [name for name, _, _ in parts],
                [day for _, day, _ in parts],
                *_columns([part for _, _, part in parts], "inputs", "version", "rows"),
            ],
        )


def _delete_parts(con: duckdb.DuckDBPyConnection, built: Sequence[_Done]) -> None:
    """Forget the partitions that models had before, but for those that are as they were."""
    whole = [item.build.model.name for item in built if not item.before]
    con.execute("delete from etl._partitions where list_contains($1, name)", [whole])
    for item in built:
        if days := item.old_days:
            null = "date is null" if None in days else "false"
            con.execute(
                f"delete from etl._partitions where name = $1 and (list_contains($2::date[], date) or {null})",
                [item.build.model.name, [day for day in days if day]],
            )


def _columns(rows: Sequence[Any], *names: str) -> list[list[Any]]:
    return [[getattr(row, name) for row in rows] for name in names]


def _receipt(item: _Done, run_id: str, attempts: int) -> Receipt:
    """Return the receipt of a model; its details are what the run did, for `etl plan` and for the summary."""
    partial = not item.work.full
    details = {
        "rows": item.built.rows,
        "seconds": item.built.seconds,
        "built": bool(item.work),
        "why": item.work.why,
        "in_full": item.work.in_full,
        "partitions": [str(day) for day in item.work.days if day] if partial else None,
        **({"attempts": attempts} if attempts > 1 else {}),
    }
    key = transform_key(item.build.model.name)
    seconds = item.built.seconds if item.work else 0.0
    return Receipt(key, item.build.content, run_id, seconds=seconds, details=details, spent=item.spent)

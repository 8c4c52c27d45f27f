"""The plan of a run, made when it is first asked for, and what is put in order before it counts."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from etl.errors import LedgerError
from etl.ledger import FAILED, Ledger, Run, now
from etl.ledger.history import History
from etl.ledger.keys import BUILD, extract_key
from etl.plan import Plan, Scope, check_room, make_plan
from etl.project import Project
from etl.run import recording
from etl.run.reporting import refresh_report
from etl.stages.lake import forget_refused
from etl.stages.published import current, note_missed, sweep
from etl.stages.warehouse import keep_build_open


def begin(run: recording.Recorded) -> None:
    """Note that a run has begun, put in order what others left, and fix what it will do."""
    put_in_order(run.project, run.ledger)
    # without git nobody knows
    run.facts = replace(run.facts, is_dirty=not run.is_committed if run.row.git_commit else None)
    run.history.write(run.row, run.facts)
    try:
        assert run.plan
    except BaseException as error:
        recording.note_planning_failed(run, error)
        run.ledger.write_run(replace(run.row, outcome="failed", finished_at=now()))
        with suppress(LedgerError):
            run.ledger.note_problem(run.row.run_id, "plan", str(error) or type(error).__name__)
        refresh_report(run.project, run.ledger)
        raise


def end_earlier(project: Project, ledger: Ledger, killed: Iterable[Run]) -> None:
    """Note how runs ended that could not note it themselves: this process has the lock."""
    for earlier in killed:
        outcome = "published" if was_published(project, earlier.run_id) else "killed"
        recording.close_killed(History(ledger), earlier.run_id, outcome)
        ledger.write_run(replace(earlier, outcome=outcome))


def put_in_order(project: Project, ledger: Ledger) -> None:
    """Remove and note what a run or command that was killed has left half done. Whoever wrote here is gone."""
    sweep(project)
    note_missed(project, ledger)


def was_published(project: Project, run_id: str) -> bool:
    """Return whether what a run published is what analysts see."""
    return current(project) == run_id


def plan_of(project: Project, ledger: Ledger, scope: Scope, run_id: str) -> Plan:
    """Make the plan of a run that holds the lock, and let the ledger say nothing that it will undo.

    Raises NoRoom if the disk cannot hold what is to be done, and what make_plan() raises.
    """
    plan = make_plan(project, ledger, scope, run_id)
    check_room(plan)
    _forget_refused(plan)
    if not plan.is_build_intact:
        ledger.forget([BUILD])
    # or, if this run ends halfway, the next one would believe them of a build.duckdb that began again;
    # what does not speak of build.duckdb stays: the lake has stamps, and a generation is never written again
    # that an optional model failed must be known until it is built
    failed = {key for key, receipt in plan.receipts.items() if receipt.outcome == FAILED}
    ledger.forget(key for key in plan.stale if key.step not in ("extract", "publish") and key not in failed)
    keep_build_open(project)
    return plan


def _forget_refused(plan: Plan) -> None:
    """Delete the records that were refused while accepted rows stay, where nothing is refused any more."""
    for name, source in plan.catalog.sources.items():
        keys = {day: extract_key(name, day) for day in plan.moving(name)}
        kept = (k for k in keys.values() if k in plan.receipts and plan.receipts[k].outcome == "kept")
        refused = {*kept, *plan.stale}
        forget_refused(plan.project, source, [day for day, key in keys.items() if key in refused])

"""One execution of the batch: the lock, the plan, the row in the ledger, and what is said at the end."""

from __future__ import annotations

import atexit
import logging
import os
import secrets
import shutil
import sys
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from etl.errors import Crash, LedgerError, StepError
from etl.ledger import FAILED, Key, Ledger, Receipt, Run, now
from etl.ledger.keys import BUILD, PUBLISH, UNDELIVERED, extract_key
from etl.ledger.lock import take_lock
from etl.plan import Plan, Scope, check_room, make_plan
from etl.project import Project, load_project
from etl.project.files import private
from etl.project.git import commit_of
from etl.reports.summary import all_notes, summary
from etl.run.workers import batch_size, end_with_parent, end_without_workers, memory_share, ready_to_fork
from etl.stages.lake import forget_refused
from etl.stages.published import current, note_missed, sweep
from etl.stages.warehouse import close_build, keep_build_open

log = logging.getLogger("etl")

#: Runs of this process by id; forked children inherit them, and with them the lock.
_active: dict[str, ActiveRun] = {}

#: Finished runs of this process in which etl itself failed.
_crashed: list[str] = []

#: What the ledger's cache keeps by the last run in which etl itself failed: the step.
_CRASHED = "crashed"

#: Up to so many receipts are asked for one by one.
_FEW = 20


def new_run_id() -> str:
    """Return an id that sorts by time: UTC to the millisecond, and four hex digits against a tie."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"[:-3] + f"Z-{secrets.token_hex(2)}"


@dataclass(kw_only=True)
class ActiveRun:
    """A run under way: it holds the project's lock until it is finished or its process ends."""

    project: Project
    ledger: Ledger
    plan: Plan
    row: Run
    lock: int
    pid: int
    #: Whether it was asked for everything that is stale, rather than for one task.
    is_whole: bool = True
    #: How many processes do its steps.
    workers: int = 1
    finished: bool = False
    #: The deliveries that a task is to make and that were not asked for yet, by source.
    awaited: dict[str, Sequence[date]] = field(default_factory=dict)
    #: Whether they are asked for now.
    is_delivering: bool = False
    #: Why deliveries were not made, by source and date.
    undelivered: dict[tuple[str, date], str] = field(default_factory=dict)

    def awaits(self, source: str, day: date) -> bool:
        """Return whether a task is still to be asked for a delivery."""
        return day in self.awaited.get(source, ())

    @property
    def lacking(self) -> list[tuple[str, date]]:
        """The deliveries without which nothing is published; a required snapshot that a task makes must be new."""
        sources = self.plan.catalog.sources
        made = [key for key in self.undelivered if sources[key[0]].required and not sources[key[0]].is_dated]
        return [*self.plan.missing.items(), *made]

    def replan(self) -> None:
        """Fix the plan again, with the deliveries that were made since the run began."""
        self.plan = _planned(self.project, self.ledger, self.plan.scope, self.row.run_id)
        for name in ("batch_size", "extracting"):
            self.__dict__.pop(name, None)

    def is_done(self, *keys: Key) -> bool:
        """Return whether every one of the steps has its receipt, without opening anything but the ledger."""
        receipts = self.ledger.receipts() if len(keys) > _FEW else {key: self.ledger.receipt(key) for key in keys}
        return all(self.plan.is_done(key, receipts.get(key)) for key in keys)

    @cached_property
    def batch_size(self) -> int:
        """How many partitions of a source are extracted by one task at the most."""
        return batch_size(self._stale, self.workers)

    @cached_property
    def extracting(self) -> Project:
        """The project, as a process that extracts sees it: with its share of the memory, if nobody has set one."""
        settings = self.project.settings
        if self.workers == 1 or settings.memory_limit:
            return self.project
        share = memory_share(self._stale, self.workers)
        return replace(self.project, settings=replace(settings, memory_limit=share))

    @property
    def _stale(self) -> list[int]:
        """How many partitions of each source are to be extracted."""
        return [len(self.plan.stale_partitions(name)) for name in self.plan.held]

    def has_file(self, key: Key) -> bool:
        """Return whether a partition has a file in the lake, by its receipt: a refused one has none."""
        receipt = self.ledger.receipt(key)
        return receipt is not None and receipt.details["lake"] != []

    def files_of(self, source: str, day: date) -> list[Path]:
        """Return the files of a delivery, which need not be there any more; or where they would be looked for."""
        if delivery := self.plan.held[source].get(day):
            return [file.path for file in delivery.files]
        return [self.project.raw / self.plan.catalog.sources[source].connector.where(day)]

    def watch_parent(self) -> None:
        """In a forked child: end this process, in whatever it does, when the parent that holds the run ends."""
        if os.getpid() != self.pid:
            end_with_parent(self.pid)

    def watch_workers(self) -> None:
        """In the parent: end the run if all of its workers are gone, and Luigi still waits for them."""
        end_without_workers(self._give_up)

    def note_problem(self, step: str, error: Exception) -> None:
        """Record that a step failed, if the ledger still can."""
        with suppress(LedgerError):
            self.ledger.note_problem(self.plan.run_id, step, str(error))
            if isinstance(error, Crash):
                # workers are processes of their own: the ledger is what the parent hears of them by
                self.ledger.cache(_CRASHED, self.plan.run_id, step)

    def finish(self) -> None:
        """Write the outcome to the ledger, say it, and release the lock; once, and only in the parent."""
        if self.finished or os.getpid() != self.pid:
            return
        self.finished = True
        try:
            close_build(self.project)
        except Exception as error:
            # what it committed is in the file beside it, and the next run finds it there
            log.error("%s could not be closed: %s", self.project.build, error)
        try:
            self._write_outcome()
            if self.ledger.cached(_CRASHED, self.plan.run_id) is not None:
                _crashed.append(self.plan.run_id)
        except LedgerError as error:
            log.error("%s", error)
        os.close(self.lock)
        _active.pop(self.row.run_id, None)

    def _give_up(self) -> None:
        problem = StepError("the worker processes are gone, and did not say why: were they killed? Run again.")
        log.error("failed: %s", problem)
        self.note_problem("workers", problem)
        self.finish()

    def _write_outcome(self) -> None:
        receipts = self.ledger.receipts()
        outcome = _outcome(self, receipts)
        row = replace(self.row, outcome=outcome, finished_at=now(), summary=_totals(self, receipts))
        self.ledger.write_run(row)
        for line in summary(self.plan, self.ledger, row, receipts):
            log.info(line)


def active_run(
    root: str, run_id: str, scope: Scope | None = None, is_whole: bool = False, workers: int = 1
) -> ActiveRun:
    """Return the run of that id, begun if it is not under way: locked, planned, and noted in the ledger.

    `is_whole` says that everything stale is asked for; more than one of `workers` are processes of their own,
    forked from this one. Raises AlreadyRunning if another process holds the project, and what make_plan() raises.
    """
    if run_id not in _active:
        project = load_project(root)
        finish_runs()
        lock = take_lock(project, run_id)
        try:
            _active[run_id] = _begin(project, run_id, scope, is_whole, lock)
            _active[run_id].workers = workers
        except BaseException:
            os.close(lock)
            raise
        if workers > 1:
            ready_to_fork()
            _active[run_id].watch_workers()
    return _active[run_id]


def finish_runs() -> None:
    """Finish the runs of this process: their outcome is written and said, and their locks are released."""
    for run in list(_active.values()):
        run.finish()


def has_crashed() -> bool:
    """Return whether etl itself failed in a run that this process has finished."""
    return bool(_crashed)


def progress() -> tuple[int, int]:
    """Return how many steps of the run in this process are done, and how many there are to do."""
    done = total = 0
    for run in list(_active.values()):
        receipts = Ledger(run.project.ledger).receipts()
        done += sum(run.plan.is_done(key, receipts.get(key)) for key in run.plan.stale)
        total += len(run.plan.stale)
    return done, total


def _begin(project: Project, run_id: str, asked: Scope | None, is_whole: bool, lock: int) -> ActiveRun:
    scope = asked or Scope(project.today())
    ledger = Ledger(project.ledger)
    for earlier in ledger.runs():
        if not earlier.outcome:
            is_published = current(project) == earlier.run_id
            ledger.write_run(replace(earlier, outcome="published" if is_published else "killed"))
    # whoever wrote here is gone: this process has the lock
    shutil.rmtree(project.scratch, ignore_errors=True)
    private(project.scratch)
    sweep(project)
    note_missed(project, ledger)
    row = Run(
        run_id,
        str(scope.last),
        now(),
        pid=os.getpid(),
        git_commit=commit_of(project),
        versions=_versions(),
    )
    ledger.write_run(row)
    try:
        plan = _planned(project, ledger, scope, run_id)
    except BaseException as error:
        ledger.write_run(replace(row, outcome="failed", finished_at=now()))
        with suppress(LedgerError):
            ledger.note_problem(run_id, "plan", str(error) or type(error).__name__)
        raise
    keep_build_open(project)
    run = ActiveRun(
        project=project, ledger=ledger, plan=plan, row=row, lock=lock, pid=os.getpid(), is_whole=is_whole
    )
    run.awaited = dict(plan.awaited)
    atexit.register(run.finish)
    return run


def _planned(project: Project, ledger: Ledger, scope: Scope, run_id: str) -> Plan:
    """Return the plan of a run, with room for it; what it does again has no receipt any more."""
    plan = make_plan(project, ledger, scope, run_id)
    check_room(plan)
    _forget_refused(plan)
    if not plan.is_build_intact:
        ledger.forget([BUILD])
    # or, if this run ends halfway, the next one would believe them of a build.duckdb that began anew;
    # what does not speak of build.duckdb stays: the lake has stamps, and a generation is never written again
    # that an optional model failed must be known until it is built
    failed = {key for key, receipt in plan.receipts.items() if receipt.outcome == FAILED}
    ledger.forget(key for key in plan.stale if key.step not in ("extract", "publish") and key not in failed)
    return plan


def _forget_refused(plan: Plan) -> None:
    """Delete the records that were refused while accepted rows stay, where nothing is refused any more."""
    for name, source in plan.catalog.sources.items():
        keys = {day: extract_key(name, day) for day in plan.held[name]}
        kept = (k for k in keys.values() if k in plan.receipts and plan.receipts[k].outcome == "kept")
        refused = {*kept, *plan.stale}
        forget_refused(plan.project, source, [day for day, key in keys.items() if key in refused])


def _versions() -> dict[str, str]:
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in ("etl", "luigi", "duckdb", "pandera"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _outcome(run: ActiveRun, receipts: dict[Key, Receipt]) -> str:
    plan = run.plan
    problems = [step for step, _ in run.ledger.problems(plan.run_id) if step != UNDELIVERED]
    if run.lacking and not problems:
        return "missing data"
    if not all(plan.is_done(key, receipts.get(key)) for key in plan.stale):
        is_partial = not run.is_whole and not problems
        return "partial" if is_partial else "failed"
    is_new = PUBLISH in plan.stale and receipts[PUBLISH].details["is_new"]
    return "published" if is_new else "unchanged"


def _totals(run: ActiveRun, receipts: dict[Key, Receipt]) -> dict[str, Any]:
    """Return what the run did: records in, rows out and rejected, and seconds, by step."""
    mine = [receipt for receipt in receipts.values() if receipt.run_id == run.plan.run_id]
    seconds: dict[str, float] = defaultdict(float)
    for receipt in mine:
        seconds[receipt.key.step] += receipt.seconds
    extracted = [r.details for r in mine if r.key.step == "extract" and r.outcome != "kept"]
    counts = {name: sum(d[name] for d in extracted) for name in ("records", "rows", "rejected", "discarded")}
    said = {name: all_notes(run.plan, receipts, name) for name in run.plan.taken}
    return {
        **counts,
        "notes": {name: texts for name, texts in said.items() if texts},
        "late": {name: str(h.late_since) for name, h in run.plan.holes.items() if h.late_since},
        "seconds": {step: round(value, 3) for step, value in seconds.items()},
    }

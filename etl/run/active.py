"""One execution of the batch: the lock, the plan, the row in the ledger, and what is said at the end."""

from __future__ import annotations

import atexit
import gc
import logging
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.errors import Crash, LedgerError
from etl.ledger import Key, Ledger, Run, now
from etl.ledger.history import History, RunFacts
from etl.ledger.lock import take_lock
from etl.ledger.run_log import RunLog
from etl.ledger.spent import Meter
from etl.plan.scope import Scope
from etl.project import Project, load_project
from etl.project.files import emptied
from etl.project.git import commit_of, is_committed
from etl.run import display, recording, stopping, telling, waits
from etl.run.origin import new_run_id, origin_of, versions
from etl.run.reporting import prepare_report, refresh_report
from etl.run.same import Said, Seen, find_same
from etl.run.workers import batch_size, end_with_parent, end_without_workers, memory_share, ready_to_fork

if TYPE_CHECKING:
    from etl.plan import Plan

__all__ = ["ActiveRun", "active_run", "finish_runs", "has_crashed", "new_run_id", "versions"]

log = logging.getLogger("etl")

#: Runs of this process by id; forked children inherit them, and with them the lock.
_active: dict[str, ActiveRun] = {}

#: Finished runs of this process in which etl itself failed.
_crashed: list[str] = []

#: What the ledger's cache keeps by the last run in which etl itself failed: the step.
_CRASHED = "crashed"

#: Up to so many receipts are asked for one by one.
_FEW = 20

#: How often Python looks for garbage, and after how many new objects it does so while a run is under way.
_COLLECTING, _MANY_OBJECTS = gc.get_threshold(), 100_000


class ActiveRun:
    """A run under way: it holds the project's lock until it is finished or its process ends."""

    def __init__(
        self,
        *,
        project: Project,
        ledger: Ledger,
        row: Run,
        lock: int,
        pid: int,
        plan: Plan | None = None,
        scope: Scope | None = None,
        is_whole: bool = True,
    ) -> None:
        """`is_whole` says that everything stale is asked for; without a plan, one is made when it is asked for."""
        self.project, self.ledger, self.row = project, ledger, row
        self.history, self.meter = History(ledger), Meter()
        #: Who or what began it, and how.
        self.facts = RunFacts(run_id=row.run_id)
        #: The steps that this process does now.
        self.doing: recording.Doing | None = None
        #: Where what it says is written to, beside the text that people read.
        self.log: RunLog | None = None
        self.lock, self.pid, self.is_whole = lock, pid, is_whole
        self.scope = plan.scope if plan else scope or Scope(project.today())
        #: What a run is to say that finds all as it was; None for one that has something to do, or may have.
        self.same: Said | None = None
        #: How many processes do its steps.
        self.workers = 1
        self.finished = False
        self._plan = plan
        #: How all was that was given, when the plan was made.
        self._given: Seen | None = None
        #: The deliveries that a task is to make and that were not asked for yet, by source.
        self.awaited: dict[str, Sequence[date]] = {}
        #: Whether they are asked for now, and whether they are waited for then.
        self.is_delivering = self.is_waiting = False
        #: Why deliveries were not made, by source and date.
        self.undelivered: dict[tuple[str, date], str] = {}

    @property
    def plan(self) -> Plan:
        """What the run does; of one that finds all as it was, made only for who asks."""
        if self._plan is None:
            self.replan()
            assert self._plan
            self.awaited = {**self._plan.awaited, **waits.due(self, self._plan)}
        return self._plan

    def replan(self) -> None:
        """Fix the plan, or fix it again with the deliveries that were made since the run began."""
        # the end needs them too: when an interpreter ends, some modules cannot be imported any more
        from etl.run import planned, remembered

        self._plan = planned.plan_of(self.project, self.ledger, self.scope, self.row.run_id)
        recording.note_plan(self)
        self._given, self.same = remembered.see_given(self._plan), None
        for name in ("batch_size", "extracting"):
            self.__dict__.pop(name, None)

    def awaits(self, source: str, day: date) -> bool:
        """Return whether a task is still to be asked for a delivery."""
        return day in self.awaited.get(source, ())

    @property
    def lacking(self) -> list[tuple[str, date]]:
        """The deliveries without which nothing is published; a required snapshot that a task makes must be new."""
        sources = self.plan.catalog.sources
        made = [key for key in self.undelivered if sources[key[0]].required and sources[key[0]].must_be_new]
        return [*self.plan.missing.items(), *made]

    def is_done(self, *keys: Key) -> bool:
        """Return whether every one of the steps has its receipt, without opening anything but the ledger."""
        receipts = self.ledger.receipts() if len(keys) > _FEW else {key: self.ledger.receipt(key) for key in keys}
        return all(self.plan.is_done(key, receipts.get(key)) for key in keys)

    def is_over(self) -> bool:
        """Return whether all that was stale is done, and nothing required or asked for is missing."""
        if self.same is not None:
            return True
        if self.awaited or self.undelivered or self.plan.missing:
            return False
        return self.is_done(*self.plan.stale)

    @cached_property
    def is_committed(self) -> bool:
        """Whether git knows all of the code; asked once, before workers are forked."""
        return is_committed(self.project)

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
        return [self.plan.catalog.sources[source].where(self.project, day)]

    def watch_parent(self) -> None:
        """In a forked child: end this process, in whatever it does, when the parent that holds the run ends."""
        if os.getpid() != self.pid:
            stopping.in_worker()
            end_with_parent(self.pid)

    def watch_workers(self) -> None:
        """In the parent: end the run if all of its workers are gone, and Luigi still waits for them."""
        end_without_workers(partial(stopping.without_workers, self))

    def note_problem(self, step: str, error: Exception) -> None:
        """Record that a step failed, if the ledger still can."""
        with suppress(LedgerError):
            self.ledger.note_problem(self.row.run_id, step, str(error))
            if isinstance(error, Crash):
                # workers are processes of their own: the ledger is what the parent hears of them by
                self.ledger.cache(_CRASHED, self.row.run_id, step)

    def finish(self, is_hung: bool = False) -> None:
        """Write the outcome to the ledger, say it, and release the lock; once, and only in the parent.

        Of one that `is_hung`, another thread still does a step, so that its databases cannot be closed.
        """
        if self.finished or os.getpid() != self.pid:
            return
        self.finished, self.doing = True, None
        stopping.end(self)
        shown = display.leave()
        try:
            if self._plan and not is_hung:
                self._close()
            self._write_outcome()
            if self.ledger.cached(_CRASHED, self.row.run_id) is not None:
                _crashed.append(self.row.run_id)
        except LedgerError as error:
            log.error("%s", error)
        telling.ended(self)
        if shown:
            shown.summary()
        if self.log:
            self.log.close()
        os.close(self.lock)
        stopping.leave(self)
        _active.pop(self.row.run_id, None)
        gc.set_threshold(*_COLLECTING)
        telling.send(self)

    def _close(self) -> None:
        from etl.run import ending

        try:
            ending.close(self.project)
        except Exception as error:
            # what it committed is in the file beside it, and the next run finds it there
            log.error("%s could not be closed: %s", self.project.build, error)

    def _write_outcome(self) -> None:
        if self.same is not None:
            self._write("unchanged", self.same.totals)
            lines: Iterable[str] = self.same.lines
        else:
            from etl.run import ending

            recording.close(self)
            receipts = self.ledger.receipts()
            is_lacking = bool(self.lacking)
            outcome = ending.outcome_of(
                self.plan, self.ledger, receipts, is_whole=self.is_whole, is_lacking=is_lacking
            )
            row = self._write(outcome, ending.totals(self.plan, receipts))
            lines = ending.summary(self.plan, self.ledger, row, receipts)
        for line in lines:
            log.info(line)
        refresh_report(self.project, self.ledger)
        self._remember()
        recording.prune(self)

    def _remember(self) -> None:
        """Note what the next run need not plan; without that it plans, and is none the worse."""
        if self._plan and self._given:
            from etl.run import remembered

            with suppress(LedgerError, OSError):
                remembered.remember(self._plan, self.ledger, self._given, self.row)

    def _write(self, outcome: str, totals: dict[str, Any]) -> Run:
        self.row = replace(self.row, outcome=outcome, finished_at=now(), summary=totals)
        spent = vars(self.meter.spent())
        self.facts = replace(self.facts, **{name: spent[name] for name in spent if name != "started_at"})
        self.history.write(self.row, self.facts)
        return self.row


def active_run(
    root: str, run_id: str, scope: Scope | None = None, is_whole: bool = False, workers: int = 1
) -> ActiveRun:
    """Return the run of that id, begun if it is not under way: locked, planned, and noted in the ledger.

    `is_whole` says that everything stale is asked for; more than one of `workers` are processes of their own,
    forked from this one. Raises AlreadyRunning if another process holds the project, and what make_plan() raises.
    """
    if run_id not in _active:
        with telling.why_not(root, run_id, scope, is_whole):
            project = load_project(root)
            finish_runs()
            lock = take_lock(project, run_id)
            try:
                _active[run_id] = _begin(project, run_id, scope, is_whole, lock)
                _active[run_id].workers = workers
                if _active[run_id].same is None:
                    display.begin(project, run_id, workers)
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


def _begin(project: Project, run_id: str, asked: Scope | None, is_whole: bool, lock: int) -> ActiveRun:
    scope = asked or Scope(project.today())
    # a run keeps what it makes, such as the plan: to look for garbage in it takes a fifth of the time
    gc.set_threshold(_MANY_OBJECTS, *_COLLECTING[1:])
    ledger = Ledger(project.ledger)
    if killed := ledger.unfinished():
        from etl.run import planned

        planned.end_earlier(project, ledger, killed)
    # whoever wrote here is gone: this process has the lock
    emptied(project.scratch)
    known = versions()
    row = Run(run_id, str(scope.last), now(), pid=os.getpid(), git_commit=commit_of(project), versions=known)
    run = ActiveRun(
        project=project, ledger=ledger, scope=scope, row=row, lock=lock, pid=os.getpid(), is_whole=is_whole
    )
    prepare_report(project)
    run.facts = origin_of(project, run_id)
    run.log = RunLog(project, run_id, lambda: run.doing.named if run.doing else ("", ""))
    telling.begun(run)
    stopping.listen(run)
    try:
        run.same = find_same(project, ledger, scope, known) if is_whole else None
        if run.same is None:
            from etl.run import planned

            planned.begin(run)
        else:
            run.history.write(row, run.facts)
    except BaseException as error:
        run.log.note(f"the run cannot begin: {error}")
        run.log.close()
        stopping.leave(run)
        raise
    atexit.register(_end, run)
    return run


def _end(run: ActiveRun) -> None:
    """Finish a run when its process ends; what is in memory is not looked through for garbage once more."""
    run.finish()
    gc.freeze()

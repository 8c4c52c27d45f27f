"""What became of each partition of a backfill: said while the run goes on, and listed when it is over.

All of it is looked up in the ledger, so that it costs no step anything, and a worker that is killed takes nothing
of it with it.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import date

from etl.errors import LedgerError, counted
from etl.ledger import Ledger
from etl.ledger.history import DONE, FAILED, KEPT, KILLED, SKIPPED, History, StepRow
from etl.operations.backfill import Partition
from etl.project import Project
from etl.run.display import now_and_then

log = logging.getLogger("etl")

#: A delivery of which no record was accepted.
REFUSED = "refused"
#: The outcomes in the order in which they are counted.
OUTCOMES = (DONE, KEPT, REFUSED, FAILED, SKIPPED)

_RECEIPTS = """
select name, partition, outcome, json_extract(details, '$.rows'), json_extract(details, '$.rejected'),
    coalesce(json_extract(details, '$.refused'), '')
from receipts where step = 'extract' and run_id = ?"""

#: Held while a line is written: a worker that is forked at that moment would wait for the stream for ever.
_writing = threading.RLock()
os.register_at_fork(before=_writing.acquire, after_in_parent=_writing.release, after_in_child=_writing.release)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A partition, its outcome, and why it is that; rows are None if none were taken by this run."""

    source: str
    date: date
    outcome: str
    why: str
    rows: int | None = None
    rejected: int | None = None


def ended(ledger: Ledger, run_id: str, found: Sequence[Partition]) -> list[Ended]:
    """Return what became of the partitions that a run was to take or keep, by source and date.

    Those that came while it went on are among them. The run is over, and its outcome is in the ledger.
    """
    taken = _taken(ledger, run_id, found)
    steps = {row.id: row for row in History(ledger).steps([run_id])}
    problems = [message for _, message in ledger.problems(run_id)]
    known = {(one.source, one.date) for one in found}
    came = {source for source, day in taken if (source, day) not in known}
    left = [one for one in found if (one.source, one.date) not in taken]
    others = [
        _left(one, problems, [steps[step] for step in steps if step.name == one.source])
        for one in left
        # what was fetched may have another date than the day on which it was asked for
        if not (one.is_awaited and one.source in came)
    ]
    return sorted([*taken.values(), *others], key=lambda one: (one.source, one.date))


def counts(partitions: Collection[Ended]) -> str:
    """Return how many partitions there are of each outcome: `3 partitions done, 1 failed`."""
    numbers = {name: sum(one.outcome == name for one in partitions) for name in OUTCOMES}
    told = [f"{number:,} {name}" for name, number in numbers.items() if number]
    if not told:
        return "0 partitions"
    first, _, outcome = told[0].partition(" ")
    return ", ".join([f"{counted(int(first.replace(',', '')), 'partition')} {outcome}", *told[1:]])


@contextmanager
def said(project: Project, run_id: str, found: Sequence[Partition]) -> Iterator[None]:
    """Say of each partition that it is kept or done, as soon as the run that goes on meanwhile has it so."""
    stop = threading.Event()
    thread = threading.Thread(target=_follow, args=(project, run_id, found, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _follow(project: Project, run_id: str, found: Sequence[Partition], stop: threading.Event) -> None:
    told: set[tuple[str, date]] = set()
    with closing(Ledger(project.ledger)) as ledger:

        def look() -> None:
            if not (told or ledger.ask("select 1 from runs where run_id = ?", (run_id,))):
                return
            now = {(one.source, one.date): _kept(one) for one in found if not one.is_taken}
            now |= _taken(ledger, run_id, found)
            new = [one for key, one in now.items() if key not in told]
            total = len({(one.source, one.date) for one in found} | now.keys())
            for number, one in enumerate(new, len(told) + 1):
                with _writing:
                    log.info("%s %s: %s (%s of %s)", one.source, one.date, _line(one), f"{number:,}", f"{total:,}")
            told.update(now)

        now_and_then(stop, look)
        # what was done since the last look
        with suppress(LedgerError):
            look()


def _taken(ledger: Ledger, run_id: str, found: Sequence[Partition]) -> Mapping[tuple[str, date], Ended]:
    """Return what a run has extracted, or refused."""
    reasons = {(one.source, one.date): one.why for one in found}
    taken = {}
    for name, partition, outcome, rows, rejected, refused in ledger.ask(_RECEIPTS, (run_id,)):
        day = date.fromisoformat(partition)
        why = refused if outcome != DONE else reasons.get((name, day), "it came during the run")
        figures = {"rows": rows, "rejected": rejected} if outcome == DONE else {}
        taken[name, day] = Ended(source=name, date=day, outcome=outcome, why=why, **figures)
    return taken


def _kept(one: Partition) -> Ended:
    return Ended(source=one.source, date=one.date, outcome=KEPT, why=one.why)


def _left(one: Partition, problems: Sequence[str], steps: Sequence[StepRow]) -> Ended:
    """Return what became of a partition that the run did not extract."""
    if not one.is_taken:
        return _kept(one)
    # not the end of another source's name, nor the beginning of a longer date
    own = re.compile(rf"(?<![\w.]){re.escape(f'{one.source} {one.date}')}(?!\w)")
    outcome, why = next(((FAILED, text) for text in problems if own.search(text)), ("", ""))
    before = [row for row in steps if row.step != "load"]
    if not outcome:
        outcome, why = next(((FAILED, row.message) for row in before if row.outcome in (FAILED, KILLED)), ("", ""))
    if not outcome and one.is_awaited and all(row.outcome in (DONE, KEPT) for row in before):
        outcome, why = KEPT, "nothing new was fetched or made"
    if not outcome:
        said = (row.message for row in before if row.outcome == SKIPPED)
        outcome, why = SKIPPED, next(said, "the run did not come to it")
    return Ended(source=one.source, date=one.date, outcome=outcome, why=why)


def _line(one: Ended) -> str:
    """Return what is said of a partition: its outcome, and how much was taken or why nothing was."""
    if one.rows is None:
        return f"{one.outcome}, {one.why}"
    return f"{one.outcome}, {counted(one.rows, 'row')}, {one.rejected or 0:,} rejected"

"""What is wrong after a night, as the ledger has it; and what may have been over with it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from statistics import median
from typing import TYPE_CHECKING, Any

from etl.errors import counted, few
from etl.ledger import FAILED, Ledger, Run, fingerprint
from etl.ledger.connection import damaged_path
from etl.ledger.keys import UNDELIVERED, UNFETCHED
from etl.ledger.notices import Incident, durations, last_step, runs_of
from etl.reports.notices.causes import (
    CHECK,
    DISK,
    FAILURE,
    LATE,
    NOTE,
    OPTIONAL,
    OVERDUE,
    REFUSED,
    REJECTED,
    SLOW,
    Cause,
    failures,
    grouped,
    missing,
    warnings_of,
)

if TYPE_CHECKING:
    from etl.models import Models
    from etl.plan import Plan
    from etl.project import Project
    from etl.sources.catalog import Catalog

#: How a run ends that leaves nothing to be done.
GOOD = ("published", "unchanged")
#: A night is slow that takes so many times what it usually takes, and so many seconds more; so many nights tell
#: what is usual.
_TIMES, _SECONDS, _NIGHTS = 2.0, 60.0, 5
#: Room for fewer candidates with their generations than that is low, and so are fewer bytes.
_ROOM_NIGHTS, _ROOM_BYTES = 3, 500_000_000


def causes_of(
    project: Project, ledger: Ledger, row: Run, plan: Plan | None, lacking: Sequence[tuple[str, date]]
) -> list[Cause]:
    """Return what is wrong after a run; without its plan, since it found all as it was, what may be wrong then."""
    notes = row.summary.get("notes", {})
    problems = ledger.problems(row.run_id)
    found: list[Cause] = []
    unfetched = [message for step, message in problems if step == UNFETCHED]
    problems = [problem for problem in problems if problem[0] != UNFETCHED]
    if row.outcome in ("failed", ""):
        checks = {name: check for name, check in ledger.checks().items() if check.run_id == row.run_id}
        found += failures(problems, checks) or [_unexplained(row)]
    else:
        found += failures([problem for problem in problems if problem[0] == UNDELIVERED], {})
        made = {problem[1].split(": ")[0] for problem in problems if problem[0] == UNDELIVERED}
        found += missing([(name, str(day)) for name, day in lacking if f"{name} {day}" not in made], notes)
    late = row.summary.get("late", {})
    found += grouped(LATE, [(name, f"late since {day}") for name, day in late.items()], "To see it: etl status")
    found += grouped(
        NOTE, [(name, text) for name, texts in notes.items() for text in texts], "To see it: etl status"
    )
    found += grouped(
        NOTE, [(m.partition(": ")[0], m.partition(": ")[2]) for m in unfetched], "To ask again: etl fetch"
    )
    if plan is not None:
        found += warnings_of(ledger.checks())
        found += _of_receipts(ledger, row.run_id, plan)
    found += _slow(ledger, row)
    return [*found, *low_disk(project), *_damaged(project)]


def judging(row: Run, plan: Plan | None, ledger: Ledger, *, is_night: bool) -> Callable[[Incident], bool]:
    """Return what says of an incident whether this run tells if it is over: one that failed knows little."""
    if not is_night or row.outcome not in GOOD:
        return lambda incident: incident.kind == DISK
    kinds = {FAILURE, LATE, NOTE, DISK}
    taken: set[str] = set()
    if plan is not None:
        kinds |= {CHECK, OPTIONAL, REFUSED}
        taken = {
            r.key.name for r in ledger.receipts().values() if r.run_id == row.run_id and r.key.step == "extract"
        }
    kinds |= {SLOW} if row.outcome == "published" else set()
    return lambda incident: incident.kind in kinds or (incident.kind == REJECTED and incident.subject in taken)


def without_overdue(causes: Sequence[Cause], known: Sequence[Incident]) -> list[Cause]:
    """Return causes without sources that are late, and of which it was told that they are overdue."""
    told = {incident.subject for incident in known if incident.kind == OVERDUE}
    return [cause for cause in causes if cause.kind != LATE or not {*cause.subject.split(", ")} <= told]


def of_earlier(ledger: Ledger, run_ids: Sequence[str]) -> list[Cause]:
    """Return what was wrong with earlier runs that could not tell it themselves: most of them were killed."""
    found: list[Cause] = []
    for run_id, day, started_at, outcome in runs_of(ledger, run_ids):
        if outcome == "failed":
            found += failures(ledger.problems(run_id), {})
        elif outcome in ("", "killed", "missing data"):
            found.append(_killed(run_id, day, started_at, last_step(ledger, run_id)))
    return list({cause.key: cause for cause in found}.values())


def could_not_begin(message: str) -> Cause:
    """Return the cause of a run that could not begin."""
    return failures([("plan", message)], {})[0]


def could_not_note(message: str) -> Cause:
    """Return the cause of a run whose end the ledger did not take."""
    return failures([("ledger", message)], {})[0]


def low_disk(project: Project) -> list[Cause]:
    """Return a warning if the disk of the data has room for a few nights only."""
    place = next(path for path in (project.data, *project.data.parents) if path.exists())
    free = shutil.disk_usage(place).free
    size = sum(path.stat().st_size for path in (project.build, project.warehouse) if path.exists())
    if free >= max(_ROOM_BYTES, _ROOM_NIGHTS * size):
        return []
    what = f"The disk of {project.data} is nearly full: {free / 1e6:,.0f} MB are free"
    why = f"A night writes a candidate and a generation, together about {size / 1e6:,.0f} MB."
    following = "Make room, or keep fewer generations ([etl] keep_generations)."
    return [Cause(key=fingerprint(DISK), kind=DISK, what=what, why=why, next=following)]


def _damaged(project: Project) -> list[Cause]:
    """Return a warning if a damaged ledger lies beside the one that was made in its place."""
    aside = damaged_path(project.ledger)
    if not aside.exists():
        return []
    return [
        Cause(
            key=fingerprint(NOTE, "damaged ledger"),
            kind=NOTE,
            what=f"The ledger was damaged, and a new one was made; the damaged one is {aside}",
            why="What the runs before did, and what was told of them, is known no more.",
            next=f"Look at the disk. Then delete {aside.name}.",
        )
    ]


def _of_receipts(ledger: Ledger, run_id: str, plan: Plan) -> list[Cause]:
    receipts = ledger.receipts()
    extracted = [r for key, r in receipts.items() if key.step == "extract" and key.name in plan.catalog.sources]
    refused: dict[str, list[Any]] = {}
    rejected: dict[str, int] = {}
    for receipt in extracted:
        name = receipt.key.name
        if receipt.outcome == "refused":
            refused.setdefault(name, []).append(receipt)
        if receipt.run_id == run_id and receipt.outcome == "done" and receipt.details["rejected"]:
            rejected[name] = rejected.get(name, 0) + receipt.details["rejected"]
    found = [_refused(name, sorted(mine, key=lambda r: r.key.partition)) for name, mine in refused.items()]
    found += [_rejected(name, number) for name, number in rejected.items()]
    failed = [
        (key.name, r.details["failed"])
        for key, r in receipts.items()
        if key.step == "transform" and r.outcome == FAILED and key.name in plan.models.models
    ]
    return [
        *found,
        *grouped(OPTIONAL, failed, "It is optional, and keeps what it held. The next run tries again."),
    ]


def _refused(name: str, receipts: Sequence[Any]) -> Cause:
    newest = receipts[-1]
    days = few([receipt.key.partition for receipt in reversed(receipts)], 3)
    return Cause(
        key=fingerprint(REFUSED, name, newest.key.partition, newest.details.get("file")),
        kind=REFUSED,
        subject=name,
        what=f"{name}: {counted(len(receipts), 'partition')} refused and left out: {days}",
        why=str(newest.details["refused"]),
        next=f"To see why: etl quarantine {name}",
        examples=(f"{newest.details['file']}: {newest.details['refused']}",),
    )


def _rejected(name: str, number: int) -> Cause:
    return Cause(
        key=fingerprint(REJECTED, name),
        kind=REJECTED,
        subject=name,
        what=f"{name}: {counted(number, 'record')} rejected",
        next=f"To see them: etl quarantine {name}",
    )


def _slow(ledger: Ledger, row: Run) -> list[Cause]:
    """Return a warning if a run that published took much longer than it usually does."""
    before = durations(ledger, row.run_id) if row.outcome == "published" else []
    mine = _seconds(row)
    if len(before) < _NIGHTS or mine < max(_TIMES * median(before), median(before) + _SECONDS):
        return []
    what = f"The night took {mine / 60:,.0f} minutes, and usually takes {median(before) / 60:,.0f}"
    return [
        Cause(key=fingerprint(SLOW), kind=SLOW, what=what, next="To see what took so long: the log of the run.")
    ]


def _seconds(row: Run) -> float:
    """Return how long a run took; 0 if it has not ended."""
    if not row.finished_at:
        return 0.0
    return (datetime.fromisoformat(row.finished_at) - datetime.fromisoformat(row.started_at)).total_seconds()


def _unexplained(row: Run) -> Cause:
    return Cause(
        key=fingerprint(FAILURE, "unexplained"),
        kind=FAILURE,
        what=f"The run of {row.batch_date} failed",
        why="It ended before everything was done, and nothing says why.",
        next="Read its log, and run again: etl run",
    )


def _killed(run_id: str, day: str, started_at: str, last: str) -> Cause:
    step = f"its last step is {last}" if last else "it had finished no step"
    return Cause(
        key=fingerprint(FAILURE, "killed"),
        kind=FAILURE,
        what=f"The run of {day} was killed",
        why=f"Run {run_id} began at {started_at[:16]}Z and ended without a word; {step}. Was there too little "
        "memory, or was the machine restarted?",
        next="Nothing has to be repaired: what is done is kept, and the next run continues from there.",
        step="the process",
    )


def owners_of(catalog: Catalog, models: Models) -> Mapping[str, str]:
    """Return who owns which source and table."""
    sources = {name: source.owner for name, source in catalog.sources.items() if source.owner}
    tables = {f"raw.{name}": owner for name, owner in sources.items()}
    made = {name: model.header.owner for name, model in models.models.items() if model.header.owner}
    return {**sources, **tables, **made}

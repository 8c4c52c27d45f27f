"""What the last run did, for the first page: as plain data, whatever state the project is in."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from etl.errors import counted
from etl.ledger import Check, Key, Ledger, Receipt, Run
from etl.ledger.history import KILLED, RUNNING, SKIPPED, WAITING
from etl.ledger.rows import WHY
from etl.ledger.schedule import Scheduled, noted_schedule
from etl.models import Models
from etl.project import Project
from etl.reports.history import UNDER_WAY, steps_now
from etl.reports.page.catalog import table_of
from etl.reports.page.words import Verdict, command_for, step_of, verdict

#: So many lines of each list stand on the first page.
LISTED = 40
#: So many offending rows of a check are shown, and so many earlier runs tell when the next one begins.
_ROWS, _EARLIER = 5, 14
#: Less than this much room, as a share of the disk or as so many times the published file, is said.
_LEAST_FREE, _LEAST_TIMES = 0.05, 3
#: So late may a run of the schedule begin, and so early by another clock.
_PATIENCE, _EARLY = timedelta(minutes=15), timedelta(minutes=1)


def night(project: Project, ledger: Ledger, status: Mapping[str, Any], models: Models | None) -> dict[str, Any]:
    """Return what came, what was built, what failed and what is to be done next; `status` is of status_of()."""
    runs, receipts = ledger.runs(), ledger.receipts()
    last = runs[0] if runs else None
    mine = [receipt for receipt in receipts.values() if last and receipt.run_id == last.run_id]
    checks = _checks(ledger, models, last)
    zone = ZoneInfo(project.settings.timezone)
    is_under_way = last is not None and status["last_run"]["state"].startswith(UNDER_WAY)
    scheduled = noted_schedule(ledger, project.identity)
    facts: dict[str, Any] = {
        "zone": zone.key,
        "run": _run(last, status["last_run"]["state"], zone) if last else None,
        "published": _published(ledger, zone),
        "next": _next(scheduled, runs, zone),
        "not_begun": _not_begun(scheduled, runs),
        "problems": [_problem(p, models) for p in status["last_run"]["problems"]] if last else [],
        "sources": status["sources"],
        "arrived": [_arrival(receipt) for receipt in _of(mine, "extract")],
        "rejected": list(_rejected(mine)),
        "built": [_built(receipt) for receipt in _of(mine, "transform") if receipt.details.get("built", True)],
        "optional": status["optional"],
        "checks": checks,
        "blocked": _waiting(ledger, last, is_under_way=is_under_way) or _blocked(receipts, models, last, checks),
        "disk": _disk(project),
        "said": [text for text in (status["held"], status["candidate"], status["wrong"]) if text],
        "unclaimed": status["unclaimed"],
    }
    found: Verdict = verdict(facts)
    return {**facts, "level": found.level, "sentence": found.sentence, "points": found.points}


def _run(run: Run, state: str, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "begun": f"{datetime.fromisoformat(run.started_at).astimezone(zone):%Y-%m-%d %H:%M}",
        **{name: value for name, value in asdict(run).items() if name not in ("pid", "summary")},
        "state": state,
        "seconds": _seconds(run),
        **{name: run.summary.get(name, 0) for name in ("records", "rows", "rejected", "discarded")},
        "steps": run.summary.get("seconds", {}),
    }


def _seconds(run: Run) -> float | None:
    """Return how long a run took; the moment of its id is when its process began."""
    if not run.finished_at:
        return None
    return (datetime.fromisoformat(run.finished_at) - datetime.fromisoformat(run.started_at)).total_seconds()


def _published(ledger: Ledger, zone: ZoneInfo) -> dict[str, str] | None:
    """Return the current generation, and when it was published by the clock of the project."""
    for name, _, at, _ in ledger.generations()[:1]:
        moment = datetime.fromisoformat(at).astimezone(zone)
        return {"generation": name, "at": at, "day": str(moment.date()), "time": f"{moment:%H:%M}"}
    return None


def _next(known: Scheduled | None, runs: Sequence[Run], zone: ZoneInfo) -> dict[str, Any] | None:
    """Return when the next run is to be expected in a zone: as the installed schedule says, else a guess."""
    if known and (time := known.next(datetime.now(UTC))):
        there = time.astimezone(zone)
        return {"day": str(there.date()), "at": f"{there:%H:%M}", "by": known.installed}
    return _guessed(runs, zone)


def _guessed(runs: Sequence[Run], zone: ZoneInfo) -> dict[str, Any] | None:
    """Return when the next run is to be expected, told by when the last ones began; None if that differs."""
    begun = [datetime.fromisoformat(run.started_at).astimezone(zone) for run in runs[:_EARLIER]]
    days = {moment.date(): moment for moment in reversed(begun)}
    if len(days) < 3:
        return None
    minutes = [moment.hour * 60 + moment.minute for moment in days.values()]
    usual = _middle(minutes)
    if sum(abs(one - usual) <= 60 for one in minutes) < len(minutes) * 0.7:
        return None
    steps = sorted(days)
    every = _middle([(after - before).days for before, after in pairwise(steps)])
    day = max(steps) + timedelta(every)
    return {"day": str(day), "at": f"{usual // 60:02}:{usual % 60:02}", "by": ""}


def _not_begun(known: Scheduled | None, runs: Sequence[Run]) -> str:
    """Return when the schedule should have begun a run, and none was begun; empty if it was."""
    last = known.last(datetime.now(UTC) - _PATIENCE) if known else None
    newest = max((datetime.fromisoformat(run.started_at) for run in runs), default=None)
    if last is None or (newest is not None and newest >= last - _EARLY):
        return ""
    return f"{last.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _middle(numbers: Sequence[int]) -> int:
    # statistics takes long to import
    return sorted(numbers)[len(numbers) // 2]


def _problem(problem: Mapping[str, str], models: Models | None) -> dict[str, Any]:
    step, message = step_of(problem["step"]), problem["message"]
    names = [*models.models, *models.audits] if models else []
    tables = [name for name in names if name in message]
    return {"step": step, "message": message, "tables": tables[:LISTED], "command": command_for(step, message)}


def _of(receipts: Iterable[Receipt], step: str) -> list[Receipt]:
    return sorted((r for r in receipts if r.key.step == step), key=lambda r: (r.key.name, r.key.partition))


def _arrival(receipt: Receipt) -> dict[str, Any]:
    facts = receipt.details
    kept = receipt.outcome == "kept"
    return {
        "source": receipt.key.name,
        "date": receipt.key.partition,
        "outcome": receipt.outcome,
        "file": (facts["tried"] if kept else facts)["file"],
        **{name: facts[name] for name in ("records", "rows", "rejected", "refused")},
        "seconds": receipt.seconds,
    }


def _rejected(mine: Sequence[Receipt]) -> Iterator[dict[str, Any]]:
    """Yield, by source and rule, how many records were rejected in a run, with a few of them as in quarantine."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for receipt in _of(mine, "extract"):
        facts = receipt.details["tried"] if receipt.outcome == "kept" else receipt.details
        why = facts.get(WHY, {})
        for rule, number in why.get("rules", {}).items():
            item = found.setdefault(
                (receipt.key.name, rule),
                {"source": receipt.key.name, "rule": rule, "records": 0, "examples": []},
            )
            item["records"] += number
            item["examples"] += why["examples"].get(rule, ()) if "examples" in why else ()
    for item in sorted(found.values(), key=lambda item: -item["records"]):
        yield {**item, "examples": item["examples"][:3]}


def _built(receipt: Receipt) -> dict[str, Any]:
    facts = receipt.details
    days = facts.get("partitions")
    return {
        "table": receipt.key.name,
        "outcome": receipt.outcome,
        "rows": facts.get("rows"),
        "seconds": receipt.seconds,
        "why": facts.get("why", ""),
        "in_full": facts.get("in_full", ""),
        "partitions": None if days is None else len(days),
    }


def _checks(ledger: Ledger, models: Models | None, last: Run | None) -> list[dict[str, Any]]:
    """Return the checks that found something, those that fail a night first, with a few rows."""
    audits = models.audits if models else {}
    found = sorted((c for c in ledger.checks().values() if not c.passed), key=lambda c: (c.severity, c.name))
    return [_check(ledger, c, audits[c.name].why if c.name in audits else "", last) for c in found]


def _check(ledger: Ledger, check: Check, why: str, last: Run | None) -> dict[str, Any]:
    offending = ledger.offending(check.name)
    return {
        "name": check.name,
        "table": check.table_name,
        "severity": check.severity,
        "failing": check.failing,
        "why": why,
        "examples": check.examples[:_ROWS],
        "rows": offending.rows[:_ROWS],
        "is_new": last is not None and check.run_id == last.run_id,
    }


def _waiting(ledger: Ledger, last: Run | None, *, is_under_way: bool) -> list[dict[str, str]]:
    """Return the steps that the last run had planned and has not done, those under way first, with the reasons."""
    if last is None:
        return []
    open = (RUNNING, WAITING) if is_under_way else (SKIPPED, KILLED)
    rows = [row for row in steps_now(ledger, last, is_under_way=is_under_way) if row.outcome in open]
    return [
        {"step": row.step, "table": table_of(row), "why": row.message or "under way"}
        for row in sorted(rows, key=lambda row: row.outcome != RUNNING)
    ]


def _blocked(
    receipts: Mapping[Key, Receipt],
    models: Models | None,
    last: Run | None,
    checks: Sequence[Mapping[str, Any]],
) -> list[dict[str, str]]:
    """Return what a run that failed has left undone, where nobody noted its steps: it has no receipt any more."""
    if not models or not last or last.outcome not in ("failed", "missing data", "killed"):
        return []
    done = {key.name for key, receipt in receipts.items() if key.step == "transform" and receipt.outcome == "done"}
    waiting = [name for name in models.models if name not in done]
    found = []
    for name in waiting:
        on = [read for read in models.models[name].reads if read in waiting]
        found.append(
            {"step": "transform", "table": name, "why": f"waits for {', '.join(on)}" if on else "was to be built"}
        )
    failing = [check["name"] for check in checks if check["severity"] == "error"]
    if failing:
        found.append(
            {
                "step": "publish",
                "table": "",
                "why": f"publishing waits for {counted(len(failing), 'failing check')}",
            }
        )
    return found


def _disk(project: Project) -> dict[str, Any] | None:
    """Return how much room the disk of the data has, and whether that is little."""
    try:
        usage = shutil.disk_usage(project.data)
        needed = project.warehouse.stat().st_size * _LEAST_TIMES if project.warehouse.exists() else 0
    except OSError:
        return None
    is_low = usage.free < max(usage.total * _LEAST_FREE, needed)
    return {"free": usage.free, "total": usage.total, "is_low": is_low, "place": str(project.data)}

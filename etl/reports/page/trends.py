"""Nights, tables, sources and checks over time, for the charts of the report.

A series names nights by their place in the list of nights; places and days are told as distances from the one
before, since those are small numbers that come again and again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from itertools import pairwise
from typing import Any

from etl.ledger import Key, Ledger, Receipt, Run
from etl.ledger.history import History
from etl.ledger.rows import WHY
from etl.ledger.trends import Trends

#: Of so many of the newest nights all are shown; of those before, one in so many days.
_ALL, _EVERY = 400, 7
#: Of so many of the newest nights the rows of tables are exact.
_EXACT = 60
#: So many of the newest results of each check are shown.
RESULTS = 30
_DAY_ONE = date(1970, 1, 1).toordinal()


def chosen(runs: Sequence[Run]) -> list[Run]:
    """Return the runs that are shown, the oldest first; `runs` are the newest first.

    Runs that found nothing new count once a day, and only if no other run was on it.
    """
    found: list[Run] = []
    busy = {run.started_at[:10] for run in runs if run.outcome != "unchanged"}
    quiet: set[str] = set()
    for run in runs:
        day = run.started_at[:10]
        if run.outcome == "unchanged" and run is not runs[0] and (day in busy or day in quiet):
            continue
        quiet |= {day} if run.outcome == "unchanged" else set()
        if len(found) < _ALL or _days(found[-1].started_at) - _days(run.started_at) >= _EVERY:
            found.append(run)
    return found[::-1]


def nights(ledger: Ledger, runs: Sequence[Run], sizes: Mapping[str, int]) -> dict[str, list[Any]]:
    """Return the nights as columns: when, how long, how they ended, what came, and the seconds of each step."""
    facts = History(ledger).facts([run.run_id for run in runs])
    known = {**Trends(ledger).sizes(), **sizes}
    named = {step for run in runs for step in run.summary.get("seconds", ())} - {"build"}
    steps = sorted(named, key=_order)
    return {
        "id": [run.run_id for run in runs],
        "date": _distances([_days(run.batch_date) for run in runs]),
        "at": [run.started_at[:16] for run in runs],
        "sec": [_seconds(run) for run in runs],
        "out": [run.outcome for run in runs],
        **{name: [run.summary.get(name, 0) for run in runs] for name in ("records", "rows", "rejected")},
        "bytes": [known.get(run.run_id) for run in runs],
        "trigger": [facts[run.run_id].trigger if run.run_id in facts else "" for run in runs],
        "steps": [[step, [run.summary.get("seconds", {}).get(step) for run in runs]] for step in steps],
    }


def _order(step: str) -> tuple[int, str]:
    known = ("extract", "load", "transform", "audit", "publish")
    return (known.index(step) if step in known else len(known), step)


def built(ledger: Ledger, runs: Sequence[Run]) -> dict[str, dict[str, Any]]:
    """Return, by table, on which nights it was built (`i`), with how many rows (`r`), in how many milliseconds.

    Rows of long ago, and times, are rounded; both are lists as JSON, which the page reads when it draws them.
    """
    found = Trends(ledger).built([run.run_id for run in runs], len(runs) - _EXACT)
    steps = {id(places): _distances(places) for places, _, _ in found.values()}
    return {
        name: {"i": steps[id(places)], "r": rows, "ms": milliseconds}
        for name, (places, rows, milliseconds) in found.items()
    }


def results(ledger: Ledger, runs: Sequence[Run]) -> dict[str, list[list[int]]]:
    """Return the last results of each check: the night, and how many rows it found."""
    audited = [at for at, run in enumerate(runs) if "audit" in run.summary.get("seconds", ())][-RESULTS:]
    found: dict[str, list[list[int]]] = defaultdict(list)
    for name, at, number in Trends(ledger).found([runs[at].run_id for at in audited]):
        found[name].append([audited[at], number])
    return found


def deliveries(receipts: Mapping[Key, Receipt], names: Iterable[str]) -> dict[str, dict[str, list[int]]]:
    """Return, by source, its days, and of each the rows and the rejected records."""
    days: dict[str, list[tuple[int, int, int]]] = {name: [] for name in names}
    for key, receipt in receipts.items():
        if key.step == "extract" and key.name in days:
            facts = receipt.details
            days[key.name].append((_days(key.partition), facts["rows"], facts["rejected"]))
    found = {}
    for name, rows in days.items():
        kept = sorted(rows)[-_ALL:]
        found[name] = {
            "i": _distances([row[0] for row in kept]),
            "r": [row[1] for row in kept],
            "x": [row[2] for row in kept],
        }
    return found


def rules(receipts: Mapping[Key, Receipt]) -> list[dict[str, Any]]:
    """Return, by source and rule, on which days records were rejected for it, and how many."""
    found: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for key, receipt in receipts.items():
        why = receipt.details.get(WHY) if key.step == "extract" else None
        for rule, number in why["rules"].items() if why else ():
            found[key.name, rule].append((_days(key.partition), number))
    totals = sorted(found.items(), key=lambda item: -sum(number for _, number in item[1]))
    said = []
    for (source, rule), rows in totals:
        days, numbers = zip(*sorted(rows), strict=True)
        said.append({"source": source, "rule": rule, "i": _distances(days), "n": numbers})
    return said


def _seconds(run: Run) -> float | None:
    if not run.finished_at:
        return None
    took = datetime.fromisoformat(run.finished_at) - datetime.fromisoformat(run.started_at)
    return round(took.total_seconds(), 1)


@cache
def _days(text: str) -> int:
    """Return a date, or that of a time, as days since 1970."""
    return date.fromisoformat(text[:10]).toordinal() - _DAY_ONE


def _distances(numbers: Sequence[int]) -> list[int]:
    return [*numbers[:1], *(after - before for before, after in pairwise(numbers))]

"""Figures of the last run, as gauges: Prometheus and collectors of OpenTelemetry are told the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from etl.ledger import Ledger, Run
from etl.ledger.history import History
from etl.project import Project

#: The exit code of each way in which a run ends.
_CODES = {"published": 0, "unchanged": 0, "partial": 0, "missing data": 20, "failed": 30, "killed": 40}

_SOURCES = """
select name, max(partition), sum(coalesce(json_extract(details, '$.rows'), 0)),
    sum(coalesce(json_extract(details, '$.rejected'), 0))
from receipts where step = 'extract' group by name order by name"""

_CHECKS = "select name, severity, failing from checks order by name"

_GOOD = "select max(finished_at) from runs where outcome in ('published', 'unchanged')"


class Figure(NamedTuple):
    """One gauge: name, meaning, the names of its labels, and its values, each behind those of the labels."""

    name: str
    about: str
    labels: Sequence[str]
    values: Sequence[Sequence[Any]]


def figures(project: Project, ledger: Ledger, row: Run) -> Iterator[Figure]:
    """Yield the figures of a run that has ended, and of what is there after it."""
    sources = ledger.ask(_SOURCES)
    good = ledger.ask(_GOOD)[0][0]
    yield Figure("etl_run_exit_code", "Exit code of the last run.", (), [(_CODES.get(row.outcome, 30),)])
    ended, began = _seconds(row.finished_at), _seconds(row.started_at)
    yield Figure("etl_run_end_timestamp_seconds", "When the last run ended.", (), [(ended,)])
    yield Figure("etl_run_duration_seconds", "How long the last run took.", (), [(ended - began,)])
    yield Figure(
        "etl_run_success_timestamp_seconds",
        "When the last run ended that ended well; alert on its age.",
        (),
        [(_seconds(good),)] if good else [],
    )
    steps = History(ledger).steps([row.run_id])
    yield Figure(
        "etl_step_duration_seconds",
        "How long a step of the last run took, if that did anything.",
        ("step", "name", "outcome"),
        [(one.step, one.name, one.outcome, one.seconds) for one in steps if one.seconds is not None],
    )
    yield Figure(
        "etl_source_newest_partition_timestamp_seconds",
        "The date of the newest partition of a source.",
        ("source",),
        [(name, _seconds(day)) for name, day, _, _ in sources],
    )
    yield Figure(
        "etl_source_rows", "Rows of a source in the lake.", ("source",), [(n, rows) for n, _, rows, _ in sources]
    )
    yield Figure(
        "etl_source_rejected_records",
        "Records of a source in quarantine.",
        ("source",),
        [(name, rejected) for name, _, _, rejected in sources],
    )
    yield Figure(
        "etl_check_failing_rows",
        "Rows that a check found when it was last asked.",
        ("check", "severity"),
        ledger.ask(_CHECKS),
    )
    if project.warehouse.exists():
        file = project.warehouse.resolve()
        size, at = file.stat().st_size, _generation(file.parent.name)
        yield Figure("etl_generation_timestamp_seconds", "When the current generation's run began.", (), [(at,)])
        yield Figure("etl_generation_bytes", "The size of the published file.", (), [(size,)])


def _seconds(text: str) -> float:
    """Return a date or time, ISO 8601, as seconds since 1970; a time without a zone is UTC."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _generation(name: str) -> float:
    """Return the time in the name of a generation."""
    return datetime.strptime(name[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp()

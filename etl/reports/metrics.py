"""Figures of the last run for Prometheus: a text file that node exporter's collector reads."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl.errors import ConfigError
from etl.ledger import Ledger, Run
from etl.project import Project

INSTALL = "prometheus-client is not installed. Type: pip install 'etl[metrics]'"
#: The exit code of each way in which a run ends.
_CODES = {"published": 0, "unchanged": 0, "partial": 0, "missing data": 20, "failed": 30, "killed": 40}

_SOURCES = """
select name, max(partition), sum(coalesce(json_extract(details, '$.rows'), 0)),
    sum(coalesce(json_extract(details, '$.rejected'), 0))
from receipts where step = 'extract' group by name order by name"""

_CHECKS = "select name, severity, failing from checks order by name"

_GOOD = "select max(finished_at) from runs where outcome in ('published', 'unchanged')"


def metrics_file(project: Project) -> Path | None:
    """Return where the figures of a project are written; None if they are not."""
    return project.root / project.settings.metrics if project.settings.metrics else None


def write_metrics(project: Project, ledger: Ledger, row: Run) -> None:
    """Write the figures of a run that has ended; a reader sees those of before or all of these.

    Nothing is written if the project asks for none. Raises ConfigError without prometheus-client, and OSError.
    """
    path = metrics_file(project)
    if path is None:
        return
    try:
        from prometheus_client import CollectorRegistry, Gauge, write_to_textfile
    except ImportError:
        raise ConfigError(f"The metrics are not written, since {INSTALL}") from None
    registry = CollectorRegistry()
    for name, about, labels, values in _figures(project, ledger, row):
        gauge = Gauge(name, about, labels, registry=registry)
        for *labelled, value in values:
            (gauge.labels(*labelled) if labels else gauge).set(value)
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = os.umask(0o022)
    try:
        # the collector is another user
        write_to_textfile(str(path), registry)
    finally:
        os.umask(mask)


def _figures(
    project: Project, ledger: Ledger, row: Run
) -> Iterable[tuple[str, str, Sequence[str], Sequence[Sequence[Any]]]]:
    """Yield name, meaning and labels of each figure, with its values, which stand behind those of the labels."""
    sources = ledger.ask(_SOURCES)
    good = ledger.ask(_GOOD)[0][0]
    yield "etl_run_exit_code", "Exit code of the last run.", (), [(_CODES.get(row.outcome, 30),)]
    yield "etl_run_end_timestamp_seconds", "When the last run ended.", (), [(_seconds(row.finished_at),)]
    duration = _seconds(row.finished_at) - _seconds(row.started_at)
    yield "etl_run_duration_seconds", "How long the last run took.", (), [(duration,)]
    yield (
        "etl_run_success_timestamp_seconds",
        "When the last run ended that ended well; alert on its age.",
        (),
        [(_seconds(good),)] if good else [],
    )
    yield (
        "etl_source_newest_partition_timestamp_seconds",
        "The date of the newest partition of a source.",
        ("source",),
        [(name, _seconds(day)) for name, day, _, _ in sources],
    )
    yield "etl_source_rows", "Rows of a source in the lake.", ("source",), [(n, rows) for n, _, rows, _ in sources]
    yield (
        "etl_source_rejected_records",
        "Records of a source in quarantine.",
        ("source",),
        [(name, rejected) for name, _, _, rejected in sources],
    )
    yield (
        "etl_check_failing_rows",
        "Rows that a check found when it was last asked.",
        ("check", "severity"),
        ledger.ask(_CHECKS),
    )
    if project.warehouse.exists():
        file = project.warehouse.resolve()
        size, at = file.stat().st_size, _generation(file.parent.name)
        yield "etl_generation_timestamp_seconds", "When the current generation's run began.", (), [(at,)]
        yield "etl_generation_bytes", "The size of the published file.", (), [(size,)]


def _seconds(text: str) -> float:
    """Return a date or time, ISO 8601, as seconds since 1970; a time without a zone is UTC."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _generation(name: str) -> float:
    """Return the time in the name of a generation."""
    return datetime.strptime(name[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp()

"""Figures of the last run for Prometheus: a text file that node exporter's collector reads."""

from __future__ import annotations

import os
from pathlib import Path

from etl.errors import ConfigError
from etl.ledger import Ledger, Run
from etl.project import Project
from etl.reports.figures import figures

INSTALL = "prometheus-client is not installed. Type: pip install 'etl[metrics]'"


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
    for name, about, labels, values in figures(project, ledger, row):
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

"""The report at the end of a run, and of a command that switches what is published."""

from __future__ import annotations

from etl.ledger import Ledger
from etl.project import Project


def prepare_report(project: Project) -> None:
    """Import what writes the report, if the project asks for it: while an interpreter ends, not all can be."""
    if project.settings.writes_report:
        import etl.reports.page  # noqa: F401


def refresh_report(project: Project, ledger: Ledger) -> None:
    """Write the report, if the project asks for it; only then is what writes it imported."""
    if project.settings.writes_report:
        from etl.reports.page import refresh

        refresh(project, ledger)

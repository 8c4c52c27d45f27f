"""All that the report shows, as plain data: taken from ledger, definitions and records of generations alone."""

from __future__ import annotations

from typing import Any

from etl.errors import EtlError
from etl.ledger import Ledger, Run, now
from etl.ledger.experiments import models_of
from etl.models import Models
from etl.plan.definitions import definitions
from etl.project import Project
from etl.reports.edges import edges
from etl.reports.page import catalog, trends
from etl.reports.page.changes import changes, rows, sizes
from etl.reports.page.night import night
from etl.reports.page.shapes import shapes
from etl.reports.status import status_of
from etl.sources import Catalog

#: Raise it when the page reads the data otherwise.
VERSION = 2


def report_data(project: Project, ledger: Ledger) -> dict[str, Any]:
    """Return what the pages of the report show of a project; no table is read for it.

    Where the contracts or models cannot be read, that is said, and all that needs them is left out.
    """
    wrong = ""
    try:
        sources, models = definitions(project, ledger)
    except EtlError as error:
        sources, models, wrong = Catalog({}, {}), Models(), str(error)
    runs, receipts = ledger.runs(), ledger.receipts()
    shown, last = trends.chosen(runs), runs[0] if runs else None
    status = status_of(project, ledger, sources.sources, models.models, wrong)
    return {
        "version": VERSION,
        "written": now(),
        "project": _project(project, status),
        "night": night(project, ledger, status, models),
        "nights": trends.nights(ledger, shown, dict(sizes(project))),
        "deliveries": trends.deliveries(receipts, sources.sources),
        "rules": trends.rules(receipts),
        "changes": changes(project, ledger),
        "rows": rows(project),
        "learned": _learned(project, sources, models, ledger),
        **_tables(sources, models, ledger, shown, last),
    }


def _project(project: Project, status: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": project.root.name,
        "environment": project.environment_name,
        "timezone": project.settings.timezone,
        "generation": status["generation"],
        "warehouse": str(project.warehouse),
    }


def _learned(project: Project, sources: Catalog, models: Models, ledger: Ledger) -> dict[str, Any]:
    if not models_of(ledger):
        return {}
    from etl.reports.cards import learned

    return learned(project, sources, models, ledger)


def _tables(
    sources: Catalog, models: Models, ledger: Ledger, shown: list[Run], last: Run | None
) -> dict[str, Any]:
    return {
        "tables": catalog.tables(sources, models, ledger, last, shapes(ledger)),
        "checks": catalog.checks(sources, models, ledger, trends.results(ledger, shown)),
        "built": trends.built(ledger, shown),
        "lineage": edges(sources, models, ledger) if models.models or sources.sources else {},
    }

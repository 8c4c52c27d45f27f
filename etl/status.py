"""What the `etl` command asks of a project, as plain data; it changes nothing but by new_project()."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from etl import engine
from etl.errors import ConfigError, EtlError, PublishError
from etl.ledger import Ledger, Receipt
from etl.plan.plan import definitions, holes
from etl.project import CONFIG, load_project
from etl.stages import published

_TEMPLATE = Path(__file__).parent / "template"


def project_status() -> dict[str, Any]:
    """Return, per source, its newest partition, holes, rows and rejects; the last run and the generation.

    `notes` are what the last run had to say of deliveries that do not count, or that were sent twice.
    """
    project = load_project()
    ledger = Ledger(project.ledger)
    catalog, _ = definitions(project, ledger)
    taken: dict[str, list[Receipt]] = {name: [] for name in catalog.sources}
    for key, receipt in ledger.receipts().items():
        if key.step == "extract" and key.name in taken:
            taken[key.name].append(receipt)
    runs = ledger.runs()
    notes: dict[str, list[str]] = next((run.summary["notes"] for run in runs if "notes" in run.summary), {})
    return {
        "project": str(project.root),
        "generation": published.current(project),
        "last_run": asdict(runs[0]) if runs else None,
        "sources": [
            {**_source(name, s.is_dated, taken[name]), "notes": notes.get(name, [])}
            for name, s in catalog.sources.items()
        ],
    }


def ask(query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return the column names and rows of a query on the current generation, read-only."""
    import duckdb

    project = load_project()
    if published.current(project) is None:
        raise PublishError("nothing is published yet; run `luigi --module etl Nightly` first.")
    with engine.reading(project, project.warehouse) as con:
        try:
            found = con.sql(query)
            # Arrow, since fetchall() needs pytz for a timestamp with a time zone
            table = found.to_arrow_table() if found is not None else None
        except duckdb.Error as error:
            raise EtlError(str(error)) from error
    if table is None:
        return [], []
    columns = [column.to_pylist() for column in table.columns]
    return table.column_names, list(zip(*columns, strict=True))


def new_project(folder: Path) -> None:
    """Make a project in a folder that does not exist or is empty. Raises ConfigError otherwise."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is not empty; a new project needs a folder of its own.")
    shutil.copytree(_TEMPLATE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    if not (folder / CONFIG).is_file():
        raise ConfigError(f"the template of a project is missing from this installation: {_TEMPLATE}.")


def _source(name: str, is_dated: bool, receipts: Sequence[Receipt]) -> dict[str, Any]:
    days = sorted(date.fromisoformat(receipt.key.partition) for receipt in receipts)
    refused = [receipt for receipt in receipts if receipt.outcome == "refused"]
    return {
        "source": name,
        "newest": str(days[-1]) if days else None,
        "partitions": len(days),
        "rows": sum(receipt.details["rows"] for receipt in receipts),
        "rejected": sum(receipt.details["rejected"] for receipt in receipts),
        "discarded": sum(receipt.details.get("discarded", 0) for receipt in receipts),
        "refused": sorted(receipt.key.partition for receipt in refused),
        "holes": [str(day) for day in holes(days)] if is_dated else [],
    }

"""A candidate to audit: a tiny project with a table raw.sales, and a mart of any content."""

from pathlib import Path
from typing import Any

import pytest

from etl.errors import AuditError
from etl.ledger import Check, Ledger
from etl.ledger.keys import BUILD
from etl.project import Project
from etl.stages import warehouse
from etl.stages.audited import Candidate, audit
from etl.stages.warehouse import Partition, Table
from tests.support import tiny


def loaded(folder: Path) -> Project:
    """Make a project with one day of sales loaded: two rows and a reject."""
    made = tiny.project(folder, raw={"sales/2024-03-01.csv": tiny.HEADER + "1,book,5000\n2,pen,2\nx,,\n"})
    (receipt,) = tiny.take(made, tiny.sales())
    if not made.build.exists():
        Ledger(made.ledger).forget([BUILD])
    partition = Partition(
        tiny.DAY,
        receipt.fingerprint,
        "sales/2024-03-01.csv",
        "sha",
        records=3,
        rows=2,
        rejected=1,
        discarded=0,
        lines=4,
        skipped=1,
    )
    warehouse.load(
        made,
        [Table(source=tiny.sales(), content="c", partitions={tiny.DAY: partition})],
        Ledger(made.ledger),
        "run-1",
    )
    return made


def mart(project: Project, sql: str) -> None:
    """Make marts.items, whatever its contract says."""
    with warehouse.open_build(project, Ledger(project.ledger), "run-1") as con:
        con.execute(f"create schema if not exists marts; create or replace table marts.items as {sql}")
        con.execute("delete from etl.models")
        con.execute("insert into etl.models values ('marts.items', 'table', 'f', 1, 0, now(), 'run-1')")


def held(project: Project) -> dict[str, str]:
    """Return what build.duckdb says that it holds."""
    with warehouse.open_build(project, Ledger(project.ledger), "run-1") as con:
        return warehouse.contents(con)


def check(project: Project, run_id: str = "run-1", **options: Any) -> dict[str, Check]:
    """Audit; return the checks."""
    tables = held(project)
    values: dict[str, Any] = {
        "sources": [tiny.sales()],
        "contracts": {},
        "audits": [],
        "models": [name for name in tables if name != "raw.sales"],
        "tables": tables,
        "arrivals": {},
        "warnings": {},
        "batch_date": tiny.DAY,
    }
    audit(project, Candidate(**{**values, **options}), Ledger(project.ledger), run_id, "content")
    return Ledger(project.ledger).checks()


def failure(project: Project, **options: Any) -> str:
    """Audit what must fail; return what is said."""
    with pytest.raises(AuditError) as error:
        check(project, **options)
    return str(error.value)

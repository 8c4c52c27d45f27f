"""An audit that depends on the batch date is done on each, also when there is nothing new to publish."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from etl.errors import AuditError
from etl.ledger import Ledger
from etl.reports.summary import summary
from etl.stages.published import generations
from tests.support import tiny

FRESH = tiny.CONTRACTS.replace(
    "    item: str = pa.Field(nullable=True)\n",
    "    item: str = pa.Field(nullable=True)\n\n    class Config:\n"
    '        metadata = {"freshness": "delivery_date within 2 days"}\n',
)


def test_a_quiet_night_is_audited_for_freshness_and_publishes_nothing(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, contracts=FRESH)
    tiny.night(project, last=date(2024, 3, 2))
    before = generations(project)

    assert tiny.stale(tiny.plan(project, last=date(2024, 3, 2))) == []
    assert tiny.stale(tiny.night(project, last=date(2024, 3, 4))) == ["audit"]
    with pytest.raises(AuditError, match=r"newest = 2024-03-02, batch_date = 2024-03-05"):
        tiny.night(project, last=date(2024, 3, 5))
    assert generations(project) == before


def test_an_audit_in_a_raw_contract_is_done_when_it_is_new(tmp_path: Path) -> None:
    project = tiny.project(tmp_path)
    tiny.night(project)
    (project.contracts / "all.py").write_text(FRESH.replace("within 2 days", "within 99 days"))

    assert tiny.stale(tiny.night(project)) == ["audit", "publish"]
    assert "raw.sales.freshness.delivery_date" in Ledger(project.ledger).checks()


def test_without_such_an_audit_a_quiet_night_has_nothing_to_do(tmp_path: Path) -> None:
    project = tiny.project(tmp_path)
    tiny.night(project, last=date(2024, 3, 2))

    assert tiny.stale(tiny.plan(project, last=date(2024, 3, 9))) == []


def test_a_warning_of_a_quiet_night_is_in_its_summary(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, contracts=FRESH.replace('"freshness"', '"freshness_warn"'))
    tiny.night(project, last=date(2024, 3, 2))
    ledger = Ledger(project.ledger)

    planned = tiny.night(project, last=date(2024, 3, 9))
    run = replace(ledger.runs()[0], run_id=planned.run_id, outcome="unchanged")
    lines = list(summary(planned, ledger, run, ledger.receipts()))

    assert lines[0].startswith("nothing new to publish up to 2024-03-09: ")
    assert lines[-1] == (
        "  warning: raw.sales.freshness.delivery_date found 1 row, such as newest = 2024-03-02, "
        "batch_date = 2024-03-09"
    )

"""A model that takes longer than its header allows is ended; what it held before stays."""

import threading
from pathlib import Path

import pytest

from etl.ledger.history import DONE, FAILED, StepId
from etl.models.kinds import KINDS
from tests.engine.test_process import wait_for_end
from tests.run.test_recording import night, rows
from tests.support import tiny

ENDLESS = "select sum(a.range * b.range) as n, {day} as day from range(3000000) as a, range(3000000) as b"
HEADERS = {
    "table": "",
    "incremental": "-- partition: day\n",
    "merge": "-- key: n\n-- order: day\n",
    "scd2": "-- key: n\n-- partition: day\n",
}


def test_every_kind_that_fills_a_table_by_its_select_is_tried() -> None:
    assert {name for name, kind in KINDS.items() if kind.is_select and kind.is_stored} == HEADERS.keys()


@pytest.mark.parametrize("kind", HEADERS)
@pytest.mark.parametrize("optional", ["", "-- optional: yes\n"])
def test_a_model_that_takes_too_long_is_ended(tmp_path: Path, kind: str, optional: str) -> None:
    header = f"-- materialized: {kind}\n{HEADERS[kind]}-- timeout_minutes: 0.005\n{optional}"
    text = header + ENDLESS.format(day="date '2024-03-01'")
    project = tiny.project(tmp_path, sql={"marts/a.sql": "select 1 as one", "marts/b.sql": text})

    found = rows(project, night(project))

    row = found[StepId("transform", "marts.b")]
    assert (row.outcome, row.attempts) == (FAILED, 1)
    assert row.message.startswith(
        "marts.b (sql/marts/b.sql) takes longer than its timeout_minutes, 0.005, and was"
    )
    assert found[StepId("transform", "marts.a")].outcome == DONE
    assert (found[StepId("publish")].outcome == DONE) == bool(optional)


def test_a_command_that_takes_too_long_is_ended_with_all_that_it_has_begun(tmp_path: Path) -> None:
    contracts = (
        f"{tiny.CONTRACTS}\nclass B(pa.DataFrameModel):\n    n: int\n    class Config:\n        name = 'marts.b'\n"
    )
    code = '# timeout_minutes: 0.01\nREADS = []\nCOMMAND = ["sh", "{sql}/b.sh", "{output}"]\nVERSION = "1"\n'
    sql = {"marts/b.py": code, "b.sh": f"sleep 600 & echo $! > {tmp_path}/pid; wait"}
    project = tiny.project(tmp_path, contracts, sql=sql)

    row = rows(project, night(project))[StepId("transform", "marts.b")]

    assert row.outcome == FAILED
    assert row.message.startswith("marts.b (sql/marts/b.py) takes longer than its timeout_minutes, 0.01, and was")
    wait_for_end(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("header", ["", "-- timeout_minutes: 5\n"])
def test_a_model_that_is_quick_is_built(tmp_path: Path, header: str, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, start = [], threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda thread: (begun.append(thread), start(thread))[1])
    project = tiny.project(tmp_path, sql={"marts/a.sql": f"{header}select 1 as one"})

    assert {row.outcome for row in rows(project, night(project)).values()} == {DONE}
    assert len([thread for thread in begun if "watch" in thread.name]) == bool(header)

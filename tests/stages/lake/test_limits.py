"""A source whose step takes longer than it allows: it is ended, and what is done is kept."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from etl.errors import ContractError, TimedOut
from etl.ledger import Ledger
from etl.run import active
from etl.sources.formats import FORMATS
from etl.stages import lake, warehouse
from etl.stages.lake import extraction
from tests.run import test_recording
from tests.support import tiny
from tests.support.hangs import HANGS
from tests.support.roads import ROADS

pytestmark = pytest.mark.sampled


@pytest.mark.parametrize("how", ("relation", "stubborn"))
def test_what_is_taken_is_kept_and_the_rest_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    raw = {f"sales/2024-03-0{n}.csv": f"{tiny.HEADER}{n},pen,1.5\n" for n in (1, 2)}
    project = tiny.project(tmp_path, raw=raw)
    known = extraction.extract_clean

    def hang(*arguments: Any) -> Any:
        if len(Ledger(project.ledger).receipts()) < 1:
            return known(*arguments)
        HANGS[how]()

    monkeypatch.setattr(extraction, "extract_clean", hang)
    monkeypatch.setattr(extraction, "_CHUNK_DELIVERIES", 1)

    with pytest.raises(TimedOut) as raised:
        tiny.take(project, tiny.sales(timeout_minutes=0.01))

    said = str(raised.value)
    assert said.startswith(
        "raw.sales: taking its deliveries takes longer than its timeout_minutes, 0.01, and was ended."
    )
    assert re.search(r"Taken and kept: [01] of 2 partitions; left: (2024-03-01, )?2024-03-02\.", said)
    monkeypatch.undo()
    assert len(tiny.take(project, tiny.sales(timeout_minutes=0.01))) == 2


@pytest.mark.parametrize("road", FORMATS)
@pytest.mark.parametrize("how", ("loop", "sleep", "statement"))
def test_a_file_of_any_format_that_is_not_read_in_time_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, road: str, how: str
) -> None:
    cells = {"id": ["1"], "item": ["pen"], "price": ["1.5"]}
    form, write = ROADS[road]
    source = tiny.sales(format=form(cells)())
    project = tiny.project(tmp_path, raw={"sales/2024-03-01.csv": write(cells)})
    # a small file may be read another way, which leaves what it does not know to this one
    monkeypatch.setattr("etl.stages.lake.extraction._Extractor._small", lambda *_: None)
    monkeypatch.setattr(type(source.format), "open", lambda *_: HANGS[how]())

    with pytest.raises(
        TimedOut, match=r"^raw\.sales: taking its deliveries takes longer than its timeout_minutes"
    ):
        tiny.take(project, replace(source, timeout_minutes=0.005))

    monkeypatch.undo()
    assert len(tiny.take(project, source)) == 1


def test_a_table_that_is_not_loaded_in_time_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    contracts = tiny.CONTRACTS.replace('csv")', 'csv", timeout_minutes=0.01)')
    contracts += 'more = Source(contract=Sales, files="more/{date}.csv")\n'
    raw = {"sales/2024-03-01.csv": "id,item\n1,book\n", "more/2024-03-01.csv": "id,item\n1,book\n"}
    project = tiny.project(tmp_path, contracts, {}, raw)
    known = warehouse.load.__globals__["_load"]

    def hang(con: Any, project: Any, table: Any, run_id: str) -> Any:
        return HANGS["relation"]() if table.source.name == "sales" else known(con, project, table, run_id)

    monkeypatch.setitem(warehouse.load.__globals__, "_load", hang)
    run_id = test_recording.night(project)

    assert {k.name for k in Ledger(project.ledger).receipts() if k.step == "load"} == {"more"}
    ((_, said),) = Ledger(project.ledger).problems(run_id)
    assert said.startswith("raw.sales: loading it takes longer than its timeout_minutes, 0.01, and was ended.")
    assert not active._active


def test_the_limit_changes_nothing_of_what_is_taken() -> None:
    assert lake.definition(tiny.sales(timeout_minutes=7), "UTC") == lake.definition(tiny.sales(), "UTC")


@pytest.mark.parametrize("minutes", [-1, "30", True, float("nan"), float("inf"), None])
def test_what_is_not_a_number_of_minutes_is_refused(minutes: object) -> None:
    with pytest.raises(ContractError, match="is not a number of minutes such as 30"):
        tiny.sales(timeout_minutes=minutes)

"""The history of a snapshot source: every snapshot that came, for models that are built on what changed."""

import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from etl.errors import ContractError, StepError, WithdrawnError
from etl.ledger import Ledger
from etl.plan import Plan
from etl.project import Project
from etl.reports.status import project_status
from etl.reports.summary import summary
from tests.support import tiny

CONTRACTS = """
import pandera.pandas as pa
from etl import Source

class Customers(pa.DataFrameModel):
    id: int = pa.Field(unique=True)
    city: str

customers = Source(contract=Customers, files="customers.csv", history=True, max_reject_ratio=1)
"""
LIVED = """-- materialized: scd2
-- key: id
-- partition: snapshot_date
-- deletes: absent
select id, city, snapshot_date from raw.customers
"""
NOW = """-- materialized: merge
-- key: id
-- order: snapshot_date
-- partition: snapshot_date
-- deletes: absent
select id, city, snapshot_date from raw.customers
"""
SQL = {"marts/lived.sql": LIVED, "marts/now.sql": NOW}
FIRST, SECOND, THIRD, FOURTH = (date(2024, 3, day) for day in (1, 5, 9, 20))
END = date(9999, 12, 31)


def come(project: Project, day: date, *rows: str) -> Plan:
    """Let a snapshot arrive, and run the night of that day."""
    tiny.deliver(project, {"customers.csv": "id,city\n" + "".join(f"{row}\n" for row in rows)})
    return tiny.night(project, day)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project that took three snapshots."""
    return tiny.once(tmp_path, three_came)


def three_came(root: Path) -> None:
    made = tiny.project(root, CONTRACTS, SQL, raw={})
    come(made, FIRST, "1,Oslo", "2,Rome")
    come(made, SECOND, "1,Bergen", "2,Rome")
    come(made, THIRD, "1,Bergen")


def held(project: Project, columns: str = "snapshot_date, id, city") -> list[tuple[Any, ...]]:
    return tiny.published(project, f"select {columns} from raw.customers order by snapshot_date, id")


def dates(project: Project) -> list[date]:
    return [
        row[0] for row in tiny.published(project, "select distinct snapshot_date from raw.customers order by 1")
    ]


def lived(project: Project) -> list[tuple[Any, ...]]:
    return tiny.published(project, "select id, city, valid_from, valid_to from marts.lived order by all")


def said(project: Project, planned: Plan) -> Sequence[str]:
    ledger = Ledger(project.ledger)
    run = next(run for run in ledger.runs() if run.run_id == planned.run_id)
    return list(summary(planned, ledger, run, ledger.receipts()))


def with_contract(project: Project, old: str, new: str) -> None:
    path = project.contracts / "all.py"
    path.write_text(path.read_text().replace(old, new))


def test_every_snapshot_is_in_the_table_and_a_history_tells_what_changed(project: Project) -> None:
    assert held(project) == [
        (FIRST, 1, "Oslo"),
        (FIRST, 2, "Rome"),
        (SECOND, 1, "Bergen"),
        (SECOND, 2, "Rome"),
        (THIRD, 1, "Bergen"),
    ]
    assert lived(project) == [
        (1, "Bergen", SECOND, END),
        (1, "Oslo", FIRST, SECOND),
        (2, "Rome", FIRST, THIRD),
    ]
    assert tiny.published(project, "select id, city from marts.now") == [(1, "Bergen")]
    assert tiny.stale(tiny.plan(project, FOURTH)) == []


def test_a_new_snapshot_is_one_more_partition_for_the_models(project: Project) -> None:
    come(project, FOURTH, "1,Bergen", "2,Rome")

    receipts = {str(key): receipt for key, receipt in Ledger(project.ledger).receipts().items()}
    assert receipts["load customers"].details == {"loaded": 1, "rows": 2}
    assert receipts["transform marts.lived"].details["partitions"] == [str(FOURTH)]
    assert lived(project)[2:] == [(2, "Rome", FIRST, THIRD), (2, "Rome", FOURTH, END)]


def test_the_same_content_is_no_new_snapshot_and_a_second_one_of_a_date_replaces_it(project: Project) -> None:
    assert tiny.stale(come(project, FOURTH, "1,Bergen")) == []

    come(project, THIRD, "1,Tromso")

    assert held(project)[4:] == [(THIRD, 1, "Tromso")]


def test_a_project_that_had_no_history_gets_it_from_the_lake(tmp_path: Path) -> None:
    without = {"marts/cities.sql": "select city from raw.customers"}
    project = tiny.project(tmp_path, CONTRACTS.replace("history=True, ", ""), without, raw={})
    come(project, FIRST, "1,Oslo")
    come(project, SECOND, "1,Bergen")
    assert dates(project) == [SECOND]

    with_contract(project, 'files="customers.csv", ', 'files="customers.csv", history=True, ')
    planned = tiny.night(project, THIRD)

    assert "extract" not in {key.step for key in planned.stale}
    assert dates(project) == [FIRST, SECOND]


def test_everything_that_is_made_of_the_lake_comes_back(project: Project) -> None:
    before = held(project), lived(project)
    for path in (project.ledger, project.build):
        path.unlink()
    shutil.rmtree(project.generations)

    tiny.night(project, THIRD)

    assert (held(project), lived(project)) == before


def test_a_snapshot_that_the_lake_has_lost_is_withdrawn_with_a_word_and_may_come_back(
    project: Project, tmp_path: Path
) -> None:
    lost = project.lake / "customers" / f"snapshot_date={FIRST}"
    aside = lost.rename(tmp_path / "aside")

    planned = tiny.night(project, FOURTH)

    assert dates(project) == [SECOND, THIRD]
    assert "  customers: withdrawn, the lake does not hold it any more: 2024-03-01" in said(project, planned)
    assert lived(project)[0] == (1, "Bergen", SECOND, END)
    assert not any("withdrawn" in line for line in said(project, tiny.night(project, FOURTH)))

    aside.rename(lost)
    tiny.night(project, FOURTH)
    assert dates(project) == [FIRST, SECOND, THIRD]


def test_when_the_file_is_gone_all_that_came_stays(project: Project) -> None:
    (project.raw / "customers.csv").unlink()

    planned = tiny.night(project, FOURTH)

    assert tiny.stale(planned) == []
    assert (
        "  customers: its file is gone from raw/; the snapshot of 2024-03-01, 2024-03-05, 2024-03-09 stays"
        in said(project, planned)
    )


def test_rejects_of_an_old_snapshot_that_are_lost_do_not_lose_its_rows(project: Project) -> None:
    come(project, FOURTH, "1,Oslo", "x,Rome")
    come(project, date(2024, 3, 21), "1,Oslo")
    shutil.rmtree(project.quarantine)
    project.build.unlink()

    tiny.night(project, date(2024, 3, 21))

    assert tiny.ask(project.build, "select count(*) from raw.customers") == [(7,)]
    query = "select records, rows, rejected from etl.partitions where date = '2024-03-20'"
    assert tiny.ask(project.build, query) == [(1, 1, 0)]


def test_forcing_takes_only_what_is_in_raw_again(project: Project) -> None:
    planned = tiny.night(project, FOURTH, first=FIRST, force=True)

    assert [key.partition for key in planned.stale if key.step == "extract"] == [str(THIRD)]
    assert dates(project) == [FIRST, SECOND, THIRD]


def test_with_another_contract_old_snapshots_stay_as_they_were_taken(project: Project) -> None:
    with_contract(project, "    city: str", '    city: str = pa.Field(isin=["Bergen"])\n    zip: str')
    with_contract(project, "id: int ", "id: float ")
    tiny.deliver(project, {"customers.csv": "id,city,zip\n1,Bergen,5003\n2,Oslo,0150\n"})

    planned = tiny.night(project, FOURTH)

    assert [key.partition for key in planned.stale if key.step == "extract"] == [str(FOURTH)]
    assert held(project, "snapshot_date, id, city, zip")[0] == (FIRST, 1.0, "Oslo", None)
    assert held(project, "snapshot_date, id, city, zip")[-1] == (FOURTH, 1.0, "Bergen", "5003")


def test_an_old_snapshot_that_cannot_be_cast_is_named_with_what_to_do(project: Project) -> None:
    with_contract(project, "city: str", "city: int")
    tiny.deliver(project, {"customers.csv": "id,city\n1,5\n"})

    message = (
        r"(?s)the snapshots of 2024-03-01, 2024-03-05, 2024-03-09 do not fit the contract.*delete them from .*"
    )
    with pytest.raises(StepError, match=message + "lake/customers to go on without them"):
        tiny.night(project, FOURTH)


def test_what_is_personal_only_now_is_null_in_old_snapshots(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_MASK_KEY", "a key of sixteen characters or more")
    with_contract(project, "city: str", 'city: str = pa.Field(metadata={"pii": "partial"})')
    come(project, FOURTH, "1,Bergen")

    assert {row[2] for row in held(project)} == {None, "***"}


def test_a_dated_source_has_no_history_option() -> None:
    with pytest.raises(ContractError, match="history is of snapshots, and this source is dated"):
        tiny.sales(history=True)


@pytest.mark.parametrize("options", ["optional=True", "max_reject_ratio=1"])
def test_a_delivery_that_gives_no_row_to_the_lake_says_nothing_of_what_is_gone(
    tmp_path: Path, options: str
) -> None:
    contracts = CONTRACTS.replace(
        '"customers.csv", history=True, max_reject_ratio=1', f'"c/{{date}}.csv", {options}'
    )
    sql = {name: text.replace("snapshot_date", "delivery_date") for name, text in SQL.items()}
    files = {"c/2024-03-01.csv": "id,city\n1,Ulm\n", "c/2024-03-02.csv": "id,city\nx,Ulm\n"}
    project = tiny.project(tmp_path, contracts, sql, files)

    tiny.night(project)

    assert tiny.published(project, "select valid_to from marts.lived") == [(END,)]
    assert tiny.published(project, "select id from marts.now") == [(1,)]

    tiny.deliver(project, {"c/2024-03-03.csv": "id,city\n"})
    tiny.night(project)

    assert tiny.published(project, "select valid_to from marts.lived") == [(date(2024, 3, 3),)]
    assert tiny.published(project, "select id from marts.now") == []


def test_more_snapshots_than_may_vanish_do_not_leave_the_table_without_a_word(
    project: Project, tmp_path: Path
) -> None:
    for day in range(21, 24):
        come(project, date(2024, 3, day), f"{day},Bergen")
    before = held(project)
    (project.lake / "customers").rename(tmp_path / "unmounted")

    with pytest.raises(
        WithdrawnError, match=r"customers: the lake has lost 5 published snapshots .*max_withdrawn"
    ):
        tiny.night(project, date(2024, 3, 24))
    assert held(project) == before

    given_up = tiny.night(project, date(2024, 3, 24), allow_withdrawn="customers")
    assert any(
        "withdrawn, the lake does not hold it any more: 2024-03-01" in line for line in said(project, given_up)
    )
    later = come(project, date(2024, 3, 25), "1,Oslo")
    assert any("customers: lost, the lake does not hold it any more" in line for line in said(project, later))
    assert dates(project) == [date(2024, 3, 23), date(2024, 3, 25)]


def test_status_counts_what_the_table_holds_and_names_what_is_lost(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    shutil.rmtree(project.lake / "customers" / f"snapshot_date={FIRST}")
    tiny.night(project, FOURTH)

    (source,) = project_status()["sources"]

    assert (source["partitions"], source["rows"], source["lost"]) == (2, 3, ["2024-03-01"])
    assert len(held(project)) == 3


@pytest.mark.parametrize("is_history", [True, False])
@pytest.mark.parametrize("day", [FIRST, SECOND])
def test_a_night_of_an_earlier_date_leaves_the_snapshot_of_that_date_alone(
    project: Project, day: date, is_history: bool
) -> None:
    if not is_history:
        with_contract(project, ", history=True", "")
        for model in ("lived", "now"):
            (project.sql / f"marts/{model}.sql").write_text("select id, city from raw.customers")
    earlier = {path: path.read_bytes() for path in project.lake.glob("customers/*/data.parquet")}

    planned = come(project, day, "7,Tromso")

    assert {path: path.read_bytes() for path in project.lake.glob("customers/*/data.parquet")} == earlier
    assert any(f"{day} has a snapshot, which is kept" in line for line in said(project, planned))
    come(project, FOURTH, "7,Tromso")
    assert (FOURTH, 7, "Tromso") in held(project)


def test_a_source_that_is_dated_no_more_has_its_snapshot_though_a_later_date_came_before(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, sql={})
    tiny.night(project, date(2024, 3, 31))
    text = tiny.CONTRACTS.replace("sales/{date}.csv", "sales.csv")
    assert text != tiny.CONTRACTS
    (project.contracts / "all.py").write_text(text)
    tiny.deliver(project, {"sales.csv": "id,item\n7,pen\n"})

    for last in (date(2024, 3, 1), date(2024, 3, 2)):
        tiny.night(project, last)
        assert tiny.published(project, "select id, item from raw.sales") == [(7, "pen")]

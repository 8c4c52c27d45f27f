"""Of two published files only what their own hashes tell apart is read: tables, partitions, and views of them."""

from dataclasses import replace
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb
import pytest

from etl import engine
from etl.operations.diff import Compared, Request, compare, write_rows
from etl.operations.diff.known import Known, known
from etl.operations.diff.sides import sides
from etl.project import Project
from etl.stages import published
from tests.support import tiny

SQL = {
    "marts/daily.sql": (
        "-- materialized: incremental\n-- partition: delivery_date\n-- unique: delivery_date, item\n"
        "select delivery_date, item, count(*) as sales from raw.sales group by all"
    ),
    "marts/fixed.sql": "select 1 as one",
    "marts/same.sql": "-- materialized: view\nwith own as (from marts.fixed) select one as two from own",
    "marts/below.sql": "-- materialized: view\nfrom marts.same",
    "marts/other.sql": "-- materialized: view\nselect item from marts.daily join marts.same on true",
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two generations, between which one of two days was delivered again."""
    return tiny.once(tmp_path, published_twice)


def published_twice(root: Path) -> None:
    project = tiny.project(root, sql=SQL)
    tiny.night(project)
    tiny.deliver(project, {"sales/2024-03-02.csv": "id,item\n3,cup\n"})
    tiny.night(project)


def files(project: Project) -> tuple[Path, Path]:
    one, other = (project.generations / name / published.FILE for name in published.generations(project)[-2:])
    return one, other


def facts(project: Project) -> Known:
    with engine.comparing(project, *files(project)) as con:
        return known(con, sides(con))


def test_what_is_the_same_is_known_and_of_the_rest_the_days(project: Project) -> None:
    assert facts(project) == Known(
        frozenset({"marts.fixed", "marts.same", "marts.below"}),
        {name: "\"delivery_date\" in (date '2024-03-02')" for name in ("raw.sales", "marts.daily")},
    )


def test_the_comparison_is_that_of_all_rows(project: Project) -> None:
    different = [
        [item for item in compared(project, is_hashed=is_hashed) if item.status != "same"]
        for is_hashed in (True, False)
    ]
    assert different[0] == different[1]
    by_name = {item.table: item for item in different[0]}
    assert (by_name["marts.daily"].rows, by_name["marts.daily"].added) == ((3, 3), 1)


def test_no_row_of_what_is_the_same_is_read(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    module = import_module("etl.operations.diff.compare")
    original = module._key

    def noting(con: Any, item: Any, request: Request) -> Any:
        read.append(item.name)
        return original(con, item, request)

    monkeypatch.setattr(module, "_key", noting)
    compared(project, is_hashed=True)

    assert sorted(read) == ["etl.rejects", "marts.daily", "marts.other", "raw.sales"]


def test_the_hashes_of_an_earlier_version_are_believed(project: Project) -> None:
    now = facts(project)
    for path in files(project):
        path.chmod(0o644)
        with duckdb.connect(str(path)) as con:
            con.execute("create table etl._hashes as from etl.contents; drop table etl.contents")
            con.execute("alter table etl._hashes rename column table_name to name")
            con.execute("alter table etl._hashes rename column partition_column to partition")
    assert facts(project) == now


def test_a_file_that_another_version_published_is_read(project: Project) -> None:
    path = files(project)[0]
    path.chmod(0o644)
    with duckdb.connect(str(path)) as con:
        con.execute("alter table etl.contents rename column content to hash")
    assert facts(project) == Known()


@pytest.mark.parametrize(
    "changed", ["create macro two() as 2", "create or replace view marts.same as select 2 as two"]
)
def test_a_view_that_may_say_something_else_is_read(project: Project, changed: str) -> None:
    path = files(project)[0]
    path.chmod(0o644)
    with duckdb.connect(str(path)) as con:
        con.execute(changed)
    assert facts(project).same == {"marts.fixed"}


def compared(project: Project, is_hashed: bool) -> list[Compared]:
    keys = {"marts.daily": ("delivery_date", "item"), "raw.sales": ("delivery_date", "id")}
    return compare(project, Request(files(project), keys=keys, is_hashed=is_hashed))


def test_rows_of_a_snapshot_are_the_same_ones_by_their_key_whatever_its_date(tmp_path: Path) -> None:
    contracts = tiny.CONTRACTS.replace("sales/{date}.csv", "sales.csv")
    project = tiny.project(tmp_path, contracts, raw={"sales.csv": "id,item\n1,a\n2,b\n3,c\n"}, sql={})
    tiny.night(project, date(2024, 3, 1))
    tiny.deliver(project, {"sales.csv": "id,item\n1,a\n2,x\n4,d\n"})
    tiny.night(project, date(2024, 3, 2))

    request = Request(files(project), "raw.sales", keys={"raw.sales": ["id"]}, is_hashed=True)
    (found,) = compare(project, request)
    assert found.snapshot == "snapshot_date: 2024-03-01 → 2024-03-02"
    assert (found.status, found.added, found.removed, found.changed) == ("changed", 1, 1, 1)
    assert found.columns == {"item": 1}
    assert write_rows(project, request, tmp_path / "rows.csv") == 3
    keys = {name: held.key for name, held in record(project).tables.items() if held.key}
    assert keys == {"raw.sales": ("id",)}

    # who names the date in the key compares by it
    (found,) = compare(project, replace(request, key=["snapshot_date", "id"]))
    assert (found.snapshot, found.added, found.removed) == ("", 3, 3)


def test_the_same_rows_in_a_snapshot_of_another_day_differ_by_its_date_alone(tmp_path: Path) -> None:
    contracts = tiny.CONTRACTS.replace("sales/{date}.csv", "sales.csv")
    project = tiny.project(tmp_path, contracts, raw={"sales.csv": "id,item\n1,a\n2,b\n"}, sql={})
    tiny.night(project, date(2024, 3, 1))
    tiny.deliver(project, {"sales.csv": "id,item\n2,b\n1,a\n"})
    tiny.night(project, date(2024, 3, 2))

    (found,) = compare(project, Request(files(project), "raw.sales", keys={"raw.sales": ["id"]}, is_hashed=True))
    assert (found.status, found.added, found.removed, found.changed) == ("changed", 0, 0, 0)
    assert found.snapshot == "snapshot_date: 2024-03-01 → 2024-03-02"


def record(project: Project) -> published.Generation:
    """Return the record of the current generation."""
    found = published.read_record(files(project)[1].parent)
    assert found is not None
    return found

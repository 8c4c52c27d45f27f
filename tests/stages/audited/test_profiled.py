"""What is new in a table is profiled once, kept by partition or by night, and never quotes personal data."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from etl.errors import AuditError
from etl.ledger import Ledger
from etl.ledger.profiles import Profiles
from etl.project import Project
from etl.stages.audited import profile_parts, profiled
from tests.support import tiny
from tests.support.everything import written

SQL = {
    "marts/daily.sql": "-- materialized: incremental\n-- partition: delivery_date\n"
    "select delivery_date, item, id from raw.sales",
    "marts/items.sql": "-- materialized: table\nselect item as name, count(*) as n from raw.sales group by item",
    "marts/seen.sql": "-- materialized: view\nselect id from raw.sales",
}
FIRST = date(2024, 3, 1)


def day(number: int) -> date:
    return FIRST + timedelta(number - 1)


def deliver(project: Project, number: int, items: Sequence[str]) -> None:
    rows = "".join(f"{number * 1000 + n},{item}\n" for n, item in enumerate(items))
    tiny.deliver(project, {f"sales/{day(number)}.csv": f"id,item\n{rows}"})


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with a table by partition, one without, and a view; two days of sales."""
    made = tiny.project(tmp_path, sql=SQL, raw={})
    for number in (1, 2):
        deliver(made, number, ["book", "pen", ""])
    return made


def profiles(project: Project) -> Profiles:
    return Profiles(Ledger(project.ledger))


def parts(project: Project) -> set[tuple[str, str]]:
    return {(part.table_name, part.partition or part.batch_date) for part in profiles(project).noted()}


def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """Return what is looked at from now on: tables with their partitions."""
    looked: list[tuple[str, list[str]]] = []
    measured = profiled.measured_together

    def noting(con: Any, tables: Any) -> Any:
        looked.extend((asked.table, sorted(map(str, asked.parts))) for asked in tables)
        return measured(con, tables)

    monkeypatch.setattr(profiled, "measured_together", noting)
    return looked


def test_each_partition_has_a_profile_and_a_table_without_one_each_night(project: Project) -> None:
    tiny.night(project, day(2))

    assert parts(project) == {
        *((table, str(day(number))) for table in ("raw.sales", "marts.daily") for number in (1, 2)),
        ("marts.items", str(day(2))),
    }
    found = {p.column_name: p for p in profiles(project).newest("marts.daily")}
    item, id_ = found["item"], found["id"]
    assert (found[""].rows, item.nulls, item.approx_distinct, item.min, item.max) == (3, 1, 2, "book", "pen")
    assert item.top == [("book", 0.5), ("pen", 0.5)]
    assert item.lengths == [3, 3.5, 4]
    assert (id_.min, id_.max, id_.mean, id_.quantiles[10]) == ("2000", "2002", 2001, 2001)
    assert "delivery_date" not in found


def test_only_what_is_new_is_looked_at(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.night(project, day(2))
    looked = asked(monkeypatch)

    deliver(project, 3, ["book"])
    tiny.night(project, day(3))
    assert sorted(looked) == [
        ("marts.daily", [str(day(3))]),
        ("marts.items", ["None"]),
        ("raw.sales", [str(day(3))]),
    ]

    looked.clear()
    tiny.night(project, day(4))
    assert looked == []


def test_a_partition_that_is_delivered_again_has_one_profile(project: Project) -> None:
    tiny.night(project, day(2))
    deliver(project, 1, ["cup"])
    tiny.night(project, day(2))

    assert [p.rows for p in profiles(project).trend("raw.sales")] == [1, 3]
    assert next(p.top for p in profiles(project).trend("marts.daily", "item")) == [("cup", 1.0)]
    assert len(profiles(project).trend("marts.items")) == 1


def test_what_left_has_no_profile_any_more(project: Project) -> None:
    tiny.night(project, day(2))
    (project.raw / f"sales/{day(1)}.csv").unlink()
    (project.sql / "marts/items.sql").unlink()
    tiny.night(project, day(3))

    assert parts(project) == {("raw.sales", str(day(2))), ("marts.daily", str(day(2)))}
    assert tiny.published(project, "select distinct table_name, partition from etl.profiles order by all") == [
        ("marts.daily", str(day(2))),
        ("raw.sales", str(day(2))),
    ]


def test_a_night_that_changed_nothing_in_a_table_adds_none(project: Project) -> None:
    tiny.night(project, day(2))
    (project.sql / "marts/more.sql").write_text("select 1 as one")
    tiny.night(project, day(3))

    assert [p.day for p in profiles(project).trend("marts.items")] == [str(day(2))]
    assert [p.day for p in profiles(project).trend("marts.more")] == [str(day(3))]


def test_what_is_published_is_what_the_ledger_has(project: Project) -> None:
    tiny.night(project, day(2))
    query = "select table_name, partition, column_name, run_id, facts ->> 'rows', facts ->> 'min' from profiles"
    with closing(sqlite3.connect(project.ledger)) as con:
        kept = sorted(con.execute(query).fetchall(), key=str)

    query = "select table_name, partition, column_name, run_id, rows, min from etl.profiles"
    assert sorted(tiny.published(project, query), key=str) == kept
    comments = "select count(*), count(comment) from duckdb_columns() where table_name = 'profiles'"
    assert tiny.published(project, comments) == [(18, 18)]


def test_a_build_that_is_gone_has_its_profiles_back(project: Project) -> None:
    tiny.night(project, day(2))
    before = sorted(tiny.published(project, "from etl.profiles"), key=str)
    project.build.unlink()
    tiny.night(project, day(2))

    with duckdb.connect(str(project.build), read_only=True) as con:
        assert sorted(con.execute("from etl.profiles").fetchall(), key=str) == before


def test_a_candidate_that_failed_is_no_measure_for_the_next(project: Project) -> None:
    (project.sql / "audits").mkdir()
    audit = project.sql / "audits/never.sql"
    audit.write_text("-- fail: never\nselect * from raw.sales where id > 3000")
    tiny.night(project, day(2))
    deliver(project, 3, ["a", "b"])
    with suppress(AuditError):
        tiny.night(project, day(3))

    assert str(day(3)) not in {partition for _, partition in parts(project)}
    audit.unlink()
    tiny.night(project, day(3))
    assert ("raw.sales", str(day(3))) in parts(project)


def test_so_many_parts_have_a_profile_as_the_setting_says(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, sql=SQL, raw={}, settings="threads = 1\nprofiled_parts = 2\n")
    for number in (1, 2, 3):
        deliver(project, number, ["book"] * number)
        tiny.night(project, day(number))

    assert {partition for _, partition in parts(project)} == {str(day(2)), str(day(3))}
    assert len(parts(project)) == 6


def test_of_years_in_one_night_the_newest_are_looked_at_and_kept(project: Project, monkeypatch: Any) -> None:
    monkeypatch.setattr(profile_parts, "AT_ONCE", 2)
    for number in range(1, 6):
        deliver(project, number, ["book"])
    tiny.night(project, day(5))
    assert {p for table, p in parts(project) if table == "raw.sales"} == {str(day(4)), str(day(5))}

    deliver(project, 6, ["pen"])
    deliver(project, 1, ["pen"])
    deliver(project, 4, ["pen"])
    tiny.night(project, day(6))
    assert [(p.partition, p.top) for p in profiles(project).trend("raw.sales", "item")] == [
        (str(day(4)), [("pen", 1.0)]),
        (str(day(5)), [("book", 1.0)]),
        (str(day(6)), [("pen", 1.0)]),
    ]


def test_without_profiles_there_is_no_table_of_them(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, sql=SQL, settings="threads = 1\nprofiled_parts = 0\n")
    tiny.night(project)
    query = "select count(*) from duckdb_tables() where table_name = 'profiles'"
    assert tiny.published(project, query) == [(0,)]
    assert parts(project) == set()


TAGGED = tiny.CONTRACTS.replace("nullable=True)", "nullable=True, metadata={'pii': 'partial'})")


def test_personal_data_has_counts_alone_whatever_sql_calls_it(tmp_path: Path) -> None:
    sql = {
        **SQL,
        "marts/names.sql": "-- materialized: table\n"
        "select upper(item) || '!' as shout, length(item) as size, id from raw.sales",
    }
    project = tiny.project(tmp_path, contracts=TAGGED, sql=sql, raw={})
    deliver(project, 1, ["zoe-canary", "eve-canary", ""])
    tiny.night(project, day(1))

    columns = {"raw.sales": "item", "marts.daily": "item", "marts.items": "name", "marts.names": "shout"}
    for table, name in [*columns.items(), ("marts.names", "size")]:
        (found,) = profiles(project).trend(table, name)
        facts = {key for key, value in vars(found).items() if value not in (None, (), [], {})}
        assert facts <= {
            *("table_name", "column_name", "partition", "batch_date", "run_id"),
            "rows",
            "nulls",
            "approx_distinct",
        }
        assert found.nulls == 1
    assert profiles(project).trend("marts.names", "id")[0].max == "1002"


def test_a_column_that_is_tagged_later_has_its_values_taken_out_everywhere(project: Project) -> None:
    deliver(project, 1, ["zoe-canary"])
    tiny.night(project, day(2))
    deliver(project, 3, ["eve-canary"])
    tiny.night(project, day(3))
    (project.root / "contracts/all.py").write_text(TAGGED.replace("'partial'", "'drop'"))
    for number in (1, 2, 3):
        deliver(project, number, ["book", "pen"])
    tiny.night(project, day(3))

    for path in (project.ledger, project.build, project.current / "warehouse.duckdb"):
        name = str(path.resolve().relative_to(project.data.resolve()))
        assert not [text for place, text in written(project) if place == name and "canary" in text]
    older = profiles(project).trend("marts.items", "name")
    assert len(older) == 2
    assert all(p.min is None and not p.top for p in older)

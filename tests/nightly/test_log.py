"""A model may read the log: what was loaded, and the rows of earlier nights, as inputs like any other."""

from datetime import date
from pathlib import Path

import duckdb
import pytest

from etl.errors import ModelError
from etl.ledger import Ledger
from etl.models import LOG, PARTITIONS
from etl.project import Project
from etl.stages.warehouse.build import define_own
from tests.support import tiny

MESSAGES = """select source, date, file, records, rejected,
  case when rejected > 0 then 'some were rejected' else 'all is well' end as message
from etl.partitions
"""
GROWTH = """select table_name, batch_date, rows from etl.row_counts"""
ITEMS = """-- row_count: within 500% of the last 3
select item, count(*) as sales from raw.sales group by item
"""
DAYS = [date(2024, 3, day) for day in range(1, 6)]


def built(planned: object) -> list[str]:
    return [key for key in tiny.stale(planned) if key.startswith("transform")]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = tiny.project(tmp_path, sql={"marts/messages.sql": MESSAGES})
    tiny.deliver(made, {"sales/2024-03-02.csv": "id,item\n3,book\nx,pen\n"})
    tiny.night(made)
    return made


def messages(project: Project) -> list[tuple[object, ...]]:
    return tiny.published(
        project, "select date::varchar, records, rejected, message from marts.messages order by 1"
    )


def test_a_table_of_messages_is_built_in_sql_and_follows_what_is_loaded(project: Project) -> None:
    assert messages(project) == [("2024-03-01", 2, 0, "all is well"), ("2024-03-02", 2, 1, "some were rejected")]
    assert tiny.stale(tiny.plan(project)) == []
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})

    tiny.night(project)

    assert messages(project)[2:] == [("2024-03-03", 1, 0, "all is well")]


def test_it_is_not_built_again_because_of_the_clock(project: Project) -> None:
    at = "select built_at::varchar from etl.models where name = 'marts.messages'"
    loaded = "select max(loaded_at)::varchar from etl.partitions"
    before = [tiny.ask(project.build, query) for query in (at, loaded)]

    tiny.night(project, source="sales", force=True)

    assert tiny.ask(project.build, at) == before[0]
    assert tiny.ask(project.build, loaded) != before[1]


def test_row_counts_are_those_of_the_nights_before(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, sql={"marts/growth.sql": GROWTH, "marts/items.sql": ITEMS}, raw={})
    found = []
    for number, day in enumerate(DAYS[:3]):
        tiny.deliver(project, {f"sales/{day}.csv": f"id,item\n{number},item {number}\n"})
        tiny.night(project, day)
        rows = tiny.published(project, "select batch_date::varchar, rows from marts.growth order by 1")
        found.append([(text[-1], count) for text, count in rows])
    tiny.night(project, DAYS[2])

    assert found == [[], [("1", 1)], [("1", 1), ("2", 2)]]
    assert [count.rows for count in Ledger(project.ledger).row_counts()] == [1, 2, 3]
    assert tiny.stale(tiny.plan(project, DAYS[2])) == []


def test_the_columns_of_the_log_are_those_of_the_table() -> None:
    with duckdb.connect() as con:
        define_own(con)
        described = con.execute(f"describe {PARTITIONS}").fetchall()

    assert LOG[0].columns == tuple((name, type) for name, type, *_ in described)


def test_an_audit_does_not_read_the_log(tmp_path: Path) -> None:
    audit = {"audits/none.sql": "-- fail: no\nselect * from etl.partitions where rows = 0"}
    project = tiny.project(tmp_path, sql=audit)

    with pytest.raises(ModelError, match=r"there is no table etl\.partitions"):
        tiny.plan(project)

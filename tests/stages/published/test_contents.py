"""What a generation says that it holds: the same rows have the same hash, and only what is new is read for it."""

from pathlib import Path

import pytest

from etl.project import Project
from etl.stages import published
from etl.stages.published import contents
from tests.support import tiny

SQL = {
    **tiny.SQL,
    "marts/daily.sql": (
        "-- materialized: incremental\n-- partition: delivery_date\n-- unique: delivery_date, item\n"
        "select delivery_date, item, count(*) as sales, count(*) / 3 as share from raw.sales group by all"
    ),
    "marts/views.sql": "-- materialized: view\nselect * from raw.sales",
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return tiny.once(tmp_path, published_once)


def published_once(root: Path) -> None:
    tiny.night(tiny.project(root, sql=SQL))


def record(project: Project) -> published.Generation:
    found = published.read_record(project.current)
    assert found is not None
    return found


def test_a_generation_says_what_it_was_made_from_and_what_it_holds(project: Project) -> None:
    found = record(project)

    assert found.generation == published.current(project)
    assert found.batch_date == "2024-03-31"
    assert {day: item.file for day, item in found.inputs["sales"].items()} == {
        day: f"sales/{day}.csv" for day in ("2024-03-01", "2024-03-02")
    }
    assert set(found.definitions) == {
        *("the source sales", "sql/marts/daily.sql", "sql/marts/items.sql", "sql/marts/views.sql"),
        "marts.daily.unique.delivery_date,item",
    }
    assert {name: (table.kind, table.rows, table.key) for name, table in found.tables.items()} == {
        "raw.sales": ("table", 3, ("delivery_date", "id")),
        "marts.daily": ("table", 3, ("delivery_date", "item")),
        "marts.items": ("table", 2, ()),
        "marts.views": ("view", None, ()),
    }


def test_the_same_rows_have_the_same_hash_whatever_way_they_came(project: Project, tmp_path: Path) -> None:
    other = tiny.project(tmp_path / "other", sql=SQL, raw={})
    for path in reversed(tiny.SALES):
        tiny.deliver(other, {path: tiny.SALES[path]})
        tiny.night(other)

    assert record(other).tables == record(project).tables
    assert record(other).content == record(project).content


def test_only_what_is_new_is_hashed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    select = contents._select

    def noting(table: str, source: str, hashes: str, partition: str, days: list[object]) -> str:
        read.extend(f"{table} {day}" for day in days)
        return select(table, source, hashes, partition, days)

    monkeypatch.setattr(contents, "_select", noting)
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})
    tiny.night(project)

    assert sorted(read) == ["marts.daily 2024-03-03", "marts.items None", "raw.sales 2024-03-03"]


def test_a_change_of_any_kind_is_another_content(project: Project) -> None:
    first = record(project)
    tiny.deliver(project, {"sales/2024-03-02.csv": "id,item\n3,cup\n"})
    tiny.night(project)
    second = record(project)

    changed = {name for name in first.tables if first.tables[name].hash != second.tables[name].hash}
    assert changed == {"raw.sales", "marts.daily", "marts.items"}
    assert first.content != second.content


def test_code_that_changes_nothing_makes_no_generation(project: Project) -> None:
    before = published.generations(project)
    (project.sql / "marts/items.sql").write_text("select item, count(id) as sales from raw.sales group by 1")

    planned = tiny.night(project)

    assert "publish" in tiny.stale(planned)
    assert published.generations(project) == before
    assert tiny.stale(tiny.plan(project)) == []


def test_a_comment_that_analysts_see_makes_a_generation(project: Project) -> None:
    path = project.sql / "marts/items.sql"
    path.write_text(f"-- owner: ann\n{path.read_text()}")

    tiny.night(project)

    assert len(published.generations(project)) == 2


def test_a_rejected_record_makes_a_generation(project: Project) -> None:
    before = record(project)
    tiny.deliver(project, {"sales/2024-03-02.csv": "id,item\n3,book\nx,pen\n"})

    tiny.night(project)

    assert record(project).tables == before.tables
    assert record(project).generation != before.generation

"""Exports: published tables as Parquet files in the lake, switched with their generation."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from etl.errors import PublishError, StepError
from etl.ledger import Ledger
from etl.ledger.keys import PUBLISH
from etl.project import Project
from etl.stages import published
from etl.stages.published import generation, switching
from tests.support import tiny

DAILY = """-- materialized: incremental
-- partition: delivery_date
-- export: parquet
select delivery_date, item, count(*) as sales from raw.sales group by all
"""
ITEMS = """-- export: parquet
-- owner: ann@example.org
-- unit: sales = pieces
select item, count(*) as sales, sum(id) as ids from raw.sales group by item
"""
SQL = {"marts/daily.sql": DAILY, "marts/items.sql": ITEMS}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project that published two days of sales."""
    return tiny.once(tmp_path, exported)


def exported(root: Path) -> None:
    tiny.night(tiny.project(root, sql=SQL))


def rows(project: Project, path: str) -> list[tuple[object, ...]]:
    """Read a file of the lake without DuckDB, in order."""
    table = pq.ParquetFile(project.lake / path).read()
    return sorted(zip(*table.to_pydict().values(), strict=True), key=str)


def files(project: Project) -> dict[str, int]:
    """Return the files that a reader finds below lake/marts, with their inodes."""
    found = {}
    for folder, _, names in os.walk(project.lake / "marts", followlinks=True):
        for name in names:
            path = Path(folder, name)
            found[str(path.relative_to(project.lake / "marts"))] = path.stat().st_ino
    return found


def change(project: Project, sql: Mapping[str, str]) -> None:
    """Write models."""
    for path, text in sql.items():
        (project.sql / path).write_text(text)


def test_a_table_is_one_file_and_an_incremental_one_has_a_file_for_each_partition(project: Project) -> None:
    assert set(files(project)) == {
        "items/data.parquet",
        "daily/delivery_date=2024-03-01/data.parquet",
        "daily/delivery_date=2024-03-02/data.parquet",
    }
    assert [row[:2] for row in rows(project, "marts/items/data.parquet")] == [("book", 2), ("pen", 1)]
    first = rows(project, "marts/daily/delivery_date=2024-03-01/data.parquet")
    assert first == [(tiny.DAY, "book", 1), (tiny.DAY, "pen", 1)]
    assert (project.lake / "marts/items/data.parquet").stat().st_mode & 0o777 == 0o444


def test_only_what_changed_is_written_again(project: Project) -> None:
    before = files(project)

    tiny.deliver(project, {"sales/2024-03-02.csv": "id,item\n3,book\n4,cup\n"})
    tiny.night(project)

    after = files(project)
    kept = {name for name, inode in after.items() if before.get(name) == inode}
    assert kept == {"daily/delivery_date=2024-03-01/data.parquet"}
    exported = Ledger(project.ledger).receipts()[PUBLISH].details["exported"]
    assert exported == {"marts.daily": 1, "marts.items": 1}


def test_a_withdrawn_partition_leaves_the_export(project: Project) -> None:
    (project.raw / "sales/2024-03-02.csv").unlink()
    tiny.night(project)

    assert set(files(project)) == {"items/data.parquet", "daily/delivery_date=2024-03-01/data.parquet"}


def test_rows_without_a_date_have_a_folder_of_their_own_and_an_empty_table_has_a_file(tmp_path: Path) -> None:
    nulls = DAILY.replace(
        "select delivery_date,", "select nullif(delivery_date, date '2024-03-02') as delivery_date,"
    )
    none = DAILY.replace("group by all", "where id < 0 group by all")
    project = tiny.project(tmp_path, sql={"marts/nulls.sql": nulls, "marts/none.sql": none})
    tiny.night(project)

    null = "delivery_date=__HIVE_DEFAULT_PARTITION__/data.parquet"
    assert set(files(project)) == {
        f"nulls/{null}",
        "nulls/delivery_date=2024-03-01/data.parquet",
        f"none/{null}",
    }
    assert rows(project, f"marts/nulls/{null}") == [(None, "book", 1)]
    assert rows(project, f"marts/none/{null}") == []


def test_an_incremental_model_that_is_built_in_full_writes_only_the_partitions_that_differ(tmp_path: Path) -> None:
    running = """-- materialized: incremental
-- partition: delivery_date
-- export: parquet
select delivery_date, id, sum(id) over (order by id) as total from raw.sales
"""
    project = tiny.project(tmp_path, sql={"marts/running.sql": running})
    tiny.night(project)
    before = files(project)

    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})
    tiny.night(project)

    after = files(project)
    assert len(after) == 3
    assert before.items() <= after.items()


def test_more_partitions_than_are_written_in_one_pass(tmp_path: Path) -> None:
    days = [f"2024-{month:02}-{day:02}" for month in (1, 2, 3) for day in range(1, 29)]
    raw = {f"sales/{day}.csv": f"id,item\n{number},book\n" for number, day in enumerate(days)}
    project = tiny.project(tmp_path, sql={"marts/daily.sql": DAILY}, raw=raw)
    tiny.night(project)

    assert set(files(project)) == {f"daily/delivery_date={day}/data.parquet" for day in days}
    assert [str(rows(project, f"marts/daily/delivery_date={day}/data.parquet")[0][0]) for day in days] == days


def test_sums_of_integers_are_exact(tmp_path: Path) -> None:
    big = "-- export: parquet\nselect sum(id + 9007199254740993 - 1) as total from raw.sales where id = 1"
    project = tiny.project(tmp_path, sql={"marts/big.sql": big})
    tiny.night(project)

    assert [int(str(total)) for (total,) in rows(project, "marts/big/data.parquet")] == [9007199254740993]


def test_files_and_published_tables_say_whose_they_are_and_what_their_numbers_count(project: Project) -> None:
    metadata = pq.read_metadata(project.lake / "marts/items/data.parquet").metadata
    assert metadata[b"table"] == b"marts.items"
    assert metadata[b"owner"] == b"ann@example.org"
    assert json.loads(metadata[b"columns"]) == {"sales": {"unit": "pieces"}}
    comments = "select comment from duckdb_tables() where table_name = 'items'"
    assert tiny.published(project, comments) == [("[owner: ann@example.org]",)]


def test_another_unit_builds_nothing_but_is_published(project: Project) -> None:
    change(project, {"marts/items.sql": ITEMS.replace("pieces", "packs")})

    planned = tiny.night(project)

    assert tiny.stale(planned) == ["audit", "publish"]
    comments = "select comment from duckdb_columns() where table_name = 'items' and column_name = 'sales'"
    assert tiny.published(project, comments) == [("[unit: packs]",)]
    metadata = pq.read_metadata(project.lake / "marts/items/data.parquet").metadata
    assert json.loads(metadata[b"columns"]) == {"sales": {"unit": "packs"}}

    change(project, {"marts/items.sql": ITEMS.replace("-- unit: sales = pieces\n", "")})
    tiny.night(project)

    assert tiny.published(project, comments) == [(None,)]


def test_one_rename_switches_the_warehouse_and_all_exports(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switching, "_replace", lambda *_: pytest.fail("no link but one is replaced"))
    tiny.deliver(project, {"sales/2024-03-02.csv": "id,item\n3,cup\n"})
    before = files(project)
    replaced = []

    def replace_current(project: Project, link: Path, target: Path) -> None:
        assert files(project) == before
        os.unlink(link)
        link.symlink_to(os.path.relpath(target, link.parent))
        replaced.append(link)

    monkeypatch.setattr(switching, "_replace", replace_current)
    tiny.night(project)

    assert replaced == [project.current]
    assert files(project) != before
    assert tiny.published(project, "select sales from marts.items where item = 'cup'") == [(1,)]


def test_links_are_relative_so_that_the_data_can_be_moved(project: Project, tmp_path: Path) -> None:
    moved = project.data.rename(tmp_path / "moved")

    assert len(pq.ParquetFile(moved / "lake/marts/items/data.parquet").read()) == 2


def test_a_rollback_takes_the_exports_along(project: Project) -> None:
    before = files(project)
    change(project, {"marts/more.sql": ITEMS})
    tiny.night(project)
    newest = files(project)

    published.rollback(project, Ledger(project.ledger))
    assert files(project) == before
    assert not (project.lake / "marts/more").is_symlink()

    published.rollback(project, Ledger(project.ledger), published.generations(project)[-1])
    assert files(project) == newest


def test_a_retired_export_is_removed(project: Project) -> None:
    change(project, {"marts/items.sql": ITEMS.replace("-- export: parquet\n", "")})
    tiny.night(project)
    assert os.listdir(project.lake / "marts") == ["daily"]

    (project.sql / "marts/daily.sql").unlink()
    tiny.night(project)
    assert not (project.lake / "marts").exists()


@pytest.mark.parametrize("lost", ["lake/marts", "lake", "warehouse/current", "warehouse"])
def test_what_is_deleted_comes_back(project: Project, lost: str) -> None:
    before = set(files(project))
    shutil.rmtree(project.data / lost) if not (project.data / lost).is_symlink() else (
        project.data / lost
    ).unlink()

    tiny.night(project)

    assert set(files(project)) == before
    assert tiny.stale(tiny.plan(project)) == []


def test_a_file_that_is_gone_from_a_generation_is_written_again(project: Project) -> None:
    (project.lake / "marts/daily/delivery_date=2024-03-01/data.parquet").unlink()
    planned = tiny.night(project)

    assert tiny.stale(planned) == ["publish"]
    assert Ledger(project.ledger).receipts()[PUBLISH].details["exported"] == {"marts.daily": 1, "marts.items": 0}
    assert len(rows(project, "marts/daily/delivery_date=2024-03-01/data.parquet")) == 2


@pytest.mark.parametrize("step", ["export", "_finish", "switch_to", "prune"])
def test_a_publish_that_is_killed_anywhere_is_put_right_by_the_next(
    project: Project, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = files(project)
    tiny.deliver(project, {"sales/2024-03-02.csv": "id,item\n3,cup\n"})
    change(project, {"marts/items.sql": ITEMS.replace("-- export: parquet\n", ""), "marts/more.sql": ITEMS})

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(generation, step, killed)
        with pytest.raises(KeyboardInterrupt):
            tiny.night(project)
    if step != "prune":
        assert files(project) == before

    tiny.night(project)

    assert sorted({name.split("/")[0] for name in files(project)}) == ["daily", "more"]
    assert rows(project, "marts/daily/delivery_date=2024-03-02/data.parquet")[0][1] == "cup"
    assert tiny.stale(tiny.plan(project)) == []


def test_what_fails_its_audit_is_not_exported(project: Project) -> None:
    before = files(project)
    (project.sql / "audits").mkdir()
    change(project, {"audits/no_cup.sql": "-- fail: no cups\nselect * from marts.items where item = 'cup'"})
    tiny.deliver(project, {"sales/2024-03-02.csv": "id,item\n3,cup\n"})

    with pytest.raises(StepError, match=r"(?s)audits.no_cup.*the owner of marts.items: ann@example.org"):
        tiny.night(project)

    assert files(project) == before


def test_what_lies_in_the_place_of_an_export_is_left_alone_and_named(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, sql=SQL)
    (project.lake / "marts/items").mkdir(parents=True)

    with pytest.raises(PublishError, match=r"lake/marts/items was not made by etl"):
        tiny.night(project)

    assert published.current(project) is None


def test_old_generations_take_their_exports_along(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, sql=SQL, settings="threads = 1\nkeep_generations = 1\n")
    tiny.night(project)
    tiny.deliver(project, {"sales/2024-03-02.csv": "id,item\n3,cup\n"})
    tiny.night(project)

    assert [path.name for path in project.generations.iterdir()] == [published.current(project)]
    assert len(files(project)) == 3
    assert (project.lake / "marts/daily/delivery_date=2024-03-01/data.parquet").stat().st_nlink == 1


def test_a_file_system_without_hard_links_gets_copies(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(os, "link", refused)
    tiny.deliver(project, {"sales/2024-03-02.csv": "id,item\n3,cup\n"})
    tiny.night(project)

    assert len(rows(project, "marts/daily/delivery_date=2024-03-01/data.parquet")) == 2

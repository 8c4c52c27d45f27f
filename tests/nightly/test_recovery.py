"""Everything but data/raw can be lost: running again gives the same content."""

import pytest

PLACES = ["lake", "quarantine", "warehouse", "warehouse.duckdb", "ledger.sqlite*"]


@pytest.mark.parametrize("places", [[place] for place in PLACES] + [[*PLACES, ".scratch", ".lock"]], ids="+".join)
def test_what_was_deleted_comes_back(project, undisturbed, places) -> None:
    project.published()
    project.forget(*places)

    project.published()

    assert project.content() == undisturbed.orders
    assert "nothing new" in project.published().output


@pytest.mark.parametrize("lost", ["lake", "quarantine", "ledger.sqlite*"])
def test_what_was_deleted_does_not_matter_to_a_correction_either(project, make_project, lost) -> None:
    whole = make_project("whole")
    project.published()
    project.forget(lost, "warehouse/build.duckdb")
    for each in (project, whole):
        each.deliver("orders/2018-05-26.psv", "7|2018-05-26|book|Doha, Qatar\nno order\n")
        each.published()

    assert project.content() == whole.content()


def test_a_lost_ledger_does_not_cost_a_new_extraction(flights_project, undisturbed) -> None:
    flights_project.published()
    lake = {path: path.stat().st_mtime_ns for path in flights_project.data.glob("lake/**/*.parquet")}
    flights_project.forget("ledger.sqlite*")

    night = flights_project.published()

    assert "extracted" not in night.output
    assert {path: path.stat().st_mtime_ns for path in lake} == lake
    assert flights_project.content() == undisturbed.flights


def test_a_partition_that_someone_else_wrote_is_extracted_again(project, undisturbed) -> None:
    project.published()
    path = project.data / "lake" / "orders" / "delivery_date=2018-05-24" / "data.parquet"
    path.write_bytes((project.data / "lake" / "items" / "snapshot_date=2018-05-27" / "data.parquet").read_bytes())
    # or nobody would read it
    project.forget("warehouse/build.duckdb")

    project.published()

    assert project.content() == undisturbed.orders


def test_the_last_generations_are_kept_and_readable(project) -> None:
    for n in range(5):
        project.deliver("items.csv", f"item,item_nb\nbook,{42 + n}\n")
        project.published()

    kept = sorted(path.name for path in (project.data / "warehouse" / "generations").iterdir())

    assert len(kept) == 3  # keep_generations in the project's luigi.cfg
    assert kept[-1] == project.generation
    assert project.sql("from raw.items") and project.sql("select distinct item_nb from marts.orders order by 1")


def test_a_snapshot_that_vanished_keeps_its_last_content(project, undisturbed) -> None:
    project.published()
    (project.raw / "items.csv").unlink()

    project.published(date="2018-05-28")

    assert project.content() == undisturbed.orders


def test_a_new_snapshot_replaces_the_old_one_and_the_old_one_stays_in_the_lake(project) -> None:
    project.published()
    project.deliver("items.csv", "item,item_nb\nbook,7\n")

    project.published(date="2018-05-28")

    assert project.sql("select item, item_nb, snapshot_date::varchar from raw.items") == [
        ("book", 7, "2018-05-28")
    ]
    there = sorted(path.name for path in (project.data / "lake" / "items").iterdir())
    assert there == ["snapshot_date=2018-05-27", "snapshot_date=2018-05-28"]


def test_a_rebuild_that_failed_halfway_is_not_taken_for_done(project, undisturbed) -> None:
    project.published()
    sql = (project.root / "sql" / "marts" / "orders.sql").read_text()
    project.forget("warehouse/build.duckdb")
    project.edit("sql/marts/orders.sql", "newest.order_date,", "cast(newest.item as date) as order_date,")
    assert project.nightly().exit_code == 30

    (project.root / "sql" / "marts" / "orders.sql").write_text(sql)
    project.forget("warehouse.duckdb")
    project.published()

    assert project.content() == undisturbed.orders

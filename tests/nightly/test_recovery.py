"""Everything but data/raw can be lost: running again gives the same content."""

import pytest

pytestmark = pytest.mark.sampled

PLACES = ["lake", "quarantine", "warehouse", "warehouse.duckdb", "ledger.sqlite*"]


@pytest.mark.parametrize("places", [[place] for place in PLACES] + [[*PLACES, ".scratch", ".lock"]], ids="+".join)
def test_what_was_deleted_comes_back(shop, undisturbed, places) -> None:
    shop.forget(*places)

    shop.published()

    assert shop.content() == undisturbed.orders
    assert "nothing new" in shop.published().output


@pytest.mark.parametrize("lost", ["lake", "quarantine", "ledger.sqlite*"])
def test_what_was_deleted_does_not_matter_to_a_correction_either(shop, make_project, lost) -> None:
    whole = make_project("whole")
    shop.forget(lost, "warehouse/build.duckdb")
    for each in (shop, whole):
        each.deliver("orders/2018-05-26.psv", "7|2018-05-26|book|Doha, Qatar\nno order\n")
        each.published()

    assert shop.content() == whole.content()


def test_a_lost_ledger_does_not_cost_a_new_extraction(airport, undisturbed) -> None:
    lake = {path: path.stat().st_mtime_ns for path in airport.data.glob("lake/**/*.parquet")}
    airport.forget("ledger.sqlite*")

    night = airport.published()

    assert "extracted" not in night.output
    assert {path: path.stat().st_mtime_ns for path in lake} == lake
    assert airport.content() == undisturbed.flights


def test_a_partition_that_someone_else_wrote_is_extracted_again(shop, undisturbed) -> None:
    path = shop.data / "lake" / "orders" / "delivery_date=2018-05-24" / "data.parquet"
    path.unlink()
    path.write_bytes((shop.data / "lake" / "items" / "snapshot_date=2018-05-27" / "data.parquet").read_bytes())
    # or nobody would read it
    shop.forget("warehouse/build.duckdb")

    shop.published()

    assert shop.content() == undisturbed.orders


def test_the_last_generations_are_kept_and_readable(project) -> None:
    for n in range(5):
        project.deliver("items.csv", f"item,item_nb\nbook,{42 + n}\n")
        project.published()

    kept = sorted(path.name for path in (project.data / "warehouse" / "generations").iterdir())

    assert len(kept) == 3  # keep_generations in the project's luigi.cfg
    assert kept[-1] == project.generation
    assert project.sql("from raw.items") and project.sql("select distinct item_nb from marts.orders order by 1")


def test_a_snapshot_that_vanished_keeps_its_last_content(shop, undisturbed) -> None:
    (shop.raw / "items.csv").unlink()

    shop.published(date="2018-05-28")

    assert shop.content() == undisturbed.orders


def test_a_new_snapshot_replaces_the_old_one_and_the_old_one_stays_in_the_lake(shop) -> None:
    shop.deliver("items.csv", "item,item_nb\nbook,7\n")

    shop.published(date="2018-05-28")

    assert shop.sql("select item, item_nb, snapshot_date::varchar from raw.items") == [("book", 7, "2018-05-28")]
    there = sorted(path.name for path in (shop.data / "lake" / "items").iterdir())
    assert there == ["snapshot_date=2018-05-27", "snapshot_date=2018-05-28"]


def test_a_rebuild_that_failed_halfway_is_not_taken_for_done(shop, undisturbed) -> None:
    sql = (shop.root / "sql" / "marts" / "orders.sql").read_text()
    shop.forget("warehouse/build.duckdb")
    shop.edit("sql/marts/orders.sql", "newest.order_date,", "cast(newest.item as date) as order_date,")
    assert shop.nightly().exit_code == 30

    (shop.root / "sql" / "marts" / "orders.sql").write_text(sql)
    shop.forget("warehouse.duckdb")
    shop.published()

    assert shop.content() == undisturbed.orders

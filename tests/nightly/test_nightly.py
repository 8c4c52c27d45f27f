"""What a night does with what was delivered: everything that is new, and only that."""

import os
import re
from pathlib import Path

import pytest

HEAVY = {"pandas", "pandera", "pyarrow", "duckdb", "apprise", "prometheus_client", "openlineage", "httpx2"}


def test_a_fresh_project_publishes_the_enriched_orders(tools, tmp_path) -> None:
    project = tools.make(tmp_path / "fresh")

    night = project.nightly(is_cold=True)

    assert night.exit_code == 0, str(night)
    query = "select * exclude (order_date) from marts.orders where order_date = '2018-05-24' order by order_nb"
    assert project.sql(query) == [
        (123654851, "book", 42, "Tallinn, Estonia", 412),
        (123736540, "book", 42, "Doha, Qatar", 155),
        (123793204, "audio", 15, "Nashville, USA", 632),
        (123835264, "audio", 15, "Panama City, Panama", 540),
        (123862351, "book", 42, "Nabgkok, Thailand", 325),
        (123965841, "book", 42, "Bishkek, Kyrgyzstan", 611),
    ]
    assert project.sql("select item, item_nb from marts.orders where item_nb is null") == [("vinyl", None)] * 2
    assert project.sql("from marts.orders where site ilike 'tallinn%' and site_nb is distinct from 412") == []
    assert "warning: audits.items_unknown found" in night.output
    assert "Traceback" not in night.output


def test_no_record_of_any_source_is_lost(airport) -> None:
    found = dict(airport.sql("select source, sum(rows + rejected) from etl.partitions group by source"))

    for source in ("orders", "items", "sites", "flights", "weather", "airlines", "airports", "planes"):
        header = 0 if source == "orders" else 1
        files = [*airport.raw.glob(f"{source}.csv"), *airport.raw.glob(f"{source}/*")]
        assert found[source] == sum(len(file.read_text().splitlines()) - header for file in files)
        rows = airport.sql(f"select count(*) from raw.{source}")
        rejects = airport.sql(f"select count(*) from etl.rejects where source = '{source}'")
        assert rows[0][0] + rejects[0][0] == found[source]


def test_every_reject_is_kept_with_its_place_its_rule_and_its_text(shop) -> None:
    assert shop.sql("select file, line, rule, text from etl.rejects order by all") == [
        ("orders/2018-05-25.psv", 4, "order_date.dtype", "124118427|2018-05-32|book|Nashville, USA"),
        ("orders/2018-05-25.psv", 5, "record", "124170982|2018-05-25|audio"),
        ("orders/2018-05-26.psv", 5, "item.not_nullable", "124440937|2018-05-26||Doha, Qatar"),
        ("orders/2018-05-27.psv", 3, "order_nb.dtype", "one order|2018-05-27|book|Tallinn, Estonia"),
        ("orders/2018-05-27.psv", 6, "record", "124702913|2018-05-27|audio|Tallinn, Estonia|gift"),
    ]


def test_an_analyst_can_ask_in_sql_how_fresh_and_how_clean_the_data_is(shop) -> None:
    columns = {
        "runs": "run_id, started_at, finished_at, outcome",
        "partitions": "source, date, file, sha256, rows, rejected, loaded_at, run_id",
        "models": "name, materialized, fingerprint, rows, seconds, built_at, run_id",
        "checks": "name, table_name, severity, passed, failing, examples, run_id",
        "rejects": "source, date, file, line, rule, column_name, message, text, run_id",
    }
    for table, names in columns.items():
        assert shop.sql(f"select {names} from etl.{table}"), table
    assert shop.sql("select outcome, finished_at >= started_at from etl.runs") == [("published", True)]
    assert shop.sql("select run_id from etl.runs") == [(shop.generation,)]
    assert shop.sql("select distinct name from etl.models where name like 'marts.%'") == [("marts.orders",)]
    assert shop.sql("select name from etl.checks where not passed") == [("audits.items_unknown",)]


def test_again_at_once_nothing_is_done(airport) -> None:
    generation, ledger = airport.generation, airport.ledger("select * from receipts")

    night = airport.nightly()

    assert night.exit_code == 0, str(night)
    assert "nothing new up to 2018-05-27" in night.output
    assert airport.generation == generation
    assert airport.ledger("select * from receipts") == ledger


def test_a_night_with_nothing_new_imports_nothing_heavy(tools, shop) -> None:
    command = ["--module", "etl", "Nightly", "--date", "2018-05-27"]
    loaded = tools.modules_after(f"from luigi.cmdline import luigi_run; luigi_run({command})", shop.root)

    assert "luigi" in loaded
    assert not HEAVY & loaded


@pytest.mark.parametrize("module", ["etl", "etl.cli"])
def test_importing_the_package_imports_nothing_heavy(tools, tmp_path, module) -> None:
    assert not HEAVY & tools.modules_after(f"import {module}", tmp_path)


def test_one_more_day_costs_only_that_day_and_the_models_that_depend_on_it(airport, tools) -> None:
    extracted, loaded = airport.receipts("extract"), airport.receipts("load")
    loaded_at = dict(airport.sql("select flight_date, max(_loaded_at) from raw.flights group by 1"))
    built_at = dict(airport.sql("select name, built_at from etl.models"))
    airport.deliver("flights/2013-01-04.csv", tools.flights_of(4))

    airport.published()

    now = airport.receipts("extract")
    assert {name for name in now if now[name] != extracted.get(name)} == {"flights 2013-01-04"}
    now = airport.receipts("load")
    assert {name for name in now if now[name] != loaded[name]} == {"flights"}
    now = dict(airport.sql("select flight_date, max(_loaded_at) from raw.flights group by 1"))
    assert len(now) == 4
    assert {day: now[day] for day in loaded_at} == loaded_at
    now = dict(airport.sql("select name, built_at from etl.models"))
    rebuilt = {name for name in now if now[name] != built_at[name]}
    assert {"marts.flights", "marts.route_daily", "marts.weather_delay"} <= rebuilt
    assert not rebuilt & {"marts.orders", "staging.orders", "staging.weather", "staging.planes"}


def test_a_corrected_file_gives_what_a_warehouse_from_scratch_holds(make_project, tools) -> None:
    corrected, scratch = make_project("corrected", flights=True), make_project("scratch", flights=True)
    corrected.published()
    for project in (corrected, scratch):
        project.deliver("flights/2013-01-02.csv", tools.flights_of(2, first_number=500))
        project.deliver("orders/2018-05-25.psv", "1|2018-05-25|book|Doha, Qatar\nno order\n")
        project.deliver("items.csv", "item,item_nb\nbook,43\naudio,15\nvinyl,77\n")

    corrected.published()
    scratch.published()

    assert corrected.content() == scratch.content()


def test_a_correction_is_taken_even_with_the_same_size_and_an_older_time(shop) -> None:
    path = shop.raw / "orders" / "2018-05-24.psv"
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns - 10**15
    shop.deliver("orders/2018-05-24.psv", path.read_text().replace("123654851", "123654852"))
    os.utime(path, ns=times)

    shop.published()

    assert shop.sql("select count(*) from marts.orders where order_nb = 123654852") == [(1,)]
    assert shop.sql("select count(*) from marts.orders where order_nb = 123654851") == [(0,)]


def test_a_file_that_is_written_anew_with_the_same_content_changes_nothing(shop) -> None:
    generation = shop.generation
    for path in shop.raw.rglob("*.psv"):
        shop.deliver(path.relative_to(shop.raw).as_posix(), path.read_text())

    night = shop.published()

    assert "nothing new" in night.output
    assert shop.generation == generation


def test_a_vanished_file_is_withdrawn_named_and_said_once(shop) -> None:
    (shop.raw / "orders" / "2018-05-25.psv").unlink()

    first, second = shop.published(), shop.published()

    assert "orders: withdrawn, the file is gone from raw/: 2018-05-25" in first.output
    assert shop.sql("select count(*) from raw.orders where delivery_date = '2018-05-25'") == [(0,)]
    assert shop.sql("select count(*) from etl.rejects where date = '2018-05-25'") == [(0,)]
    assert shop.sql("select count(*) from etl.partitions where source = 'orders'") == [(3,)]
    assert "withdrawn" not in second.output
    assert "nothing new" in second.output


def test_a_withdrawn_file_that_comes_again_is_taken_again(shop, undisturbed) -> None:
    path = shop.raw / "orders" / "2018-05-25.psv"
    text = path.read_text()
    path.unlink()
    shop.published()

    shop.deliver("orders/2018-05-25.psv", text)
    shop.published()

    assert shop.content() == undisturbed.orders


def test_a_folder_that_is_not_mounted_stops_the_night_until_it_is_allowed(shop) -> None:
    generation = shop.generation
    for path in (shop.raw / "orders").iterdir():
        path.unlink()

    stopped = shop.nightly()

    assert stopped.exit_code == 30, str(stopped)
    assert shop.generation == generation
    assert "the files of 4 published partitions vanished" in stopped.output
    assert "--allow-withdrawn orders" in stopped.output
    assert "Traceback" not in stopped.output

    shop.published("--allow-withdrawn", "orders")
    assert shop.sql("select count(*) from marts.orders") == [(0,)]

    again = shop.published()
    assert "nothing new" in again.output


def test_a_day_without_a_delivery_is_reported_not_invented(project) -> None:
    (project.raw / "orders" / "2018-05-25.psv").unlink()

    night = project.published()

    assert "orders: no delivery for 2018-05-25" in night.output
    assert project.sql("select count(distinct delivery_date) from raw.orders") == [(3,)]


def test_a_source_without_any_delivery_is_an_empty_table(project) -> None:
    project.forget("raw/orders")

    project.published()

    assert project.sql("select order_nb, delivery_date from raw.orders") == []


def test_a_name_with_an_impossible_date_is_no_delivery(project, undisturbed) -> None:
    project.deliver("orders/2018-02-30.psv", "1|2018-02-28|book|Doha, Qatar\n")

    project.published()

    assert project.content() == undisturbed.orders


def test_without_the_newest_day_of_a_required_source_nothing_is_published(project) -> None:
    project.edit("contracts/orders.py", 'files="orders/{date}.psv"', 'files="orders/{date}.psv", required=True')
    newest = project.raw / "orders" / "2018-05-27.psv"
    text = newest.read_text()
    newest.unlink()

    missing = project.nightly()

    assert missing.exit_code == 20, str(missing)
    assert "orders: required, but its delivery of 2018-05-27 is missing" in missing.output
    assert not project.warehouse.exists()
    kept = project.receipts("extract")
    assert "orders 2018-05-26" in kept

    project.deliver("orders/2018-05-27.psv", text)
    project.published()

    now = project.receipts("extract")
    assert {name for name in now if now[name] != kept.get(name)} == {"orders 2018-05-27"}
    assert project.sql("select count(*) from etl.partitions where source = 'orders'") == [(4,)]


def test_a_required_day_that_is_missing_is_said_even_if_nothing_else_is_new(project) -> None:
    project.edit("contracts/orders.py", 'files="orders/{date}.psv"', 'files="orders/{date}.psv", required=True')
    project.published()
    generation = project.generation

    missing = project.nightly(date="2018-05-28")

    assert missing.exit_code == 20, str(missing)
    assert "orders: required, but its delivery of 2018-05-28 is missing" in missing.output
    assert project.generation == generation


def test_an_earlier_batch_date_takes_nothing_away(shop) -> None:
    content = shop.content()

    shop.published(date="2018-05-25")

    assert shop.content() == content


def test_a_delivery_of_a_later_day_waits_for_that_day(project) -> None:
    project.published(date="2018-05-26")
    assert project.sql("select max(delivery_date)::varchar from raw.orders") == [("2018-05-26",)]

    project.published(date="2018-05-27")
    assert project.sql("select max(delivery_date)::varchar from raw.orders") == [("2018-05-27",)]


def test_changed_sql_rebuilds_that_model_and_what_reads_it_only(airport) -> None:
    extracted = airport.receipts("extract")
    built_at = dict(airport.sql("select name, built_at from etl.models"))
    airport.edit("sql/marts/orders.sql", "newest.order_date,", "newest.order_date - 1 as order_date,")

    airport.published()

    assert airport.receipts("extract") == extracted
    now = dict(airport.sql("select name, built_at from etl.models"))
    assert {name for name in now if now[name] != built_at[name]} == {"marts.orders"}


def test_a_comment_in_sql_changes_nothing(shop) -> None:
    generation = shop.generation
    path = Path(shop.root / "sql" / "marts" / "orders.sql")
    path.write_text(path.read_text().replace("select\n", "select -- a remark\n"))

    shop.published()

    assert shop.generation == generation


def test_a_model_that_was_deleted_leaves_the_next_generation(airport) -> None:
    (airport.root / "sql" / "marts" / "plane_use.sql").unlink()
    (airport.root / "sql" / "audits" / "plane_use_totals.sql").unlink()
    contracts = airport.root / "contracts" / "flight_marts.py"
    contracts.write_text(re.sub(r"class PlaneUse.*?(?=\nclass |\Z)", "", contracts.read_text(), flags=re.DOTALL))

    airport.published()

    assert "marts.plane_use" not in airport.content()
    assert airport.sql("from etl.models where name = 'marts.plane_use'") == []

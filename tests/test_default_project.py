"""The default project's SQL on small deliveries: what each mart makes of them, what each audit catches."""

from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest

from etl.ledger import Ledger
from etl.models import Given, Models, read_models
from etl.plan.definitions import definitions
from etl.project import load_project
from etl.stages.published.notes import notes_of
from etl.stages.warehouse import Build, build_models, define_own

SQL = Path(__file__).parents[1] / "sql"
RAW = """
    set timezone = 'UTC';
    create schema staging;
    create schema marts;

    create table raw.items as
    select * from (values ('book', 42), ('audio', 15)) as t(item, item_nb);
    create table raw.sites as
    select * from (values
        ('Tallinn, Estonia', 412), ('Doha, Qatar', 155), ('Nashville, USA', 632),
        ('Panama City, Panama', 540), ('Nabgkok, Thailand', 325), ('Bishkek, Kyrgyzstan', 611)
    ) as t(site, site_nb);
    create table raw.orders(order_nb bigint, order_date date, item varchar, site varchar, delivery_date date);

    create table raw.airlines as select 'UA' as carrier, 'United Air Lines Inc.' as name;
    create table raw.airports as
    select * from (values
        ('EWR', 'Newark Liberty Intl', 40.69, -74.17, 18, -5, 'A', 'America/New_York'),
        ('IAH', 'George Bush Intercontinental', 29.98, -95.34, 97, -6, 'A', 'America/Chicago')
    ) as t(faa, name, lat, lon, alt, tz, dst, tzone);
    create table raw.planes as
    select
        'N14228' as tailnum, 1999 as year, 'Fixed wing multi engine' as type, 'BOEING' as manufacturer,
        '737-824' as model, 2 as engines, 149 as seats, null::bigint as speed, 'Turbo-fan' as engine;
    create table raw.flights(
        year bigint, month bigint, day bigint, dep_time bigint, sched_dep_time bigint, dep_delay bigint,
        arr_time bigint, sched_arr_time bigint, arr_delay bigint, carrier varchar, flight bigint,
        tailnum varchar, origin varchar, dest varchar, air_time bigint, distance bigint, hour bigint,
        minute bigint, time_hour timestamptz, flight_date date
    );
    create table raw.weather(
        origin varchar, year bigint, month bigint, day bigint, hour bigint, temp double, dewp double,
        humid double, wind_dir bigint, wind_speed double, wind_gust double, precip double,
        pressure double, visib double, time_hour timestamptz, weather_date date
    );
"""
# The night on which the clocks go back: 01:15 comes at 05:15 UTC and again at 06:15 UTC.
FLIGHTS = """
    insert into raw.flights values
    (2013, 11, 3, 117, 115, 2, 402, 350, 12, 'UA', 1, 'N14228', 'EWR', 'IAH', 227, 1400, 1, 15,
     '2013-11-03 05:00:00Z', '2013-11-03'),
    (2013, 11, 3, 120, 115, 5, 420, 350, 30, 'UA', 2, 'N99999', 'EWR', 'IAH', 227, 1400, 1, 15,
     '2013-11-03 06:00:00Z', '2013-11-03'),
    (2013, 11, 3, null, 900, null, null, 1300, null, 'UA', 3, null, 'EWR', 'SJU', null, 1608, 9, 0,
     '2013-11-03 14:00:00Z', '2013-11-03');
    insert into raw.weather by name
    select
        'EWR' as origin, 2013 as year, 11 as month, 3 as day, 1 as hour, temp, wind_speed, 0.0 as precip,
        10.0 as visib, time_hour, date '2013-11-03' as weather_date
    from (values
        (52.0, 7.0, timestamptz '2013-11-03 05:00:00Z'), (50.0, 21.0, timestamptz '2013-11-03 06:00:00Z')
    ) as t(temp, wind_speed, time_hour);
"""
ORDERS = """
    insert into raw.orders values
    (123654851, '2018-05-24', 'book', 'Tallinn, Estonia', '2018-05-24'),
    (123736540, '2018-05-24', 'book', 'Doha, Qatar', '2018-05-24'),
    (123793204, '2018-05-24', 'audio', 'Nashville, USA', '2018-05-24'),
    (123835264, '2018-05-24', 'audio', 'Panama City, Panama', '2018-05-24'),
    (123862351, '2018-05-24', 'book', 'Nabgkok, Thailand', '2018-05-24'),
    (123965841, '2018-05-24', 'book', 'Bishkek, Kyrgyzstan', '2018-05-24');
"""
PARTITIONS = {"raw.orders": "delivery_date", "raw.flights": "flight_date", "raw.weather": "weather_date"}


def text(folder: str, name: str) -> str:
    return (SQL / folder / f"{name}.sql").read_text()


class Warehouse:
    """The default project's SQL files over raw tables in memory."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        define_own(self.connection)
        self.run(RAW + FLIGHTS + ORDERS)

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql).fetchall()

    def build(self) -> None:
        models = default_models().models.values()
        builds = [Build(model, "content", "definition", anew=True) for model in models]
        _, problems = build_models(self.connection, builds, "run-1", cutoff_rows=0)
        assert not problems, problems

    def build_with(self, raw: str) -> None:
        self.run(raw)
        self.build()

    def audit(self, name: str) -> list[tuple[Any, ...]]:
        return self.run(BUILT_IN[name].sql if name in BUILT_IN else text("audits", name))


@cache
def default_models() -> Models:
    """Return the default project's models over the raw tables of above."""
    with duckdb.connect() as con:
        con.execute(f"create schema raw; {RAW}")
        columns = con.execute(
            "select 'raw.' || table_name, column_name, data_type from duckdb_columns()"
        ).fetchall()
    tables = {
        name: tuple((column, type) for table, column, type in columns if table == name) for name, _, _ in columns
    }
    return read_models(SQL, [Given(name, tables[name], PARTITIONS.get(name, "")) for name in tables])


#: The audits of built-in kinds, which the headers of the marts ask for.
BUILT_IN = {name: audit for name, audit in default_models().audits.items() if audit.table}
SEVERITIES = {"fail": "error", "warn": "warn"}


@pytest.fixture
def warehouse() -> Warehouse:
    return Warehouse()


def audits(severity: str) -> list[str]:
    built_in = [name for name, audit in BUILT_IN.items() if audit.severity == SEVERITIES[severity]]
    paths = (SQL / "audits").glob("*.sql")
    return sorted([*built_in, *(path.stem for path in paths if path.read_text().startswith(f"-- {severity}: "))])


def order(warehouse: Warehouse, order_nb: int) -> list[tuple[Any, ...]]:
    return warehouse.run(f"select item, item_nb, site, site_nb from marts.orders where order_nb = {order_nb}")


def test_every_audit_has_a_severity() -> None:
    assert len(audits("fail")) >= 8
    assert len(audits("fail") + audits("warn")) == len(list((SQL / "audits").glob("*.sql"))) + len(BUILT_IN)


def test_orders_get_the_numbers_of_their_item_and_site(warehouse: Warehouse) -> None:
    warehouse.build()

    assert warehouse.run("select * exclude (order_date) from marts.orders order by order_nb") == [
        (123654851, "book", 42, "Tallinn, Estonia", 412),
        (123736540, "book", 42, "Doha, Qatar", 155),
        (123793204, "audio", 15, "Nashville, USA", 632),
        (123835264, "audio", 15, "Panama City, Panama", 540),
        (123862351, "book", 42, "Nabgkok, Thailand", 325),
        (123965841, "book", 42, "Bishkek, Kyrgyzstan", 611),
    ]
    assert warehouse.run("select distinct order_date::varchar from marts.orders") == [("2018-05-24",)]


def test_an_order_that_comes_again_is_one_order(warehouse: Warehouse) -> None:
    warehouse.build_with(ORDERS.replace("'2018-05-24');", "'2018-05-25');"))

    assert warehouse.run("select count(*) from marts.orders") == [(6,)]
    assert warehouse.audit("orders_contradicting") == []


def test_of_an_order_that_comes_again_the_newest_delivery_counts(warehouse: Warehouse) -> None:
    warehouse.build_with("""
        insert into raw.orders values
        (1, '2018-05-25', 'audio', 'Doha, Qatar', '2018-05-26'),
        (1, '2018-05-25', 'book', 'Doha, Qatar', '2018-05-25')
    """)

    assert order(warehouse, 1) == [("audio", 15, "Doha, Qatar", 155)]
    assert [row[0] for row in warehouse.audit("orders_contradicting")] == [1]


@pytest.mark.parametrize("site", ["tallinn ,  estonia", "TALLINN, ESTONIA", " Tallinn,Estonia "])
def test_a_site_takes_the_spelling_of_its_list(warehouse: Warehouse, site: str) -> None:
    warehouse.build_with(f"insert into raw.orders values (1, '2018-05-25', 'Book ', '{site}', '2018-05-25')")

    assert order(warehouse, 1) == [("book", 42, "Tallinn, Estonia", 412)]


def test_what_the_lists_do_not_know_is_kept_without_a_number(warehouse: Warehouse) -> None:
    warehouse.build_with("insert into raw.orders values (1, '2018-05-25', 'vinyl', 'Oslo, Norway', '2018-05-25')")

    assert order(warehouse, 1) == [("vinyl", None, "Oslo, Norway", None)]
    assert warehouse.audit("items_unknown") == [("vinyl", 1, 1)]
    assert warehouse.audit("sites_unknown") == [("Oslo, Norway", 1, 1)]


def test_a_flight_gets_its_airline_plane_destination_and_weather(warehouse: Warehouse) -> None:
    warehouse.build()

    assert warehouse.run("""
        select airline_name, dest_name, plane_model, plane_seats, temp_fahrenheit, is_cancelled
        from marts.flights where flight = 1
    """) == [("United Air Lines Inc.", "George Bush Intercontinental", "737-824", 149, 52.0, False)]


def test_the_hour_that_the_clock_tells_twice_is_two_hours_of_weather(warehouse: Warehouse) -> None:
    warehouse.build()

    assert warehouse.run("select flight, temp_fahrenheit from marts.flights where flight < 3 order by all") == [
        (1, 52.0),
        (2, 50.0),
    ]


def test_an_hour_of_weather_that_was_delivered_twice_does_not_double_a_flight(warehouse: Warehouse) -> None:
    warehouse.build_with("""
        insert into raw.weather select * replace (null as temp) from raw.weather;
        insert into raw.weather select * replace (temp - 9 as temp) from raw.weather;
    """)

    assert warehouse.run("select count(*) from marts.flights") == [(3,)]
    assert warehouse.run("select temp_fahrenheit from marts.flights where flight = 1") == [(43.0,)]
    assert [row[-1] for row in warehouse.audit("weather_hours_doubled")] == [4, 4]


def test_a_flight_is_kept_when_nothing_explains_it(warehouse: Warehouse) -> None:
    warehouse.build_with("update raw.flights set carrier = 'ZZ' where flight = 3")

    assert warehouse.run("""
        select airline_name, dest, dest_name, tailnum, plane_model, has_weather, temp_fahrenheit, is_cancelled
        from marts.flights where flight = 3
    """) == [(None, "SJU", None, None, None, False, None, True)]
    assert warehouse.audit("marts.flights.references.carrier") == [("ZZ", 1)]
    assert warehouse.audit("destinations_unknown")[0][:2] == ("SJU", 1)
    assert warehouse.audit("planes_unknown") == [("UA", 1, 1, "N99999")]
    assert [row[1:] for row in warehouse.audit("weather_missing")] == [("EWR", 1)]


def test_a_day_counts_cancelled_and_late_flights_and_leaves_the_cancelled_out_of_averages(
    warehouse: Warehouse,
) -> None:
    warehouse.build()

    numbers = "flights, cancelled_flights, arrived_flights, late_flights, avg_arr_delay_minutes"
    assert warehouse.run(f"select {numbers} from marts.airline_daily") == [(3, 1, 2, 1, 21.0)]
    assert warehouse.run(f"select dest, {numbers} from marts.route_daily order by dest") == [
        ("IAH", 2, 0, 2, 1, 21.0),
        ("SJU", 1, 1, 0, 0, None),
    ]


def test_delays_are_told_by_weather_and_unknown_weather_is_a_band_of_its_own(warehouse: Warehouse) -> None:
    warehouse.build()

    assert warehouse.run("""
        select wind_band, precip_band, visibility_band, flights, cancelled_flights, avg_dep_delay_minutes
        from marts.weather_delay order by wind_band
    """) == [
        ("20 mph or more", "dry", "10 miles", 1, 0, 5.0),
        ("below 10 mph", "dry", "10 miles", 1, 0, 2.0),
        ("unknown", "unknown", "unknown", 1, 1, None),
    ]


def test_planes_and_months_add_up_what_flew(warehouse: Warehouse) -> None:
    warehouse.build()

    assert warehouse.run("select tailnum, model, flights, flown_miles from marts.plane_use order by all") == [
        ("N14228", "737-824", 1, 1400),
        ("N99999", None, 1, 1400),
    ]
    assert warehouse.run("""
        select flight_month::varchar, origin_name, flights, carriers, destinations
        from marts.airport_monthly
    """) == [("2013-11-01", "Newark Liberty Intl", 3, 1, 2)]


@pytest.mark.parametrize("name", audits("fail"))
def test_a_sound_warehouse_breaks_no_fail_audit(warehouse: Warehouse, name: str) -> None:
    warehouse.build()

    assert warehouse.audit(name) == []


# What goes wrong after the build.
FAULTS = {
    "flights_exactly_once": [
        "delete from marts.flights where flight = 2",
        "insert into marts.flights from marts.flights where flight = 2",
        "update marts.flights set flight = 9 where flight = 2",
        "delete from marts.flights",
    ],
    "flights_on_their_day": ["update raw.flights set flight_date = '2013-11-04' where flight = 2"],
    "weather_on_its_day": ["update raw.weather set weather_date = '2013-11-04' where temp = 50"],
    "marts.route_daily.sums_to.flights": [
        "delete from marts.route_daily where dest = 'SJU'",
        "update marts.route_daily set flight_date = '2013-11-04' where dest = 'SJU'",
    ],
    "marts.route_daily.sums_to.cancelled_flights": ["update marts.route_daily set cancelled_flights = 0"],
    "marts.route_daily.sums_to.distance_miles": ["update marts.route_daily set distance_miles = null"],
    "marts.airline_daily.sums_to.flights": [
        "insert into marts.airline_daily from marts.airline_daily",
        "delete from marts.airline_daily",
    ],
    "marts.airline_daily.sums_to.cancelled_flights": ["update marts.airline_daily set cancelled_flights = 0"],
    "marts.airline_daily.sums_to.late_flights": ["update marts.airline_daily set late_flights = late_flights + 1"],
    "airport_monthly_totals": [
        "delete from marts.airport_monthly",
        "update marts.airport_monthly set flights = flights - 1",
    ],
    "marts.weather_delay.sums_to.flights": [
        "delete from marts.weather_delay where wind_band = 'unknown'",
        "delete from marts.weather_delay",
    ],
    "plane_use_totals": [
        "delete from marts.plane_use where tailnum = 'N99999'",
        "delete from marts.plane_use",
    ],
    "orders_exactly_once": [
        "delete from marts.orders where order_nb = 123654851",
        "insert into marts.orders from marts.orders where order_nb = 123654851",
        "update marts.orders set order_nb = 1 where order_nb = 123654851",
    ],
}


@pytest.mark.parametrize(("name", "fault"), [(name, fault) for name, faults in FAULTS.items() for fault in faults])
def test_a_fail_audit_bites(warehouse: Warehouse, name: str, fault: str) -> None:
    warehouse.build()

    warehouse.run(fault)

    assert warehouse.audit(name) != []


def test_every_fail_audit_has_a_fault_to_bite() -> None:
    assert sorted(FAULTS) == audits("fail")


def test_a_site_that_is_listed_twice_does_not_double_orders_unseen(warehouse: Warehouse) -> None:
    warehouse.build_with("insert into raw.sites values ('DOHA, Qatar', 999)")

    assert warehouse.audit("orders_exactly_once") == [(123736540, True, 2)]


def test_models_and_audits_run_over_raw_tables_without_a_row(warehouse: Warehouse) -> None:
    for (name,) in warehouse.run("select table_name from duckdb_tables() where schema_name = 'raw'"):
        warehouse.run(f"delete from raw.{name}")

    warehouse.build()

    assert [name for name in audits("fail") + audits("warn") if warehouse.audit(name)] == []


def test_every_column_is_described_or_passes_on_one_that_is(tmp_path: Path) -> None:
    project = load_project(Path(__file__).parents[1])
    catalog, models = definitions(project, Ledger(tmp_path / "ledger.sqlite"))
    sources = list(catalog.sources.values())
    with duckdb.connect() as con:
        tables = {s.table: tuple(s.columns.items()) for s in sources}
        for table, columns in (tables | {m.name: m.stored for m in models.models.values()}).items():
            con.execute(f"create schema if not exists {table.split('.')[0]}")
            con.execute(f"create table {table} ({', '.join(f'{name} {type}' for name, type in columns)})")
        found = notes_of(con, sources, list(models.models.values()), catalog.tables)

    assert {table for table, notes in found.items() if not notes.description} == set()
    described = {(t, name) for t, notes in found.items() for name in notes.names if notes.columns.get(name)}
    assert {(t, name) for t, notes in found.items() for name in notes.names} - described == set()

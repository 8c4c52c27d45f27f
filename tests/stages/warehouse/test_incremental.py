"""Incremental models: only what is new or changed is built, and the table is that of a full build."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.models import Given
from tests.stages.warehouse.small import Warehouse
from tests.support.thorough import examples

RAW = [
    Given("raw.sales", (("day", "DATE"), ("shop", "VARCHAR"), ("price", "DOUBLE")), "day"),
    Given("raw.visits", (("visit_day", "DATE"), ("shop", "VARCHAR"), ("visitors", "BIGINT")), "visit_day"),
    Given("raw.shops", (("shop", "VARCHAR"), ("town", "VARCHAR"))),
]
SQL = {
    "staging.sales": "-- materialized: view\nselect * from raw.sales where price >= 0",
    "marts.daily": """-- Sales and visits. Grain: day, shop.
-- materialized: incremental
-- partition: day
select sales.day, sales.shop, town, sum(price) as price, any_value(visitors) as visitors
from staging.sales
left join (select visit_day, shop, sum(visitors) as visitors from raw.visits group by all) as visits
    on visits.visit_day = sales.day and visits.shop = sales.shop
left join raw.shops on shops.shop = sales.shop
group by all""",
    "marts.totals": """-- materialized: incremental
-- partition: day
select day, sum(price) as price, count(*) as shops from marts.daily group by day""",
    "marts.week": """-- materialized: incremental
-- partition: day
-- lookback: 2 days
select day, shop, sum(price) over (
    partition by shop order by day range between interval 2 days preceding and current row
) as price_3_days
from marts.daily""",
    # has rows of days without a delivery: those after a sale, and those of a calendar
    "marts.after": """-- materialized: incremental
-- partition: day
-- lookback: 3 days
select day + later::integer as day, sum(price) as price from marts.totals, range(1, 4) as r(later) group by all""",
    "marts.calendar": """-- materialized: incremental
-- partition: day
-- lookback: 2 days
select c.day, count(t.day) as sold
from (select date '2024-03-01' + n::integer as day from range(10) as r(n)) as c
join marts.totals as t on t.day between c.day - 2 and c.day and t.shops = 1
group by all""",
    "marts.above": """-- materialized: incremental
-- partition: day
select * from marts.after""",
    "marts.running": """-- materialized: incremental
-- partition: day
select day, sum(price) over (order by day) as price from marts.totals""",
    "marts.after_running": """-- materialized: incremental
-- partition: day
select day, price + 1 as price from marts.running""",
}
DAY = date(2024, 3, 1)


def day(number: int) -> date:
    return DAY + timedelta(number)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    made = Warehouse(tmp_path, RAW, SQL)
    made.deliver("raw.shops", DAY, [("a", "Ulm"), ("b", "Bonn")])
    for number in range(20):
        made.deliver("raw.sales", day(number), [(day(number), "a", number + 1.5), (day(number), "b", 2.0)])
        made.deliver("raw.visits", day(number), [(day(number), "a", number)])
    made.build()
    return made


def test_nothing_is_built_when_nothing_changed(warehouse: Warehouse) -> None:
    assert warehouse.built() == []


def test_a_new_day_is_the_only_one_that_is_built(warehouse: Warehouse) -> None:
    warehouse.deliver("raw.sales", day(20), [(day(20), "a", 7.0)])

    done = warehouse.build()

    assert done["marts.daily"]["partitions"] == ["2024-03-21"]
    assert done["marts.totals"]["partitions"] == ["2024-03-21"]
    # the days after it have no rows yet
    assert done["marts.week"]["partitions"] == ["2024-03-21"]
    assert warehouse.rows("select price, shops from marts.totals where day = '2024-03-21'") == [(7.0, 1)]


def test_a_long_lookback_builds_what_reads_the_new_day_and_says_why(tmp_path: Path) -> None:
    week = SQL["marts.week"].replace("2 days\n", "366 days\n")
    warehouse = Warehouse(tmp_path, RAW, {**SQL, "marts.week": week})
    for number in range(20):
        warehouse.deliver("raw.sales", day(number), [(day(number), "a", 1.0)])
    warehouse.build()

    warehouse.deliver("raw.sales", day(20), [(day(20), "a", 1.0)])
    new = warehouse.build()["marts.week"]
    assert (new["partitions"], new["why"]) == (["2024-03-21"], "new or changed in marts.daily: 2024-03-21")

    warehouse.deliver("raw.sales", day(15), [(day(15), "a", 2.0)])
    late = warehouse.build()["marts.week"]
    assert late["partitions"] == [str(day(number)) for number in range(15, 21)]

    warehouse.deliver("raw.sales", day(2), [(day(2), "a", 3.0)])
    early = warehouse.build()["marts.week"]
    assert (early["partitions"], early["why"]) == (
        None,
        "most partitions read what changed in marts.daily: 19 of them, with a lookback of 366 days",
    )


def test_a_day_of_a_joined_table_is_built_for_that_day(warehouse: Warehouse) -> None:
    warehouse.deliver("raw.visits", day(5), [(day(5), "b", 900)])

    done = warehouse.build()

    assert done["marts.daily"]["partitions"] == ["2024-03-06"]
    assert done["marts.daily"]["why"] == "new or changed in raw.sales, raw.visits: 2024-03-06"
    assert done["marts.totals"]["built"]


def test_a_changed_row_that_changes_no_total_stops_there(warehouse: Warehouse) -> None:
    warehouse.deliver("raw.sales", day(3), [(day(3), "b", 2.0), (day(3), "a", 4.0), (day(3), "a", 0.5)])

    assert warehouse.built() == ["marts.daily"]


def test_a_withdrawn_day_is_gone(warehouse: Warehouse) -> None:
    warehouse.deliver("raw.sales", day(4), None)

    assert warehouse.partitions("marts.totals") == ["2024-03-05"]
    assert warehouse.rows("from marts.totals where day = '2024-03-05'") == []


def test_a_changed_snapshot_builds_all(warehouse: Warehouse) -> None:
    warehouse.deliver("raw.shops", DAY, [("a", "Ulm"), ("b", "Berlin")])

    done = warehouse.build()

    assert done["marts.daily"]["partitions"] is None
    assert done["marts.daily"]["why"] == "raw.shops changed"
    assert done["marts.totals"]["built"]
    # which are the same as before
    assert not done["marts.running"]["built"]


def test_what_needs_other_days_is_built_in_full_and_says_why(warehouse: Warehouse) -> None:
    warehouse.deliver("raw.sales", day(20), [(day(20), "a", 7.0)])

    done = warehouse.build()["marts.running"]

    assert done["partitions"] is None
    assert done["why"] == "marts.totals changed (built in full: a day may need other dates of marts.totals)"
    assert done["in_full"] == "a day may need other dates of marts.totals"
    assert not warehouse.build()["marts.running"]["in_full"]


def test_what_reads_a_model_that_is_built_in_full_gets_its_new_days(warehouse: Warehouse) -> None:
    warehouse.deliver("raw.sales", day(20), [(day(20), "a", 7.0)])

    assert warehouse.partitions("marts.after_running") == ["2024-03-21"]
    assert warehouse.rows("select count(*) from marts.after_running") == [(21,)]


def test_a_tolerated_table_builds_nothing_anew(tmp_path: Path) -> None:
    sql = {
        **SQL,
        "marts.daily": SQL["marts.daily"].replace("partition: day\n", "partition: day\n-- tolerates: shops\n"),
    }
    warehouse = Warehouse(tmp_path, RAW, sql)
    warehouse.deliver("raw.shops", DAY, [("a", "Ulm")])
    warehouse.deliver("raw.sales", DAY, [(DAY, "a", 1.0)])
    warehouse.build()
    warehouse.deliver("raw.shops", DAY, [("a", "Bonn")])
    warehouse.deliver("raw.sales", day(1), [(day(1), "a", 2.0)])

    warehouse.build()

    assert warehouse.rows("select town from marts.daily order by day") == [("Bonn",), ("Ulm",)]


def test_a_comment_builds_nothing_and_an_expression_its_model(warehouse: Warehouse) -> None:
    warehouse.read(
        {"marts.totals": "-- Another comment.\n" + SQL["marts.totals"].replace("select", "SELECT /* x */")}
    )
    assert warehouse.built() == []

    # the content is the same, so what reads it stays
    warehouse.read({"marts.totals": SQL["marts.totals"].replace("sum(price)", "sum(price + 0)")})
    assert warehouse.built() == ["marts.totals"]

    warehouse.read({"marts.totals": SQL["marts.totals"].replace("sum(price)", "sum(price + 1)")})
    after = ["marts.after", "marts.above", "marts.running", "marts.after_running"]
    assert [name for name in warehouse.built() if name in ("marts.totals", *after)] == ["marts.totals", *after]


def test_rows_without_a_date_are_those_of_a_full_build(tmp_path: Path) -> None:
    sql = {
        "marts.x": "-- materialized: incremental\n-- partition: day\n"
        "select s.day, v.shop from raw.visits v left join raw.sales s on s.day = v.visit_day"
    }
    warehouse = Warehouse(tmp_path, RAW, sql)
    warehouse.deliver("raw.visits", DAY, [(DAY, "a", 1)])
    warehouse.build()
    assert warehouse.rows("from marts.x") == [(None, "a")]

    warehouse.deliver("raw.sales", DAY, [(DAY, "a", 1.0)])
    warehouse.build()

    assert warehouse.rows("from marts.x") == [(DAY, "a")]


_rows = st.lists(st.tuples(st.sampled_from("ab"), st.integers(-1, 3)), max_size=3)
_deliveries = st.lists(
    st.tuples(
        st.sampled_from(["raw.sales", "raw.visits", "raw.shops"]),
        st.integers(0, 5),
        st.none() | _rows,
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


@given(_deliveries, st.sampled_from([0, 1000]))
@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_deliveries_in_any_order_end_as_one_full_build(
    tmp_path: Path, deliveries: list, cutoff_rows: int
) -> None:
    warehouse = Warehouse(tmp_path, RAW, SQL, cutoff_rows)
    for table, number, rows, is_night in deliveries:
        if table == "raw.shops":
            warehouse.deliver(table, DAY, [(shop, f"town {town}") for shop, town in dict(rows or []).items()])
        else:
            given_rows = None if rows is None else [(day(number), shop, value) for shop, value in rows]
            warehouse.deliver(table, day(number), given_rows)
        if is_night:
            warehouse.build()
    warehouse.build()

    tables = [name for name in SQL if name != "staging.sales"]
    found = {table: warehouse.rows(f"from {table}") for table in tables}

    assert found == {table: warehouse.anew(table) for table in tables}

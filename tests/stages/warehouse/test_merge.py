"""Merged models: the newest row of each key, whatever the order in which rows come, held to brute force."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.models import Given
from tests.stages.warehouse.small import Warehouse
from tests.support.thorough import examples

COLUMNS = (("day", "DATE"), ("id", "BIGINT"), ("seq", "BIGINT"), ("city", "VARCHAR"), ("gone", "BOOLEAN"))
RAW = [Given("raw.feed", COLUMNS, "day")]
MERGE = """-- The newest of each customer. Grain: id.
-- materialized: merge
-- key: id
-- order: seq
-- partition: day
-- deletes: gone
select day, id, seq, city, gone from raw.feed"""
UPSERT = MERGE.replace("-- deletes: gone\n", "").replace(", gone from", " from")
ABSENT = UPSERT.replace("-- partition", "-- deletes: absent\n-- partition")
FROM_BONN = f"{ABSENT} where city = 'Bonn'"
DAY = date(2024, 3, 1)


def day(number: int) -> date:
    return DAY + timedelta(number)


def warehouse_of(root: Path, sql: str) -> Warehouse:
    return Warehouse(root, RAW, {"marts.customers": sql})


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    made = warehouse_of(tmp_path, MERGE)
    made.deliver("raw.feed", day(0), [(day(0), 1, 10, "Ulm", False), (day(0), 2, 11, "Bonn", False)])
    made.build()
    return made


def cities(warehouse: Warehouse) -> list[tuple[object, ...]]:
    return warehouse.rows("select id, city from marts.customers")


def test_a_newer_row_takes_the_place_of_an_older_one(warehouse: Warehouse) -> None:
    warehouse.deliver("raw.feed", day(1), [(day(1), 1, 12, "Kiel", False), (day(1), 3, 13, "Jena", False)])

    assert warehouse.partitions("marts.customers") == ["2024-03-02"]
    assert cities(warehouse) == [(1, "Kiel"), (2, "Bonn"), (3, "Jena")]


def test_a_late_row_does_not(warehouse: Warehouse) -> None:
    warehouse.deliver("raw.feed", day(1), [(day(1), 1, 9, "Kiel", False)])
    warehouse.build()

    assert cities(warehouse) == [(1, "Ulm"), (2, "Bonn")]


def test_a_deleted_key_is_gone_until_a_newer_row_comes(warehouse: Warehouse) -> None:
    warehouse.deliver("raw.feed", day(1), [(day(1), 1, 12, None, True)])
    warehouse.build()
    assert cities(warehouse) == [(2, "Bonn")]

    # a late row is older than the deletion
    warehouse.deliver("raw.feed", day(2), [(day(2), 1, 11, "Kiel", False)])
    warehouse.build()
    assert cities(warehouse) == [(2, "Bonn")]

    warehouse.deliver("raw.feed", day(3), [(day(3), 1, 13, "Jena", False)])
    warehouse.build()
    assert cities(warehouse) == [(1, "Jena"), (2, "Bonn")]


def test_a_withdrawn_deletion_brings_the_row_back(warehouse: Warehouse) -> None:
    warehouse.deliver("raw.feed", day(1), [(day(1), 1, 12, None, True)])
    warehouse.build()
    warehouse.deliver("raw.feed", day(1), None)
    warehouse.build()

    assert cities(warehouse) == [(1, "Ulm"), (2, "Bonn")]


def test_a_key_that_the_newest_snapshot_lacks_is_gone(tmp_path: Path) -> None:
    warehouse = warehouse_of(tmp_path, ABSENT)
    warehouse.deliver("raw.feed", day(1), [(day(1), 1, 1, "Ulm", False), (day(1), 2, 1, "Bonn", False)])
    warehouse.build()
    warehouse.deliver("raw.feed", day(2), [(day(2), 2, 1, "Kiel", False)])
    warehouse.build()
    assert cities(warehouse) == [(2, "Kiel")]

    # one of before that comes late changes nothing
    warehouse.deliver("raw.feed", day(0), [(day(0), 3, 1, "Jena", False)])
    warehouse.build()
    assert cities(warehouse) == [(2, "Kiel")]


_row = st.tuples(
    st.sampled_from([1, 2, None]),
    st.integers(0, 3),
    st.sampled_from(["Ulm", "Bonn", None]),
    st.sampled_from([True, False, None]),
)
_nights = st.lists(
    st.lists(st.tuples(st.integers(0, 4), st.none() | st.lists(_row, max_size=4)), min_size=1, max_size=3),
    min_size=1,
    max_size=6,
)


@given(_nights, st.sampled_from([MERGE, UPSERT, ABSENT, FROM_BONN]))
@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_deliveries_in_any_order_end_in_the_newest_rows(tmp_path: Path, nights: list, sql: str) -> None:
    warehouse = warehouse_of(tmp_path, sql)
    held: dict[date, list[tuple]] = {}
    for deliveries in nights:
        for number, rows in deliveries:
            given_rows = None if rows is None else [(day(number), *row) for row in rows]
            warehouse.deliver("raw.feed", day(number), given_rows)
            held[day(number)] = given_rows or []
            if given_rows is None:
                del held[day(number)]
        warehouse.build()

    assert warehouse.rows("from marts.customers") == sorted(newest(held, sql), key=nulls_last)


def newest(held: dict[date, list[tuple]], sql: str) -> list[tuple]:
    """Brute force: of all rows with a key, the greatest in seq, day and all other columns, a null being least."""
    rows = [row for rows in held.values() for row in rows]
    if sql is not MERGE:
        rows = [row[:4] for row in rows]
    if sql in (ABSENT, FROM_BONN):
        rows = [row for row in rows if row[0] == max(held) and (sql is ABSENT or row[3] == "Bonn")]
    best: dict[object, tuple] = {}
    for row in rows:
        if row[1] not in best or rank(row) > rank(best[row[1]]):
            best[row[1]] = row
    return [row[:4] for row in best.values() if sql is not MERGE or not row[4]]


def rank(row: tuple) -> tuple:
    order = (row[2], row[0], *row[3:])
    return tuple((value is not None, value if value is not None else 0) for value in order)


def nulls_last(row: tuple) -> tuple:
    return tuple((value is None, value if value is not None else 0) for value in row)

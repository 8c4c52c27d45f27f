"""Histories (scd2): since when and until when each version of a row held, held to brute force day by day."""

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.models import Given
from tests.stages.warehouse.small import Warehouse
from tests.support.thorough import examples

COLUMNS = (
    *(("day", "DATE"), ("id", "BIGINT"), ("seq", "BIGINT"), ("city", "VARCHAR"), ("gone", "BOOLEAN")),
    ("moved_at", "TIMESTAMP"),
)
RAW = [Given("raw.feed", COLUMNS, "day")]
CHANGES = """-- Where each customer lived. Grain: id, valid_from.
-- materialized: scd2
-- key: id
-- partition: day
-- order: seq
-- deletes: gone
select day, id, seq, city, gone from raw.feed"""
SNAPSHOTS = """-- materialized: scd2
-- key: id
-- partition: day
-- order: seq
-- deletes: absent
select day, id, seq, city from raw.feed"""
FROM_BONN = f"{SNAPSHOTS} where city = 'Bonn'"
#: Ways from the deliveries to the SELECT: the models in between, and what that reads then.
WAYS = {
    "no model": ({}, FROM_BONN),
    "a view": ({"marts.a": "-- materialized: view\nfrom raw.feed"}, FROM_BONN),
    "a table": ({"marts.a": "select * from raw.feed where city = 'Bonn'"}, SNAPSHOTS),
    "an incremental model": (
        {"marts.a": "-- materialized: incremental\n-- partition: day\nselect * from raw.feed where city = 'Bonn'"},
        SNAPSHOTS,
    ),
    "one that is built in full": (
        {
            "marts.a": "-- materialized: incremental\n-- partition: day\n"
            "select *, row_number() over (order by day) as n from raw.feed where city = 'Bonn'"
        },
        SNAPSHOTS,
    ),
    "another name of the date": (
        {"marts.a": "-- materialized: view\nselect day as as_of, * exclude (day) from raw.feed"},
        FROM_BONN.replace("-- partition: day", "-- partition: as_of").replace("select day", "select as_of"),
    ),
    "a choice over all dates": ({}, f"{FROM_BONN} qualify row_number() over (partition by id, seq, day) = 1"),
    "a join": ({}, FROM_BONN.replace("raw.feed", "raw.feed left join (select 1 as one) as o on o.one = 1")),
}
TIMES = CHANGES.replace("-- deletes", "-- valid_from: moved_at\n-- deletes").replace(
    "gone from", "gone, moved_at from"
)
DAY, END = date(2024, 3, 1), date(9999, 12, 31)
LIVED = "select id, city, valid_from, valid_to, is_current, version_number from marts.lived"


def day(number: int) -> date:
    return DAY + timedelta(number)


def warehouse_of(root: Path, sql: str) -> Warehouse:
    return Warehouse(root, RAW, {"marts.lived": sql})


def change(number: int, id: int, seq: int, city: str | None, gone: bool = False) -> tuple:
    return (day(number), id, seq, city, gone, None)


def test_a_change_ends_one_version_and_begins_the_next(tmp_path: Path) -> None:
    warehouse = warehouse_of(tmp_path, CHANGES)
    warehouse.deliver("raw.feed", day(0), [change(0, 1, 1, "Ulm"), change(0, 2, 2, "Bonn")])
    warehouse.build()
    warehouse.deliver("raw.feed", day(2), [change(2, 1, 3, "Kiel")])

    assert warehouse.partitions("marts.lived") == ["2024-03-03"]
    assert warehouse.rows(LIVED) == [
        (1, "Kiel", day(2), END, True, 2),
        (1, "Ulm", day(0), day(2), False, 1),
        (2, "Bonn", day(0), END, True, 1),
    ]


def test_of_several_changes_in_a_day_the_last_counts(tmp_path: Path) -> None:
    warehouse = warehouse_of(tmp_path, CHANGES)
    warehouse.deliver("raw.feed", day(0), [change(0, 1, 2, "Kiel"), change(0, 1, 1, "Ulm")])
    warehouse.build()

    assert warehouse.rows(LIVED) == [(1, "Kiel", day(0), END, True, 1)]


def test_with_timestamps_each_of_them_counts(tmp_path: Path) -> None:
    warehouse = warehouse_of(tmp_path, TIMES)
    morning, noon = datetime(2024, 3, 1, 8), datetime(2024, 3, 1, 12)
    warehouse.deliver(
        "raw.feed", day(0), [(day(0), 1, 2, "Kiel", False, noon), (day(0), 1, 1, "Ulm", False, morning)]
    )
    warehouse.build()

    assert warehouse.rows(LIVED) == [
        (1, "Kiel", noon, datetime(9999, 12, 31), True, 2),
        (1, "Ulm", morning, noon, False, 1),
    ]


def test_a_deleted_key_can_come_back(tmp_path: Path) -> None:
    warehouse = warehouse_of(tmp_path, CHANGES)
    for number, row in enumerate(
        [change(0, 1, 1, "Ulm"), change(1, 1, 2, None, gone=True), change(2, 1, 3, "Ulm")]
    ):
        warehouse.deliver("raw.feed", day(number), [row])
        warehouse.build()

    assert warehouse.rows(LIVED) == [(1, "Ulm", day(0), day(1), False, 1), (1, "Ulm", day(2), END, True, 2)]


def test_a_key_that_a_snapshot_lacks_ends_on_its_day(tmp_path: Path) -> None:
    warehouse = warehouse_of(tmp_path, SNAPSHOTS)
    for number, ids in enumerate([[1, 2], [1, 2], [2], [1, 2]]):
        warehouse.deliver("raw.feed", day(number), [change(number, id, number, f"city {id}") for id in ids])
        warehouse.build()

    assert warehouse.rows(LIVED) == [
        (1, "city 1", day(0), day(2), False, 1),
        (1, "city 1", day(3), END, True, 2),
        (2, "city 2", day(0), END, True, 1),
    ]


def test_a_late_snapshot_finds_its_place(tmp_path: Path) -> None:
    warehouse = warehouse_of(tmp_path, SNAPSHOTS)
    for number, city in ((0, "Ulm"), (4, "Ulm"), (2, "Kiel")):
        warehouse.deliver("raw.feed", day(number), [change(number, 1, 0, city)])
        warehouse.build()

    assert [row[1:4] for row in warehouse.rows(LIVED)] == [
        ("Kiel", day(2), day(4)),
        ("Ulm", day(0), day(2)),
        ("Ulm", day(4), END),
    ]


def test_a_row_without_a_date_is_refused(tmp_path: Path) -> None:
    warehouse = warehouse_of(
        tmp_path, CHANGES.replace("select day", "select nullif(day, date '2024-03-01') as day")
    )
    warehouse.deliver("raw.feed", DAY, [change(0, 1, 1, "Ulm")])

    with pytest.raises(AssertionError, match=r"marts\.lived: a row has no day, so it has no place in time"):
        warehouse.build()


@pytest.mark.parametrize(
    ("zone", "moved_at", "has_place"),
    [
        ("Europe/Berlin", "2024-10-27 02:30", False),
        ("Europe/Berlin", "2024-03-31 02:30", False),
        ("Europe/Berlin", "2024-10-27 03:00", True),
        ("Europe/Berlin", "infinity", True),
        ("America/New_York", "2024-11-03 01:00", False),
        ("UTC", "2024-10-27 02:30", True),
    ],
)
def test_a_local_time_that_the_clocks_skip_or_show_twice_has_no_place_in_time(
    tmp_path: Path, zone: str, moved_at: str, has_place: bool
) -> None:
    local = TIMES.replace("moved_at from", f"timestamp '{moved_at}' as moved_at from")
    zoned = local.replace(f"timestamp '{moved_at}'", f"timestamp '{moved_at}' at time zone 'UTC'")
    warehouse = Warehouse(tmp_path, RAW, {"marts.local": local, "marts.zoned": zoned})
    warehouse.con.execute(f"set TimeZone = '{zone}'")
    warehouse.deliver("raw.feed", DAY, [change(0, 1, 1, "Ulm")])

    built, problems = warehouse.tried()

    assert built == (["marts.local", "marts.zoned"] if has_place else ["marts.zoned"])
    assert has_place or (f"marts.local: the moved_at {moved_at}:00 is a local time without a zone" in problems[0])
    assert has_place or problems[0].rstrip(".").endswith(f"The time zone of the project is {zone}"), problems


@pytest.mark.parametrize("way", WAYS)
def test_a_snapshot_of_which_no_row_is_kept_ends_what_it_lacks(tmp_path: Path, way: str) -> None:
    between, sql = WAYS[way]
    sql = sql.replace("raw.feed", "marts.a") if between else sql
    warehouse = Warehouse(tmp_path, RAW, {**between, "marts.lived": sql})
    for number, rows in enumerate(
        [[change(0, 1, 1, "Bonn")], [change(1, 1, 1, "Ulm")], [], [change(3, 1, 1, "Bonn")]]
    ):
        warehouse.deliver("raw.feed", day(number), rows)
        warehouse.build()

    expected = [(1, "Bonn", day(0), day(1), False, 1), (1, "Bonn", day(3), END, True, 2)]
    assert warehouse.rows(LIVED) == expected
    warehouse.anew("marts.lived")
    assert warehouse.rows(LIVED) == expected

    # as if the two had never come
    warehouse.deliver("raw.feed", day(1), None)
    warehouse.deliver("raw.feed", day(2), None)
    warehouse.build()
    assert warehouse.rows(LIVED) == [(1, "Bonn", day(0), END, True, 1)]


_row = st.tuples(
    st.sampled_from([1, 2, None]),
    st.integers(0, 2),
    st.sampled_from(["Ulm", "Bonn", None]),
    st.sampled_from([True, False, None]),
    st.integers(0, 5),
)
_nights = st.lists(
    st.lists(st.tuples(st.integers(0, 5), st.none() | st.lists(_row, max_size=4)), min_size=1, max_size=3),
    min_size=1,
    max_size=6,
)


@given(_nights, st.sampled_from([CHANGES, SNAPSHOTS, FROM_BONN, TIMES]))
@settings(max_examples=examples(50), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_deliveries_in_any_order_end_in_the_same_history(tmp_path: Path, nights: list, sql: str) -> None:
    warehouse = warehouse_of(tmp_path, sql)
    held: dict[date, list[tuple]] = {}
    for deliveries in nights:
        for number, rows in deliveries:
            given_rows = None
            if rows is not None:
                given_rows = [(day(number), *row[:4], datetime(2024, 3, 1, row[4])) for row in rows]
            warehouse.deliver("raw.feed", day(number), given_rows)
            held[day(number)] = given_rows or []
            if given_rows is None:
                del held[day(number)]
        warehouse.build()

    found = warehouse.rows(LIVED)

    assert found == sorted(lived(held, sql), key=nulls_last)
    warehouse.anew("marts.lived")
    assert warehouse.rows(LIVED) == found


def lived(held: dict[date, list[tuple]], sql: str) -> list[tuple]:
    """Brute force: go through the times one by one, note each key's state, and write down the stretches."""
    is_snapshots = sql in (SNAPSHOTS, FROM_BONN)
    rows = [row for rows in held.values() for row in rows if sql is not FROM_BONN or row[3] == "Bonn"]
    time = (lambda row: row[5]) if sql is TIMES else (lambda row: row[0])
    # a snapshot is one with nothing in it, too
    times = sorted(held if is_snapshots else {time(row) for row in rows})
    found = []
    for key in {row[1] for row in rows}:
        state, versions = None, []
        for now in times:
            events = [row for row in rows if row[1] == key and time(row) == now]
            if events:
                last = max(events, key=lambda row: rank(row, sql))
                new = None if not is_snapshots and last[4] else (last[3],)
            else:
                new = None if is_snapshots else state
            if new != state:
                if state is not None:
                    versions[-1][1] = now
                if new is not None:
                    versions.append([now, None, new[0]])
                state = new
        for number, (since, until, city) in enumerate(versions, 1):
            end = datetime(9999, 12, 31) if sql is TIMES else END
            found.append((key, city, since, until or end, until is None, number))
    return found


def rank(row: tuple, sql: str) -> tuple:
    order = (row[2], row[0], row[3]) if sql in (SNAPSHOTS, FROM_BONN) else (row[2], row[0], row[3], row[4])
    return tuple((value is not None, value if value is not None else 0) for value in order)


def nulls_last(row: tuple) -> tuple:
    return tuple((value is None, value if value is not None else 0) for value in row)

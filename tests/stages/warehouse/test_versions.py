"""Which columns make a version: those that the header says, and never how a row was delivered."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.models import Given
from tests.stages.warehouse.small import Warehouse
from tests.support.thorough import examples

COLUMNS = (
    *(("day", "DATE"), ("id", "BIGINT"), ("seq", "BIGINT"), ("city", "VARCHAR"), ("phone", "BIGINT")),
    *(("changed", "TIMESTAMP"), ("_file", "VARCHAR"), ("_loaded_at", "TIMESTAMP WITH TIME ZONE")),
)
RAW = [Given("raw.feed", COLUMNS, "day", ("day", "_file", "_loaded_at"))]
SNAPSHOTS = "-- materialized: scd2\n-- key: id\n-- partition: day\n-- order: seq\n-- deletes: absent\n"
CHANGES = SNAPSHOTS.replace("-- deletes: absent\n", "")
TIMES = f"{CHANGES}-- valid_from: changed\n"
MERGE = CHANGES.replace("scd2", "merge")
DAY = date(2024, 3, 1)
NIGHT = datetime(2024, 3, 1, tzinfo=UTC)
LIVED = "select id, valid_from, valid_to, is_current, version_number from marts."


def day(number: int) -> date:
    return DAY + timedelta(number)


def row(number: int, id: int, seq: int, city: str, phone: int, moment: int, file: str, night: int) -> tuple:
    moved = datetime(2024, 3, 1) + timedelta(hours=moment)
    return (day(number), id, seq, city, phone, moved, file, NIGHT + timedelta(days=night))


@pytest.mark.parametrize("kind", [SNAPSHOTS, CHANGES])
def test_a_snapshot_that_says_the_same_in_another_file_makes_no_version(tmp_path: Path, kind: str) -> None:
    warehouse = Warehouse(tmp_path, RAW, {"marts.lived": f"{kind}select * exclude (changed) from raw.feed"})
    for number in range(3):
        warehouse.deliver("raw.feed", day(number), [row(number, 1, 0, "Ulm", 7, 0, f"{number}.csv", number)])
        warehouse.build()

    # what is shown is the row with which the version began
    assert warehouse.rows("select city, valid_from, is_current, _file from marts.lived") == [
        ("Ulm", DAY, True, "0.csv")
    ]


def test_versions_may_name_what_does_not_count_by_itself(tmp_path: Path) -> None:
    sql = f"{SNAPSHOTS}-- versions: _FILE\nselect * from raw.feed"
    warehouse = Warehouse(tmp_path, RAW, {"marts.lived": sql})
    for number in range(2):
        warehouse.deliver("raw.feed", day(number), [row(number, 1, 0, "Ulm", number, 0, f"{number}.csv", 0)])
    warehouse.build()

    assert warehouse.rows("select version_number from marts.lived") == [(1,), (2,)]


_row = st.tuples(
    *(st.sampled_from([1, 2]), st.integers(0, 1), st.sampled_from(["Ulm", "Bonn"]), st.integers(0, 1)),
    *(st.integers(0, 3), st.sampled_from(["a.csv", "b.csv"]), st.integers(0, 2)),
)
_deliveries = st.lists(
    st.tuples(st.integers(0, 3), st.none() | st.lists(_row, max_size=3), st.booleans()), min_size=1, max_size=6
)
#: What is said of columns, and the SELECT that has only what counts then.
SAID = {
    "": "select * exclude (_file, _loaded_at)",
    "-- ignores: Phone\n": "select * exclude (phone, _file, _loaded_at)",
    "-- versions: city\n": "select day, id, seq, changed, city",
}


@given(_deliveries, st.sampled_from([SNAPSHOTS, CHANGES, TIMES]), st.sampled_from(list(SAID)))
@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_history_has_the_versions_of_a_select_without_what_does_not_count(
    tmp_path: Path, deliveries: list, kind: str, said: str
) -> None:
    # the rest of the columns decides between rows that are alike in id and order
    columns = ", ".join(name for name, _ in COLUMNS if name not in ("day", "_loaded_at", "_file"))
    once = f"from raw.feed qualify row_number() over (partition by day, id, changed order by {columns}) = 1"
    left_out = "" if kind is TIMES else " exclude (changed)"
    sql = {
        "staging.feed": f"-- materialized: view\nselect * {once}",
        "marts.all": f"{kind}{said}select *{left_out} from staging.feed",
        "marts.what_counts": f"{kind}select *{left_out} from ({SAID[said]} from staging.feed)",
    }
    warehouse = Warehouse(tmp_path, RAW, sql)
    for number, rows, is_night in deliveries:
        given_rows = None if rows is None else [row(number, *values) for values in rows]
        warehouse.deliver("raw.feed", day(number), given_rows)
        if is_night:
            warehouse.build()
    warehouse.build()

    assert warehouse.rows(f"{LIVED}all") == warehouse.rows(f"{LIVED}what_counts")
    found = warehouse.rows("from marts.all")
    assert warehouse.anew("marts.all") == found


@given(st.lists(_row, max_size=5))
@settings(max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_file_decides_last_which_of_two_rows_is_the_newest(tmp_path: Path, rows: list) -> None:
    columns = "_file, _loaded_at, * exclude (_file, _loaded_at)"
    sql = {
        "marts.all": f"{MERGE}select {columns} from raw.feed",
        "marts.what_counts": f"{MERGE}select * exclude (_file, _loaded_at) from raw.feed",
    }
    warehouse = Warehouse(tmp_path, RAW, sql)
    warehouse.deliver("raw.feed", DAY, [row(0, *values) for values in rows])
    warehouse.build()

    kept = warehouse.rows("select * exclude (_file, _loaded_at) from marts.all")
    assert kept == warehouse.rows("from marts.what_counts")

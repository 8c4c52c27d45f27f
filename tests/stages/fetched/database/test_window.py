"""Which rows one fetch by a cursor asks for."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import FetchError
from etl.sources.fetches.database import Table
from etl.stages.fetched.kinds.database.window import moved, window


@pytest.mark.parametrize(
    ("cursor", "back", "measure", "found"),
    [
        ("2024-03-01 00:30:00.123456+00", 3600, "moment", "2024-02-29 23:30:00.123456+00"),
        ("2024-03-01T00:30:00Z", 3600, "moment", "2024-02-29T23:30:00Z"),
        ("2024-03-01 00:30", 3600, "moment", "2024-02-29 23:30"),
        ("2024-03-01", 3600, "moment", "2024-02-29"),
        ("2024-03-01", 1, "day", "2024-02-29"),
        ("10500", 10_000, "number", "500"),
        ("5", 10_000, "number", "-9995"),
        ("-1.5", 10, "number", "-11.5"),
        ("1.5", 10, "number", "-8.5"),
        ("any text", 0, "moment", "any text"),
    ],
)
def test_a_cursor_is_moved_back_and_written_as_before(cursor, back, measure, found):
    assert moved(cursor, back, measure) == found


@given(st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 31)), st.integers(1, 86_400))
def test_a_moment_is_moved_by_just_so_many_seconds(moment, seconds):
    assert datetime.fromisoformat(moved(str(moment), seconds, "moment")) == moment - timedelta(seconds=seconds)


@pytest.mark.parametrize("cursor", ["infinity", "2024-02-30 00:00:00", "0044-03-15 BC", "x"])
def test_what_cannot_be_moved_is_said(cursor):
    with pytest.raises(FetchError, match="cannot be taken as a moment"):
        moved(cursor, 1, "moment")


TABLE = Table("SHOP_DSN", "orders", cursor="at")
NINE, TEN, ELEVEN = (f"2024-03-01 {hour}:00:00+00" for hour in ("09", "10", "11"))


def of(before, greatest, since=None, horizon=None, is_sure=False, table=TABLE):
    found = window(table, "moment", before, since=since, greatest=greatest, horizon=horizon, is_sure=is_sure)
    return found.lower, found.to


def test_the_first_fetch_asks_for_everything():
    assert of(None, TEN) == (None, TEN)
    assert of(None, None) == (None, None)


def test_the_next_begins_before_the_cursor_and_never_goes_back():
    assert of(TEN, ELEVEN) == (NINE, ELEVEN)
    assert of(TEN, NINE) == (NINE, TEN)
    assert of(TEN, None) == (NINE, TEN)


def test_since_begins_just_there():
    assert of(TEN, ELEVEN, since=NINE) == (NINE, ELEVEN)


def test_the_cursor_stays_before_the_horizon_which_needs_no_overlap():
    table = Table("SHOP_DSN", "orders", cursor="at", horizon=True)
    assert of(None, ELEVEN, horizon=TEN, table=table) == (None, TEN)
    assert of(TEN, ELEVEN, horizon=ELEVEN, is_sure=True, table=table) == (TEN, ELEVEN)
    assert of(TEN, ELEVEN, horizon=ELEVEN, is_sure=False, table=table) == (NINE, ELEVEN)

"""The window of a day within which a night waits: over midnight, and when clocks change."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etl.errors import ContractError
from etl.plan.waiting import window_at
from etl.stages import lake
from tests.support import tiny

MINUTES = st.integers(0, 24 * 60 - 1)
ZONES = ["UTC", "Europe/Oslo", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Santiago"]
#: Days around which the clocks of these zones change.
CHANGES = [date(2026, 3, 29), date(2026, 10, 25), date(2026, 3, 8), date(2026, 11, 1), date(2026, 4, 5)]
DAYS = st.sampled_from(CHANGES) | st.dates(date(2026, 1, 1), date(2026, 12, 31))
#: No zone changes its clock by more.
HOUR = timedelta(hours=1)


def spelled(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def at(text: str, zone: str = "Europe/Oslo", fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


@given(first=MINUTES, last=MINUTES, day=DAYS, minute=MINUTES, zone=st.sampled_from(ZONES))
@example(first=120, last=180, day=date(2026, 3, 29), minute=60, zone="Europe/Oslo")
def test_what_the_clock_shows_within_a_window_is_in_it_and_it_lasts_so_long(first, last, day, minute, zone):
    if first == last:
        return
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minute)
    shown = moment.astimezone(ZoneInfo(zone))
    clock = shown.hour * 60 + shown.minute
    is_shown = first <= clock < last if first < last else clock >= first or clock < last

    found = window_at(f"{spelled(first)}-{spelled(last)}", zone, moment)

    if is_shown:
        assert found
    if found:
        assert found.begin <= moment < found.end
        length = timedelta(minutes=(last - first) % (24 * 60))
        # an hour that comes twice is in it twice, one that is left out is left out
        assert length - HOUR <= found.end - found.begin <= length + HOUR
        assert abs(found.begin.astimezone(ZoneInfo(zone)).date() - found.day) <= timedelta(1)


@pytest.mark.parametrize(
    ("wait", "moment", "end", "day"),
    [
        ("02:00-06:00", at("2026-06-03T02:00"), at("2026-06-03T06:00"), date(2026, 6, 3)),
        ("02:00-06:00", at("2026-06-03T01:59"), None, None),
        ("02:00-06:00", at("2026-06-03T06:00"), None, None),
        ("22:00-03:00", at("2026-06-03T23:00"), at("2026-06-04T03:00"), date(2026, 6, 3)),
        ("22:00-03:00", at("2026-06-04T00:30"), at("2026-06-04T03:00"), date(2026, 6, 3)),
        ("22:00-03:00", at("2026-06-04T04:00"), None, None),
        # two hours more of the clock are one of the night
        ("01:00-06:00", at("2026-03-29T01:00"), at("2026-03-29T06:00"), date(2026, 3, 29)),
        # it comes twice: until the second one
        ("01:00-02:30", at("2026-10-25T02:40", fold=0), at("2026-10-25T02:30", fold=1), date(2026, 10, 25)),
        # nobody's clock shows it
        ("02:00-03:00", at("2026-03-29T01:30"), at("2026-03-29T03:00"), date(2026, 3, 29)),
    ],
)
def test_a_window_has_its_end_and_the_day_on_which_it_began(wait, moment, end, day):
    found = window_at(wait, "Europe/Oslo", moment)

    assert (found and found.end, found and found.day) == (end, day)


@pytest.mark.parametrize(
    "wait", ["02:00", "2:00-6:00", "02:00-24:00", "06:00-06:00", "02:00-06:00-", "02:00 - 06:00"]
)
def test_what_is_not_a_window_is_refused(wait):
    with pytest.raises(ContractError, match="is not a window such as"):
        tiny.sales(required=True, wait=wait)


@pytest.mark.parametrize("poll", ["5", "0 min", "", "often", "-1 min"])
def test_what_is_not_a_length_of_time_is_refused(poll):
    with pytest.raises(ContractError, match="is not a length of time"):
        tiny.sales(required=True, wait="02:00-06:00", poll=poll)


def test_only_what_is_required_and_brought_by_others_is_waited_for():
    with pytest.raises(ContractError, match="Add required=True"):
        tiny.sales(wait="02:00-06:00")
    with pytest.raises(ContractError, match="wait is for what others bring"):
        tiny.sales(required=True, wait="02:00-06:00", task="crm.Export")


def test_waiting_changes_nothing_in_the_lake():
    plain, waiting = tiny.sales(required=True), tiny.sales(required=True, wait="02:00-06:00", poll="30 seconds")

    assert lake.definition(plain, "UTC") == lake.definition(waiting, "UTC")

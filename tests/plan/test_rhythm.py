"""When deliveries are expected: rhythms with holes, without enough history, and that change."""

from calendar import monthrange
from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etl.plan.rhythm import IRREGULAR, RHYTHMS, Holes, find_holes, newest_due
from etl.sources.words import EVERY

STARTS = st.dates(date(2015, 1, 1), date(2024, 12, 31))


def day(text):
    return date.fromisoformat(text)


def expected_days(rhythm, start, count):
    """Return the first days of a rhythm, by brute force."""
    days, now = [], start
    while len(days) < count:
        is_last = now.day == monthrange(now.year, now.month)[1]
        if {
            "daily": True,
            "weekdays": now.weekday() < 5,
            "weekly": now.weekday() == start.weekday(),
            "monthly": now.day == start.day or (is_last and now.day < start.day),
        }[rhythm]:
            days.append(now)
        now += timedelta(1)
    return days


@st.composite
def feeds(draw):
    """Draw a rhythm, its days, and which of them lack: at most one of seven, and neither end."""
    rhythm, start = draw(st.sampled_from(RHYTHMS)), draw(STARTS)
    while rhythm == "weekdays" and start.weekday() != 0:
        start += timedelta(1)
    days = expected_days(rhythm, start, 7 * draw(st.integers(3, 12)))
    lack = {week * 7 + draw(st.integers(1, 5)) for week in range(len(days) // 7) if draw(st.booleans())}
    return rhythm, days, sorted(days[at] for at in lack)


@given(feeds(), st.integers(1, 8))
def test_a_feed_that_stops_is_late_from_its_next_day_on_whatever_holes_it_has(feed, nights):
    rhythm, days, lack = feed
    came, stopped = days[:-nights], days[-nights:]
    if len(came) < 14:
        came, stopped = days, expected_days(rhythm, days[0], len(days) + nights)[len(days) :]
    lack = [one for one in lack if one < came[-1]]
    came = [one for one in came if one not in lack]
    stopped = [one for one in expected_days(rhythm, days[0], len(days) + 9) if came[-1] < one <= stopped[-1]]
    assert find_holes(came, stopped[-1]) == Holes(sorted([*lack, *stopped]), stopped[0], rhythm)


@given(feeds())
def test_a_feed_that_is_on_time_is_not_late_before_its_next_day(feed):
    rhythm, days, lack = feed
    came = [one for one in days if one not in lack]
    *_, next_day = expected_days(rhythm, days[0], len(days) + 1)
    found = find_holes(came, next_day - timedelta(1))
    assert (found.late_since, found.rhythm) == (None, rhythm)


@given(feeds())
def test_what_is_declared_goes_before_what_history_shows(feed):
    rhythm, days, _ = feed
    found = find_holes(days[:2], days[-1], rhythm)
    assert (found.days, found.late_since) == (days[2:], days[2])
    assert find_holes(days, date(2030, 1, 1), IRREGULAR).days == ()


@given(STARTS, st.lists(st.integers(1, 400), max_size=3))
def test_a_few_deliveries_have_no_rhythm_and_every_day_between_them_is_a_hole(start, gaps):
    days = [start]
    for gap in gaps:
        days.append(days[-1] + timedelta(gap))
    if len(days) == 4 and find_holes(days).rhythm:
        days = days[:3]
    every = [start + timedelta(n) for n in range((days[-1] - start).days)]
    assert find_holes(reversed(days), date(2030, 1, 1)) == Holes([one for one in every if one not in days])


@given(st.sampled_from(RHYTHMS), st.sampled_from(RHYTHMS), STARTS)
@example("daily", "weekly", date(2024, 1, 1))
def test_a_change_of_rhythm_is_known_soon_and_then_nothing_of_it_is_a_hole(old, new, start):
    before = expected_days(old, start, 40)
    after = expected_days(new, before[-1] + timedelta(1), 16 if new in ("daily", "weekdays") else 9)
    found = find_holes([*before, *after], after[-1])
    assert (found.rhythm, found.late_since) == (new, None)
    strange = [hole for hole in found.days if not before[-1] < hole < after[1]]
    assert strange == []


def test_no_delivery_at_all_is_never_late():
    assert find_holes([], day("2024-03-01"), "daily").days == ()


@given(st.integers(2015, 2024))
def test_a_holiday_is_late_only_until_the_next_delivery(year):
    holidays = {date(year, 12, 24), date(year, 12, 25), date(year, 12, 26), date(year + 1, 1, 1)}
    feed = [one for one in expected_days("weekdays", date(year, 9, 1), 130) if one not in holidays]
    for number in range(20, len(feed)):
        found = find_holes(feed[:number], feed[number - 1])
        assert (found.late_since, found.rhythm) == (None, "weekdays")
        assert set(found.days) <= holidays


@pytest.mark.parametrize(
    ("days", "late_since"),
    [
        (["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"], "2024-05-31"),
        (["2024-01-02", "2024-02-01", "2024-03-01", "2024-04-03", "2024-05-02"], "2024-06-01"),
        (["2024-01-01", "2024-01-08", "2024-01-16", "2024-01-22", "2024-01-29"], "2024-02-05"),
    ],
)
def test_the_last_day_of_a_month_and_days_that_stray_have_a_rhythm_too(days, late_since):
    found = find_holes(map(day, days), day("2024-07-20"))
    assert str(found.late_since) == late_since
    assert found.days[0] == found.late_since


def test_a_delivery_that_may_stray_is_not_late_before_it_has_strayed_as_far():
    first_workdays = list(map(day, ["2024-01-02", "2024-02-01", "2024-03-01", "2024-04-03", "2024-05-02"]))
    assert find_holes(first_workdays, day("2024-06-02")).late_since is None
    assert find_holes(first_workdays, day("2024-06-04")).late_since is not None


def test_a_required_source_needs_its_newest_day_by_what_it_declares():
    friday = day("2024-03-01")
    assert newest_due([friday], day("2024-03-03"), "weekdays") == friday
    assert newest_due([friday], day("2024-03-04"), "weekdays") == day("2024-03-04")
    assert newest_due([friday], day("2024-03-07"), "weekly") == friday
    assert newest_due([friday], day("2024-03-04"), "") == day("2024-03-04")
    assert newest_due([], day("2024-03-03"), "daily") == day("2024-03-03")


def test_every_rhythm_can_be_declared():
    assert {*RHYTHMS, IRREGULAR, ""} == set(EVERY.values())

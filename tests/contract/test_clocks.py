"""Local times: each is the one instant that Python's zoneinfo knows, or none with the reason, in every zone."""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.contract.clocks import instant, is_ambiguous, is_nonexistent
from tests.support.thorough import examples

ZONES = sorted(available_timezones() - {"localtime"})
EPOCH, SECOND, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(seconds=1), timedelta(microseconds=1)
CONNECTION = duckdb.connect()


def offset(zone: ZoneInfo, at: datetime) -> timedelta:
    found = at.astimezone(zone).utcoffset()
    assert found is not None
    return found


@cache
def changes(name: str) -> list[tuple[datetime, timedelta, timedelta]]:
    """All changes of a zone's clocks: the first instant after each, and the offsets before and after."""
    zone, step = ZoneInfo(name), timedelta(days=12)
    found, at = [], datetime(1900, 1, 1, tzinfo=UTC)
    while at.year < 2038:
        low, high, at = at, at + step, at + step
        if offset(zone, low) == offset(zone, high):
            continue
        while high - low > SECOND:
            middle = (low + (high - low) / 2).replace(microsecond=0)
            low, high = (middle, high) if offset(zone, middle) == offset(zone, low) else (low, middle)
        found.append((high, offset(zone, low), offset(zone, high)))
    return found


def instants(name: str, local: datetime) -> list[datetime]:
    """At which instants clocks show a local time, in order."""
    zone = ZoneInfo(name)
    read = {local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return sorted(at for at in read if at.astimezone(zone).replace(tzinfo=None, fold=0) == local)


def known_alike(name: str) -> set[datetime]:
    """The times that clocks show at those changes of which DuckDB's tables of time zones say what Python's do.

    The tables can be of different years; what they say otherwise is no matter of local times.
    """
    zone, found = ZoneInfo(name), set[datetime]()
    query = "select i::timestamp - timezone('UTC', i) from (select unnest(?::timestamptz[]) as i)"
    around = [-MICROSECOND, *(timedelta(hours=hours) for hours in range(-54, 55, 6))]
    moments = [at + shift for at, _, _ in changes(name) for shift in around]
    own = iter([row[0] for row in CONNECTION.execute(query, [moments]).fetchall()])
    for at, before, after in changes(name):
        offsets = [next(own) for _ in around]
        if offsets == [offset(zone, at + shift) for shift in around]:
            found |= {(at + before).replace(tzinfo=None), (at + after).replace(tzinfo=None)}
    return found


@given(st.sampled_from(ZONES), st.lists(st.timedeltas(timedelta(hours=-26), timedelta(hours=26)), max_size=3))
@settings(max_examples=examples(20), deadline=None)
def test_every_local_time_of_a_day_with_a_change_is_its_one_instant_or_none(name: str, shifts: list) -> None:
    CONNECTION.execute(f"set TimeZone = '{name}'")
    edges = [timedelta(0), -MICROSECOND, MICROSECOND, *shifts]
    times = sorted({edge + local for local in known_alike(name) for edge in edges})
    ways = [instant("l"), instant("l", "first"), instant("l", "last"), instant("l", "", "forward")]
    asked = ", ".join(f"epoch_us({way})" for way in ways)
    query = f"select {asked}, {is_nonexistent('l')}, {is_ambiguous('l')} from (select unnest(?::timestamp[]) as l)"
    rows = CONNECTION.execute(query, [times]).fetchall()

    for local, (one, first, last, forward, is_none, is_two) in zip(times, rows, strict=True):
        due = [(at - EPOCH) // MICROSECOND for at in instants(name, local)]
        assert one == (due[0] if len(due) == 1 else None), local
        assert (first, last) == ((due[0], due[-1]) if due else (None, None)), local
        assert (is_none, is_two) == (not due, len(due) == 2), local
        if len(due) < 2:
            assert forward == (local.replace(tzinfo=ZoneInfo(name)).astimezone(UTC) - EPOCH) // MICROSECOND, local


@pytest.mark.parametrize(
    ("zone", "local", "due"),
    [
        ("Europe/Berlin", datetime(2024, 3, 31, 2), 0),
        ("Europe/Berlin", datetime(2024, 3, 31, 3), 1),
        ("Europe/Berlin", datetime(2024, 10, 27, 2), 2),
        ("Europe/Berlin", datetime(2024, 10, 27, 3), 1),
        ("Australia/Lord_Howe", datetime(2024, 4, 7, 1, 29), 1),
        ("Australia/Lord_Howe", datetime(2024, 4, 7, 1, 30), 2),
        ("Pacific/Apia", datetime(2011, 12, 30, 12), 0),
        ("America/Sao_Paulo", datetime(2018, 11, 4), 0),
        ("Africa/Cairo", datetime(2024, 10, 31, 23, 30), 2),
        ("UTC", datetime(2024, 3, 31, 2), 1),
    ],
)
def test_a_time_has_no_instant_one_or_two(zone: str, local: datetime, due: int) -> None:
    CONNECTION.execute(f"set TimeZone = '{zone}'")
    found = f"{instant('l')} is not null, {is_nonexistent('l')}, {is_ambiguous('l')}"
    query = f"select {found} from (select ?::timestamp as l)"
    assert CONNECTION.execute(query, [local]).fetchall() == [(due == 1, due == 0, due == 2)]
    assert len(instants(zone, local)) == due


def test_of_null_nothing_is_said() -> None:
    CONNECTION.execute("set TimeZone = 'Europe/Berlin'")
    null = "null::timestamp"
    query = f"select {instant(null)}, {is_nonexistent(null)}, {is_ambiguous(null)}"
    assert CONNECTION.execute(query).fetchall() == [(None, False, False)]

"""Names of months, weeks, quarters and years, and files that replace those that came before them."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.plan.rhythm import find_holes
from etl.sources.connectors.pattern import day_of, file_pattern
from etl.stages import raw
from tests.support import tiny

#: Spellings of a time, and the first day of the time that a day is in.
FIRST_DAYS = {
    "%Y": lambda day: day.replace(month=1, day=1),
    "%y%m": lambda day: day.replace(day=1),
    "%Y-%m": lambda day: day.replace(day=1),
    "%Y/%m": lambda day: day.replace(day=1),
    "%m.%Y": lambda day: day.replace(day=1),
    "%Y-Q%q": lambda day: day.replace(month=3 * ((day.month - 1) // 3) + 1, day=1),
    "Q%q %y": lambda day: day.replace(month=3 * ((day.month - 1) // 3) + 1, day=1),
    "%G-W%V": lambda day: day - timedelta(day.weekday()),
    "%G%V": lambda day: day - timedelta(day.weekday()),
    "%G-W%V-%u": lambda day: day,
    "%Y%m%d": lambda day: day,
    "%Y%j": lambda day: day,
    "%Y/Q%q/%m-%d": lambda day: day,
}


def found(root: Path, path: str, files: list[str]) -> raw.Found:
    project = tiny.project(root, raw=dict.fromkeys(files, "x"))
    return raw.look(tiny.sales(files=path), project.raw, date(2024, 4, 9), 2**62)


def taken(root: Path, path: str, files: list[str]) -> dict[str, str]:
    """Return the file of each date."""
    return {str(day): delivery.file for day, delivery in found(root, path, files).complete.items()}


@given(spelling=st.sampled_from(sorted(FIRST_DAYS)), day=st.dates(date(1969, 1, 8), date(2068, 12, 20)))
def test_a_name_stands_for_the_first_day_of_its_time(spelling: str, day: date) -> None:
    pattern = file_pattern(f"sales/{{date:{spelling}}}.csv")
    name = pattern.path(day)
    parts: dict[str, str] = {}
    for segment, text in zip(pattern.segments, name.split("/"), strict=True):
        parts |= segment.match(text, parts) or {}

    assert pattern.matches(name)
    assert day_of(parts) == FIRST_DAYS[spelling](day)


@pytest.mark.parametrize(
    ("path", "name", "day"),
    [
        ("{date:%Y-%m}.csv", "2024-02.csv", "2024-02-01"),
        ("{date:%G-W%V}.csv", "2020-W53.csv", "2020-12-28"),
        ("{date:%G-W%V}.csv", "2025-W01.csv", "2024-12-30"),
        ("{date:%Y_Q%q}.csv", "2024_Q4.csv", "2024-10-01"),
        ("{date:%Y}/all.csv", "2024/all.csv", "2024-01-01"),
    ],
)
def test_monthly_weekly_quarterly_and_yearly_names(tmp_path: Path, path: str, name: str, day: str) -> None:
    assert taken(tmp_path, path, [name]) == {day: name}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("{date:%Y-%m}.csv", "2024-13.csv"),
        ("{date:%G-W%V}.csv", "2024-W53.csv"),
        ("{date:%G-W%V}.csv", "2024-W00.csv"),
        ("{date:%Y-Q%q}.csv", "2024-Q5.csv"),
        ("{date:%Y-Q%q}.csv", "2024-Q0.csv"),
        ("{date:%Y/Q%q/%m-%d}.csv", "2024/Q2/03-31.csv"),
    ],
)
def test_a_time_that_does_not_exist_is_no_delivery(tmp_path: Path, path: str, name: str) -> None:
    assert taken(tmp_path, path, [name]) == {}
    assert len(found(tmp_path, path, [name]).others) == 1


@pytest.mark.parametrize(
    ("path", "older", "newest"),
    [
        ("s_{date:%Y%m%d}_{version}.csv", "s_20240331_0215.csv", "s_20240331_0930.csv"),
        ("s_{date:%Y%m%d}_v{version}.csv", "s_20240331_v9.csv", "s_20240331_v10.csv"),
        ("s.{date:%Y%m%d}{version}.csv", "s.20240331.csv", "s.20240331 (1).csv"),
        ("s_{version}_{date:%Y%m%d}.csv", "s_a_20240331.csv", "s_b_20240331.csv"),
        ("{date:%Y%m%d}/{version}/s.csv", "20240331/1/s.csv", "20240331/2/s.csv"),
        ("s_{date:%Y%m%d}.csv.{version}", "s_20240331.csv.1", "s_20240331.csv.2"),
    ],
)
def test_of_versions_the_newest_counts_and_the_other_is_told(
    tmp_path: Path, path: str, older: str, newest: str
) -> None:
    seen = found(tmp_path, path, [newest, older])

    assert {str(day): delivery.file for day, delivery in seen.complete.items()} == {"2024-03-31": newest}
    assert list(seen.others) == [f"{older!r} is replaced by {newest!r}"]
    assert not seen.incomplete


def test_each_part_of_a_day_has_its_own_versions(tmp_path: Path) -> None:
    files = ["north_2024-03-31_1.csv", "north_2024-03-31_2.csv", "south_2024-03-31_1.csv"]
    seen = found(tmp_path, "*_{date}_{version}.csv", files)

    assert [file.name for file in seen.complete[date(2024, 3, 31)].files] == [files[1], files[2]]


def test_a_snapshot_has_versions_too(tmp_path: Path) -> None:
    assert taken(tmp_path, "sites_{version}.csv", ["sites_20240331.csv", "sites_20240401.csv"]) == {
        "2024-04-09": "sites_20240401.csv"
    }


def test_two_files_of_the_same_version_are_not_chosen_from(tmp_path: Path) -> None:
    seen = found(tmp_path, "s_{date}_v{version}.csv", ["s_2024-03-31_v1.csv", "s_2024-03-31_v01.csv"])

    assert not seen.complete
    assert "have the same version" in seen.incomplete[date(2024, 3, 31)]


def test_a_file_under_way_is_no_version(tmp_path: Path) -> None:
    files = ["s_2024-03-31_1.csv", "s_2024-03-31_2.csv.part"]
    assert taken(tmp_path, "s_{date}_{version}", files) == {"2024-03-31": files[0]}


def test_the_plan_takes_the_newer_file_and_says_what_it_replaces(tmp_path: Path) -> None:
    source = "sales = Source(contract=Sales, files='sales/{date}_{version}.csv')"
    contracts = tiny.CONTRACTS.split("sales =")[0] + source
    project = tiny.project(tmp_path, contracts, raw={"sales/2024-03-01_1.csv": "id,item\n1,a\n2,b\n"})
    tiny.night(project)
    tiny.deliver(project, {"sales/2024-03-01_2.csv": "id,item\n1,A\n"})

    assert tiny.plan(project).taken["sales"].left_out == [
        "'sales/2024-03-01_1.csv' is replaced by 'sales/2024-03-01_2.csv'"
    ]
    tiny.night(project)
    assert tiny.published(project, "select id, item from raw.sales") == [(1, "A")]


@pytest.mark.parametrize(
    ("spelling", "every", "days", "batch", "holes"),
    [
        ("%Y-%m", "monthly", ["2024-01-01", "2024-03-01"], "2024-04-30", ["2024-02-01"]),
        ("%Y-%m", "monthly", ["2024-01-01", "2024-02-01"], "2024-04-01", ["2024-03-01"]),
        ("%Y-%m", "monthly", ["2024-01-01"], "2024-02-29", []),
        ("%G-W%V", "weekly", ["2024-03-04", "2024-03-18"], "2024-03-31", ["2024-03-11"]),
        ("%G-W%V", "weekly", ["2024-03-18"], "2024-04-01", ["2024-03-25"]),
        ("%Y-Q%q", "irregular", ["2024-01-01", "2024-07-01"], "2025-01-01", []),
        ("%Y", "irregular", ["2023-01-01", "2024-01-01"], "2025-06-01", []),
    ],
)
def test_a_name_says_how_often_it_comes_and_when_it_is_late(
    spelling: str, every: str, days: list[str], batch: str, holes: list[str]
) -> None:
    source = tiny.sales(files=f"sales/{{date:{spelling}}}.csv")
    expected = date.fromisoformat(batch) - timedelta(source.lag_days)

    assert source.every == every
    assert list(map(str, find_holes(map(date.fromisoformat, days), expected, every).days)) == holes


def test_what_a_source_says_of_how_often_is_kept_and_read_again_as_it_is() -> None:
    path = "sales/{date:%Y-%m}.csv"
    for options in ({}, {"lag_days": 3}, {"every": "week", "lag_days": 3}):
        source = tiny.sales(files=path, **options)
        again = type(source).from_dict(source.to_dict())
        assert (again.every, again.lag_days) == (source.every, source.lag_days)
    assert (source.every, source.lag_days) == ("weekly", 3)
    assert tiny.sales(files="sales/{date}.csv").every == ""

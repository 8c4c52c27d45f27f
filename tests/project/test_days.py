"""Words for days: of the week, of business, of the month, and holidays taken out."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.project.days import read_days

MARCH = [date(2024, 3, 1) + timedelta(n) for n in range(31)]


def days(words, folder=None):
    found = read_days(words)
    return [day.day for day in MARCH if day in (found.with_holidays(folder) if folder else found)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", list(range(1, 32))),
        ("every day", list(range(1, 32))),
        ("mon", [4, 11, 18, 25]),
        ("Monday, wed", [4, 6, 11, 13, 18, 20, 25, 27]),
        ("sat-mon", [2, 3, 4, 9, 10, 11, 16, 17, 18, 23, 24, 25, 30, 31]),
        ("first day of month", [1]),
        ("last day of month", [31]),
        ("last  business day of month", [29]),
        ("first business day of month", [1]),
    ],
)
def test_words_mean_days(words, expected):
    assert days(words) == expected


def test_business_days_are_monday_to_friday():
    assert days("business days") == days("mon-fri")


def test_holidays_of_a_seed_are_no_business_days(tmp_path):
    (tmp_path / "holidays.csv").write_text("name,day\nGood Friday,2024-03-29\nOther,2024-03-01\n")

    assert days("last business day of month except holidays.csv", tmp_path) == [28]
    assert days("first business day of month except holidays.csv", tmp_path) == [4]
    assert days("mon-fri except holidays.csv", tmp_path) == [d for d in days("mon-fri") if d not in (1, 29)]


@pytest.mark.parametrize(
    "words", ["noday", "mon-", "mon--fri", "business days except holidays", "32", ",", "except x.csv,"]
)
def test_other_words_are_refused_with_what_is_possible(words):
    with pytest.raises(ValueError, match="last business day of month"):
        read_days(words)


@pytest.mark.parametrize("text", ["name\nx\n", None])
def test_a_file_without_dates_is_refused(tmp_path, text):
    if text:
        (tmp_path / "h.csv").write_text(text)

    with pytest.raises(ValueError, match=r"names h\.csv"):
        read_days("mon except h.csv").with_holidays(tmp_path)


@given(st.dates(date(1990, 1, 1), date(2100, 1, 1)), st.sampled_from(["day", "business day"]))
def test_each_month_has_one_first_and_one_last_of_a_kind(day, kind):
    month = [day.replace(day=1) + timedelta(n) for n in range(31)]
    month = [one for one in month if one.month == day.month]

    first, last = read_days(f"first {kind} of month"), read_days(f"last {kind} of month")

    assert sum(one in first for one in month) == sum(one in last for one in month) == 1
    assert next(one for one in month if one in first) <= next(one for one in month if one in last)

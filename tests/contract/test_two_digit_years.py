"""Years of two digits: of the hundred years that are declared, or the format is refused."""

from datetime import date, datetime
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.contract import Column, Contract
from etl.contract.binding import default_text
from etl.contract.metadata import column_facts
from etl.contract.parse import parsed, value
from etl.contract.values import Values
from etl.errors import ContractError
from etl.sources.formats import Csv, format_from, format_to
from tests.support import tiny

CONNECTION = duckdb.connect()
CONNECTION.execute("set TimeZone = 'UTC'")


def read(text: str, type: str, format: str, until: int) -> Any:
    values = Values(two_digit_years_until=until)
    return CONNECTION.execute(
        f"select {parsed('x', type, format, values)} from (select ? as x)", [text]
    ).fetchone()[0]


@given(st.integers(1100, 9999), st.data())
@settings(max_examples=100, deadline=None)
def test_every_day_of_the_declared_hundred_years_comes_back(until: int, data: st.DataObject) -> None:
    day = data.draw(st.dates(date(until - 99, 1, 1), date(until, 12, 31)))
    text = f"{day:%d.%m.}{day.year % 100:02}"
    assert read(text, "DATE", "%d.%m.%y", until) == day
    moment = datetime(day.year, day.month, day.day, 23, 59)
    assert read(f"{text} 23:59", "TIMESTAMP", "%d.%m.%y %H:%M", until) == moment


@pytest.mark.parametrize(
    ("text", "until", "due"),
    [
        ("31.12.49", 2049, date(2049, 12, 31)),
        ("01.01.50", 2049, date(1950, 1, 1)),
        ("01.01.50", 2024, date(1950, 1, 1)),
        ("01.01.24", 2024, date(2024, 1, 1)),
        ("29.02.00", 2024, date(2000, 2, 29)),
        ("29.02.00", 1999, None),
        ("29.02.23", 2049, None),
        ("31.12.2049", 2049, None),
    ],
)
def test_a_day_is_of_its_hundred_years_or_none(text: str, until: int, due: date | None) -> None:
    assert read(text, "DATE", "%d.%m.%y", until) == due


@pytest.mark.parametrize("type", ["DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"])
@pytest.mark.parametrize("is_own", [True, False])
def test_a_format_with_two_digits_is_refused_without_them(type: str, is_own: bool) -> None:
    def source(column: dict[str, Any], options: dict[str, Any]) -> Any:
        return tiny.sales(contract=Contract("T", (Column("d", type, True, **column),)), format=Csv(**options))

    column, options = {"format": "%d.%m.%y"}, {"date_format": "%d.%m.%y", "timestamp_format": "%d.%m.%y"}
    given = (column, {}) if is_own else ({}, options)
    with pytest.raises(ContractError, match=r"column 'd'.*'%d\.%m\.%y' has %y.*two_digit_years_until=2049"):
        source(*given)
    source({**given[0], "two_digit_years_until": 2049}, given[1])
    source(given[0], {**given[1], "two_digit_years_until": 2049})


def test_a_columns_own_years_go_before_the_senders() -> None:
    column = Column("d", "DATE", True, format="%y%m%d", two_digit_years_until=1999)
    sql = value("x", column, Values(two_digit_years_until=2049))
    assert CONNECTION.execute(f"select {sql} from (select '240131' as x)").fetchone() == (date(1924, 1, 31),)


def test_what_is_no_year_is_refused() -> None:
    with pytest.raises(ContractError, match="two_digit_years_until=49 is not a year"):
        Csv(two_digit_years_until=49)
    with pytest.raises(ValueError, match="49 is not a year"):
        column_facts({"two_digit_years_until": 49}, "d", "DATE")
    with pytest.raises(ValueError, match="for dates and timestamps"):
        column_facts({"two_digit_years_until": 2049}, "d", "BIGINT")
    given = Csv(date_format="%y", two_digit_years_until=2049)
    assert format_from(format_to(given)) == given


def test_a_default_beyond_those_years_is_refused() -> None:
    column = Column("d", "DATE", True, format="%d.%m.%y", two_digit_years_until=1999)
    assert default_text(date(1999, 1, 2), column) == "02.01.99"
    with pytest.raises(ValueError, match="hundred years until 1999"):
        default_text(date(2000, 1, 2), column)

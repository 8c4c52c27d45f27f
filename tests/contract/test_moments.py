"""Dates as senders spell them: several formats, names of months, counts since a day."""

import re
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.contract import Column
from etl.contract.metadata import column_facts
from etl.contract.moments import MONTHS, months_of
from etl.contract.parse import value
from etl.contract.values import Values

CONNECTION = duckdb.connect()
CONNECTION.execute("set TimeZone = 'Europe/Berlin'")
ZONED = "TIMESTAMP WITH TIME ZONE"


def read(texts: list[str], said: dict[str, Any], type: str = "DATE") -> list[Any]:
    """Return the values of texts, None for each that is not one; instants as UTC without a zone."""
    column = Column("x", type, True, **column_facts(said, "x", type))
    sql = value("x", column, Values())
    sql = f"timezone('UTC', {sql})" if type == ZONED else sql
    query = f"select {sql} from (select unnest(?::varchar[]) as x)"
    return [row[0] for row in CONNECTION.execute(query, [texts]).fetchall()]


def test_a_date_is_read_in_the_one_format_that_it_is_in() -> None:
    said = {"format": ["%Y-%m-%d", "%d.%m.%Y"]}
    texts = ["2024-03-08", "08.03.2024", "08/03/2024", "2024-13-01", "", "08.03.2024 "]
    assert read(texts, said) == [date(2024, 3, 8), date(2024, 3, 8), None, None, None, None]


def test_a_date_that_two_formats_read_as_different_days_is_none() -> None:
    texts = ["08/03/2024", "25/12/2024", "12/25/2024", "08/08/2024"]
    christmas = date(2024, 12, 25)
    for formats in (["%d/%m/%Y", "%m/%d/%Y"], ["%m/%d/%Y", "%d/%m/%Y"]):
        assert read(texts, {"format": formats}) == [None, christmas, christmas, date(2024, 8, 8)]


@given(day=st.dates(date(1900, 3, 1)), data=st.data())
@settings(max_examples=60, deadline=None)
def test_of_several_formats_a_text_is_what_all_that_read_it_say(day: date, data: st.DataObject) -> None:
    formats = data.draw(
        st.lists(
            st.sampled_from(["%d.%m.%Y", "%Y-%m-%d", "%m.%d.%Y", "%Y%m%d", "excel_1900"]), min_size=2, unique=True
        )
    )
    chosen = data.draw(st.sampled_from(formats))
    text = str((day - date(1899, 12, 30)).days) if chosen.startswith("excel") else day.strftime(chosen).zfill(8)
    alone = {read([text], {"format": format})[0] for format in formats} - {None}
    assert read([text], {"format": formats}) == [alone.pop() if len(alone) == 1 else None]


def test_instants_are_read_in_formats_with_an_offset_and_by_the_clocks() -> None:
    said = {"format": ["iso", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M%z", "epoch_s"]}
    texts = {
        "2024-06-01T02:30:00+02:00": datetime(2024, 6, 1, 0, 30),
        "2024-06-01 02:30:00": datetime(2024, 6, 1, 0, 30),
        "01.06.2024 02:30": datetime(2024, 6, 1, 0, 30),
        "01.06.2024 02:30+0000": datetime(2024, 6, 1, 2, 30),
        "1717201800": datetime(2024, 6, 1, 0, 30),
        "31.03.2024 02:30": None,  # the clocks skip it
        "27.10.2024 02:30": None,  # and show this one twice
        "01.06.2024": None,
    }
    assert dict(zip(texts, read(list(texts), said, ZONED), strict=True)) == texts
    assert read(["27.10.2024 02:30"], {**said, "ambiguous": "first"}, ZONED) == [datetime(2024, 10, 27, 0, 30)]


@pytest.mark.parametrize("language", MONTHS)
@given(day=st.dates(date(1000, 1, 1)), data=st.data())
@settings(max_examples=12, deadline=None)
def test_a_date_with_the_name_of_its_month_comes_back(language: str, day: date, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(months_of(language)[day.month - 1]))
    spelled = data.draw(st.sampled_from([name, name.upper(), name.lower(), f"{name}."]))
    said = {"format": "%d %B %Y", "months": language}
    text = f"{day.day} {spelled} {day.year}"
    near = [
        f"{day.day} {spelled}x {day.year}",
        f"{day.day} {name[1:]} {day.year}",
        f"{day.day}  {day.year}",
        text + "1",
    ]
    found = read([text, *near], said)
    assert found[0] == day
    names = {one.lower() for month in months_of(language) for one in month}
    assert [t for t, d in zip(near, found[1:], strict=True) if d and name[1:].lower() not in names] == []


def test_names_of_months_are_those_of_the_language_alone_with_or_without_accents() -> None:
    german = {"format": "%d. %b. %Y", "months": "de"}
    texts = [
        "5. Jan. 2024",
        "5. März 2024",
        "05. MRZ 2024",
        "5. marz. 2024",
        "5. March 2024",
        "31. Feb. 2024",
        "5. x 2024",
    ]
    assert read(texts, german) == [date(2024, 1, 5), *[date(2024, 3, 5)] * 3, None, None, None]
    own = {"format": "%d%b%Y", "months": [["Un", "1er"], *map(str, "BCDEFGHIJKL")]}
    with pytest.raises(ValueError, match=r"'1er'.*not the names of a month"):
        read([], own)
    assert read(["05b2024", "5UN2024"], {**own, "months": ["Un", *"BCDEFGHIJKL"]}) == [
        date(2024, 2, 5),
        date(2024, 1, 5),
    ]


@given(moment=st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)))
@settings(max_examples=60, deadline=None)
def test_an_instant_comes_back_from_its_count_since_1970(moment: datetime) -> None:
    micros = (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1)
    sign, count = "-" * (micros < 0), abs(micros)
    texts = {
        "epoch_s": f"{sign}{count // 10**6}.{count % 10**6:06}",
        "epoch_ms": f"{sign}{count // 1000}.{count % 1000:03}",
        "epoch_us": f"{micros}",
        "epoch_ns": f"{micros}000",
    }
    for format, text in texts.items():
        rounded = text + ("0001" if "." in text else "1" if format == "epoch_ns" else ".5")
        found = read([text, text + " ", "+" + text, rounded], {"format": format}, ZONED)
        assert found[:3] == [moment, None, None]
        assert found[3] is None or format == "epoch_ns"
    assert read([texts["epoch_ns"][:-1] + "1"], {"format": "epoch_ns"}, ZONED) == [None]
    days = read([texts["epoch_us"], str(micros - micros % 86_400_000_000)], {"format": "epoch_us"})
    assert days == [
        moment.date() if moment == datetime.combine(moment.date(), datetime.min.time()) else None,
        moment.date(),
    ]


@given(day=st.dates(date(1904, 1, 1)), seconds=st.integers(0, 86_399))
@settings(max_examples=60, deadline=None)
def test_a_moment_comes_back_from_the_serial_number_of_a_spreadsheet(day: date, seconds: int) -> None:
    for format, origin in (("excel_1900", date(1899, 12, 30)), ("excel_1904", date(1904, 1, 1))):
        number = (day - origin).days
        assert read([str(number), f"{number}.0", f"{number}.5", f"-{number + 1}"], {"format": format}) == [
            day,
            day,
            None,
            None,
        ]
        moment = datetime.combine(day, datetime.min.time()) + timedelta(seconds=seconds)
        assert read([repr(number + seconds / 86_400)], {"format": format}, "TIMESTAMP") == [moment]


def test_spreadsheets_count_a_day_in_1900_that_there_was_not() -> None:
    texts = ["0", "1", "59", "60", "60.5", "61", "2958465", "2958466", "1e3", ""]
    february = [None, date(1900, 1, 1), date(1900, 2, 28), None, None, date(1900, 3, 1), date(9999, 12, 31), None]
    assert read(texts, {"format": "excel_1900"}) == [*february, None, None]


def test_a_default_is_in_iso_where_the_sender_counts() -> None:
    from etl.contract.binding import default_text

    column = Column("x", "DATE", True, formats=("%d.%m.%Y", "excel_1900"))
    assert default_text(date(2024, 3, 8), column) == "2024-03-08"


@pytest.mark.parametrize(
    ("said", "type", "message"),
    [
        ({"format": []}, "DATE", "is not a list of different formats"),
        ({"format": ["%Y", "%Y"]}, "DATE", "is not a list of different formats"),
        ({"format": ["%Y", 3]}, "DATE", "3 is not a text"),
        ({"format": "epoch_m"}, "DATE", "Did you mean epoch_"),
        ({"format": "dd.mm.yyyy"}, "DATE", "has no % of strptime"),
        ({"format": "epoch_ms"}, "TIMESTAMP", "Give the column a type with one"),
        ({"format": ["%Y-%m-%d", "%H"]}, "DATE", "A DATE would lose it"),
        ({"months": "de"}, "DATE", "there is no format. Write one beside it"),
        ({"months": "de", "format": "%d.%m.%Y"}, "DATE", "has no %B"),
        ({"months": "dee", "format": "%d %B"}, "DATE", "has no language 'dee'. Did you mean de?"),
        ({"months": ["a"], "format": "%d %B"}, "DATE", "list of 12 names"),
        ({"months": [*"abcdefghijka"], "format": "%d %B"}, "DATE", "'a' names two months"),
        ({"format": "iso"}, "BIGINT", "is for dates and timestamps"),
    ],
)
def test_a_declaration_that_is_wrong_says_so(said: dict[str, Any], type: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        column_facts(said, "x", type)

"""The text of a test file: what is read from it, and what is said of one that is wrong."""

from datetime import date

import pytest

from etl.errors import ModelError
from etl.operations.model_tests import read_cases

FILE = "sql/marts/test_items.sql"
TEXT = """-- Tests of marts.items.

-- test: items are counted
-- given: raw.sales (item, quantity)
values ('pen', 1);

-- expect: (item, quantity)
-- here a comment
values ('pen', 1);

-- test: nothing comes of nothing
-- given: raw.sales no rows
-- expect: no rows
"""


def test_a_file_holds_several_tests() -> None:
    first, second = read_cases(FILE, TEXT)

    assert (first.name, first.line, second.name, second.line) == (
        *("items are counted", 3),
        *("nothing comes of nothing", 11),
    )
    (night,) = first.nights
    assert [(block.table, block.columns, block.line) for block in night.given] == [
        ("raw.sales", ("item", "quantity"), 4)
    ]
    assert night.expect and night.expect.columns == ("item", "quantity")
    assert second.nights[0].given[0].sql == ""


def test_the_sql_of_a_block_keeps_its_lines() -> None:
    block = read_cases(FILE, TEXT)[0].nights[0].given[0]

    assert block.sql.splitlines()[4] == "values ('pen', 1);"


def test_a_list_of_columns_goes_on_in_the_next_comment() -> None:
    text = TEXT.replace("(item, quantity)\nvalues", "(item,\n--   quantity)\nvalues", 1)

    assert read_cases(FILE, text)[0].nights[0].given[0].columns == ("item", "quantity")


def test_a_column_in_quotes_may_have_any_name() -> None:
    text = TEXT.replace("(item, quantity)", '("a, ""b""", quantity)', 1)

    assert read_cases(FILE, text)[0].nights[0].given[0].columns == ('a, "b"', "quantity")


def test_variables_are_set_for_a_file_or_for_a_test() -> None:
    expected = "-- expect: no rows\n"
    text = f"""-- set: late_minutes = 15
-- test: a
{expected}
-- test: b
-- set: late_minutes = 30
{expected}"""

    assert [case.variables for case in read_cases(FILE, text)] == [
        {"late_minutes": (1, "15")},
        {"late_minutes": (6, "30")},
    ]


def test_a_test_has_one_night_without_a_date_or_several_with_one() -> None:
    nights = "-- night: 2024-03-03\n-- given: raw.sales no rows\n-- night: 2024-03-04\n"
    text = f"-- test: a\n-- expect: no rows\n-- test: b\n{nights}-- expect: no rows"

    dates = [[night.date for night in case.nights] for case in read_cases(FILE, text)]
    assert dates == [[None], [date(2024, 3, 3), date(2024, 3, 4)]]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("select 1", 1, "SQL must stand below"),
        ("-- Tests of items.", 1, "has no test"),
        ("-- tets: a", 1, "there is no `-- tets:`. Did you mean `-- test:`?"),
        ("-- test:", 1, "a test needs a name"),
        ("-- test: a::b", 1, "without `::`"),
        ("-- given: raw.sales no rows", 1, "belongs to a test"),
        ("-- test: a\n-- given: raw.sales no rows", 1, "'a' has no `-- expect:` at its end"),
        ("-- test: a\n-- expect: no rows\n-- test: a", 3, "the test in line 1 has the same name"),
        ("-- test: a\n-- given: sales", 2, "given: sales is not understood"),
        ("-- test: a\n-- given: raw.sales (a b)", 2, "not a list of columns"),
        ("-- test: a\n-- given: raw.sales (a, a)", 2, "names a column twice"),
        ("-- test: a\n-- given: raw.sales (a)\n-- a comment", 2, "there is no SQL below it"),
        (
            "-- test: a\n-- given: raw.sales no rows\n-- given: raw.sales no rows",
            3,
            "line 2 already gives raw.sales",
        ),
        ("-- test: a\n-- expect: no rows\n-- given: raw.sales no rows", 3, "must stand above `-- expect:`"),
        ("-- test: a\n-- expect: no rows\n-- expect: no rows", 3, "line 2 already has what is expected"),
        ("-- test: a\n-- night: 1", 2, "night: 1 is not a date such as 2024-03-01"),
        ("-- test: a\n-- expect: no rows\n-- night: 2024-03-01", 3, "the first `-- night:` must stand above"),
        ("-- set: late", 1, "set: late is not understood"),
        ("-- test: a\n-- expect: no rows\n-- set: a = 1", 3, "must stand at the top of the file or of a test"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        read_cases(FILE, text)

    assert str(caught.value).startswith(f"{FILE}:{line}: ")
    assert message in str(caught.value)

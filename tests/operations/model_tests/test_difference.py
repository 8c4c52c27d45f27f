"""How rows are compared, and how their difference reads."""

from datetime import date
from decimal import Decimal

from etl.operations.model_tests.difference import difference

DAY = date(2024, 3, 1)


def test_the_order_of_rows_does_not_matter_and_their_number_does() -> None:
    assert difference(["a"], [(1,), (2,), (2,)], [(2,), (1,), (2,)], []) == ""
    assert difference(["a"], [(1,), (2,)], [(2,), (1,), (2,)], []).startswith(
        "2 rows expected, 3 got; 1 unexpected"
    )


def test_floats_are_compared_to_nine_digits() -> None:
    assert difference(["a"], [(0.3,), (0.0,)], [(0.1 + 0.2,), (-0.0,)], []) == ""
    assert difference(["a"], [(1.0,)], [(1.00000001,)], []) != ""
    assert difference(["a"], [([0.3],)], [([0.1 + 0.2],)], []) == ""
    assert difference(["a"], [(float("nan"),)], [(float("nan"),)], []) == ""


def test_nulls_are_equal_and_are_no_text() -> None:
    assert difference(["a"], [(None,)], [(None,)], []) == ""
    assert "'null'" in difference(["a"], [(None,)], [("null",)], [])


def test_of_rows_that_differ_only_what_differs_is_shown_below() -> None:
    expected = [(DAY, "EWR", 2, None), (DAY, "JFK", 1, Decimal("1.50"))]
    got = [(DAY, "EWR", 3, None), (DAY, "LGA", 7, Decimal("2.50")), (DAY, "LGA", 1, None)]

    text = difference(["flight_date", "origin", "flights", "rate"], expected, got, ["flight_date", "origin"])

    assert text.splitlines() == [
        "2 rows expected, 3 got; 1 different, 1 missing, 2 unexpected",
        "",
        "              flight_date  origin  flights  rate",
        "  expected    2024-03-01   EWR     2        null",
        "  but got                          3",
        "  missing     2024-03-01   JFK     1        1.50",
        "  unexpected  2024-03-01   LGA     1        null",
        "  unexpected  2024-03-01   LGA     7        2.50",
    ]


def test_without_a_key_the_row_that_is_most_alike_is_the_one_that_differs() -> None:
    text = difference(["item", "sold"], [("pen", 1), ("ink", 2)], [("ink", 3), ("cap", 9)], [])

    assert "1 different, 1 missing, 1 unexpected" in text
    assert "  expected    ink   2\n  but got           3\n" in text


def test_a_long_difference_is_cut() -> None:
    text = difference(["a"], [], [(number,) for number in range(1000)], [])

    assert "1,000 unexpected" in text
    assert text.endswith("and 960 more lines")

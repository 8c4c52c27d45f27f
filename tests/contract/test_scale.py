"""A scaled number is exactly the product, or it is no value of its column."""

from decimal import Context, Decimal, localcontext
from typing import Any

import duckdb
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from etl.contract.parse import parsed
from etl.contract.scale import factor_text, read_type, scaled_sql

CON = duckdb.connect(config={"threads": "1"})


def scale(text: str, factor: Any, type: str) -> str | None:
    """Return what becomes of a raw text, as text."""
    factor = factor_text(factor, type)
    value = parsed("t", read_type(factor, type))
    found: str | None = CON.execute(
        f"select ({scaled_sql(value, factor, type)})::varchar from (select ?::varchar as t)", [text]
    ).fetchall()[0][0]
    return found


@pytest.mark.parametrize(
    ("text", "factor", "type", "expected"),
    [
        ("2000", 0.001, "BIGINT", "2"),
        ("1500", 0.001, "BIGINT", None),
        ("1.5", 100, "INTEGER", "150"),
        ("1.505", 100, "INTEGER", None),
        ("1.50", 100, "INTEGER", "150"),
        ("-3", -1, "SMALLINT", "3"),
        ("400", 100, "SMALLINT", None),
        ("327.67", 100, "SMALLINT", "32767"),
        ("327.68", 100, "SMALLINT", None),
        ("9223372036854775807", 1, "BIGINT", "9223372036854775807"),
        ("9223372036854775807000", 0.001, "BIGINT", "9223372036854775807"),
        ("9223372036854775808000", 0.001, "BIGINT", None),
        ("123456789", 0.001, "DECIMAL(9,3)", "123456.789"),
        ("0.004", Decimal("2.5"), "DECIMAL(9,2)", "0.01"),
        ("0.005", Decimal("2.5"), "DECIMAL(9,2)", None),
        ("12.34", Decimal("0.01"), "DECIMAL(9,2)", None),
        ("1e3", 2, "DECIMAL(9,2)", None),
        ("abc", 2, "BIGINT", None),
        ("99999999999999999999999999999999999999", 2, "DECIMAL(38,0)", None),
        ("3", 0.001, "DOUBLE", "0.003"),
        ("3", 1000, "DOUBLE", "3000.0"),
        ("3", "0.45359237", "DECIMAL(12,8)", "1.36077711"),
        ("1e308", 100, "DOUBLE", None),
        ("3e38", 100, "FLOAT", None),
        ("nan", 100, "DOUBLE", "nan"),
        ("inf", 100, "DOUBLE", "inf"),
    ],
)
def test_a_number_is_scaled_or_is_no_value(text: str, factor: Any, type: str, expected: str | None) -> None:
    assert scale(text, factor, type) == expected


@pytest.mark.parametrize(
    ("factor", "type", "said"),
    [
        (0.001, "VARCHAR", "scale is for numbers, and the column is VARCHAR. Remove it"),
        (0.001, "DATE", "the column is DATE"),
        ("0,001", "BIGINT", "scale is '0,001'. Write a number, such as 0.001"),
        ([1], "BIGINT", "scale is [1]. Write a number"),
        (True, "BIGINT", "scale is True"),
        (0, "BIGINT", "Write a number other than 0"),
        (float("nan"), "DOUBLE", "Write a number other than 0"),
        (float("inf"), "DOUBLE", "Write a number other than 0"),
        (Decimal("0.0009765625"), "DECIMAL(38,30)", "needs more than 38 digits"),
        (1e60, "BIGINT", "more than 38 digits"),
    ],
)
def test_a_wrong_factor_is_refused(factor: Any, type: str, said: str) -> None:
    with pytest.raises(ValueError, match="scale") as error:
        factor_text(factor, type)
    assert said in str(error.value)


FACTORS = st.decimals("-5000", "5000", allow_nan=False, places=4) | st.sampled_from(
    [Decimal(text) for text in ("0.001", "1000", "0.45359237", "1E-6", "25.4", "3.7854118")]
)


@settings(max_examples=150)
@given(st.decimals(-(10**9), 10**9, allow_nan=False, places=5), FACTORS, st.sampled_from([0, 2, 5]))
def test_decimals_are_exact(raw: Decimal, factor: Decimal, places: int) -> None:
    assume(factor)
    type = f"DECIMAL(30,{places})" if places else "BIGINT"
    with localcontext(Context(prec=100)):
        product = raw * factor
        is_value = product == product.quantize(Decimal(1).scaleb(-places))
    found = scale(f"{raw:f}", factor, type)
    assert (found is not None) == is_value
    assert found is None or Decimal(found) == product

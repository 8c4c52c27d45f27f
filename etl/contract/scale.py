"""Unit scaling in SQL: a number times a constant, exact for integers and decimals, or null."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, NamedTuple

from etl.engine.quoting import literal

_MOST_DIGITS = 38
_INTEGER_DIGITS = {
    **{"TINYINT": 3, "SMALLINT": 5, "INTEGER": 10, "BIGINT": 19, "HUGEINT": _MOST_DIGITS},
    **{"UTINYINT": 3, "USMALLINT": 5, "UINTEGER": 10, "UBIGINT": 20, "UHUGEINT": _MOST_DIGITS},
}
_FLOATS = ("DOUBLE", "FLOAT")


class _Decimal(NamedTuple):
    digits: int
    places: int

    def __str__(self) -> str:
        return f"DECIMAL({self.digits},{self.places})"


def factor_text(value: Any, type: str) -> str:
    """Return a factor, which may be a text already, as plain decimal text.

    ValueError if it is none, or if a column of `type` has no numbers.
    """
    if type not in _FLOATS and _exact(type) is None:
        raise ValueError(f'metadata "clean": scale is for numbers, and the column is {type}. Remove it')
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise ValueError(f'metadata "clean": scale is {value!r}. Write a number, such as 0.001')
    try:
        factor = Decimal(repr(value) if isinstance(value, float) else value).normalize()
    except InvalidOperation as error:
        raise ValueError(f'metadata "clean": scale is {value!r}. Write a number, such as 0.001') from error
    if not factor.is_finite() or not factor:
        raise ValueError(f'metadata "clean": scale is {value!r}. Write a number other than 0')
    text = format(factor, "f")
    if type not in _FLOATS:
        _factor_type(factor)
        if _raw(factor, type).places + _factor_type(factor).places > _MOST_DIGITS:
            raise ValueError(f'metadata "clean": scale {text} of a {type} needs more than {_MOST_DIGITS} digits')
    return text


def read_type(scale: str, type: str) -> str:
    """Return the type that holds every number which, times `scale`, is a value of `type`."""
    return "DOUBLE" if type in _FLOATS else str(_raw(Decimal(scale), type))


def scaled_sql(value: str, scale: str, type: str) -> str:
    """Return `value`, an expression of read_type(), times `scale`; null where that is no value of `type`."""
    factor = Decimal(scale)
    if type in _FLOATS:
        return _floating(value, factor, type)
    raw, multiplier = _raw(factor, type), _factor_type(factor)
    product_type = _Decimal(min(_MOST_DIGITS, raw.digits + multiplier.digits), raw.places + multiplier.places)
    product = f"({value}) * {literal(scale)}::{multiplier}"
    if raw.digits + multiplier.digits > _MOST_DIGITS:
        product = f"try({product})"  # the only case in which DuckDB's product can overflow
    result = f"try_cast({product} as {type})"
    # a cast rounds: what is not the product itself is no value of the type
    return f"case when try_cast({result} as {product_type}) = {product} then {result} end"


def _floating(value: str, factor: Decimal, type: str) -> str:
    # by an inverse that is whole, one rounding: 3 / 1000 is 0.003, as the text "0.003" would be
    inverse = 1 / Fraction(factor)
    is_whole = inverse.denominator == 1 and abs(inverse) < 2**53
    product = f"({value}) / {literal(float(inverse))}" if is_whole else f"({value}) * {literal(float(factor))}"
    result = f"try_cast({product} as {type})"
    return f"case when isfinite({result}) or not isfinite({value}) then {result} end"


def _exact(type: str) -> _Decimal | None:
    if type in _INTEGER_DIGITS:
        return _Decimal(_INTEGER_DIGITS[type], 0)
    if type.startswith("DECIMAL("):
        digits, places = type.removeprefix("DECIMAL(").rstrip(")").split(",")
        return _Decimal(int(digits), int(places))
    return None


def _raw(factor: Decimal, type: str) -> _Decimal:
    """Return the narrowest type of what `factor` makes an exact value of `type`.

    With factor = m / 10^k and m = 2^a 5^b c, a quotient of a number of s places that terminates has at most
    s - k + max(a, b) places.
    """
    column = _exact(type)
    assert column is not None
    _, digits, exponent = factor.normalize().as_tuple()
    assert isinstance(exponent, int)
    number = int("".join(map(str, digits)))
    places = max(0, column.places + exponent + max(_power(number, 2), _power(number, 5)))
    whole = max(1, column.digits - column.places - factor.adjusted())
    if places > _MOST_DIGITS:
        raise ValueError(f'metadata "clean": scale {factor:f} of a {type} needs more than {_MOST_DIGITS} digits')
    return _Decimal(max(1, min(_MOST_DIGITS, whole + places)), places)


def _power(number: int, base: int) -> int:
    count = 0
    while number % base == 0:
        number, count = number // base, count + 1
    return count


def _factor_type(factor: Decimal) -> _Decimal:
    digits, _, places = format(abs(factor), "f").partition(".")
    found = _Decimal(len(digits.lstrip("0")) + len(places), len(places))
    if found.digits > _MOST_DIGITS or not math.isfinite(float(factor)):
        raise ValueError(f'metadata "clean": scale {factor:f} has more than {_MOST_DIGITS} digits')
    return found

"""pandera's built-in checks as DuckDB SQL, with the operands held to the column's type."""

import datetime as dt
import enum
import math
import struct
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from etl.contract.regexes import re2
from etl.contract.types import INTEGERS
from etl.engine.quoting import literal

_OPERATORS = {
    "equal_to": ("=", "value"),
    "not_equal_to": ("<>", "value"),
    "greater_than": (">", "min_value"),
    "greater_than_or_equal_to": (">=", "min_value"),
    "less_than": ("<", "max_value"),
    "less_than_or_equal_to": ("<=", "max_value"),
}
# In pandas a null is unequal to everything: these pass on null even with ignore_na=False.
_TRUE_OF_NULL = ("not_equal_to", "notin")


def check_sql(kind: str, arguments: Mapping[str, Any], column: str, type: str, ignore_na: bool = True) -> str:
    """The expression of one built-in check; `column` is SQL. ValueError says why there is none."""
    values = arguments.get("allowed_values", arguments.get("forbidden_values", ()))
    if not ignore_na and any(map(_is_null, values)):
        raise ValueError("a null among the values needs ignore_na=True")
    sql = _expression(kind, arguments, column, type)
    if type in ("DOUBLE", "FLOAT"):
        sql = f"case when not isnan({column}) then {sql} end"  # pandera counts NaN as null
    return sql if ignore_na or kind in _TRUE_OF_NULL else f"coalesce({sql}, false)"


def _expression(kind: str, arguments: Mapping[str, Any], column: str, type: str) -> str:
    if kind in _OPERATORS:
        operator, name = _OPERATORS[kind]
        return compare(column, type, operator, arguments[name])
    if kind in _OTHERS:
        if kind.startswith("str_") and type != "VARCHAR":
            raise ValueError(f"it works on text, and the column is {type}")
        return _OTHERS[kind](column, type, **arguments)
    if kind == "unique_values_eq":
        raise ValueError(
            "it judges a whole column, not a row. Use isin here, and an audit for values that must occur"
        )
    raise ValueError("only pandera's built-in checks can be compiled to SQL")


def compare(column: str, type: str, operator: str, value: Any) -> str:
    """The comparison of a column with a value as numpy makes it; ValueError if SQL has none."""
    if type in INTEGERS.values() and isinstance(value, float) and not math.isnan(value):
        return f"{column}::double {operator} {literal(value)}"  # as numpy compares integers with a float
    return f"{column} {operator} {operand(value, type)}"


def _in_range(
    column: str, type: str, min_value: Any, max_value: Any, include_min: bool = True, include_max: bool = True
) -> str:
    low = compare(column, type, ">=" if include_min else ">", min_value)
    return f"({low} and {compare(column, type, '<=' if include_max else '<', max_value)})"


def _isin(column: str, type: str, allowed_values: Iterable[Any]) -> str:
    values = operands(allowed_values, type)
    return f"{column} in ({values})" if values else f"nullif({column} is null, true)"


def _notin(column: str, type: str, forbidden_values: Iterable[Any]) -> str:
    values = operands(forbidden_values, type)
    return f"{column} not in ({values})" if values else "true"


def operands(values: Iterable[Any], type: str) -> str:
    """The values of a list as SQL, sorted: a set gives the same fingerprint in every process."""
    return ", ".join(sorted({operand(value, type) for value in values if not _is_null(value)}))


def _str_length(
    column: str, type: str, min_value: Any = None, max_value: Any = None, exact_value: Any = None
) -> str:
    bounds = [("=", exact_value)] if exact_value is not None else [(">=", min_value), ("<=", max_value)]
    length = f"length({column})"
    parts = [compare(length, "BIGINT", operator, value) for operator, value in bounds if value is not None]
    if not parts:
        raise ValueError("it has no bound. Give min_value, max_value or exact_value")
    return "(" + " and ".join(parts) + ")"


_OTHERS: dict[str, Callable[..., str]] = {
    "in_range": _in_range,
    "isin": _isin,
    "notin": _notin,
    "str_matches": lambda c, _, pattern: f"regexp_matches({c}, {literal(re2(pattern, anchored=True))})",
    "str_contains": lambda c, _, pattern: f"regexp_matches({c}, {literal(re2(pattern, anchored=False))})",
    "str_startswith": lambda c, type, string: f"starts_with({c}, {operand(string, type)})",
    "str_endswith": lambda c, type, string: f"ends_with({c}, {operand(string, type)})",
    "str_length": _str_length,
}


def operand(value: Any, type: str) -> str:
    """A value as SQL that compares with the column as it does in pandas; ValueError if it cannot."""
    if isinstance(value, enum.Enum):
        value = value.value
    if hasattr(value, "dtype") and hasattr(value, "item"):
        value = value.item()
    family = type.partition("(")[0]
    if family in INTEGERS.values() and isinstance(value, float) and value.is_integer():
        return literal(int(value))
    if not _FITS[family](value):
        raise ValueError(f"{value!r} ({value.__class__.__name__}) is not an exact value of type {type}")
    if family == "DECIMAL":
        return _decimal(Decimal(value), type)
    if family in ("DOUBLE", "FLOAT"):
        return literal(float(value)) if family == "DOUBLE" else f"{literal(float(value))}::float"
    return literal(value)


def _decimal(value: Decimal, type: str) -> str:
    """Typed to hold both column and value: DuckDB casts to one type, and fails where it is too narrow."""
    precision, scale = map(int, type.removeprefix("DECIMAL(").rstrip(")").split(","))
    digits, _, places = format(value, "f").lstrip("-").partition(".")
    wide = max(scale, len(places))
    whole = max(precision - scale, len(digits.lstrip("0")))
    if whole + wide > 38:
        raise ValueError(f"{value} and {type} have no common DECIMAL of 38 digits")
    return f"'{value:f}'::decimal({whole + wide}, {wide})"


def _is_float32(value: Any) -> bool:
    try:
        return bool(_is_float64(value) and struct.unpack("f", struct.pack("f", value))[0] == value)
    except OverflowError:
        return False


def _is_float64(value: Any) -> bool:
    try:
        return (_is_int(value) or isinstance(value, float)) and float(value) == value
    except OverflowError:
        return False


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_null(value: Any) -> bool:
    return value is None or value.__class__.__name__ in ("NAType", "NaTType") or bool(value != value)


_FITS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(INTEGERS.values(), _is_int),
    "FLOAT": _is_float32,
    "DOUBLE": _is_float64,
    "DECIMAL": lambda value: _is_int(value) or (isinstance(value, Decimal) and value.is_finite()),
    "BOOLEAN": lambda value: isinstance(value, bool),
    "VARCHAR": lambda value: isinstance(value, str),
    "BLOB": lambda value: isinstance(value, bytes),
    "DATE": lambda value: isinstance(value, dt.date) and not isinstance(value, dt.datetime),
    "TIMESTAMP": lambda value: isinstance(value, dt.datetime) and value.tzinfo is None,
    "TIMESTAMP WITH TIME ZONE": lambda value: isinstance(value, dt.datetime) and value.tzinfo is not None,
    "TIME": lambda value: isinstance(value, dt.time),
    "INTERVAL": lambda value: isinstance(value, dt.timedelta),
}

"""A Python check as SQL: its function, called with a stand-in for the column, writes down what it does.

Only what is the same in pandas and in DuckDB can be written down; all else, branches among it, raises
Untraceable, and the check runs as Python. What was traced is tried on samples before it is believed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from etl.contract.checks import compare, operands
from etl.contract.types import INTEGERS

_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64}
_PLAIN = (
    *INTEGERS.values(),
    *("DOUBLE", "BOOLEAN", "VARCHAR", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"),
)


class Untraceable(TypeError):
    """Raised by a stand-in that is asked for something that SQL would do otherwise."""


@dataclass(frozen=True, eq=False)
class Traced:
    """A column, or what became of it: an SQL expression and its type.

    `missing`: whether a null in it compares to neither true nor false. In the SQL of a DOUBLE, NaN is null.
    """

    sql: str
    type: str
    missing: bool

    __array_ufunc__ = None  # a numpy scalar on the left leaves the operation to us
    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> NoReturn:
        raise Untraceable("a branch on a column")

    def __iter__(self) -> NoReturn:
        raise Untraceable("a loop over a column")

    def _compared(self, symbol: str, other: Any) -> Traced:
        if isinstance(other, Traced):
            left, right = _common(self, other)
            sql, missing = f"{left} {symbol} {right}", self.missing or other.missing
        else:
            sql, missing = _untraceable(lambda: compare(self.sql, self.type, symbol, other)), self.missing
        null = "true" if symbol == "<>" else "false"
        return Traced(f"({sql})" if missing else f"coalesce({sql}, {null})", "BOOLEAN", missing)

    def _computed(self, symbol: str, other: Any, reflected: bool = False) -> Traced:
        pair = (self, _number(other, self.type))
        return _arithmetic(symbol, *(reversed(pair) if reflected else pair))

    def _joined(self, word: str, other: Any) -> Traced:
        if not isinstance(other, Traced) or {self.type, other.type} != {"BOOLEAN"}:
            raise Untraceable(f"{word} of something that is not a condition")
        return Traced(f"({self.sql} {word} {other.sql})", "BOOLEAN", self.missing or other.missing)

    def __eq__(self, other: object) -> Traced:  # type: ignore[override]
        return self._compared("=", other)

    def __ne__(self, other: object) -> Traced:  # type: ignore[override]
        return self._compared("<>", other)

    def __invert__(self) -> Traced:
        if self.type != "BOOLEAN":
            raise Untraceable("the inverse of something that is not a condition")
        return Traced(f"(not {self.sql})", "BOOLEAN", self.missing)

    def isna(self) -> Traced:
        return Traced(f"({self.sql} is null)", "BOOLEAN", False)

    def notna(self) -> Traced:
        return Traced(f"({self.sql} is not null)", "BOOLEAN", False)

    isnull, notnull = isna, notna

    def isin(self, values: Iterable[Any]) -> Traced:
        if isinstance(values, Traced | str | Mapping):
            raise Untraceable("isin with something that is not a plain list")
        listed = list(values)
        if self.type == "BOOLEAN" or any(value is None or value != value for value in listed):
            raise Untraceable("isin with a null, or of booleans")
        found = _untraceable(lambda: operands(listed, self.type))
        return Traced(f"coalesce({self.sql} in ({found}), false)" if found else "false", "BOOLEAN", False)

    def between(self, left: Any, right: Any, inclusive: str = "both") -> Traced:
        if inclusive not in ("both", "neither", "left", "right"):
            raise Untraceable(f"between with inclusive={inclusive!r}")
        low = self._compared(">=" if inclusive in ("both", "left") else ">", left)
        return low._joined("and", self._compared("<=" if inclusive in ("both", "right") else "<", right))


def _method(symbol: str) -> Callable[[Traced, Any], Traced]:
    return lambda self, other: self._compared(symbol, other)


for _symbol, _names in {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "=": "eq", "<>": "ne"}.items():
    setattr(Traced, _names, _method(_symbol))
    if _names not in ("eq", "ne"):
        setattr(Traced, f"__{_names}__", _method(_symbol))
for _symbol, _names in {"+": "add", "-": "sub", "*": "mul", "/": "truediv"}.items():
    setattr(Traced, f"__{_names}__", lambda self, other, s=_symbol: self._computed(s, other))
    setattr(Traced, f"__r{_names}__", lambda self, other, s=_symbol: self._computed(s, other, True))
for _word, _names in {"and": "and", "or": "or"}.items():
    setattr(Traced, f"__{_names}__", lambda self, other, w=_word: self._joined(w, other))


@dataclass
class TracedFrame:
    """Stands in for a DataFrame; `read` are the columns that were taken from it."""

    columns_: Mapping[str, Traced]
    read: list[str] = field(default_factory=list)

    def __getitem__(self, name: object) -> Traced:
        if not isinstance(name, str) or name not in self.columns_:
            raise Untraceable(f"{name!r} is not one column")
        if name not in self.read:
            self.read.append(name)
        return self.columns_[name]

    def __getattr__(self, name: str) -> Traced:
        import pandas as pd

        if name.startswith("__") or hasattr(pd.DataFrame, name):
            raise Untraceable(f"DataFrame.{name}")
        return self[name]


def leaf(sql: str, type: str, missing: bool) -> Traced:
    """Return the stand-in for a column; Untraceable for types that pandas and SQL compare otherwise."""
    if type not in _PLAIN and not type.startswith("DECIMAL"):
        raise Untraceable(f"type {type}")
    if type == "DOUBLE":
        if missing:
            raise Untraceable("a type that knows both NaN and null")
        sql = f"nullif({sql}, 'nan'::double)"
    return Traced(sql, type, missing)


def _common(left: Traced, right: Traced) -> tuple[str, str]:
    """Return the SQL of two columns that numpy compares as DuckDB does."""
    types = {left.type, right.type}
    if types == {"BOOLEAN"}:
        raise Untraceable("two conditions compared")
    decimals = [kind for kind in types if kind.startswith("DECIMAL")]
    if len(types) == 1 or types <= set(_BITS) or (len(decimals) == 2 and not _too_wide(decimals)):
        return left.sql, right.sql
    if types <= {*_BITS, "DOUBLE"}:
        return _double(left), _double(right)
    raise Untraceable(f"{left.type} compared with {right.type}")


def _too_wide(decimals: Iterable[str]) -> bool:
    parts = [[int(n) for n in kind[len("DECIMAL(") : -1].split(",")] for kind in decimals]
    return max(precision - scale for precision, scale in parts) + max(scale for _, scale in parts) > 38


def _double(value: Traced) -> str:
    return value.sql if value.type == "DOUBLE" else f"{value.sql}::double"


def _number(value: Any, type: str) -> Traced:
    """Return a plain number as numpy takes it beside a column of `type`."""
    if isinstance(value, Traced):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        if type in _BITS and not -(2 ** (_BITS[type] - 1)) <= value < 2 ** (_BITS[type] - 1):
            raise Untraceable(f"{value} is not a {type}")
        if type in _BITS:
            return Traced(f"({value})", type, False)
        value = float(value) if abs(value) <= 2**53 else math.nan
    if isinstance(value, float) and math.isfinite(value):
        return Traced(f"'{float(value)!r}'::double", "DOUBLE", False)
    raise Untraceable(f"arithmetic with {value!r}")


def _arithmetic(symbol: str, left: Traced, right: Traced) -> Traced:
    types, missing = {left.type, right.type}, left.missing or right.missing
    if symbol != "/" and len(types) == 1 and left.type in _BITS:
        return Traced(_wrapped(f"({left.sql}::hugeint {symbol} {right.sql})", left.type), left.type, missing)
    if types <= {*_BITS, "DOUBLE"} and not missing:
        # NaN, such as inf - inf, is what pandas calls null
        return Traced(f"nullif({_double(left)} {symbol} {_double(right)}, 'nan'::double)", "DOUBLE", False)
    raise Untraceable(f"{left.type} {symbol} {right.type}")


def _wrapped(sql: str, type: str) -> str:
    """Cut a sum down to its type as numpy does, where DuckDB would stop: 127 + 1 is -128."""
    half, mask = 2 ** (_BITS[type] - 1), 2 ** _BITS[type] - 1
    return f"(((({sql} + {half}) & {mask}::hugeint) - {half})::{type})"


def _untraceable(call: Callable[[], str]) -> str:
    try:
        return call()
    except (ValueError, TypeError) as error:
        raise Untraceable(str(error)) from error

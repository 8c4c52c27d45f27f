"""How a sender writes values: nulls, decimal marks and dates, for a whole file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from etl.errors import ContractError

#: How many times its size a file may become, unless its source says otherwise.
TIMES = 200


def later(default: Any) -> Any:
    """Return the field of an option that came later: who leaves it alone keeps the fingerprint of before."""
    return field(default=default, metadata={"later": True})


def is_year(value: object) -> bool:
    """Return whether a value can be the last of a hundred years that are written in two digits."""
    return isinstance(value, int) and not isinstance(value, bool) and 1100 <= value <= 9999


def is_mark(text: object) -> bool:
    """Return whether a text can be a mark in numbers."""
    return isinstance(text, str) and len(text) == 1 and not text.isalnum() and text not in "+-"


@dataclass(frozen=True, kw_only=True)
class Values:
    """How a sender writes values; every format has these options.

    `decimal` and `thousands` are the marks in numbers. `date_format` and `timestamp_format` are strptime()
    formats; empty means ISO 8601. A format with %y needs `two_digit_years_until`: with 2049 the years
    50 to 99 are of the century before. `decimals` are the decimal marks of columns that have their own, which
    their contract says: a format with numbers of its own, such as JSON's, writes them so. A file that
    becomes more than `max_expansion` times its size when it is decoded, and more than 100 MB, is refused. Raises
    ContractError for a wrong option.
    """

    decimal: str = "."
    thousands: str = ""
    date_format: str = ""
    timestamp_format: str = ""
    two_digit_years_until: int | None = None
    decimals: Mapping[str, str] = field(default_factory=dict)
    max_expansion: int = TIMES

    def __post_init__(self) -> None:
        if not is_mark(self.decimal):
            raise ContractError(f"decimal={self.decimal!r} is not one mark, such as a comma.")
        if self.thousands and not is_mark(self.thousands):
            raise ContractError(f"thousands={self.thousands!r} is not one mark, such as a point.")
        if self.decimal == self.thousands:
            raise ContractError(f"decimal= and thousands= are both {self.decimal!r}. A number would be ambiguous.")
        if (year := self.two_digit_years_until) is not None and not is_year(year):
            raise ContractError(f"two_digit_years_until={year!r} is not a year, such as 2049.")
        if type(self.max_expansion) is not int or self.max_expansion < 1:
            raise ContractError(f"max_expansion={self.max_expansion!r} is not a number of 1 or more.")
        for name in ("date_format", "timestamp_format"):
            if (text := getattr(self, name)) and "%" not in text:
                raise ContractError(f"{name}={text!r} is not a strptime format, such as %d.%m.%Y.")

    def number(self, text: str, column: str = "") -> str:
        """Return a plain number's text with the decimal mark of a column."""
        return text.replace(".", self.decimals.get(column, self.decimal))

    @property
    def values(self) -> Values:
        """Return these options alone."""
        return Values(**{option.name: getattr(self, option.name) for option in fields(Values)})

    def within(self, column: str) -> str:
        """Return how the names of extra cells begin that are parts of a column's own; empty if it has none."""
        return ""

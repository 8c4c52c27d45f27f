"""One text to one value, as extraction reads it: the plain spellings, and those that a source can declare."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime
from functools import cache
from typing import Any

#: Reads a text as a value of one type; None where it is none.
Reader = Callable[[str], Any]

_BIGINT = range(-(2**63), 2**63)
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_INSTANT = re.compile(rf"(\d{{4}}-\d{{2}}-\d{{2}})[ T]{_TIME}")
_ZONED = re.compile(rf"(\d{{4}}-\d{{2}}-\d{{2}})[ T]{_TIME}(?:Z|[+-][01]\d(?::?[0-5]\d)?)")
_FIELDS = {
    **dict.fromkeys(("%d", "%m", "%H", "%I"), r"\d{1,2}"),
    **dict.fromkeys(("%y", "%M", "%S"), r"\d{2}"),
    **{"%Y": r"\d{4}", "%b": "[A-Za-z]{3}", "%p": "[AaPp][Mm]", "%f": r"\d{1,6}"},
}

#: Formats of a day beside ISO 8601, the likelier first where a text fits two of them.
DATE_FORMATS = (
    *("%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d"),
    *("%d.%m.%y", "%m/%d/%y", "%d/%m/%y", "%d-%b-%Y", "%d %b %Y", "%d-%b-%y"),
)
_CLOCKS = ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%I:%M:%S %p", "%I:%M %p")
#: Formats of a day and a time beside ISO 8601.
TIMESTAMP_FORMATS = tuple(
    f"{day}{between}{clock}" for day in ("%Y-%m-%d", *DATE_FORMATS) for clock in _CLOCKS for between in (" ", "T")
)
#: Marks of decimals and of thousands, plain numbers first.
NUMBER_STYLES = (
    *((".", ""), (",", ""), (".", ","), (",", "."), (",", " "), (".", " ")),
    *((",", "\u00a0"), (",", "\u202f"), (".", "'"), (".", "\u2019")),
)


@cache
def integer(decimal: str, thousands: str) -> Reader:
    """Return the reader of whole numbers of 64 bits."""
    pattern = re.compile(rf"[+-]?{_whole(thousands)}")

    def read(text: str) -> int | None:
        if not pattern.fullmatch(text):
            return None
        value = int(text.replace(thousands, "") if thousands else text)
        return value if value in _BIGINT else None

    return read


@cache
def number(decimal: str, thousands: str) -> Reader:
    """Return the reader of numbers, whole ones among them; too large ones are none."""
    point, whole = re.escape(decimal), _whole(thousands)
    pattern = re.compile(rf"[+-]?(?:{whole}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?")
    as_integer = integer(decimal, thousands)

    def read(text: str) -> float | None:
        if not pattern.fullmatch(text) or (text.isdecimal() and as_integer(text) is None):
            return None
        plain = text.replace(thousands, "") if thousands else text
        value = float(plain.replace(decimal, "."))
        return value if math.isfinite(value) else None

    return read


def boolean(text: str) -> bool | None:
    """Read true or false."""
    return {"true": True, "false": False}.get(text.lower())


@cache
def day(format: str) -> Reader:
    """Return the reader of dates in a format, by default in ISO 8601."""
    return _formatted(format) if format else lambda text: _date(text) if _DAY.fullmatch(text) else None


@cache
def instant(format: str) -> Reader:
    """Return the reader of timestamps without a time zone, by default in ISO 8601."""
    return _formatted(format) if format else lambda text: _day_of(_INSTANT, text)


def zoned(text: str) -> date | None:
    """Read the day of a timestamp in ISO 8601 with an offset."""
    return _day_of(_ZONED, text)


def is_padded(text: str) -> bool:
    """Whether a whole number has zeros in front, as codes have and amounts have not."""
    digits = text.lstrip("+-")
    return len(digits) > 1 and digits.startswith("0") and digits.isdecimal()


def _whole(thousands: str) -> str:
    mark = re.escape(thousands)
    return rf"(?:[1-9][0-9]{{0,2}}(?:{mark}[0-9]{{3}})+|[0-9]+)" if thousands else "[0-9]+"


def _day_of(pattern: re.Pattern[str], text: str) -> date | None:
    match = pattern.fullmatch(text)
    return _date(match[1]) if match else None


def _date(text: str) -> date | None:
    with suppress(ValueError):
        return date.fromisoformat(text)
    return None


def _formatted(format: str) -> Reader:
    parts = re.split("(%[A-Za-z])", format)
    pattern = re.compile("".join(_FIELDS.get(part, re.escape(part)) for part in parts))

    def read(text: str) -> datetime | None:
        if pattern.fullmatch(text):
            with suppress(ValueError):
                return datetime.strptime(text, format)
        return None

    return read

"""Values of a row in the log, as the text that the server gives of them in a query."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pymysqlreplication.constants import FIELD_TYPE

_INTS = {FIELD_TYPE.TINY: 1, FIELD_TYPE.SHORT: 2, FIELD_TYPE.INT24: 3, FIELD_TYPE.LONG: 4, FIELD_TYPE.LONGLONG: 8}
#: So many bytes hold so many of the digits that do not fill a group of nine.
_DIGITS, _BYTES = 9, (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)
#: Types whose rows in the log this reads; a column of another type is left out, or refused.
FAMILIES = ("int", "float", "text", "bytes", "decimal", "date", "timestamp", "zoned", "time", "json", "bit")
_CHOICES = re.compile(r"'((?:[^']|'')*)'")
#: How Python names the character sets that it knows by another name.
_CHARSETS = {
    **dict.fromkeys(("utf8mb3", "utf8mb4", "utf8"), "utf-8"),
    **{
        "latin1": "cp1252",
        "ucs2": "utf-16-be",
        "utf16": "utf-16-be",
        "utf16le": "utf-16-le",
        "utf32": "utf-32-be",
    },
    **{"ascii": "ascii", "latin2": "iso8859-2", "cp1250": "cp1250", "cp1251": "cp1251", "koi8r": "koi8-r"},
}


class Untold(Exception):
    """Raised for a value that cannot be told exactly."""


@dataclass(kw_only=True)
class Column:
    """A column: what the catalogue says of it."""

    name: str
    #: As the catalogue spells it, such as `int(10) unsigned`.
    type: str
    #: The word before its parentheses.
    short: str
    charset: str | None
    family: str
    #: The choices of an `enum` or a `set`.
    choices: Sequence[str] = field(init=False, default=())

    def __post_init__(self) -> None:
        if self.short in ("enum", "set"):
            self.choices = [found.replace("''", "'") for found in _CHOICES.findall(self.type)]

    @property
    def is_told(self) -> bool:
        """Whether the log holds its values so that they can be read here."""
        if self.short in ("enum", "set"):
            return self.charset in _CHARSETS
        is_text = self.family in ("text", "json")
        return (
            self.family in FAMILIES
            and (not is_text or self.charset in _CHARSETS)
            and "compressed" not in self.type
        )

    @property
    def number(self) -> int:
        """The number in its type's parentheses."""
        found = re.search(r"\((\d+)", self.type)
        return int(found[1]) if found else 1


@dataclass
class Bytes:
    """The bytes of rows, read from the front."""

    data: bytes
    at: int = 0

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        found = self.data[self.at : self.at + count]
        if len(found) != count:
            raise Untold("its bytes end early")
        self.at += count
        return found

    def number(self, size: int, signed: bool = False) -> int:
        """Return a number, its least byte first."""
        return int.from_bytes(self.take(size), "little", signed=signed)

    def big(self, size: int) -> int:
        """Return a number, its greatest byte first."""
        return int.from_bytes(self.take(size), "big")


def row_of(source: Bytes, logged: Sequence[Any], columns: Sequence[Column]) -> dict[str, str | bytes | None]:
    """Return the values of one row, by column; `logged` is how the log describes the columns.

    Bytes come as they are. Raises Untold for a row that is not as the columns say.
    """
    nulls = int.from_bytes(source.take((len(columns) + 7) // 8), "little")
    found: dict[str, str | bytes | None] = {}
    for place, (column, own) in enumerate(zip(columns, logged, strict=True)):
        found[column.name] = None if nulls >> place & 1 else _value(source, own, column)
    return found


def _value(source: Bytes, logged: Any, column: Column) -> str | bytes:
    kind: int = logged.type
    if size := _INTS.get(kind):
        return str(source.number(size, signed="unsigned" not in column.type))
    if kind in (FIELD_TYPE.VARCHAR, FIELD_TYPE.VAR_STRING, FIELD_TYPE.STRING):
        size = 2 if logged.max_length > 255 else 1
        return _text(source.take(source.number(size)), column)
    if kind == FIELD_TYPE.BLOB:
        return _text(source.take(source.number(logged.length_size)), column)
    read = _READ.get(kind)
    if read is None:
        raise Untold(f"the log has {column.name!r} as the type {kind}, which etl does not read")
    return read(source, logged, column)


def _text(data: bytes, column: Column) -> str | bytes:
    if column.short == "binary":
        # the log leaves zeros at the end out
        return data.ljust(column.number, b"\0")
    if column.family == "bytes":
        return data
    if column.charset not in _CHARSETS:
        raise Untold(f"{column.name!r} has the character set {column.charset}, which etl does not read")
    try:
        return data.decode(_CHARSETS[column.charset])
    except UnicodeDecodeError as error:
        raise Untold(f"{column.name!r} holds text that is not {column.charset}") from error


def _decimal(source: Bytes, logged: Any, column: Column) -> str:
    scale: int = logged.decimals
    whole: int = logged.precision - scale
    groups = [whole % _DIGITS, *[_DIGITS] * (whole // _DIGITS)]
    groups_after = [*[_DIGITS] * (scale // _DIGITS), scale % _DIGITS]
    data = bytearray(source.take(sum(_BYTES[one] for one in (*groups, *groups_after))))
    is_negative = not data[0] & 0x80
    data[0] ^= 0x80
    if is_negative:
        data = bytearray(byte ^ 0xFF for byte in data)
    rest = Bytes(bytes(data))
    before = "".join(f"{rest.big(_BYTES[one]):0{one}d}" for one in groups if one).lstrip("0") or "0"
    after = "".join(f"{rest.big(_BYTES[one]):0{one}d}" for one in groups_after if one)
    return f"{'-' if is_negative else ''}{before}{'.' if after else ''}{after}"


def _float(source: Bytes, logged: Any, column: Column) -> str:
    [value] = struct.unpack("<f", source.take(4))
    return _of_float(value, column, f"{value:.6g}")


def _double(source: Bytes, logged: Any, column: Column) -> str:
    [value] = struct.unpack("<d", source.take(8))
    return _of_float(value, column, repr(value))


def _of_float(value: float, column: Column, shortest: str) -> str:
    """Return a float as the server writes it: with its declared decimals, else the digits that tell it."""
    if declared := re.search(r"\(\d+,(\d+)\)", column.type):
        return f"{Decimal(value):.{int(declared[1])}f}"
    digits = Decimal(shortest).normalize().as_tuple()
    text = "".join(map(str, digits.digits))
    sign = "-" if digits.sign else ""
    if text == "0":
        return f"{sign}0"
    point = len(text) + int(digits.exponent)
    # an exponent is written where no digit is behind the point
    if -14 <= point <= max(15, len(text) - 1):
        if point <= 0:
            return f"{sign}0.{'0' * -point}{text}"
        return f"{sign}{text[:point].ljust(point, '0')}{'.' if len(text) > point else ''}{text[point:]}"
    return f"{sign}{text[0]}{'.' if len(text) > 1 else ''}{text[1:]}e{point - 1}"


def _fraction(source: Bytes, places: int) -> int:
    """Return the digits after a second's point, as they are stored: so many, and one more for odd numbers."""
    size = (places + 1) // 2
    return source.big(size) // (10 if places % 2 else 1)


def _after(fraction: int, places: int) -> str:
    return f".{fraction:0{places}d}" if places else ""


def _datetime(source: Bytes, logged: Any, column: Column) -> str:
    places: int = logged.fsp
    packed = source.big(5) - (1 << 39)
    day, time = packed >> 17, packed & 0x1FFFF
    months = day >> 5
    clock = f"{time >> 12:02d}:{time >> 6 & 63:02d}:{time & 63:02d}"
    date = f"{months // 13:04d}-{months % 13:02d}-{day & 31:02d}"
    return f"{date} {clock}{_after(_fraction(source, places), places)}"


def _timestamp(source: Bytes, logged: Any, column: Column) -> str:
    places: int = logged.fsp
    seconds = source.big(4)
    after = _after(_fraction(source, places), places)
    if not seconds:
        return f"0000-00-00 00:00:00{after}"
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}{after}"


def _time(source: Bytes, logged: Any, column: Column) -> str:
    places: int = logged.fsp
    size = (places + 1) // 2
    # one number with the fraction at its end; half of all numbers are negative
    packed = source.big(3 + size) - (1 << (23 + 8 * size))
    sign, packed = ("-", -packed) if packed < 0 else ("", packed)
    whole, rest = packed >> 8 * size, packed & ((1 << 8 * size) - 1)
    fraction = rest // (10 if places % 2 else 1)
    return f"{sign}{whole >> 12 & 1023:02d}:{whole >> 6 & 63:02d}:{whole & 63:02d}{_after(fraction, places)}"


def _date(source: Bytes, logged: Any, column: Column) -> str:
    packed = source.number(3)
    return f"{packed >> 9:04d}-{packed >> 5 & 15:02d}-{packed & 31:02d}"


def _year(source: Bytes, logged: Any, column: Column) -> str:
    years = source.number(1)
    return str(years + 1900) if years else "0000"


def _bit(source: Bytes, logged: Any, column: Column) -> str:
    return str(source.big(logged.bytes))


def _enum(source: Bytes, logged: Any, column: Column) -> str:
    place = source.number(logged.size)
    return column.choices[place - 1] if place else ""


def _set(source: Bytes, logged: Any, column: Column) -> str:
    chosen = source.number(logged.size)
    return ",".join(one for place, one in enumerate(column.choices) if chosen >> place & 1)


_READ: dict[int, Callable[[Bytes, Any, Column], str]] = {
    FIELD_TYPE.NEWDECIMAL: _decimal,
    FIELD_TYPE.FLOAT: _float,
    FIELD_TYPE.DOUBLE: _double,
    FIELD_TYPE.DATETIME2: _datetime,
    FIELD_TYPE.TIMESTAMP2: _timestamp,
    FIELD_TYPE.TIME2: _time,
    FIELD_TYPE.DATE: _date,
    FIELD_TYPE.YEAR: _year,
    FIELD_TYPE.BIT: _bit,
    FIELD_TYPE.ENUM: _enum,
    FIELD_TYPE.SET: _set,
}

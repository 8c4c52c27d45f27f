"""SQL text for names and values; every statement that `etl` builds gets them from here."""

import datetime as dt
import enum
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any


def identifier(name: str, mark: str = '"') -> str:
    """One name, always quoted: in double quotes, or in the marks of another engine."""
    if not name or "\0" in name:
        raise ValueError(f"{name!r} cannot be a name in SQL: it is empty or holds a NUL character")
    return mark + name.replace(mark, mark * 2) + mark


def qualified(name: str) -> str:
    """A dotted name, each part quoted: `marts.flights` becomes `"marts"."flights"`."""
    return ".".join(map(identifier, name.split(".")))


def literal(value: object) -> str:
    """A value as DuckDB SQL that gives back exactly that value; ValueError when there is no such SQL."""
    if isinstance(value, enum.Enum):
        return literal(value.value)
    if value is None:
        return "null"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, int | float | Decimal):
        return _number(value)
    if isinstance(value, bytes):
        return "'" + "".join(f"\\x{byte:02x}" for byte in value) + "'::blob"
    if isinstance(value, dt.date | dt.time | dt.timedelta):
        return _moment(value)
    return literal(_unboxed(value))


def set_variable(name: str, value: str) -> str:
    """The statement that makes a text readable by getvariable('name')."""
    return f"set variable {identifier(name)} = {literal(value)}"


def paths(values: Iterable[object]) -> str:
    """A list of files for DuckDB's readers, to which `[`, `*` and `?` are wildcards: each names itself only."""
    return literal([one_path(value) for value in values])


def one_path(value: object) -> str:
    """A path such that DuckDB's readers take no part of it for a wildcard; see named_path() for the way back."""
    return re.sub(r"[\[*?]", r"[\g<0>]", str(value))


def named_path(text: str) -> str:
    """The path that one_path() made a text of."""
    return re.sub(r"\[([\[*?])\]", r"\1", text)


def _text(value: str) -> str:
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise ValueError(f"{value!r} holds half a surrogate pair, which is not text in UTF-8")
    parts = ["'" + part.replace("'", "''") + "'" for part in value.split("\0")]
    return parts[0] if len(parts) == 1 else "(" + " || chr(0) || ".join(parts) + ")"


def _number(value: int | float | Decimal) -> str:
    if isinstance(value, float):
        # As a string: DuckDB reads 0.30000000000000004 as a DECIMAL and loses the last bit on the way.
        return f"'{float(value)!r}'::double"
    if isinstance(value, int):
        if not -(2**127) < value < 2**128:
            raise ValueError(f"{value} is outside of DuckDB's integers, and would become a DOUBLE")
        return str(int(value))
    if not value.is_finite() or len(format(value, "f").strip("-").replace(".", "").lstrip("0")) > 38:
        raise ValueError(f"{value} is not a DECIMAL of at most 38 digits")
    return format(value, "f")


def _moment(value: dt.date | dt.time | dt.timedelta) -> str:
    if getattr(value, "nanosecond", 0):
        raise ValueError(f"{value} is finer than a microsecond")
    if isinstance(value, dt.timedelta):
        return f"to_microseconds({value // dt.timedelta(microseconds=1)})"
    if isinstance(value, dt.time):
        if value.tzinfo:
            raise ValueError(f"{value} is a time of day in a time zone. Give a time without one")
        return f"time '{value.isoformat()}'"
    if not isinstance(value, dt.datetime):
        return f"date '{value.isoformat()}'"
    if value.tzinfo:
        return f"timestamptz '{value.astimezone(dt.UTC).isoformat(sep=' ')}'"
    return f"timestamp '{value.isoformat(sep=' ')}'"


def _unboxed(value: Any) -> object:
    """The Python value inside a numpy scalar."""
    item = getattr(value, "item", None)
    if not callable(item) or getattr(value, "shape", None) != ():
        raise ValueError(f"{value!r} of type {type(value).__name__} has no SQL literal")
    plain: object = item()
    if type(plain) is type(value):
        raise ValueError(f"{value!r} of type {type(value).__name__} has no SQL literal")
    return plain

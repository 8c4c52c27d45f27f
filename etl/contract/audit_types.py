"""The types that a built-in kind of audit needs: what is wrong is told before anything runs, and without a row."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation

from etl.contract.audit import Audit
from etl.errors import unknown

#: Of each table, its columns with their types.
Tables = Mapping[str, Mapping[str, str]]

_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128}
#: The whole numbers, with the least and the greatest value.
_WHOLE = {
    **{name: (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for name, bits in _BITS.items()},
    **{f"U{name}": (0, 2**bits - 1) for name, bits in _BITS.items()},
}
_TIMES = re.compile(r"DATE|TIMESTAMP( WITH TIME ZONE|_S|_MS|_NS)?")
_BOOLEANS = {"true", "false"}


def type_problems(audit: Audit, tables: Tables) -> Iterator[str]:
    """Yield what is wrong with the columns that an audit names; nothing of tables that are not in `tables`."""
    for kind, *names in audit.typed:
        places = [(names[0], names[1])] + ([(names[2], names[3])] if kind == "alike" else [])
        found = [_found(table, column, tables) for table, column in places]
        if problems := [problem for problem, _ in found if problem]:
            yield problems[0]
        elif all(type for _, type in found):
            yield from _KINDS[kind](names, [type for _, type in found])


def _found(table: str, column: str, tables: Tables) -> tuple[str, str]:
    """Return what is wrong with the name of a column, or its type; neither of a table that is not known."""
    if table not in tables:
        return "", ""
    known = {name.lower(): type for name, type in tables[table].items()}
    if column.lower() in known:
        return "", known[column.lower()]
    return unknown(f"{table} has no column {column}", column.lower(), known), ""


def _moment(names: list[str], types: list[str]) -> Iterator[str]:
    if not _TIMES.fullmatch(types[0]):
        yield f"{names[1]} is {types[0]}, not a date or timestamp"


def _number(names: list[str], types: list[str]) -> Iterator[str]:
    if _family(types[0]) not in ("number", "BOOLEAN"):
        yield f"{names[0]}.{names[1]} is {types[0]}, not a number"


def _alike(names: list[str], types: list[str]) -> Iterator[str]:
    if _family(types[0]) != _family(types[1]):
        yield f"{names[0]}.{names[1]} is {types[0]}, and {names[2]}.{names[3]} is {types[1]}: they are never equal"


def _values(names: list[str], types: list[str]) -> Iterator[str]:
    _, column, *values = names
    wrong = [value for value in values if not _is_value(value, types[0])]
    if wrong:
        yield f"{column} is {types[0]}, and {wrong[0]!r} is not a value of that type"


def _binned(names: list[str], types: list[str]) -> Iterator[str]:
    if _family(types[0]) not in ("number", "BOOLEAN", "text"):
        yield f"{names[0]}.{names[1]} is {types[0]}, and psi is for numbers, texts and booleans"


def _any(names: list[str], types: list[str]) -> Iterator[str]:
    yield from ()


_KINDS: dict[str, Callable[[list[str], list[str]], Iterator[str]]] = {
    "any": _any,
    "moment": _moment,
    "number": _number,
    "alike": _alike,
    "values": _values,
    "binned": _binned,
}


def _family(type: str) -> str:
    """Return what types have in common that can be compared with one another."""
    if type in _WHOLE or type.startswith("DECIMAL(") or type in ("FLOAT", "DOUBLE"):
        return "number"
    if type == "VARCHAR" or type.startswith("ENUM("):
        return "text"
    return "time" if _TIMES.fullmatch(type) else type


def _is_value(text: str, type: str) -> bool:
    """Return whether a text is exactly a value of a type; of a type that is not known here, any text may be."""
    if type.startswith("ENUM("):
        return f"'{text.replace(chr(39), chr(39) * 2)}'" in type
    read = next((reader for pattern, reader in _READERS if re.fullmatch(pattern, type)), None)
    try:
        return read is None or read(text.strip(), type)
    except (ValueError, InvalidOperation):
        return False


def _is_number(text: str, type: str) -> bool:
    number = Decimal(text)
    if type in _WHOLE:
        low, high = _WHOLE[type]
        return number.is_finite() and number == int(number) and low <= number <= high
    if match := re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", type):
        precision, scale = int(match[1]), int(match[2])
        is_exact = number.is_finite() and number * 10**scale == int(number * 10**scale)
        return is_exact and abs(number) < 10 ** (precision - scale)
    return True


def _is_date(text: str, type: str) -> bool:
    return date.fromisoformat(text) is not None


def _is_moment(text: str, type: str) -> bool:
    return datetime.fromisoformat(text) is not None


def _is_time(text: str, type: str) -> bool:
    return time.fromisoformat(text) is not None


def _is_boolean(text: str, type: str) -> bool:
    return text.lower() in _BOOLEANS


def _is_uuid(text: str, type: str) -> bool:
    return uuid.UUID(text) is not None


_READERS: tuple[tuple[str, Callable[[str, str], bool]], ...] = (
    (rf"{'|'.join(sorted(_WHOLE))}|DECIMAL\(.*\)|FLOAT|DOUBLE", _is_number),
    ("DATE", _is_date),
    ("TIMESTAMP.*", _is_moment),
    ("TIME", _is_time),
    ("BOOLEAN", _is_boolean),
    ("UUID", _is_uuid),
    # no list, struct, map or time span is written as one value of a list
    (r".*[\])]|INTERVAL|BLOB", lambda text, type: False),
)

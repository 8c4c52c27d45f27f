"""Sample values of a type, as SQL: what a check is tried on when its contract is loaded."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from itertools import product

from etl.contract.nested import nested
from etl.engine.quoting import literal

_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64}
_DAYS = ["2013-01-01", "1969-07-20", "1970-01-01", "2024-02-29", "2024-12-31", "2100-06-15", "1999-12-31"]
_TEXTS = ["", "a", "A", "b 1", "ab", "Zz_9", "é", "12", "-1.5", "2013-01-01", "JFK", "x@y.example", " ", "a,b"]
_PLAIN = {
    "VARCHAR": _TEXTS,
    "BLOB": ["", "a", "\\x00\\xff"],
    "BOOLEAN": ["true", "false"],
    "DATE": _DAYS,
    "TIME": ["00:00:00", "12:30:00", "23:59:59.999999"],
    "TIMESTAMP": [f"{day} {time}" for day, time in zip(_DAYS, ["00:00:00", "23:59:59.999999"] * 4, strict=False)],
    "INTERVAL": ["0 seconds", "40 days", "-1 microseconds", "26 hours"],
    "FLOAT": ["0", "1", "-1", "0.5", "-1.5", "3", "7", "100", "1e30"],
    "DOUBLE": ["0", "1", "-1", "0.1", "0.5", "-1.5", "3", "7", "50", "100", "1e300", "-1e300", "inf", "-inf"],
}
_ROWS = 20


def samples(type: str, hints: Sequence[str] = ()) -> list[str]:
    """Return SQL expressions of that DuckDB type, all different; `hints` are more of them."""
    return [*dict.fromkeys([*_samples(type), *(f"try_cast({hint} as {type})" for hint in hints)])]


def rows(types: Mapping[str, str], hints: Mapping[str, Sequence[str]]) -> list[tuple[str, ...]]:
    """Return rows of SQL expressions, nulls among them."""
    values = [["null", *samples(type, hints.get(name, ()))] for name, type in types.items()]
    if len(values) == 1:
        return [*zip(*values, strict=True)]
    few = [column[:6] for column in values[:2]]
    chance = random.Random(2013)
    return [
        *(tuple(pair) + tuple(map(chance.choice, values[2:])) for pair in product(*few)),
        *(tuple(map(chance.choice, values)) for _ in range(_ROWS)),
        *(tuple(chance.choice(column[1:]) for column in values) for _ in range(_ROWS)),
    ]


def _samples(type: str) -> list[str]:
    if parts := nested(type):
        return _nested_samples(parts.kind, [_samples(part)[:3] for part in parts.parts], parts.names, type)
    if type in _BITS or type.removeprefix("U") in _BITS:
        return [f"({number})::{type}" for number in _integers(type)]
    if found := re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", type):
        largest = f"{10 ** int(found[1]) - 1}e-{found[2]}"
        texts = ["0", "1", "-1", "3", "7", f"1e-{found[2]}", largest, f"-{largest}"]
        return [f"try_cast({literal(text)} as {type})" for text in texts]
    texts = _PLAIN["TIMESTAMP" if type.startswith("TIMESTAMP") else type]
    return [f"{literal(text)}::{type}" for text in texts]


def _integers(type: str) -> list[int]:
    bits = _BITS[type.removeprefix("U")]
    low, high = (0, 2**bits - 1) if type.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return [n for n in (0, 1, -1, 2, 3, 5, 7, -7, 10, 50, 100, 1000, low, high) if low <= n <= high]


def _nested_samples(kind: str, parts: Sequence[Sequence[str]], names: Sequence[str], type: str) -> list[str]:
    if kind == "list":
        sized = re.search(r"\[(\d+)\]$", type)
        lengths = [int(sized[1])] if sized else [0, 1, 2]
        found = ["[" + ", ".join((list(parts[0]) * length)[:length]) + "]" for length in lengths]
    elif kind == "map":
        found = [f"map([{parts[0][0]}], [{parts[1][0]}])", "map()"]
    else:
        found = ["row(" + ", ".join(part[number % len(part)] for part in parts) + ")" for number in range(3)]
    return [f"({sql})::{type}" for sql in found]

"""What is asked of a column of each type, as SQL: aggregates over all rows, and the form in which it is sampled.

A type that nobody knows here has its nulls and different values counted, like one that is nested.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from etl.engine.quoting import identifier

#: So many characters of a text are kept.
CHARACTERS = 100
#: Beyond it, the square of a number is more than a DOUBLE holds.
_SQUARED = "1e150"
_WHOLE = "(?:U?(?:TINYINT|SMALLINT|INTEGER|BIGINT))"
_MOMENTS = r"DATE|TIME|TIME_NS|TIMESTAMP(?:_S|_MS|_NS)?"


@dataclass(frozen=True, kw_only=True)
class Aggregates:
    """What is asked of a column: facts by name, as aggregates; `lengths` is of what a value's length is."""

    facts: Mapping[str, str]
    #: A value of the sample: a number, or a text; empty if none is taken.
    sampled: str = ""
    #: Whether sampled values have an order that means something, and whether it is worth counting each of them.
    is_ordered: bool = False
    is_counted: bool = False


def aggregates(column: str, type: str, *, is_personal: bool = False) -> Aggregates:
    """Return what is asked of a column, of a type as DuckDB prints it; counts alone of personal data."""
    x = identifier(column)
    counts = {"values": f"count({x})", "approx_distinct": f"approx_count_distinct({x})"}
    if is_personal:
        return Aggregates(facts=counts)
    found = next((make(x, type) for pattern, make in _KINDS if re.fullmatch(pattern, type, re.DOTALL)), None)
    return Aggregates(**{**vars(found), "facts": {**counts, **found.facts}}) if found else Aggregates(facts=counts)


def _whole(x: str, _: str) -> Aggregates:
    return Aggregates(facts=_numbers(x, x), sampled=x, is_ordered=True, is_counted=True)


def _wide(x: str, _: str) -> Aggregates:
    # a sum of such numbers may be beyond all types but DOUBLE
    return Aggregates(facts=_numbers(x, f"{x}::double"), sampled=f"{x}::double", is_ordered=True)


def _boundless(x: str, _: str) -> Aggregates:
    found = _floating(f"try_cast({x} as double)", "")
    texts = {name: f"left({name}({x})::varchar, {CHARACTERS})" for name in ("min", "max")}
    return replace(found, facts={**found.facts, **texts})


def _floating(x: str, _: str) -> Aggregates:
    finite = f"case when isfinite({x}) then {x} end"
    small = f"case when abs({x}) < {_SQUARED} then {x}::double end"
    facts = {
        **_numbers(f"({finite})", small),
        # without the sign of zero, which depends on the order of the rows
        "min": f"(min({finite}) + 0)::varchar",
        "max": f"(max({finite}) + 0)::varchar",
        "not_finite": f"count(*) filter (not isfinite({x}))",
        "averaged": f"count({small})",
    }
    return Aggregates(facts=facts, sampled=f"({finite})", is_ordered=True)


def _numbers(x: str, averaged: str) -> dict[str, str]:
    return {
        "min": f"min({x})::varchar",
        "max": f"max({x})::varchar",
        "mean": f"avg({averaged})",
        "std": f"stddev_pop({averaged})",
    }


def _boolean(x: str, _: str) -> Aggregates:
    facts = {"min": f"min({x})::varchar", "max": f"max({x})::varchar", "mean": f"avg({x}::tinyint)"}
    return Aggregates(facts=facts, sampled=f"{x}::varchar", is_counted=True)


def _text(x: str, _: str) -> Aggregates:
    facts = {"min": f"left(min({x}), {CHARACTERS})", "max": f"left(max({x}), {CHARACTERS})"}
    return Aggregates(facts=facts | _lengths(f"length({x})"), sampled=f"left({x}, {CHARACTERS})", is_counted=True)


def _category(x: str, type: str) -> Aggregates:
    return _text(f"{x}::varchar", type)


def _document(x: str, _: str) -> Aggregates:
    return Aggregates(facts=_lengths(f"length({x}::varchar)"))


def _moment(x: str, type: str) -> Aggregates:
    facts = {"min": f"min({x})::varchar", "max": f"max({x})::varchar"}
    dates = "" if type.startswith("TIME") and not type.startswith("TIMESTAMP") else _within(x)
    return Aggregates(facts=facts, sampled=f"{dates or x}::varchar", is_ordered=True)


def _zoned(x: str, _: str) -> Aggregates:
    # in UTC, so that a setting of the session makes no other profile
    facts = {name: f"timezone('UTC', {name}({x}))::varchar" for name in ("min", "max")}
    local = f"timezone('UTC', {x})"
    return Aggregates(facts=facts, sampled=f"{_within(local)}::varchar", is_ordered=True)


def _within(x: str) -> str:
    """Return a moment of a year of four digits, whose text sorts as it does; null for any other."""
    return f"case when {x} between timestamp '0001-01-01' and timestamp '9999-12-31 23:59:59.999999' then {x} end"


def _span(x: str, _: str) -> Aggregates:
    return Aggregates(facts={"min": f"min({x})::varchar", "max": f"max({x})::varchar"})


def _bytes(x: str, _: str) -> Aggregates:
    return Aggregates(facts=_lengths(f"octet_length({x})"))


def _list(x: str, _: str) -> Aggregates:
    return Aggregates(facts=_lengths(f"len({x})"))


def _map(x: str, _: str) -> Aggregates:
    return Aggregates(facts=_lengths(f"cardinality({x})"))


def _lengths(length: str) -> dict[str, str]:
    return {"shortest": f"min({length})", "length": f"avg({length})", "longest": f"max({length})"}


_Make = Callable[[str, str], Aggregates]
#: By a pattern of the whole type; the first one counts.
_KINDS: tuple[tuple[str, _Make], ...] = (
    (r".*\[\d*\]", _list),
    (_WHOLE, _whole),
    (r"HUGEINT|UHUGEINT|DECIMAL\(.*\)", _wide),
    ("BIGNUM", _boundless),
    ("FLOAT|DOUBLE", _floating),
    ("BOOLEAN", _boolean),
    ("VARCHAR", _text),
    (r"ENUM\(.*\)", _category),
    ("JSON", _document),
    (_MOMENTS, _moment),
    (r"TIMESTAMP WITH TIME ZONE|TIMESTAMPTZ_NS", _zoned),
    ("TIME WITH TIME ZONE|INTERVAL|UUID", _span),
    ("BLOB", _bytes),
    (r"MAP\(.*\)", _map),
)

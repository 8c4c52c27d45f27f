"""Every type as words: SQL expressions that DuckDB's hash() tells apart for all different values of the type.

hash() keeps 64 bits apart, and not all of them: it folds the halves of 128-bit numbers and the parts of an
interval into one, takes 0.0 for -0.0 and one NaN for another, leaves empty and null lists out, and mixes the
blocks of a long text so weakly that two changed bytes can cancel out. So what may be longer than 64 bits goes
through md5 (texts and blobs; nested values as the key that sorts them), or is as many words as it has halves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.engine.quoting import identifier, literal

if TYPE_CHECKING:
    import duckdb

#: A text of up to so many bytes is told apart by its hash() and its length.
_SHORT = 8
#: Columns that etl adds to a raw table.
_ADDED = (("_loaded_at", "TIMESTAMP WITH TIME ZONE"), ("_file", "VARCHAR"))
#: What is part of a type that has parts.
_NESTED = ("list", "array", "map", "union", "struct", "tuple")
#: Types whose sort key, or equality, is the same for some values that differ, and a form in which it is not.
_LOOSE = {
    "float": "({x})::bit",
    "double": "({x})::bit",
    "interval": "({x})::varchar",
    "variant": "create_sort_key({x}, 'asc nulls last')",
    "geometry": "st_aswkb({x})",
}


@dataclass(frozen=True)
class Words:
    """The words of a value for the two hashes of a row; together they tell all values apart, null too."""

    first: Sequence[str]
    second: Sequence[str]


def words(con: duckdb.DuckDBPyConnection, type: str, x: str) -> Words:
    """Return the words of the SQL expression `x`, of a type as DuckDB prints it."""
    parsed = _parsed(con, type)
    make = _KINDS.get(parsed.id) if parsed else None
    return make(parsed, x) if make else _key(x)


def exact(con: duckdb.DuckDBPyConnection, type: str, x: str) -> str:
    """Return SQL for a value of which DuckDB's equality tells all different values of the type apart."""
    parsed = _parsed(con, type)
    return _sortable(parsed, x, 0) if parsed else f"create_sort_key({x}, 'asc nulls last')"


def counted(table: str, columns: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the columns of a table that are content; when a row was loaded is none.

    From which file it came is none in a raw table: etl.partitions says that. A model may well be about files.
    """
    added = _ADDED if table.startswith("raw.") else _ADDED[:1]
    return tuple((name, type) for name, type in columns if (name.lower(), type) not in added)


def _parsed(con: duckdb.DuckDBPyConnection, type: str) -> Any:
    import duckdb

    try:
        return con.dtype(type)
    except duckdb.Error:
        return None


def _word(_: Any, x: str) -> Words:
    return Words([x], [x])


def _number(_: Any, x: str) -> Words:
    # one of the 64-bit values has the hash of null, but not with its last bit changed too
    return Words([x], [f"xor({x}, 1)"])


def _time(_: Any, x: str) -> Words:
    return Words([x], [x, f"{x} is null"])


def _float(_: Any, x: str) -> Words:
    """Mark what hash() takes for something else: the signs of zero, all the ways of being NaN, and null."""
    other = f"when {x} = 0 then signbit({x})::ubigint else hash({x}::bit)"
    mark = f"case when isfinite({x}) and {x} <> 0 then null {other} end"
    return Words([x, mark], [x, mark])


def _decimal(type: Any, x: str) -> Words:
    if dict(type.children)["precision"] <= 18:
        return _word(type, x)
    # hash() folds the halves; the double has the upper one
    return Words([x, f"{x}::double"], [f"{x}::double", x, f"{x} is null"])


def _halves(half: str, whole: str = "") -> Callable[[Any, str], Words]:
    def both(_: Any, x: str) -> Words:
        upper = f"({x}{whole} >> 64)::{half}"
        return Words([x, upper], [upper, x, f"{x} is null"])

    return both


def _text(_: Any, x: str) -> Words:
    return _bytes(x, f"strlen({x})")


def _blob(_: Any, x: str) -> Words:
    return _bytes(x, f"octet_length({x})")


def _as_text(_: Any, x: str) -> Words:
    return _text(_, f"{x}::varchar")


def _bytes(x: str, length: str) -> Words:
    # most texts are short, and md5 takes 20 times as long
    long = f"md5_number(if({length} > {_SHORT}, {x}, null))"
    return Words([x, long], [f"({long} >> 64)::ubigint", x, length])


def _key(x: str) -> Words:
    """The words of the key that sorts a value: nesting, nulls and lengths are spelt out in it."""
    return _blob(None, f"create_sort_key({x}, 'asc nulls last')")


def _nested(type: Any, x: str) -> Words:
    return _key(_sortable(type, x, 0))


_WORDS = (
    *("boolean", "tinyint", "smallint", "integer", "utinyint", "usmallint", "uinteger", "date"),
    *("time", "time_ns", "time with time zone", "timestamp_s", "timestamp_ms", "null"),
)
_KINDS: Mapping[str, Callable[[Any, str], Words]] = {
    **dict.fromkeys(_WORDS, _word),
    **dict.fromkeys(("bigint", "ubigint"), _number),
    **dict.fromkeys(("timestamp", "timestamp with time zone", "timestamp_ns", "timestamptz_ns"), _time),
    **dict.fromkeys(("float", "double"), _float),
    "decimal": _decimal,
    "hugeint": _halves("bigint"),
    "uhugeint": _halves("ubigint"),
    "uuid": _halves("ubigint", "::uhugeint"),
    "varchar": _text,
    "blob": _blob,
    **dict.fromkeys(("bit", "bignum", "enum", "interval"), _as_text),
    "geometry": lambda _, x: _blob(_, f"st_aswkb({x})"),
    **dict.fromkeys((*_NESTED, "variant"), _nested),
}
#: The types that are judged; of any other it is the key that sorts it which counts.
KNOWN = frozenset(_KINDS)


def _sortable(type: Any, x: str, depth: int) -> str:
    """Return a value as one that sorts differently from those of all other values of its type."""
    kind = type.id
    if kind in _LOOSE:
        return _LOOSE[kind].format(x=x)
    if not _is_loose(type):
        return x
    parts = type.children
    if kind in ("list", "array"):
        return _each(parts[0][1], f"{x}::{parts[0][1]}[]" if kind == "array" else x, depth)
    item = f"e{depth}"
    if kind == "map":
        pair = _row([(part, f"{item}.{name}") for name, part in parts], depth + 1)
        return f"list_transform(map_entries({x}), lambda {item}: {pair})"
    if kind == "union":
        members = [(part, f"union_extract({x}, {literal(name)})") for name, part in parts[1:]]
        return f"if({x} is null, null, {_row(members, depth, f'tag := union_tag({x})::varchar')})"
    places = [f"[{n}]" if kind == "tuple" else f".{identifier(name)}" for n, (name, _) in enumerate(parts, 1)]
    fields = [(part, f"({x}){place}") for (_, part), place in zip(parts, places, strict=True)]
    return f"if({x} is null, null, {_row(fields, depth)})"


def _is_loose(type: Any) -> bool:
    if type.id in _LOOSE:
        return True
    return type.id in _NESTED and any(_is_loose(part) for name, part in type.children if name != "size")


def _each(part: Any, x: str, depth: int) -> str:
    return f"list_transform({x}, lambda e{depth}: {_sortable(part, f'e{depth}', depth + 1)})"


def _row(parts: Sequence[tuple[Any, str]], depth: int, *more: str) -> str:
    fields = [f"f{n} := {_sortable(part, x, depth)}" for n, (part, x) in enumerate(parts)]
    return f"struct_pack({', '.join([*more, *fields])})"

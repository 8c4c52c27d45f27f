"""Lists, structs and maps: the parts of their DuckDB types, and the SQL that reads them from JSON text.

DuckDB's own reading of JSON is too willing for a contract: 1.5 becomes the BIGINT 2, unknown and doubled
keys are lost, a trailing comma is fine.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from etl.engine.quoting import identifier, literal

_STRING = r'"(?:[^"\\]|\\.)*"'
# what DuckDB's JSON reader accepts beyond JSON, and what it would round, in a text without its strings
_NO_JSON = r"(?i),\s*[\]}]|nan|inf|/"
_LONG_NUMBER = r"\d[\d.]{15}"
_NAME = re.compile(r'\s*("(?:[^"]|"")*"|[^\s,()]+)\s+')
_KINDS = {
    "VARCHAR": ("VARCHAR",),
    "BOOLEAN": ("BOOLEAN",),
    **dict.fromkeys(("DOUBLE", "FLOAT"), ("DOUBLE", "BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT")),
    "DECIMAL": ("DOUBLE", "BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT", "VARCHAR"),
}
_INTEGER_KINDS = ("BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT")


@dataclass(frozen=True)
class Nested:
    """A list (`parts` is its item), a struct (`names` are those of its parts) or a map (key and value)."""

    kind: str
    parts: tuple[str, ...]
    names: tuple[str, ...] = ()
    size: int | None = None


def nested(type: str) -> Nested | None:
    """The parts of a nested DuckDB type; None for a plain one."""
    if found := re.fullmatch(r"(.*)\[(\d*)\]", type, re.S):
        return Nested("list", (found[1],), size=int(found[2]) if found[2] else None)
    if type.startswith("STRUCT("):
        fields = [_field(text) for text in _split(type[len("STRUCT(") : -1])]
        return Nested("struct", tuple(kind for _, kind in fields), tuple(name for name, _ in fields))
    if type.startswith("MAP("):
        return Nested("map", tuple(text.strip() for text in _split(type[len("MAP(") : -1])))
    return None


def parsed_json(text: str, type: str, leaf: Callable[[str, str], str]) -> str:
    """The expression of nested `type` for the varchar expression `text`; null where it is no such JSON.

    `leaf(text, type)` is the expression of a plain type. A key that JSON lacks is null; one that the type
    lacks is refused, as is one that is there twice. A map is an object. Numbers that DuckDB would round on
    their way, beyond 15 digits in a DECIMAL, are to be written as JSON strings.
    """
    skeleton = f"regexp_replace({text}, {literal(_STRING)}, '\"\"', 'g')"
    strict = f"not regexp_matches({skeleton}, {literal(_NO_JSON)})"
    if "DECIMAL" in type:
        strict += f" and not regexp_matches({skeleton}, {literal(_LONG_NUMBER)})"
    ok, value = _fits("j", type, leaf, 0), _value("j", type, leaf, 0)
    # a list of one, since SQL has no `let`
    bound = f"list_transform([{text}::json], lambda j: case when {ok} then {value} end)[1]"
    return f"case when json_valid({text}) and {strict} then {bound} end"


def _split(text: str) -> list[str]:
    """The text between the commas that stand in no brackets and no quotes."""
    parts, depth, quoted, start = [], 0, False, 0
    for position, char in enumerate(text):
        quoted ^= char == '"'
        depth += (char in "([") - (char in ")]") if not quoted else 0
        if char == "," and not depth and not quoted:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]


def _field(text: str) -> tuple[str, str]:
    found = _NAME.match(text)
    if found is None:
        raise ValueError(f"{text!r} is not a field of a STRUCT")
    name = found[1]
    return (name[1:-1].replace('""', '"') if name.startswith('"') else name), text[found.end() :].strip()


def _fits(json: str, type: str, leaf: Callable[[str, str], str], depth: int) -> str:
    """Whether a JSON value is one of the type; JSON's null always is."""
    parts = nested(type)
    if parts is None:
        return _leaf_fits(json, type, leaf)
    item = f"x{depth}"
    deeper = partial(_fits, leaf=leaf, depth=depth + 1)
    if parts.kind == "list":
        inner = deeper(item, parts.parts[0])
        size = "" if parts.size is None else f" and json_array_length({json}) = {parts.size}"
        fits = f"json_type({json}) = 'ARRAY'{size} and {_all(f'json_extract({json}, {_ITEMS})', item, inner)}"
    elif parts.kind == "map":
        key = leaf(item, parts.parts[0])
        keys = f"list_transform(json_keys({json}), lambda {item}: {key})"
        # '1' and '01' are two keys of JSON, and one of a MAP(BIGINT, ...)
        keys = f"len(json_keys({json})) = list_unique({keys})"
        values = _all(f"json_extract({json}, '$.*')", item, deeper(item, parts.parts[1]))
        fits = f"json_type({json}) = 'OBJECT' and {keys} and {values}"
    else:
        names = literal(list(parts.names))
        known = f"json_type({json}) = 'OBJECT' and {_distinct(json)} and list_has_all({names}, json_keys({json}))"
        fields = [deeper(_part(json, n), kind) for n, kind in zip(parts.names, parts.parts, strict=True)]
        fits = " and ".join([known, *fields])
    return f"({_is_null(json)} or ({fits}))"


def _value(json: str, type: str, leaf: Callable[[str, str], str], depth: int) -> str:
    parts = nested(type)
    if parts is None:
        return leaf(_text(json), type)
    item = f"x{depth}"
    deeper = partial(_value, leaf=leaf, depth=depth + 1)
    if parts.kind == "list":
        value = f"list_transform(json_extract({json}, {_ITEMS}), lambda {item}: {deeper(item, parts.parts[0])})"
    elif parts.kind == "map":
        keys = f"list_transform(json_keys({json}), lambda {item}: {leaf(item, parts.parts[0])})"
        values = f"list_transform(json_extract({json}, '$.*'), lambda {item}: {deeper(item, parts.parts[1])})"
        value = f"map({keys}, {values})"
    else:
        fields = zip(parts.names, parts.parts, strict=True)
        value = "{" + ", ".join(f"{identifier(n)}: {deeper(_part(json, n), t)}" for n, t in fields) + "}"
    return f"case when not {_is_null(json)} then {value} end::{type}"


def _leaf_fits(json: str, type: str, leaf: Callable[[str, str], str]) -> str:
    family = type.partition("(")[0]
    kinds = _KINDS.get(family, _INTEGER_KINDS if family.endswith("INT") or family == "INTEGER" else ("VARCHAR",))
    listed = ", ".join(map(literal, kinds))
    return f"({_is_null(json)} or (json_type({json}) in ({listed}) and {leaf(_text(json), type)} is not null))"


_ITEMS = "'$[*]'"


def _all(items: str, name: str, condition: str) -> str:
    return f"coalesce(list_bool_and(list_transform({items}, lambda {name}: {condition})), true)"


def _distinct(json: str) -> str:
    return f"len(json_keys({json})) = len(list_distinct(json_keys({json})))"


def _part(json: str, name: str) -> str:
    path = "/" + name.replace("~", "~0").replace("/", "~1")
    return f"json_extract({json}, {literal(path)})"


def _text(json: str) -> str:
    return f"json_extract_string({json}, '$')"


def _is_null(json: str) -> str:
    return f"coalesce(json_type({json}) = 'NULL', true)"

"""What an author writes beside a column's type and checks: metadata={"unit": "minutes", "pii": True, ...}."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from etl.contract.audit import HeaderAudit
from etl.contract.audit_kinds import AUDIT_KINDS, parsed
from etl.contract.clocks import AMBIGUOUS, NONEXISTENT, ZONED
from etl.contract.masking import MASKS
from etl.contract.moments import COUNTS, WORDS, month_problem, months_of
from etl.contract.numerals import number_of
from etl.contract.spelling import NUMBERS, format_problem
from etl.contract.values import is_mark, is_year
from etl.engine import bare_cursor
from etl.engine.quoting import identifier
from etl.errors import unknown

_SEVERITIES = {"": "error", "_warn": "warn"}
_COLUMN_AUDITS = sorted(name for name, kind in AUDIT_KINDS.items() if kind.after_column is not None)
_TABLE_AUDITS = sorted(name for name, kind in AUDIT_KINDS.items() if kind.of_table)
_OWN_KEYS = (
    *("aliases", "ambiguous", "clean", "decimal", "format", "months", "nonexistent", "number", "pii", "sql"),
    *("sql_warn", "thousands", "two_digit_years_until", "unit"),
)
#: Keys of a column's metadata; "clean" is read by the cleansing of raw cells.
COLUMN_KEYS = tuple(sorted((*_OWN_KEYS, *(kind + ending for kind in _COLUMN_AUDITS for ending in _SEVERITIES))))
#: Those that say how a raw file writes a column, and so are not for a table that is built.
RAW_KEYS = (
    *("aliases", "ambiguous", "clean", "decimal", "format", "months", "nonexistent", "number", "thousands"),
    "two_digit_years_until",
)
#: The keys of both that ask for rules in SQL.
SQL_KEYS = ("sql", "sql_warn")
#: Keys of a model's own metadata, in its Config.
MODEL_KEYS = (*SQL_KEYS, *(kind + ending for kind in _TABLE_AUDITS for ending in _SEVERITIES))
_MOMENTS = ("TIMESTAMP", ZONED)
# what a strptime format says of the time of day, which a DATE would lose
_TIME_CODES = ("%H", "%I", "%M", "%S", "%f", "%g", "%n", "%p", "%X", "%c", "%z", "%Z", "%-H", "%-I", "%-M", "%-S")


def checked_metadata(metadata: Any, keys: Sequence[str]) -> Mapping[str, Any]:
    """Return the metadata, which has only known keys and values that are plain data; ValueError if not."""
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise ValueError(f"metadata {metadata!r} is not a dict")
    for key, value in metadata.items():
        if key not in keys:
            raise ValueError(unknown(f"metadata has no key {key!r}", str(key), keys))
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"metadata {key!r}: {value!r} is not plain data: {error}. Write text") from error
    return metadata


def column_facts(metadata: Mapping[str, Any], name: str, type: str) -> dict[str, Any]:
    """Return the fields of a Column that its metadata gives; ValueError says what is wrong with one."""
    found: dict[str, Any] = {}
    if "unit" in metadata:
        found["unit"] = _text(metadata, "unit")
    if metadata.get("pii") not in (None, False):
        found["pii"] = _pii(metadata["pii"])
    if "aliases" in metadata:
        found["aliases"] = _aliases(metadata["aliases"], name)
    if "format" in metadata:
        found |= _formats(metadata["format"], type)
    if "months" in metadata:
        found["months"] = _months(metadata["months"], found)
    if "number" in metadata:
        if not type.startswith(NUMBERS):
            raise ValueError(f"metadata 'number' is for numbers, and the column is {type}")
        found["number"] = number_of(metadata["number"], type)
    if (year := metadata.get("two_digit_years_until")) is not None:
        if type not in ("DATE", *_MOMENTS):
            raise ValueError(
                f"metadata 'two_digit_years_until' is for dates and timestamps, and the column is {type}"
            )
        if not is_year(year):
            raise ValueError(f"metadata 'two_digit_years_until': {year!r} is not a year, such as 2049")
        found["two_digit_years_until"] = year
    return found | _marks(metadata, type) | _clocks(metadata, type)


def column_audits(metadata: Mapping[str, Any], name: str) -> Iterator[HeaderAudit]:
    """Yield the built-in audits that a column's metadata asks for; ValueError says what is wrong with one."""
    for kind in _COLUMN_AUDITS:
        yield from _audits(metadata, [kind], f"{identifier(name)}{AUDIT_KINDS[kind].after_column}")


def table_audits(metadata: Mapping[str, Any]) -> Iterator[HeaderAudit]:
    """Yield the built-in audits that a Config's metadata asks for; ValueError says what is wrong with one."""
    return _audits(metadata, _TABLE_AUDITS)


def _audits(metadata: Mapping[str, Any], kinds: Sequence[str], before: str = "") -> Iterator[HeaderAudit]:
    for kind in kinds:
        for ending, severity in _SEVERITIES.items():
            texts = metadata.get(kind + ending, [])
            for text in texts if isinstance(texts, list | tuple) else [texts]:
                if not isinstance(text, str):
                    raise ValueError(
                        f"metadata {kind + ending!r}: {texts!r} is neither a text nor a list of texts"
                    )
                # an error in it is one of the contract
                list(parsed(kind, before + text))
                yield HeaderAudit(kind, before + text, severity)


def _text(metadata: Mapping[str, Any], key: str) -> str:
    value = metadata[key]
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"metadata {key!r}: {value!r} is not a text")
    return value.strip()


def _pii(value: object) -> str:
    if value is True:
        return "hash"
    if value in MASKS:
        return str(value)
    raise ValueError(f"metadata 'pii': {value!r} is not one of True, {', '.join(map(repr, MASKS))}")


def _aliases(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(alias, str) and alias for alias in value):
        raise ValueError(f"metadata 'aliases': {value!r} is not a list of names")
    if name in value or len(set(value)) < len(value):
        raise ValueError(f"metadata 'aliases': {value!r} holds the column's own name, or one name twice")
    return tuple(value)


def _marks(metadata: Mapping[str, Any], type: str) -> dict[str, str]:
    """Return the marks in numbers that a column says of itself; None says that there is no thousands mark."""
    found = {key: metadata[key] or "" for key in ("decimal", "thousands") if key in metadata}
    if found and not type.startswith(NUMBERS):
        raise ValueError(f"metadata {next(iter(found))!r} is for numbers, and the column is {type}")
    if "decimal" in found and not found["decimal"]:
        raise ValueError("metadata 'decimal' is empty. Write the decimal mark, such as '.'")
    for key, mark in found.items():
        if mark and not is_mark(mark):
            raise ValueError(f"metadata {key!r}: {mark!r} is not one mark, such as '.' or ','")
    if found.get("decimal") and found.get("decimal") == found.get("thousands"):
        raise ValueError(f"metadata 'decimal' and 'thousands' are both {found['decimal']!r}")
    return found


def _clocks(metadata: Mapping[str, Any], type: str) -> dict[str, str]:
    """Return what a column says of local times that come twice, or not at all, when the clocks change."""
    found = {}
    for key, choices in (("ambiguous", AMBIGUOUS), ("nonexistent", NONEXISTENT)):
        if key not in metadata:
            continue
        if type != ZONED:
            raise ValueError(f"metadata {key!r} is for timestamps with a time zone, and the column is {type}")
        if metadata[key] not in choices:
            raise ValueError(f"metadata {key!r}: {metadata[key]!r} is not one of {', '.join(map(repr, choices))}")
        found[key] = str(metadata[key])
    return found


def _formats(value: object, type: str) -> dict[str, Any]:
    """Return the field of a Column for one format, or for several."""
    if not isinstance(value, list | tuple):
        return {"format": _format(_text({"format": value}, "format"), type)}
    formats = tuple(_format(_text({"format": one}, "format"), type) for one in value)
    if len(formats) < 2 or len(set(formats)) < len(formats):
        raise ValueError(
            f"metadata 'format': {value!r} is not a list of different formats. Write a text, or several"
        )
    return {"formats": formats}


def _months(value: object, found: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    formats = [*found.get("formats", ()), *filter(None, [found.get("format", "")])]
    problems = [month_problem(format) for format in formats]
    if not formats or all(problems):
        said = problems[0] if problems else "there is no format"
        raise ValueError(f"metadata 'months': {said}. Write one beside it, such as \"format\": '%d %B %Y'")
    return months_of(value)


def _format(value: str, type: str) -> str:
    import duckdb

    if type not in ("DATE", *_MOMENTS):
        raise ValueError(f"metadata 'format' is for dates and timestamps, and the column is {type}")
    if value in WORDS:
        return _word(value, type)
    if "%" not in value:
        raise ValueError(
            unknown(
                f"metadata 'format': {value!r} has no % of strptime", value, WORDS, "Write one such as '%d.%m.%Y'"
            )
        )
    if problem := format_problem(value, type):
        raise ValueError(f"metadata 'format': {problem}")
    if type == "DATE" and (lost := [code for code in _TIME_CODES if code in value.replace("%%", "")]):
        raise ValueError(f"metadata 'format': {value!r} has {lost[0]}, a time of day. A DATE would lose it")
    try:
        with bare_cursor() as con:
            con.execute("select try_strptime('', ?), strftime(timestamp '2013-01-31', ?)", [value, value])
    except duckdb.Error as error:
        raise ValueError(f"metadata 'format': DuckDB refuses {value!r}: {error}") from error
    return value


def _word(value: str, type: str) -> str:
    """Return the name of a format of etl's own; ValueError if values of the type cannot be written in it."""
    if value in COUNTS and value.startswith("epoch") and type == "TIMESTAMP":
        raise ValueError(
            f"metadata 'format': {value!r} counts from an instant, and a TIMESTAMP without a time zone would "
            "lose which one it is. Give the column a type with one, such as "
            'Annotated[pd.DatetimeTZDtype, "us", "UTC"]'
        )
    return value

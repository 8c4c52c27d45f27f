"""Names for what is proposed: attributes for columns, a class, a source, and its files below data/raw."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from etl.sources.connectors.pattern import day_of, file_pattern

_DATE = re.compile(r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)")
#: Spellings of a date in a name, and how `files` says them; last those of weeks, quarters and months.
_SPELLINGS = (
    (_DATE, "{date}"),
    (re.compile(r"(?<!\d)\d{8}(?!\d)"), "{date:%Y%m%d}"),
    (re.compile(r"(?<!\d)\d{4}_\d{2}_\d{2}(?!\d)"), "{date:%Y_%m_%d}"),
    (re.compile(r"(?<!\d)\d{4}\.\d{2}\.\d{2}(?!\d)"), "{date:%Y.%m.%d}"),
    *((re.compile(rf"(?<!\d)\d{{4}}{mark}W\d{{2}}(?!\d)"), f"{{date:%G{mark}W%V}}") for mark in ("-", "_", "")),
    *((re.compile(rf"(?<!\d)\d{{4}}{mark}Q\d(?!\d)"), f"{{date:%Y{mark}Q%q}}") for mark in ("-", "_", "")),
    *((re.compile(rf"(?<!\d)\d{{4}}{mark}\d{{2}}(?!{mark}?\d)"), f"{{date:%Y{mark}%m}}") for mark in ("-", "_")),
    (re.compile(r"(?<!\d)\d{6}(?!\d)"), "{date:%Y%m}"),
)
# what a contract file itself calls by name
_TAKEN = {*("pa", "pd", "pyarrow", "date", "Annotated", "Source", "int", "float", "str", "bool", "Config")}
_TAKEN |= {"Csv", "Debezium", "JsonLines", "Json", "Parquet", "Excel", "Xml", "FixedWidth"}


def attributes(columns: Sequence[str]) -> list[str]:
    """Return a Python name for each column: its own where that is one."""
    from pandera.pandas import DataFrameModel

    found: list[str] = []
    for column in columns:
        name = _identifier(column)
        if name in _TAKEN or keyword.iskeyword(name) or hasattr(DataFrameModel, name):
            name += "_"
        found.append(_unlike(name, found))
    return found


def distinct(columns: Iterable[str]) -> list[str]:
    """Return the names so that all differ, in DuckDB's eyes too, which ignores case; empty ones get a number."""
    found: list[str] = []
    for number, column in enumerate(columns, 1):
        name = column or f"column_{number}"
        while name.lower() in {other.lower() for other in found}:
            name += f"_{number}"
        found.append(name)
    return found


def free(name: str, taken: Iterable[str]) -> str:
    """Return `name`, with a number behind it if it is taken."""
    return _unlike(name, list(taken))


def source_name(path: Path) -> str:
    """Return a name for the source from the file's name, or its folder's where that is only a date."""
    for part in (path.name.lstrip(".").partition(".")[0], path.resolve().parent.name):
        text = part
        for pattern, _ in _SPELLINGS:
            text = pattern.sub(" ", text)
        name = re.sub("[^a-z0-9]+", "_", unicodedata.normalize("NFKD", text).lower()).strip("_")
        if name.strip("0123456789_"):
            name = f"source_{name}" if name[0].isdigit() else name
            return f"{name}_file" if name in _TAKEN or keyword.iskeyword(name) else name
    return "deliveries"


def class_name(source: str) -> str:
    """Return the name of the model for a source."""
    name = "".join(part.capitalize() for part in source.split("_"))
    return f"{name}Record" if name in _TAKEN or keyword.iskeyword(name) else name


def files(path: Path) -> tuple[str, list[str]]:
    """Return Source's `files` for a path, the date in its name as {date}, and what to say about it."""
    found, is_below = dated_below(path)
    return found, [] if is_below else ["`files` is a path below data/raw: say where deliveries of this kind come."]


def dated_below(path: Path) -> tuple[str, bool]:
    """Return a path below data/raw, or its name elsewhere, with its date as {date}; and whether it is below."""
    parts = path.absolute().parts
    is_below = "raw" in parts[:-1]
    return dated("/".join(parts[len(parts) - parts[::-1].index("raw") :] if is_below else parts[-1:])), is_below


def date_in(path: Path) -> date | None:
    """Return the date that `files` would find in a path; None if it has none."""
    text = "/".join(path.absolute().parts[-4:])
    for pattern, spelling in _SPELLINGS:
        for match in reversed(list(pattern.finditer(text))):
            if day := _day(match[0], spelling):
                return day
    return None


def dated(path: str) -> str:
    """Return a path with its last date as {date}, and what has a meaning in `files` as _."""
    text = re.sub(r"[*?\[\]{}\0]", "_", path)
    if text != path:
        return text
    for pattern, spelling in _SPELLINGS:
        for match in reversed(list(pattern.finditer(text))):
            if _day(match[0], spelling):
                return f"{text[: match.start()]}{spelling}{text[match.end() :]}"
    return text


def _day(text: str, spelling: str) -> date | None:
    """Return the date of a text in a spelling; None if there is no such day, or it is of another time."""
    day = day_of(file_pattern(spelling).segments[0].match(text, {}) or {})
    return day if day and day.year in range(1950, 2100) else None


def _identifier(column: str) -> str:
    if column.isidentifier() and unicodedata.normalize("NFKC", column) == column and column[0] != "_":
        return column
    name = re.sub(r"\W+", "_", unicodedata.normalize("NFKC", column)).strip("_")
    return name if name and name.isidentifier() else f"column_{name}".rstrip("_")


def _unlike(name: str, others: Sequence[str]) -> str:
    base, number = name, 1
    while name in others:
        number += 1
        name = f"{base}_{number}"
    return name

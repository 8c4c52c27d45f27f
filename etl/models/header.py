"""The header of a model: comment lines `-- name: value` at its top that say how it is built, and for whom."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from etl.contract.audit import Audit, HeaderAudit
from etl.contract.audit_kinds import AUDIT_KEYS, audits_of
from etl.errors import ModelError, sentence, unknown
from etl.models.asked import ABSENT, ALWAYS, DELIVERY, Header
from etl.models.kinds import KINDS, MATERIALIZED, kinds_with
from etl.models.model import Model

_LINE = re.compile(r"--+\s*(?:[*•-]\s+)?(?:(warn)\s+)?([a-z][a-z_-]*)\s*([:=])(?!//)\s*(.*?)\s*", re.IGNORECASE)
_DOCSTRING = re.compile(r"\s*[rRuU]?(\"{3}|'{3}|\"|').*?\1", re.DOTALL)
# so close to a key must a comment be that is not written as one
_LIKE = 0.8
_EXPORTS = ("parquet",)
_STORAGES = ("lake",)
_ENGINES = ("spark",)
_TTL = re.compile(r"[1-9]\d{0,4} (minute|hour|day|week|month|year)s?")
#: The keys that mean nothing without another one.
_TOGETHER = {
    **{"entity": "event_time", "event_time": "entity", "ttl": "entity"},
    **{"features": "at", "at": "features"},
}
#: The keys that may be given again, each time for another column.
_REPEATED = {"column"}


@dataclass(frozen=True)
class Line:
    """One line of a header."""

    number: int
    key: str
    value: str
    # Whether it begins with the word `warn`.
    is_warning: bool = False


def read_header(file: str, text: str) -> tuple[Header, Mapping[str, int]]:
    """Return what a model's header says, and the line of each of its keys.

    Raises ModelError naming file and line for an unknown key, a key given twice, a value that is none of its
    kind, a key that the way of building needs, and one that does not go with it.
    """
    lines: dict[str, Line] = {}
    values: dict[str, Any] = {}
    for line in header_lines(text):
        if line.key in AUDIT_KEYS:
            continue
        if line.is_warning:
            raise _error(file, line, f"only audits can warn: {', '.join(AUDIT_KEYS)}")
        if line.key not in _PARSERS:
            raise _error(file, line, _unknown(line.key))
        if line.key in lines and line.key not in _REPEATED:
            raise _error(file, line, f"'{line.key}' is given twice, first in line {lines[line.key].number}")
        lines.setdefault(line.key, line)
        value = _value(file, line)
        values[line.key] = values.get(line.key, ()) + value if line.key in _REPEATED else value
    for key in _REPEATED & values.keys():
        names = [name.lower() for name, _ in values[key]]
        if twice := [name for name in names if names.count(name) > 1]:
            raise _error(file, lines[key], f"{key}: {twice[0]} is given twice")
    if "known" in values:
        values["known"], values["known_columns"] = values["known"]
    header = Header(**values)
    _check(file, header, lines)
    return header, {key: line.number for key, line in lines.items()}


def _value(file: str, line: Line) -> Any:
    if not line.value:
        raise _error(file, line, f"'{line.key}' has no value")
    try:
        return _PARSERS[line.key](line.value)
    except ValueError as error:
        raise _error(file, line, f"{line.key}: {line.value} {error}") from None


def read_audits(table: str, file: str, text: str, training: str = "") -> list[Audit]:
    """Return the audits of built-in kinds that a model's header asks for, once or many times each.

    Raises ModelError naming file and line for a text that is not of its kind's grammar.
    """
    lines = [line for line in header_lines(text) if line.key in AUDIT_KEYS]
    asked = [HeaderAudit(x.key, x.value, "warn" if x.is_warning else "error", x.number) for x in lines]
    partition = next((line.value for line in header_lines(text) if line.key == "partition"), "")
    return audits_of(table, file, [*asked, *free_audits(text)], partition, training)


def free_audits(text: str) -> Iterator[HeaderAudit]:
    """Yield the audits without which a join by time is a coin toss: no row without entity and time, none twice."""
    lines = {line.key: line for line in header_lines(text)}
    if "entity" in lines and "event_time" in lines:
        is_by_delivery = "known" in lines and lines["known"].value == DELIVERY
        names = ("entity", "event_time", "partition" if is_by_delivery else "known")
        columns = ", ".join(lines[name].value for name in names if name in lines)
        for kind in ("not_null", "unique"):
            yield HeaderAudit(kind, columns, "error", lines["entity"].number)


def header_lines(text: str) -> Iterator[Line]:
    """Yield the lines of a header, wherever they are in the comments before the first word of the SELECT.

    Of a line in capital letters, and of one with `=` or a hyphen, only what is close to a key is one.
    """
    for comment in header_comments(text):
        match = _LINE.fullmatch(comment.text) if comment.is_line else None
        if match and _is_meant(match[2], match[3]):
            key = match[2].lower() if match[3] == ":" else f"{match[2]} ="
            yield Line(comment.number, key, match[4] or "", match[1] is not None)


class Comment(NamedTuple):
    """A line of the comments before the first word, or an empty one; `is_line` says that it begins with `--`."""

    number: int
    text: str
    is_line: bool = False


def header_comments(text: str) -> Iterator[Comment]:
    """Yield the lines of comments before the first word, and the empty ones; of a block, its text alone."""
    is_block = False
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        rest = line.strip()
        if not is_block and not rest:
            yield Comment(number, "")
        while is_block or rest.startswith("/*"):
            rest = rest if is_block else rest[2:]
            inner, end, rest = rest.partition("*/")
            is_block = not end
            yield Comment(number, inner.strip().lstrip("*").strip())
            if is_block:
                break
            rest = rest.strip()
        if is_block or not rest:
            continue
        if not rest.startswith("--"):
            return
        yield Comment(number, rest, is_line=True)


def _is_meant(key: str, mark: str) -> bool:
    """Return whether a comment that looks like a line of a header is one, or was meant to be."""
    return bool(mark == ":" and re.fullmatch("[a-z_]+", key)) or bool(closest_key(key))


def closest_key(word: str) -> str:
    """Return the key that a word is, or is nearly; nothing if it is like no key."""
    found = difflib.get_close_matches(word.lower().replace("-", "_"), [*_PARSERS, *AUDIT_KEYS], 1, _LIKE)
    return found[0] if found else ""


def parse_value(key: str, value: str) -> Any:
    """Return what a value says for a key that is not an audit's; ValueError if it is not one of its kind."""
    return _PARSERS[key](value)


def as_sql(text: str) -> str:
    """Return the text of a Python model with its comments as SQL has them, line by line."""
    text = re.sub(r"^[ \t]*#!?[ \t]?", "-- ", text.removeprefix("\ufeff"), flags=re.MULTILINE)
    comments = re.match(r"(?:\s*--[^\n]*\n)*", text)
    start = comments.end() if comments else 0
    if docstring := _DOCSTRING.match(text, start):
        return text[:start] + "\n" * docstring[0].count("\n") + text[docstring.end() :]
    return text


def place_of(folder: Path, model: Model, key: str) -> str:
    """Return file and line of a key in the header of a model under `folder`, for messages."""
    text = (folder.parent / model.file).read_text(encoding="utf-8-sig")
    text = as_sql(text) if model.file.endswith(".py") else text
    return f"{model.file}:{next((line.number for line in header_lines(text) if line.key == key), 1)}"


def _check(file: str, header: Header, lines: Mapping[str, Line]) -> None:
    kind = KINDS[header.materialized]
    for key in kind.needs:
        if key not in lines:
            number = lines["materialized"].number
            raise ModelError(f"{file}:{number}: materialized: {kind.name} needs a line `-- {key}: ...`.")
    for key, line in lines.items():
        if kind.name not in (kinds := kinds_with(key)):
            what = f"'{key}' goes with materialized: {' or '.join(kinds)}, and not with {kind.name}"
            raise _error(file, line, what)
    for key, other in _TOGETHER.items():
        if key in lines and other not in lines:
            raise _error(file, lines[key], f"{key}: it needs a line `-- {other}: ...`")
    if header.known == ALWAYS and not header.known_columns:
        what = "known: always needs columns that are known later, such as known: always, delay = arrived_at"
        raise _error(file, lines["known"], what)
    if header.entity and header.known_columns:
        what = "known: a feature has one time at which it is known. Name its column alone"
        raise _error(file, lines["known"], what)
    if header.known == DELIVERY and not header.partition:
        raise _error(file, lines["known"], "known: delivery needs a line `-- partition: ...`")
    if header.versions and header.ignores:
        raise _error(
            file, lines["ignores"], "ignores: versions already says which columns count. Remove one of the two"
        )
    if header.deletes == ABSENT and not header.partition:
        raise _error(file, lines["deletes"], "deletes: absent needs a line `-- partition: ...`")
    if header.deletes == ABSENT and header.valid_from:
        raise _error(
            file, lines["valid_from"], "valid_from: with deletes: absent it is the snapshot's own date. Remove it"
        )


def _unknown(key: str) -> str:
    return unknown(f"there is no header key '{key}'", key, [*_PARSERS, *AUDIT_KEYS])


def _error(file: str, line: Line, what: str) -> ModelError:
    return ModelError(f"{file}:{line.number}: {sentence(what)}")


def _names(value: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in value.split(","))
    if not all(names) or len({name.lower() for name in names}) < len(names):
        raise ValueError("is not a list of different names with commas between them")
    return names


def _name(value: str) -> str:
    if "," in value:
        raise ValueError("is more than one name")
    return value


def _known(value: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the time at which a row is known, and those of its columns that are known later."""
    (row, *more), *parts = [[side.strip() for side in part.split("=")] for part in value.split(",")]
    names = [part[0].lower() for part in parts]
    if not row or more or not all(len(part) == 2 and all(part) for part in parts) or len({*names}) < len(names):
        raise ValueError("is not the time of a row, with others behind it such as delay = arrived_at")
    return row, tuple((column, time) for column, time in parts)


def _days(value: str) -> int:
    match = re.fullmatch(r"([1-9]\d{0,3}) days?", value)
    if not match:
        raise ValueError("is not a number of days such as 7 days")
    return int(match[1])


def _ttl(value: str) -> str:
    if not _TTL.fullmatch(value):
        raise ValueError("is not a time such as 18 hours or 60 days")
    return value


def _minutes(value: str) -> float:
    if not re.fullmatch(r"\d{1,5}(\.\d+)?", value) or not float(value):
        raise ValueError("is not a number of minutes such as 30")
    return float(value)


def _units(value: str) -> tuple[tuple[str, str], ...]:
    pairs = [pair.partition("=") for pair in value.split(",")]
    if not all(name.strip() and unit.strip() for name, _, unit in pairs):
        raise ValueError("is not a list such as delay = minutes, distance = miles")
    return tuple((name.strip(), unit.strip()) for name, _, unit in pairs)


def _description(value: str) -> tuple[tuple[str, str]]:
    name, _, text = value.partition("=")
    if not name.strip() or not text.strip():
        raise ValueError("is not a column and what it says, such as delay = Minutes after the scheduled time")
    return ((name.strip(), text.strip()),)


def _one_of(*known: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in known:
            raise ValueError(f"is not one of {', '.join(known)}")
        return value

    return parse


_PARSERS: dict[str, Callable[[str], Any]] = {
    "materialized": _one_of(*MATERIALIZED),
    "partition": _name,
    "lookback": _days,
    "key": _names,
    "order": _names,
    "deletes": _name,
    "valid_from": _name,
    "versions": _names,
    "ignores": _names,
    "tolerates": _names,
    "contract": _name,
    "owner": str,
    "tags": _names,
    "unit": _units,
    "column": _description,
    "entity": _names,
    "event_time": _name,
    "ttl": _ttl,
    "known": _known,
    "features": _names,
    "at": str,
    "storage": _one_of(*_STORAGES),
    "engine": _one_of(*_ENGINES),
    "export": _one_of(*_EXPORTS),
    "timeout_minutes": _minutes,
    "optional": lambda value: bool(_one_of("yes")(value)),
}

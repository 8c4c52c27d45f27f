"""Lines of a header that stand where nothing reads them: below the first word, or between /* and */."""

from __future__ import annotations

import re
from collections.abc import Iterator

from etl.contract.audit_kinds import AUDIT_KEYS, parsed
from etl.errors import ModelError
from etl.models.header import closest_key, parse_value

_LINE = re.compile(r"\s*--+\s*(?:warn\s+)?([a-z][a-z_-]*)\s*:(?![:/])\s*(.*?)\s*", re.IGNORECASE)
_NAMES = re.compile(r'(?:[\w.]+|"[^"]+")(?:\s*,\s*(?:[\w.]+|"[^"]+"))*')
# who owns a model is free text; of a sentence, or of what explains a word, it is none
_OWNER = re.compile(r"(?!(?:the|an?|who|whose|what|which|whoever)\b)\S+(?:\s+\S+){0,2}", re.IGNORECASE)


def check_misplaced(file: str, text: str) -> None:
    """Raise ModelError for a comment below the first word that has a key of a header, or nearly, and its value.

    What is no value of the key is prose, such as `-- order: newest first`; so is a comment behind code or in a
    string, and one between `/*` and `*/` there. Above the first word, a line between these is told too.
    """
    for number, key, line in _in_blocks(text):
        raise ModelError(
            f"{file}:{number}: `{line}` is between /* and */, where no header is read. Write it as a line "
            f"`-- {key}: ...`. If it is only a comment, change its words."
        )
    for number, key, line in _below(text):
        hint = "" if key in line.lower() else f" as `-- {key}: ...`"
        raise ModelError(
            f"{file}:{number}: `{line}` is below the first word of the SELECT, where no header is read. "
            f"Move it above the SELECT{hint}. If it is only a comment, change its words."
        )


def _below(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield number, key and text of the lines that were meant to be of a header."""
    lines = text.removeprefix("\ufeff").splitlines(keepends=True)
    found = {n: key for n, line in enumerate(lines) if (key := _meant(line.rstrip()))}
    if not found:
        return
    starts = _comments(text.removeprefix("\ufeff"))
    offset = 0
    for number, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if number in found and offset + indent in starts:
            yield number + 1, found[number], line.strip()
        offset += len(line.encode())


def _in_blocks(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield number, key and text of the lines within block comments above the first word that have a key."""
    if "/*" not in text:
        return
    raw = text.removeprefix("\ufeff").encode()
    starts, first = _starts(raw.decode())
    for start in sorted(start for start in starts if start < first and raw.startswith(b"/*", start)):
        block = raw[start + 2 : raw.find(b"*/", start)].decode()
        for number, line in enumerate(block.split("\n"), 1 + raw.count(b"\n", 0, start)):
            shown = line.strip(" \t\r*-")
            if key := _meant(f"-- {shown}"):
                yield number, key, shown


def _meant(line: str) -> str:
    """Return the key of a header of which a line has a value; nothing of any other line."""
    match = _LINE.fullmatch(line)
    key = closest_key(match[1]) if match else ""
    return key if match and key and _is_value(key, match[2]) else ""


def _is_value(key: str, value: str) -> bool:
    try:
        if key in AUDIT_KEYS:
            return bool(list(parsed(key, value)))
        made = parse_value(key, value)
    except ValueError:
        return False
    if key == "owner":
        return bool(_OWNER.fullmatch(value))
    return not isinstance(made, str | tuple) or key in ("unit", "column", "ttl") or bool(_NAMES.fullmatch(value))


def _comments(text: str) -> set[int]:
    """Return where, in bytes, the comments begin that are below the first word."""
    starts, first = _starts(text)
    return {start for start in starts if start > first}


def _starts(text: str) -> tuple[set[int], int]:
    """Return where, in bytes, all comments begin, and the first word does."""
    import duckdb

    tokens = duckdb.tokenize(text)
    first = next((start for start, kind in tokens if kind != duckdb.token_type.comment), len(text.encode()))
    return {start for start, kind in tokens if kind == duckdb.token_type.comment}, first

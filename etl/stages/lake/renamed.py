"""What a refusal says of a column that its sender seems to have renamed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from etl.errors import closest, nearest, printable

#: So many missing columns are looked for, and among no more new ones than these.
_MOST_MISSING = 3
_MOST_COMPARED = 200
_WORD = re.compile(r"[^\W_]+")


def renamed(
    missing: Sequence[str],
    new: Sequence[str],
    *,
    expected: Sequence[str] = (),
    found: Sequence[str] = (),
    option: str = "",
) -> str:
    """Return which new name each missing column may have, and what to write then; empty if none is likely.

    `expected` are the contract's columns and `found` those of the file's header; where each record names its own
    cells, `option` of the format is what says how it calls them. A name is likely if it is spelled nearly alike,
    has all words of the other, or stands where the other did.
    """
    if len(new) > _MOST_COMPARED:
        return ""
    said, left = "", list(new)
    for name in missing[:_MOST_MISSING]:
        near = nearest(name, left) or _of_same_words(name, left) or _in_the_place_of(name, expected, found, left)
        if near is None:
            continue
        left.remove(near)
        shown = (closest(name, [near]) or [printable(near)])[0]
        said += f". New: {shown}. If it is `{printable(name)}`, "
        if option:
            said += f"add {option}={{{_quoted(name)}: {_quoted(near)}}} to the format"
        else:
            said += f"add metadata={{'aliases': [{_quoted(near)}]}} to its Field"
    return said


def _of_same_words(name: str, new: Sequence[str]) -> str | None:
    words = _words(name)
    return next((other for other in new if words and (words <= _words(other) or _words(other) < words)), None)


def _words(name: str) -> set[str]:
    # customerId is customer_id
    return {word.lower() for word in _WORD.findall(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name))}


def _in_the_place_of(name: str, expected: Sequence[str], found: Sequence[str], new: Sequence[str]) -> str | None:
    # a header without any name of the contract may be a record
    if name not in expected or len(found) != len(expected) or not set(expected) & set(found):
        return None
    other = found[expected.index(name)]
    return other if other in new else None


def _quoted(name: str) -> str:
    return repr(name) if name.isprintable() else f"'{printable(name)}'"

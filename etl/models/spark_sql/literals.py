"""Literals of text that mean the same in both engines, or can be written so that they do: dates, patterns."""

from __future__ import annotations

import re

from etl.models.spark_sql.types import text

_DATE = re.compile(r"(?!0000)\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")
_TIME = re.compile(_DATE.pattern + r"[ T]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?")
#: The pieces of a regular expression that both engines take alike, once written as below.
_PIECES = re.compile(
    r"[A-Za-z0-9 _,;:@%&=<>~'\"!/#-]"
    r"|\\[dDwW.,*+?()\[\]{}|^$/\\-]|\\s"
    r"|\[\^?(?:[A-Za-z0-9]-[A-Za-z0-9]|[A-Za-z0-9 _,;:.@%=<>~'\"!/#*+?(){}|$]|\\[dws.,/-]|-(?=\]))+\]"
    r"|[()|]|[*+?]|\{\d{1,3}(?:,\d{0,3})?\}"
)
_SPACE = r"\t\n\f\r "


def is_date(value: str) -> bool:
    """Return whether a text is a date that both engines read alike."""
    return _DATE.fullmatch(value) is not None


def is_time(value: str) -> bool:
    """Return whether a text is a time without a zone that both engines read alike."""
    return _TIME.fullmatch(value) is not None


def plain(value: str) -> str | None:
    """Return a text that is not a pattern, as SQL of Spark."""
    return text(value)


def replaced(value: str) -> str | None:
    """Return what replaces a match; None if it has what stands for a group in either engine."""
    return None if "\\" in value or "$" in value else text(value)


def sought(value: str) -> str | None:
    """Return what is looked for by replace(); None for nothing, of which each engine thinks another thing."""
    return text(value) if value else None


def like(value: str) -> str | None:
    """Return a pattern of LIKE; None with a backslash, which escapes in Spark alone."""
    return None if "\\" in value else text(value)


def regex(value: str) -> str | None:
    """Return a regular expression as Java writes it; None if one engine may understand it in another way.

    `$` is the end of all text, not that of a line before it, and \\s matches no vertical tab.
    """
    starts, ends = value.startswith("^"), value.endswith("$") and not value.endswith("\\$")
    inner, made, at = value[starts : len(value) - ends], [], 0
    if (starts or ends) and re.search(r"(?<!\\)\|", inner):
        return None
    while at < len(inner):
        piece = _PIECES.match(inner, at)
        if piece is None:
            return None
        in_brackets = piece[0].startswith("[")
        space = _SPACE if in_brackets else f"[{_SPACE}]"
        made.append(piece[0].replace("\\s", space))
        at = piece.end()
    found = ("^" if starts else "") + "".join(made) + (r"\z" if ends else "")
    try:
        re.compile(value)
    except re.error:
        return None
    if "(?" in inner:
        return None
    # a quantifier behind another one is possessive in Java, and lazy or refused in RE2
    return None if re.search(r"(?<!\\)[*+?}][*+?{]", inner) else text(found)


def regex_replaced(value: str) -> str | None:
    """Return a regular expression whose matches are replaced; None if one of them may be of no letter."""
    found = regex(value)
    return None if found is None or re.match(value, "") else found


#: What writes the literal at each mark of an entry.
MARKS = {"$0": replaced, "$1": plain, "$like": like, "$re": regex, "$sub": regex_replaced, "$sought": sought}

"""How a sender writes numbers and dates, turned into the spelling that parse.py reads; null for others."""

from __future__ import annotations

import re

from etl.formats.format import Values
from etl.quoting import literal

_NO_NUMBER = r"[+-]?([nN][aA][nN]|[iI]nf(inity)?)"
#: A year below this is two digits read by a format for four.
_FIRST_YEAR = 1000
_DIGIT = r"\d"
_SPACE = " \t\r\n\v\f"


def respelled_number(text: str, values: Values) -> str:
    """Return the SQL of a number's text with a point as decimal mark, and no thousands marks.

    Thousands marks must stand where they belong: `1.234` is a number with the marks `.` and `,`; `1.23` is none.
    """
    if (values.decimal, values.thousands) == (".", ""):
        return text
    decimal, thousands = re.escape(values.decimal), re.escape(values.thousands)
    whole = rf"\d{{1,3}}({thousands}\d{{3}})+|\d*" if thousands else r"\d*"
    shape = rf"[+-]?({whole})({decimal}\d*)?([eE][+-]?\d+)?|{_NO_NUMBER}"
    plain = f"replace({text}, {literal(values.thousands)}, '')" if thousands else text
    plain = plain if values.decimal == "." else f"replace({plain}, {literal(values.decimal)}, '.')"
    return f"case when regexp_full_match({text}, {literal(shape)}) then {plain} end"


def formatted_moment(text: str, type: str, format: str) -> str:
    """Return the SQL of a DATE or TIMESTAMP written in a strptime format."""
    moment = f"try_strptime({text}, {literal(format)})"
    # DuckDB takes `infinity`, `epoch` and space at the end whatever the format
    is_plain = f"regexp_matches({text}, {literal(_DIGIT)}) and {text} = trim({text}, {literal(_SPACE)})"
    return f"case when {is_plain} and year({moment}) >= {_FIRST_YEAR} then {moment}::{type} end"

"""CSV files that spreadsheets open: nothing in them is run, or taken for a number or a date, and all comes back.

A text that a spreadsheet would run, or write in another way, gets an apostrophe before it, and so does one that
begins with an apostrophe; unguarded() takes it off again.
"""

from __future__ import annotations

import re

from etl.engine.quoting import identifier, literal

#: What a spreadsheet takes for a formula; a tab or a line end before it is passed over.
_RUN = "['=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20]"
#: What it takes for a number, a time, a date or a truth, and writes in its own way.
_TAKEN = re.compile(
    r"[\s\d.,:/%$€£()-]*\d[\s\d.,:/%$€£()-]*(e[+-]?\d+|[ap]m)?"
    r"|\d{0,4}[-/. ]?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?[-/. ]?\d{0,4}[-/. ,]*\d{0,4}"
    r"|true|false|wahr|falsch|vrai|faux",
    re.IGNORECASE,
)
_LINE_END = re.compile(r"\r\n|\r|\n")
#: Nothing longer is taken for one of those.
_LONGEST_TAKEN = 60


def guarded(text: str) -> str:
    """Return a text as a cell of a spreadsheet that stays what it is."""
    is_taken = len(text) <= _LONGEST_TAKEN and _TAKEN.fullmatch(text.strip()) is not None
    return f"'{text}" if is_taken or re.match(_RUN, text.lstrip(" ")) else text


def unguarded(cell: str) -> str:
    """Return the text of a cell that guarded() made, edited or not."""
    return cell.removeprefix("'")


def guarded_sql(name: str) -> str:
    """Return the SQL of a column, of any type, as text that no spreadsheet runs; what is a number stays one."""
    column = f"{identifier(name)}::varchar"
    is_run = (
        f"regexp_matches(ltrim({column}, ' '), {literal(f'^{_RUN}')}) and try_cast({column} as double) is null"
    )
    return f"if({is_run}, chr(39) || {column}, {column}) as {identifier(name)}"


def with_line_ends(text: str, original: str) -> str:
    """Return a text with the line ends that the original has throughout: spreadsheets write their own."""
    ends = set(_LINE_END.findall(original))
    return ends.pop().join(_LINE_END.split(text)) if len(ends) == 1 else text


def same_line_ends(text: str) -> str:
    """Return a text with \\n for every line end."""
    return _LINE_END.sub("\n", text)

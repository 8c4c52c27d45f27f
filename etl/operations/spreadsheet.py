"""CSV files that spreadsheets open: nothing in them is run, or taken for a number or a date, and all comes back.

A text that a spreadsheet would run, or write in another way, gets an apostrophe before it, and so does one that
begins with an apostrophe; unguarded() takes it off again.
"""

from __future__ import annotations

import re

from etl.engine.quoting import identifier, literal

#: What a spreadsheet takes for a formula; a tab or a line end before it is passed over.
_RUN = "['=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20]"
_SPACE = r"\s\x0b\x1c-\x1f\x85\p{Z}"
_NUMERIC = rf"[{_SPACE}\p{{Nd}}.,:/%$€£()-]*"
#: What it takes for a number, a time, a date or a truth, and writes in its own way.
_TAKEN = (
    rf"(?i)[{_SPACE}]*({_NUMERIC}\p{{Nd}}{_NUMERIC}(e[+-]?\p{{Nd}}+|[ap]m)?"
    r"|\p{Nd}{0,4}[-/. ]?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
    r"\.?[-/. ]?\p{Nd}{0,4}[-/. ,]*\p{Nd}{0,4}"
    rf"|true|false|wahr|falsch|vrai|faux)[{_SPACE}]*"
)
_LINE_END = re.compile(r"\r\n|\r|\n")
#: Nothing longer is taken for one of those.
_LONGEST_TAKEN = 60


def unguarded(cell: str) -> str:
    """Return the text of a cell that guarded() made, edited or not."""
    return cell.removeprefix("'")


def guarded_text_sql(name: str) -> str:
    """Return the SQL of a text column as a cell of a spreadsheet that stays what it is."""
    column = identifier(name)
    is_taken = f"length({column}) <= {_LONGEST_TAKEN} and regexp_full_match({column}, {literal(_TAKEN)})"
    return f"if({_is_run_sql(column)} or ({is_taken}), chr(39) || {column}, {column})"


def guarded_sql(name: str) -> str:
    """Return the SQL of a column, of any type, as text that no spreadsheet runs; what is a number stays one."""
    column = f"{identifier(name)}::varchar"
    is_run = f"{_is_run_sql(column)} and try_cast({column} as double) is null"
    return f"if({is_run}, chr(39) || {column}, {column}) as {identifier(name)}"


def _is_run_sql(column: str) -> str:
    return f"regexp_matches(ltrim({column}, ' '), {literal(f'^{_RUN}')})"


def with_line_ends(text: str, original: str) -> str:
    """Return a text with the line ends that the original has throughout: spreadsheets write their own."""
    ends = set(_LINE_END.findall(original))
    return ends.pop().join(_LINE_END.split(text)) if len(ends) == 1 else text


def same_line_ends(text: str) -> str:
    """Return a text with \\n for every line end."""
    return _LINE_END.sub("\n", text)

"""Which of the last rows are no records, but totals and remarks; in doubt one is a record."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from etl.sources.formats.totals import is_total, word
from etl.sources.sniff.headers import columns_of
from etl.sources.sniff.notation import find_notation
from etl.sources.sniff.records import Row

_MOST_FOOTER = 10
#: What tells the line of a footer: its first word, with what stands before it.
_BEGIN = re.compile(r"\W*\w*")
# how a line begins that is a remark, or the count of a sender's trailer
_REMARK = re.compile(
    r"\W*(?:source|notes?|quelle|stand|hinweis|anmerkung|fuente|nota|fonte|eof|end|trailer|trl|generated|created|"
    r"printed|exported|erstellt|report|disclaimer|copyright|\d[\d,.]* (?:rows?|records?|lines?))\b"
    r"|\W*(?:©|\*+ ?\w|-{3,}|={3,}|_{3,})",
    re.IGNORECASE,
)


def footer_of(records: Sequence[Row], width: int) -> list[Row]:
    """Return the last records that are not of the table, behind two that are; empty if that is in doubt."""
    rows = [record for record in records if len(record.cells) == width]
    count = 0
    for above, record in reversed(list(pairwise(records[1:]))):
        has_width = len(record.cells) == width
        is_apart = record.line > above.line + 1 + above.text.count("\n")
        is_told = bool(is_apart and _REMARK.match(record.text))
        if not (is_told or (_is_sum(record, rows) if has_width else _is_remark(record))):
            break
        rows = rows[:-1] if has_width else rows
        count += 1
    return list(records[len(records) - count :]) if 0 < count <= _MOST_FOOTER else []


def pattern_of(footer: Sequence[Row], rows: Sequence[Row]) -> str:
    """Return a regular expression that a footer alone matches; empty if there is no such one."""
    begins = dict.fromkeys(_BEGIN.match(record.text)[0] for record in footer)  # type: ignore[index]
    pattern = "^" + "|^".join(map(escaped, begins)) if begins else ""
    return "" if not all(begins) or any(re.search(pattern, record.text) for record in rows) else pattern


def escaped(text: str) -> str:
    """Return a regular expression for a text, as a person would write it."""
    return re.escape(text).replace("\\ ", " ").replace("\\-", "-").replace("\\#", "#")


def _is_sum(record: Row, rows: Sequence[Row]) -> bool:
    """Return whether a record of the table's width is a total by its word, and not one of them all the same."""
    filled = [cell for cell in record.cells if cell.strip()]
    if not filled:
        return True
    if any(map(is_total, record.cells)):
        return True
    above = [row.cells for row in rows if row is not record]
    if not any(is_total(re.split(r"[ :]", cell)[0]) for cell in filled[:1]) or len(above) < 3:
        return False
    # "Total oil" may be an article; "Total EUR" in the place of a date is not
    cells = columns_of(above[1:])
    notation = find_notation(cells)
    types = [notation.type_of(column) for column in cells]
    return any(
        type != "str" and cell and notation.readers[type](cell) is None
        for type, cell in zip(types, record.cells, strict=True)
    )


def _is_remark(record: Row) -> bool:
    text = record.text.strip().strip(",;\t|").strip("\"' ")
    cells = [cell for cell in record.cells if cell.strip()] or [text]
    if any(map(is_total, cells)) or _REMARK.match(text):
        return True
    # a sentence, in a line without any delimiter of the table
    return len(cells) == 1 and len(text.split()) > 2 and bool(word(text)) and not text[0].isdigit()

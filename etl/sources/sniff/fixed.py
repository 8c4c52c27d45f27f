"""A draft from text in columns of a fixed width, which blanks tell apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from etl.sources.sniff import names
from etl.sources.sniff.columns import column
from etl.sources.sniff.headers import columns_of, header_size
from etl.sources.sniff.notation import find_notation
from etl.sources.sniff.oddities import of_text
from etl.sources.sniff.render import Draft
from etl.sources.sniff.sample import SAMPLE_RECORDS, Sample, Text

_LEAST_LINES = 3


def fixed_drafts(sample: Sample, text: Text) -> Iterator[Draft]:
    """Yield the draft of a text whose lines have the same blank columns; none if they have not."""
    lines = [line for line in text.text.splitlines() if line.strip()][:SAMPLE_RECORDS]
    if len(lines) < _LEAST_LINES or "\t" in text.text:
        return
    if types := _types(lines):
        yield _typed_draft(sample, text, lines, types)
        return
    for has_header in (True, False):
        spans = _spans(lines[has_header:])
        rows = [[line[start:end].strip(" ") for start, end in spans] for line in lines]
        is_told = not has_header or (bool(header_size(rows)) and _fits(lines[0], spans))
        if len(spans) > 1 and is_told:
            yield _draft(sample, text, lines, rows, spans, has_header)


def _draft(
    sample: Sample,
    text: Text,
    body: Sequence[str],
    rows: Sequence[Sequence[str]],
    spans: Sequence[tuple[int, int]],
    has_header: bool,
) -> Draft:
    given = rows[0] if has_header else [""] * len(spans)
    named = names.distinct(given)
    cells = columns_of(rows[has_header:])
    notation = find_notation(cells)
    lengths = Counter(len(line) for line in body[has_header:])
    options: dict[str, object] = {
        "columns": {name: (start + 1, end) for name, (start, end) in zip(named, spans, strict=True)}
    }
    if max(lengths) != spans[-1][1] or len(lengths) > 1:
        options |= {"length": max(max(lengths), spans[-1][1])}
    if len(lengths) > 1:
        options |= {"trimmed": True}
    nulls = notation.nulls
    options |= {} if nulls == ("",) else {"null": nulls[0] if len(nulls) == 1 else list(nulls)}
    options |= {"header_lines": 1} if has_header else {}
    given_marks = {
        "decimal": (notation.decimal, "."),
        "thousands": (notation.thousands, ""),
        "date_format": (notation.date_format, ""),
        "timestamp_format": (notation.timestamp_format, ""),
        "two_digit_years_until": (notation.two_digit_years_until, None),
        "encoding": (text.encoding or "utf-8", "utf-8"),
    }
    options |= {name: value for name, (value, default) in given_marks.items() if value != default}
    return Draft(
        path=sample.path,
        columns=tuple(
            column(name, below, notation, is_first=at == 0)
            for at, (name, below) in enumerate(zip(named, cells, strict=True))
        ),
        format="FixedWidth",
        options=options,
        records=len(rows) - has_header,
        is_whole=sample.is_whole,
        oddities=tuple(of_text(sample)),
        notes=(*text.notes, *notation.notes, *([] if has_header else ["No header was found: name the columns."])),
    )


def _types(lines: Sequence[str]) -> tuple[str, str, str] | None:
    """Return the types of the first line, of the records and of the last line, by how lines begin."""
    for size in (3, 2, 4, 1):
        first, last = lines[0][:size], lines[-1][:size]
        kinds = {line[:size] for line in lines[1:-1]}
        if len(lines) > _LEAST_LINES and len(kinds) == 1 and len({first, last, *kinds}) == 3:
            (record,) = kinds
            if all(kind.isalnum() and kind.isupper() for kind in (first, record, last)):
                return first, record, last
    return None


def _typed_draft(sample: Sample, text: Text, lines: Sequence[str], types: tuple[str, str, str]) -> Draft:
    """Return the draft of lines of several types, the last of which may count the records."""
    first, record, last = types
    records = [line[len(record) :] for line in lines[1:-1]]
    spans = [(start + len(record), end + len(record)) for start, end in _spans(records)]
    rows = [[line[start:end].strip(" ") for start, end in spans] for line in lines[1:-1]]
    draft = _draft(sample, text, lines[1:-1], rows, spans, False)
    options = {**draft.options, "record_type": (1, len(record)), "record": record}
    counts = [match for match in re.finditer(r"\d+", lines[-1]) if int(match[0]) == len(records)]
    if counts:
        options |= {"ignored": [first], "trailer": (last, (counts[0].start() + 1, counts[0].end()))}
    else:
        options |= {"ignored": [first, last]}
    return replace(draft, options=options)


def _spans(lines: Sequence[str]) -> list[tuple[int, int]]:
    """Return where the columns are: between the blanks that all lines have in common, up to the next column."""
    width = max(map(len, lines), default=0)
    taken = [False] * width
    for line in lines:
        for at, char in enumerate(line):
            if char != " ":
                taken[at] = True
    starts = [at for at in range(width) if taken[at] and (at == 0 or not taken[at - 1])]
    if not starts:
        return []
    begins = [0]
    for before, start in pairwise(starts):
        last = max(at for at in range(before, start) if taken[at]) + 1
        # numbers stand to the right of their column, and the blanks before them are its own
        is_left = all(line[start : start + 1].strip() for line in lines if line[start:].strip())
        begins.append(start if is_left else last)
    return list(zip(begins, [*begins[1:], width], strict=True))


def _fits(line: str, spans: Sequence[tuple[int, int]]) -> bool:
    """Return whether a header's words lie within the columns."""
    padded = line.ljust(spans[-1][1])
    if any("  " in padded[start:end].strip() for start, end in spans):
        return False
    return all(end >= len(padded) or padded[end - 1] == " " or padded[end] == " " for _, end in spans)
